"""Sweeps: every design of a study on every workload, or what is worth keeping of them, in `points.parquet`.

The designs are cut into pieces; an executor turns them into tables, wherever that is, and this process alone writes
them into the run directory. A killed sweep resumes at the pieces that are missing and ends with the same bytes. Where
all points are kept the tables are joined; else `dse.kept` holds what is kept of those that are there, so that memory
does not grow with the space.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import dse
from dse.block_points import block_points, failed_points
from dse.config import Study
from dse.errors import RunError
from dse.executors import Executor, in_processes, in_this_process
from dse.kept import Kept, piece_part, pruned_part
from dse.payload import Counts, count, decode
from dse.points import SCHEMA
from dse.provenance import pe_hashes
from dse.run_directory import RunDirectory, written
from dse.selection import Selection

BLOCK_DESIGNS = 16_384  # evaluated at once, at most
LEAST_BLOCK = 1024  # fewer make evaluation slow; a study of fewer blocks than BLOCKS has smaller ones down to this
BLOCKS = 64
PARTS = 512  # of a space of which little is kept, about: a part has as many blocks as that takes
REGION_PRICES = 3 << 23  # of designs pruned at once, at most: some have one for each but for its DRAM bandwidth
SPARSE = 100  # designs of the space for each in the sample from which on bounds of boxes decide too few
MAX_ROUNDS = 3  # of evaluating parts again that were damaged after they were written


@dataclass(frozen=True)
class Progress:
    """How far a sweep is, in designs, or a search, in evaluations (`what`).

    `feasible` is the share of feasible points so far, None where it is not known; `kept` the number of points that are
    kept so far, None where all are.
    """

    done: int
    total: int
    elapsed_s: float
    feasible: float | None = None
    kept: int | None = None
    what: str = "designs"


@dataclass(frozen=True)
class RunSummary:
    """What a finished sweep left behind: rows of points, and how many designs they were found among.

    `feasible` and `failed` (infeasible because their evaluation raised an error) count points of all designs that were
    evaluated; `feasible` is None where some were decided without. `pruned`: they were.
    """

    path: Path
    designs: int
    points: int
    feasible: int | None
    wall_s: float
    resumed: bool
    failed: int = 0
    pruned: bool = False


def to_stderr(message: str) -> None:
    """Show a message of a sweep."""
    print(message, file=sys.stderr, flush=True)


def sweep(
    study: Study,
    out: Path,
    jobs: int,
    fresh: bool,
    progress: Callable[[Progress], None],
    scheduler: str | None = None,
    say: Callable[[str], None] = to_stderr,
    prune: bool = True,
) -> RunSummary:
    """Decide every design of the study on every workload, into the run directory `out`.

    In `jobs` processes, or by the workers of the Dask scheduler at the address `scheduler`. Without `prune` every
    design is evaluated, also where fronts alone are kept and bounds would do: the same points, later.
    Raises InputError when `out` holds a run of another configuration, version or PE library, RunError when another
    process is working in it, it cannot be written, or workers are lost for good.
    """
    start = time.monotonic()
    pruned = prune and study.keep.what == "front" and _can_prune(study, say)
    directory = RunDirectory(out, _identity(study), _cut(study, pruned))
    if not fresh and (found := directory.finished()) and not directory.parts.exists():
        return _summary(out, found)
    with _executor(study, jobs, scheduler, say) as execute, directory.locked():
        if fresh:
            directory.clear()
        elif found := directory.finished():
            directory.remove_parts()
            return _summary(out, found)
        directory.begin()
        selection = Selection.of(study)

        def tell(designs: int, feasible: float | None, kept: int | None = None) -> None:
            progress(Progress(designs, selection.designs, time.monotonic() - start, feasible, kept))

        resumed = directory.has_parts
        work = _Work(study, directory, selection, execute, jobs == 1 and scheduler is None, tell, say)
        numbers = work.keep_all() if study.keep.what == "all" else work.keep_best(pruned)
        wall_s = time.monotonic() - start
        directory.end({
            **numbers, "name": study.name, "config": study.resolved, "seed": study.sample.seed,
            "wall_s": round(wall_s, 2), "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        })  # fmt: skip
    return _summary(out, numbers, wall_s, resumed)


def _summary(out: Path, numbers: Mapping[str, Any], wall_s: float = 0.0, resumed: bool = True) -> RunSummary:
    """From what run.json says."""
    counts = (numbers["designs"], numbers["points"], numbers.get("feasible"))
    return RunSummary(out, *counts, wall_s, resumed, numbers.get("failed", 0), numbers.get("pruned", False))


def block_designs(study: Study) -> int:
    """Designs of a block at most: so that a small study, too, has blocks for all processes and shows progress."""
    return min(BLOCK_DESIGNS, max(LEAST_BLOCK, study.designs // BLOCKS))


def _identity(study: Study) -> dict[str, Any]:
    """What makes two runs the same run, to the byte."""
    identity = {
        "version": dse.__version__,
        "config_sha256": study.sha256,
        "pe_models": pe_hashes(study.space),
        "keep": study.keep.name,
    }
    return {**identity, "block_designs": block_designs(study)} if study.keep.what == "all" else identity


def _cut(study: Study, pruned: bool) -> dict[str, Any]:
    """What parts depend on besides; of all points the order depends on it, too, so there it is in the identity."""
    if study.keep.what == "all":
        return {}
    if pruned:
        return {"pruned_prices": REGION_PRICES}
    return {"part_designs": _part_designs(study), "block_designs": block_designs(study)}


def _part_designs(study: Study) -> int:
    return max(block_designs(study), study.designs // PARTS)


def _can_prune(study: Study, say: Callable[[str], None]) -> bool:
    from dse.pruned.search import can_prune

    if study.space.size > SPARSE * study.designs:
        return False
    if not (found := can_prune(study)):
        say("every design is evaluated: this study has no bounds to leave out designs by; see docs/scale.md")
    return found


def _executor(
    study: Study, jobs: int, scheduler: str | None, say: Callable[[str], None]
) -> AbstractContextManager[Executor]:
    if scheduler is not None:
        from dse.cluster import cluster

        return cluster(scheduler, study.space, say)
    return nullcontext(in_this_process if jobs == 1 else in_processes(jobs))


@dataclass(frozen=True)
class _Work:
    """A sweep under way; `alone`: the executor is this process."""

    study: Study
    directory: RunDirectory
    selection: Selection
    execute: Executor
    alone: bool
    tell: Callable[..., None]  # designs decided, share of feasible points, points kept
    say: Callable[[str], None]

    def keep_all(self) -> dict[str, int]:
        """Evaluate what is missing and join all, again where a part was damaged in between; for run.json."""
        workloads, total = len(self.study.workloads), self.selection.designs
        for _ in range(MAX_ROUNDS):
            whole = {number: count(payload) for number, payload in _whole_parts(self.directory, self.say)}
            counts = Counts.sum(whole.values())
            self.tell(counts.points // workloads, counts.share)
            blocks = self.selection.blocks(block_designs(self.study))
            missing = ((number, block) for number, block in enumerate(blocks) if number not in whole)
            with closing(self.execute(partial(block_points, self.study), missing)) as results:
                for number, payload in results:
                    self.directory.write_part(number, payload)
                    counts = counts.plus(count(payload))
                    self.tell(counts.points // workloads, counts.share)
            with suppress(_DamagedError):
                failed = _write(self.directory, _parts(self.directory, total * workloads))
                return {"designs": total, "points": counts.points, "feasible": counts.feasible, "failed": failed}
        raise RunError(f"{self.directory.parts}: finished parts are damaged time and again; check the disk")

    def keep_best(self, pruned: bool) -> dict[str, Any]:
        """Find what is kept of the pieces that are missing, and of all; for run.json."""
        kept, whole = Kept(self.study), set[int]()

        def report(designs: int = 0, rows: int = 0) -> None:
            tally = kept.tally
            points = tally.designs * len(self.study.workloads)
            share = None if tally.feasible is None or not points else tally.feasible / points
            self.tell(tally.designs + designs, share, kept.rows + rows)

        for number, payload in _whole_parts(self.directory, self.say):
            kept = kept.plus_part(decode(payload))
            whole.add(number)
        report()
        if pruned:
            pieces = self.selection.regions(REGION_PRICES * len(self.study.space.dram_gb_s))
            unit = partial(pruned_part, self.study, report if self.alone else None)
        else:
            pieces = self.selection.pieces(_part_designs(self.study))
            unit = partial(piece_part, self.study, block_designs(self.study))
        missing = ((number, piece) for number, piece in enumerate(pieces) if number not in whole)
        with closing(self.execute(unit, missing)) as results:
            for number, payload in results:
                self.directory.write_part(number, payload)
                kept = kept.plus_part(decode(payload))
                report()
        _write(self.directory, [kept.table()])
        return {**vars(kept.tally), "points": kept.rows, "pruned": pruned}


def _whole_parts(directory: RunDirectory, say: Callable[[str], None]) -> Iterator[tuple[int, bytes]]:
    """Number and payload of the whole parts; damaged ones are spoken of."""
    damaged = []
    for number in directory.part_numbers():
        payload = directory.read_part(number)
        if payload is None:
            damaged.append(f"{number:06d}")
        else:
            yield number, payload
    if damaged:
        names = ", ".join(damaged[:10]) + (", ..." if len(damaged) > 10 else "")
        say(f"{directory.parts}: damaged, evaluated again: {names}")


class _DamagedError(Exception):
    """A part is not, or no longer, what was written."""


def _parts(directory: RunDirectory, points: int) -> Iterator[pa.Table]:
    """The parts that hold so many points, in order. Raises _DamagedError."""
    number = 0
    while points > 0:
        payload = directory.read_part(number)
        if payload is None:
            raise _DamagedError
        table = decode(payload)
        number, points = number + 1, points - table.num_rows
        yield table


def _write(directory: RunDirectory, tables: Iterable[pa.Table]) -> int:
    """The tables, in order, as points.parquet; returns the number of failed points."""
    failed, identity = 0, json.dumps(directory.identity, sort_keys=True)
    with written(directory.points) as file:
        schema = SCHEMA.with_metadata({"dse": identity})
        with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
            for table in tables:
                writer.write_table(table.replace_schema_metadata(schema.metadata))
                failed += failed_points(table)
    return failed
