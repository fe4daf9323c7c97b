"""Sweeps: complete, resumable, repeatable to the byte, and never over another study's run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dse import sweep as sweep_module
from dse.config import Study
from dse.errors import InputError
from dse.points import SCHEMA
from dse.space import SPACE_AXES, SPAD_AXES
from dse.sweep import Progress, sweep
from tests.studies import quiet, study_of

CONFIG = """
schema: 1
name: tiny
workloads: [resnet20-cifar10, fsrcnn-x2]
space:
  pe_type: [int16, lightpe1]
  rows: [8, 12]
  cols: [14, 16]
  filter_spad_words: [112, 224]
  glb_kib: [64, 108]
  dram_gb_s: [1, 8]
  clock_mhz: [max, 150]
objectives: [perf_per_area, energy]
"""
SMALL = CONFIG.replace(", fsrcnn-x2", "")
MIXED = SMALL.replace("  rows", "  dataflow: [weight_stationary, row_stationary]\n  rows")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_of(tmp_path, CONFIG)


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "points.parquet").read_bytes()).hexdigest()


def sweep_interrupted(study: Study, out: Path) -> None:
    """A sweep that ends after at least 64 designs."""

    def killed(progress: Progress) -> None:
        if progress.done >= 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(study, out, 1, False, killed)


def test_a_sweep_writes_one_row_per_design_and_workload_in_order(study: Study, tmp_path: Path) -> None:
    summary = sweep(study, tmp_path / "run", 1, False, quiet)
    table = pq.read_table(summary.path / "points.parquet")
    assert table.schema.names == SCHEMA.names
    assert table.num_rows == summary.points == summary.designs * 2 == study.space.size * 2
    meta = json.loads((summary.path / "run.json").read_text())
    assert meta["config_sha256"] == study.sha256
    assert set(meta["pe_models"]) == {"int16", "lightpe1"}
    assert sorted(set(table["design_id"].to_pylist())) == list(range(study.space.size))
    assert not (summary.path / "parts").exists()


def test_same_config_same_bytes_whatever_the_number_of_jobs_or_blocks(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "BLOCK_DESIGNS", 32)
    one = sweep(study, tmp_path / "one", 1, False, quiet).path
    two = sweep(study, tmp_path / "two", 2, False, quiet).path
    assert digest(one) == digest(two)


@pytest.mark.parametrize("text", [CONFIG, MIXED])
def test_a_killed_sweep_resumes_and_ends_with_the_same_bytes(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path, text)
    monkeypatch.setattr(sweep_module, "BLOCK_DESIGNS", 16)
    unbroken = sweep(study, tmp_path / "unbroken", 1, False, quiet).path

    sweep_interrupted(study, tmp_path / "broken")
    done = list((tmp_path / "broken" / "parts").glob("*.part"))
    assert 0 < len(done) < study.space.size / 16
    assert not (tmp_path / "broken" / "run.json").exists()
    (tmp_path / "broken" / "parts" / "000007.part.partial").write_bytes(b"torn")
    times = {path: path.stat().st_mtime_ns for path in done}
    counted: list[int] = []
    resumed = sweep(study, tmp_path / "broken", 1, False, lambda p: counted.append(p.done))
    assert resumed.resumed
    assert counted[0] == 16 * len(times)
    assert digest(resumed.path) == digest(unbroken)


def test_a_torn_part_is_evaluated_again(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "BLOCK_DESIGNS", 16)
    unbroken = sweep(study, tmp_path / "unbroken", 1, False, quiet).path

    sweep_interrupted(study, tmp_path / "broken")
    torn, emptied = sorted((tmp_path / "broken" / "parts").glob("*.part"))[:2]
    torn.write_bytes(torn.read_bytes()[:1000])
    emptied.write_bytes(b"")
    assert digest(sweep(study, tmp_path / "broken", 1, False, quiet).path) == digest(unbroken)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:1000])])
def test_a_run_whose_points_are_missing_or_torn_is_computed_again(
    harm: Callable[[Path], object], study: Study, tmp_path: Path
) -> None:
    run = sweep(study, tmp_path / "run", 1, False, quiet).path
    before = digest(run)
    harm(run / "points.parquet")
    assert digest(sweep(study, run, 1, False, quiet).path) == before


def test_a_torn_run_json_is_refused_with_advice(study: Study, tmp_path: Path) -> None:
    run = sweep(study, tmp_path / "run", 1, False, quiet).path
    (run / "run.json").write_text('{"name"')
    with pytest.raises(InputError, match="--fresh"):
        sweep(study, run, 1, False, quiet)
    assert sweep(study, run, 1, True, quiet).points == 2 * study.space.size


@pytest.mark.parametrize("fresh", [False, True])
def test_files_of_others_under_parts_are_never_removed(fresh: bool, study: Study, tmp_path: Path) -> None:
    mine = tmp_path / "parts" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("keep me")
    with pytest.raises(InputError, match="no sweep wrote"):
        sweep(study, tmp_path, 1, fresh, quiet)
    assert mine.read_text() == "keep me"


def test_a_finished_run_is_not_computed_again_unless_asked(study: Study, tmp_path: Path) -> None:
    first = sweep(study, tmp_path / "run", 1, False, quiet)
    stamp = (first.path / "points.parquet").stat().st_mtime_ns
    again = sweep(study, tmp_path / "run", 1, False, quiet)
    assert (again.designs, again.points, again.feasible) == (first.designs, first.points, first.feasible)
    assert (first.path / "points.parquet").stat().st_mtime_ns == stamp
    sweep(study, tmp_path / "run", 1, True, quiet)
    assert (first.path / "points.parquet").stat().st_mtime_ns > stamp


def test_a_run_of_another_config_is_never_overwritten(study: Study, tmp_path: Path) -> None:
    sweep(study, tmp_path / "run", 1, False, quiet)
    before = digest(tmp_path / "run")
    other = study_of(tmp_path, CONFIG.replace("[1, 8]", "[1, 9]"))
    with pytest.raises(InputError, match="holds a run of another config"):
        sweep(other, tmp_path / "run", 1, False, quiet)
    assert digest(tmp_path / "run") == before
    shutil.rmtree(tmp_path / "run" / "parts", ignore_errors=True)


def test_designs_of_several_dataflows_have_spads_where_they_apply_and_are_there_once(tmp_path: Path) -> None:
    study = study_of(tmp_path, MIXED)
    counted: list[Progress] = []
    summary = sweep(study, tmp_path / "run", 1, False, counted.append)
    rows = pq.read_table(summary.path / "points.parquet").to_pylist()
    assert {progress.total for progress in counted} == {summary.designs} == {study.space.size} == {2 * (64 + 32)}
    for row in rows:
        spads = {row[name] for name in SPAD_AXES}
        assert spads == {None} if row["dataflow"] == "weight_stationary" else None not in spads
    axes = [*(name for name in SPACE_AXES if name != "clock_mhz"), "clock_setting"]
    assert len({tuple(row[name] for name in axes) for row in rows}) == len(rows) == study.space.size
    assert set(json.loads((summary.path / "run.json").read_text())["pe_models"]) == {
        "int16", "int16 weight_stationary", "lightpe1", "lightpe1 weight_stationary"
    }  # fmt: skip


def test_a_design_has_the_same_results_alone_and_among_other_dataflows(tmp_path: Path) -> None:
    def points(text: str, name: str) -> list[dict[str, object]]:
        run = sweep(study_of(tmp_path, text), tmp_path / name, 1, False, quiet).path
        rows = pq.read_table(run / "points.parquet").drop_columns(["design_id"]).to_pylist()
        return sorted(rows, key=repr)

    single = "  dataflow: weight_stationary\n  rows"
    systolic = SMALL.replace("  rows", single).replace("  filter_spad_words: [112, 224]\n", "")
    assert points(MIXED, "both") == sorted(points(SMALL, "one") + points(systolic, "other"), key=repr)


def test_a_sweep_of_one_dataflow_is_not_resumed_with_another(study: Study, tmp_path: Path) -> None:
    other = CONFIG.replace("  rows", "  dataflow: output_stationary\n  rows").replace(
        "  filter_spad_words: [112, 224]\n", ""
    )
    out = tmp_path / "run"
    sweep_interrupted(study, out)
    parts = sorted((out / "parts").glob("*.part"))
    for text in (MIXED, other, MIXED.replace("weight", "input")):
        with pytest.raises(InputError, match="holds a run of another config"):
            sweep(study_of(tmp_path, text), out, 1, False, quiet)
    assert sorted((out / "parts").glob("*.part")) == parts


def test_a_sample_sweeps_only_its_designs_and_gives_the_grid_rows(study: Study, tmp_path: Path) -> None:
    sampled = study_of(tmp_path, CONFIG + "sample: {method: random, n: 9, seed: 3}\n")
    run = sweep(sampled, tmp_path / "sample", 1, False, quiet).path
    grid = sweep(study, tmp_path / "grid", 1, False, quiet).path
    rows = pq.read_table(run / "points.parquet").to_pylist()
    assert len({row["design_id"] for row in rows}) == 9
    wanted = {(row["design_id"], row["workload"]): row for row in pq.read_table(grid / "points.parquet").to_pylist()}
    assert all(row == wanted[row["design_id"], row["workload"]] for row in rows)
