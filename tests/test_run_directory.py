"""The files of a run: whole or absent whatever happens, never two writers, and every failure one clear message."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dse import sweep as sweep_module
from dse.block_points import block_points
from dse.config import Study
from dse.errors import InputError, RunError
from dse.run_directory import RunDirectory, written
from dse.space import Block
from dse.sweep import Progress, sweep
from tests.studies import points, quiet, study_of

CONFIG = """
schema: 1
name: tiny
workloads: [resnet20-cifar10]
space:
  pe_type: [int16]
  rows: [8, 12]
  cols: [14, 16]
  glb_kib: [64, 108]
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Eight designs in two blocks, each of which is evaluated once in a test."""
    evaluated: dict[bytes, Any] = {}

    def remembered(study: Study, block: Block) -> Any:
        key = study.sha256.encode() + block.design_ids.tobytes()
        if key not in evaluated:
            evaluated[key] = block_points(study, block)
        return evaluated[key]

    monkeypatch.setattr(sweep_module, "BLOCK_DESIGNS", 4)
    monkeypatch.setattr(sweep_module, "block_points", remembered)
    return study_of(tmp_path, CONFIG)


def interrupted(study: Study, out: Path, designs: int) -> list[Path]:
    """A sweep that ends after so many designs; returns its parts."""

    def stop(progress: Progress) -> None:
        if progress.done >= designs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(study, out, 1, False, stop)
    return sorted((out / "parts").glob("*.part"))


# Whole or absent.


class KilledError(BaseException):
    """Passes every `except Exception`, as a kill does."""


STEPS = ((os, "replace"), (os, "fsync"), (Path, "unlink"), (Path, "rmdir"), (Path, "mkdir"))


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[None]:
    """Until the next(), the step of that number of all that change a directory is the last one that is not made."""
    left = [step]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            if left[0] == 0:
                raise KilledError
            left[0] -= 1
            return function(*args, **options)

        return called

    with monkeypatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield


@pytest.mark.parametrize("before", ["nothing", "the same run", "a run of another config", "half of the run"])
def test_killed_at_any_step_it_resumes_and_ends_with_the_same_bytes(
    before: str, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = points(sweep(study, tmp_path / "unbroken", 1, False, quiet).path)
    other = study_of(tmp_path, CONFIG.replace("[64, 108]", "[64, 128]"))
    start = tmp_path / "start"
    start.mkdir()
    if before == "half of the run":
        interrupted(study, start, 4)
    elif before != "nothing":
        sweep(other if "another" in before else study, start, 1, False, quiet)
    for step in range(200):
        out = shutil.copytree(start, tmp_path / f"{step}")
        try:
            for _ in kill_at(monkeypatch, step):
                sweep(study, out, 1, before != "nothing", quiet)
            break
        except KilledError:
            pass
        try:
            sweep(study, out, 1, False, quiet)
        except InputError:  # the other run had an owner still: not ours to overwrite unasked
            assert before == "a run of another config"
            sweep(study, out, 1, True, quiet)
        assert points(out) == expected, step
        assert sorted(path.name for path in out.iterdir()) == [".lock", "points.parquet", "run.json"]
    assert 15 < step < 199


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_anything_else(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        events.append(("sync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        events.append(("file", source.stat().st_ino))
        events.append(("directory", target.parent.stat().st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    sweep(study, tmp_path / "run", 1, False, quiet)
    assert len(events) == 4 * (1 + 2 + 1 + 1)  # plan, parts, points, run.json
    for sync, file, directory, last in zip(*(events[place::4] for place in range(4)), strict=True):
        assert (sync[0], file[0], directory[0], last[0]) == ("sync", "file", "directory", "sync")
        assert sync[1] == file[1]
        assert directory[1] == last[1]


@pytest.mark.parametrize("place", [0, 31, 32, 40, 0.5, -9, -1])
def test_a_flipped_byte_anywhere_in_a_part_is_found_told_once_and_mended(
    place: float, study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = points(sweep(study, tmp_path / "unbroken", 1, False, quiet).path)
    part = interrupted(study, tmp_path / "run", 8)[1]
    data = bytearray(part.read_bytes())
    data[place if isinstance(place, int) else int(place * len(data))] ^= 4
    part.write_bytes(data)
    capsys.readouterr()
    first: list[int] = []
    sweep(study, tmp_path / "run", 1, False, lambda progress: first.append(progress.done))
    assert first[0] == 4
    assert capsys.readouterr().err == f"{part.parent}: damaged, evaluated again: 000001\n"
    assert points(tmp_path / "run") == expected


def test_a_part_damaged_after_it_was_written_is_mended_too(study: Study, tmp_path: Path) -> None:
    expected = points(sweep(study, tmp_path / "unbroken", 1, False, quiet).path)
    out = tmp_path / "run"

    harmed: list[int] = []

    def damage_once(progress: Progress) -> None:
        if progress.done == progress.total and not harmed:
            harmed.append(1)
            (out / "parts" / "000000.part").write_bytes(b"")

    sweep(study, out, 1, False, damage_once)
    assert points(out) == expected
    with pytest.raises(RunError, match="check the disk"):
        sweep(study, tmp_path / "bad disk", 1, False, lambda progress: progress.done < progress.total or [
            path.write_bytes(b"") for path in (tmp_path / "bad disk" / "parts").glob("*.part")])  # fmt: skip


def test_a_part_of_another_place_or_run_is_not_taken_for_this_one(study: Study, tmp_path: Path) -> None:
    ours = RunDirectory(tmp_path / "ours", {"config": "a"})
    theirs = RunDirectory(tmp_path / "theirs", {"config": "b"})
    for directory in (ours, theirs):
        with directory.locked():
            directory.begin()
            directory.write_part(0, b"payload")
    assert ours.read_part(0) == b"payload"
    (ours.parts / "000001.part").write_bytes((ours.parts / "000000.part").read_bytes())
    assert ours.read_part(1) is None
    (ours.parts / "000000.part").write_bytes((theirs.parts / "000000.part").read_bytes())
    assert ours.read_part(0) is None


def test_points_carry_checksums(study: Study, tmp_path: Path) -> None:
    path = sweep(study, tmp_path / "run", 1, False, quiet).path / "points.parquet"
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data[(column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


@pytest.mark.parametrize("torn", ["", '{"version"', "[]", "\x00\x00"])
@pytest.mark.parametrize("name", ["run.json", "parts/plan.json"])
def test_a_damaged_run_json_or_plan_is_refused_and_replaced_on_demand(
    name: str, torn: str, study: Study, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    if name == "run.json":
        sweep(study, out, 1, False, quiet)
    else:
        interrupted(study, out, 4)
    (out / name).write_text(torn)
    with pytest.raises(InputError, match=r"is damaged .*--fresh"):
        sweep(study, out, 1, False, quiet)
    assert sweep(study, out, 1, True, quiet).points == 8


def test_what_fails_while_a_file_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fill_up() -> None:
        with written(path) as file:
            file.write(b"new")
            raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=r"file cannot be written \(No space left on device\)"):
        fill_up()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


# One writer.


def test_a_second_sweep_in_one_directory_is_refused(study: Study, tmp_path: Path) -> None:
    def second(progress: Progress) -> None:
        for fresh in (False, True):
            with pytest.raises(RunError, match="another `dse sweep` is working in this directory"):
                sweep(study, tmp_path / "run", 1, fresh, quiet)

    first = sweep(study, tmp_path / "run", 1, False, second)
    assert points(first.path)
