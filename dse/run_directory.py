"""The files of a run: whose they are, who may write them, and how they get there whole.

    .lock             held by the sweep that writes; the system frees it when that process ends, however it ends
    run.json          written last: a run directory with it and points.parquet is finished
    points.parquet    all points
    parts/plan.json   what makes two runs the same run, and how this one is cut; there from before the first part until
                      after the last
    parts/NNNNNN.part the payload of one block after its seal, a SHA-256 of plan, number and payload

Every file is written under another name (`.partial`), brought to the disk, and renamed; a directory is emptied in an
order that leaves it ours until the end. So whatever moment a process or the power fails at, a file is whole or absent.
The one writer is the process that holds the lock.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from dse.errors import InputError, Problem, RunError

META = "run.json"
POINTS = "points.parquet"
SEAL_BYTES = 32
_ADVICE = "choose another directory with -o, or replace it with --fresh"


@dataclass(frozen=True)
class RunDirectory:
    """A run directory and the identity (plain JSON) of the run that is to be in it.

    `cut` is what its parts depend on besides, and its points do not.
    """

    path: Path
    identity: Mapping[str, Any]
    cut: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> Path:
        """Where finished blocks wait for the end of the sweep."""
        return self.path / "parts"

    @property
    def plan(self) -> Path:
        """The file that makes `parts` ours."""
        return self.parts / "plan.json"

    @property
    def points(self) -> Path:
        """The file of all points."""
        return self.path / POINTS

    def finished(self) -> dict[str, Any] | None:
        """run.json of this very run if it is finished, else None; reads only.

        Raises InputError when the directory holds another run, or something that no sweep wrote.
        """
        for file in (self.path / META, self.plan):
            if file.exists():
                found = _read_object(file)
                if found is None:
                    raise InputError(Problem(str(file), "is damaged", hint=_ADVICE))
                if any(found.get(key) != value for key, value in self.identity.items()):
                    rule = "holds a run of another config, accuracies of its networks, `keep`, version or PE library"
                    raise InputError(Problem(str(self.path), rule, hint=_ADVICE))
                if file == self.plan and any(found.get(key) != value for key, value in self.cut.items()):
                    rule = "holds half a run in parts of another kind: with or without --no-prune"
                    raise InputError(Problem(str(self.path), rule, hint=_ADVICE))
                if file.name == META and found.get("points") == _rows(self.points):
                    return found
        self._check_parts()
        return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the directory and be its only writer. Raises RunError when another process is."""
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file; a run needs a directory")
        lock = FileLock(self.path / ".lock")
        with _named(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                rule = "another `dse sweep` is working in this directory"
                raise RunError(f"{self.path}: {rule}; wait for it, or choose another with -o") from None
        try:
            yield
        finally:
            lock.release()

    def clear(self) -> None:
        """Remove what a sweep writes, nothing else; run.json goes last, so that the rest has an owner until then."""
        self._check_parts()
        with _named(self.path):
            self.points.unlink(missing_ok=True)
            (self.path / "pareto.csv").unlink(missing_ok=True)
            self._remove_parts()
            (self.path / META).unlink(missing_ok=True)

    def begin(self) -> None:
        """Make `parts`, or clean it of what a dead process left half written."""
        with _named(self.parts):
            self.parts.mkdir(exist_ok=True)
            for folder in (self.path, self.parts):
                for name in (META, POINTS, "plan.json", "*.part"):
                    for partial in folder.glob(f"{name}.partial"):
                        partial.unlink()
        if not self.plan.exists():
            with written(self.plan) as file:
                file.write(self._plan_json)

    def end(self, meta: Mapping[str, Any]) -> None:
        """Write run.json: from here on the run is finished."""
        with written(self.path / META) as file:
            file.write(_json({**self.identity, **meta}))
        self.remove_parts()

    def remove_parts(self) -> None:
        """Remove what a finished run does not need."""
        with _named(self.parts):
            self._remove_parts()

    def part_numbers(self) -> list[int]:
        """Numbers of the blocks that have a part, whole or damaged."""
        return sorted(int(path.stem) for path in self.parts.glob("*.part") if path.stem.isdecimal())

    @property
    def has_parts(self) -> bool:
        """Whether there is any part, whole or damaged."""
        return bool(self.part_numbers())

    def write_part(self, number: int, payload: bytes) -> None:
        """Keep the payload of a block. Raises RunError when it cannot be written."""
        with written(self._part(number)) as file:
            file.write(self._seal(number, payload))
            file.write(payload)

    def read_part(self, number: int) -> bytes | None:
        """The payload of a block; None where its part is missing, or anything in it is not what was written."""
        try:
            data = self._part(number).read_bytes()
        except OSError:  # missing, or a disk that cannot read it
            return None
        seal, payload = data[:SEAL_BYTES], data[SEAL_BYTES:]
        return payload if seal == self._seal(number, payload) else None

    @property
    def _plan_json(self) -> bytes:
        return _json({**self.identity, **self.cut})

    def _part(self, number: int) -> Path:
        return self.parts / f"{number:06d}.part"

    def _seal(self, number: int, payload: bytes) -> bytes:
        seal = hashlib.sha256(self._plan_json + b"%d\n" % number)
        seal.update(payload)
        return seal.digest()

    def _check_parts(self) -> None:
        foreign = any(path.suffix != ".partial" for path in self.parts.glob("*"))
        if foreign and not self.plan.exists():
            rule = "holds files that no sweep wrote"  # and that the end of this one would remove
            raise InputError(Problem(str(self.parts), rule, hint="choose another directory with -o"))

    def _remove_parts(self) -> None:
        for pattern in ("*.part", "*.partial"):
            for path in self.parts.glob(pattern):
                path.unlink()
        self.plan.unlink(missing_ok=True)  # after what it makes ours
        with suppress(OSError):  # files of others stay, and their directory with them
            self.parts.rmdir()


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file to write `path` to: on the disk and in its place when the context ends, or not there at all.

    Raises RunError when it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    with _named(path):
        try:
            with open(partial, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
            _sync(path.parent)
        except OSError:
            with suppress(OSError):
                partial.unlink()  # room for what else the disk is needed for
            raise


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """System errors as one message that names the file and says that nothing is lost."""
    try:
        yield
    except OSError as error:
        why = f"{path} cannot be written ({error.strerror or error})"
        raise RunError(f"{why}; what is finished is kept: mend this and run the same command again") from error


def _sync(directory: Path) -> None:
    """Bring a rename to the disk."""
    if os.name == "posix":  # elsewhere directories cannot be opened
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def _read_object(path: Path) -> dict[str, Any] | None:
    """A JSON object, None where the file holds anything else."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _rows(path: Path) -> int:
    """Number of rows of a Parquet file, -1 where it is missing or torn."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except PermissionError:
        raise
    except (OSError, pa.ArrowException):
        return -1
