"""Runs that keep exact fronts, or the best points, instead of every point: the same rows however they are found."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dse import sweep as sweep_module
from dse.config import Study, load_study
from dse.errors import InputError, RunError
from dse.kept import Kept, Tally
from dse.points import SCHEMA
from dse.report.fronts import pareto
from dse.report.run import open_run
from dse.sweep import Progress, block_designs, sweep
from tests.kept_studies import CONFIG, LIMITS, PAIR, SAMPLES, THREE, Memo, digest, expected, rows_of, study_of, swept
from tests.studies import quiet
from tests.test_run_directory import KilledError, kill_at

LONG = [PAIR, THREE + LIMITS.replace("1.1", "0.9")]
STUDIES = [
    PAIR + LIMITS, THREE, *(PAIR + s for s in SAMPLES), *(pytest.param(s, marks=pytest.mark.slow) for s in LONG)
]  # fmt: skip


# The same rows, however they are found.


@pytest.mark.parametrize("extra", STUDIES)
def test_kept_fronts_are_the_fronts_of_all_points_pruned_or_not(
    extra: str, all_rows: Memo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path, extra + "keep: front\n")
    pruned = swept(study, tmp_path / "pruned")
    monkeypatch.setattr(sweep_module, "BLOCK_DESIGNS", 40)
    evaluated = swept(study, tmp_path / "evaluated", prune=False)
    front = expected(study, all_rows(extra))
    assert rows_of(evaluated.path) == front
    assert len(front) >= 4
    assert (tmp_path / "pruned/points.parquet").read_bytes() == (tmp_path / "evaluated/points.parquet").read_bytes()
    assert (pruned.pruned, evaluated.pruned) == (True, False)
    assert pruned.points == evaluated.points == len(front)
    assert pruned.designs == evaluated.designs == len({row["design_id"] for row in all_rows(extra)})
    assert evaluated.feasible == sum(row["feasible"] for row in all_rows(extra))


@pytest.mark.parametrize(("count", "extra"), [(1, PAIR), (7, THREE + LIMITS), (7, PAIR + SAMPLES[0]), (1000, PAIR)])
def test_the_best_points_are_the_first_of_all_by_the_first_objective(
    count: int, extra: str, all_rows: Memo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "BLOCK_DESIGNS", 40)
    study = study_of(tmp_path, extra + f"keep: {{top: {count}}}\n")
    summary = swept(study, tmp_path / "run")
    assert rows_of(summary.path) == expected(study, all_rows(extra))
    assert not summary.pruned


@pytest.mark.parametrize("extra", ["", SAMPLES[0]])
def test_pruning_in_smaller_regions_ends_with_the_same_bytes(
    extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path, PAIR + extra + "keep: front\n")
    one = swept(study, tmp_path / "one").path
    monkeypatch.setattr(sweep_module, "REGION_PRICES", 6)
    assert len(interrupted(study, tmp_path / "two", 50, True)) > 1
    two = swept(study, tmp_path / "two")
    assert two.pruned
    assert digest(two.path) == digest(one)


def test_a_sparse_sample_is_evaluated(tmp_path: Path) -> None:
    wide = CONFIG.replace("rows: [4, 8]", "rows: {start: 4, stop: 100, step: 1}")
    sparse = study_of(tmp_path, PAIR + "keep: front\nsample: {method: random, n: 20, seed: 1}\n", wide)
    assert not swept(sparse, tmp_path / "run").pruned


@pytest.mark.slow
@pytest.mark.parametrize("prune", [True, False])
def test_other_processes_and_other_blocks_end_with_the_same_bytes(
    prune: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path, PAIR + "keep: front\n")
    one = swept(study, tmp_path / "one", 1, prune).path
    monkeypatch.setattr(sweep_module, "BLOCK_DESIGNS", 24)
    assert digest(swept(study, tmp_path / "two", 2, prune).path) == digest(one)


def test_workers_of_a_cluster_end_with_the_same_bytes(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
    study = study_of(tmp_path, PAIR + "keep: front\n")
    options = {
        "n_workers": 1,
        "threads_per_worker": 1,
        "processes": False,
        "protocol": "tcp",
        "dashboard_address": None,
    }
    with distributed.LocalCluster(**options) as workers:
        summary = sweep(study, tmp_path / "far", 1, False, quiet, workers.scheduler_address)
    assert summary.pruned
    assert digest(summary.path) == digest(swept(study, tmp_path / "here").path)


def test_without_bounds_every_design_is_evaluated_and_it_says_so(all_rows: Memo, tmp_path: Path) -> None:
    extra = "objectives: [power, utilization]\n"
    study = study_of(tmp_path, extra + "keep: front\n")
    said: list[str] = []
    summary = sweep(study, tmp_path / "run", 1, False, quiet, say=said.append)
    assert not summary.pruned
    assert said == ["every design is evaluated: this study has no bounds to leave out designs by; see docs/scale.md"]
    assert rows_of(summary.path) == expected(study, all_rows(extra))


# Killed and resumed.


def interrupted(study: Study, out: Path, designs: int, prune: bool) -> list[Path]:
    """A sweep that ends after so many designs; returns its parts."""

    def stop(progress: Progress) -> None:
        if progress.done >= designs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(study, out, 1, False, stop, prune=prune)
    return sorted((out / "parts").glob("*.part"))


@pytest.mark.parametrize("prune", [True, False])
def test_a_killed_sweep_of_fronts_resumes_and_ends_with_the_same_bytes(
    prune: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweep_module, "BLOCK_DESIGNS", 32)
    study = study_of(tmp_path, PAIR + "keep: front\n")
    unbroken = swept(study, tmp_path / "unbroken", 1, prune).path
    parts = interrupted(study, tmp_path / "run", 100, prune)
    assert 2 <= len(parts) < (4 if prune else study.space.size / 32)
    parts[0].write_bytes(parts[0].read_bytes()[:-1])
    done: list[Progress] = []
    resumed = sweep(study, tmp_path / "run", 1, False, done.append, prune=prune)
    assert resumed.resumed
    assert 0 < done[0].done < done[-1].done == done[-1].total == study.space.size
    assert f"damaged, evaluated again: {parts[0].stem}\n" in capsys.readouterr().err
    assert digest(resumed.path) == digest(unbroken)
    assert sorted(path.name for path in resumed.path.iterdir()) == [".lock", "points.parquet", "run.json"]


def test_parts_of_grids_and_of_blocks_are_not_mixed(tmp_path: Path) -> None:
    study = study_of(tmp_path, PAIR + "keep: front\n")
    parts = interrupted(study, tmp_path / "run", 1, True)
    with pytest.raises(InputError, match="half a run in parts of another kind: with or without --no-prune"):
        swept(study, tmp_path / "run", prune=False)
    assert sorted((tmp_path / "run" / "parts").glob("*.part")) == parts
    whole = swept(study, tmp_path / "run")
    again = swept(study, tmp_path / "run", prune=False)  # finished: the same points
    assert (again.points, again.pruned) == (whole.points, True)


def test_a_run_of_another_keep_is_refused(tmp_path: Path) -> None:
    keeps = ["all", "front", "{top: 3}"]
    for keep in keeps:
        swept(study_of(tmp_path, f"keep: {keep}\n"), tmp_path / keep)
        for other in keeps:
            study = study_of(tmp_path, f"keep: {other}\n")
            if other == keep:
                swept(study, tmp_path / keep)
                continue
            with pytest.raises(InputError, match=r"holds a run of another config, accuracies .*, `keep`, version"):
                swept(study, tmp_path / keep)


def test_a_study_in_which_nothing_is_feasible_keeps_nothing_and_is_finished(tmp_path: Path) -> None:
    study = study_of(tmp_path, "keep: front\nconstraints: {area: {max: 0.001}}\n")
    for prune in (True, False):
        summary = swept(study, tmp_path / f"{prune}", prune=prune)
        assert (summary.points, pq.read_table(summary.path / "points.parquet").schema.names) == (0, SCHEMA.names)
    stamp = (summary.path / "points.parquet").stat().st_mtime_ns
    assert swept(study, summary.path, prune=False).points == 0
    assert (summary.path / "points.parquet").stat().st_mtime_ns == stamp
    (summary.path / "points.parquet").unlink()
    swept(study, summary.path, prune=False)
    assert (summary.path / "points.parquet").exists()
    with pytest.raises(RunError, match="keeps no point: none of its 192 designs is feasible within the constraints"):
        pareto(open_run(summary.path), [])


# What is kept, and how much of it.


@pytest.mark.parametrize(
    ("rows", "keep"), [(250, "all"), (251, "front")]
)  # 2 PE types x 4000 values x 250 rows: 2,000,000 points
def test_auto_keeps_all_of_two_million_points_and_the_fronts_of_more(rows: int, keep: str, tmp_path: Path) -> None:
    axes = f"space: {{pe_type: [int16, int8], rows: {{start: 1, stop: {rows}, step: 1}}, "
    axes += "glb_kib: {start: 64, stop: 4063, step: 1}}\n"
    text = f"schema: 1\nname: large\nworkloads: [resnet20-cifar10]\n{axes}"
    (tmp_path / "large.yaml").write_text(text)
    study = load_study(tmp_path / "large.yaml")
    assert (study.keep.what, study.keep.auto) == (keep, True)
    (tmp_path / "large.yaml").write_text(text + "sample: {method: random, n: 1000}\n")
    assert load_study(tmp_path / "large.yaml").keep.what == "all"
    (tmp_path / "large.yaml").write_text(text.replace("cifar10]", "cifar10, vgg16]"))
    assert load_study(tmp_path / "large.yaml").keep.what == "front"


def test_what_auto_chose_is_the_same_run_as_when_it_is_asked_for(tmp_path: Path) -> None:
    summary = swept(study_of(tmp_path, ""), tmp_path / "run")
    stamp = (summary.path / "points.parquet").stat().st_mtime_ns
    assert swept(study_of(tmp_path, "keep: all\n"), summary.path).points == summary.points
    assert (summary.path / "points.parquet").stat().st_mtime_ns == stamp
    assert json.loads((summary.path / "run.json").read_text())["keep"] == "all"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("best", r"keep: must be `auto`, `all`, `front` or `{top: N}`, got 'best' \(`{top: 100}` keeps .*\)"),
        ("frnt", r"keep: must be `auto`, `all`, `front` or `{top: N}`, got 'frnt' \(did you mean `front`\?\)"),
        ("3", r"keep: must be `auto`, `all`, `front` or `{top: N}`, got 3 \(.*\)"),
        ("{top: 0}", r"keep.top: must be from 1 to 100,000, got 0 \(`{top: 100}` keeps .*\)"),
        ("{top: 100001}", r"keep.top: must be from 1 to 100,000, got 100001 \(.*\)"),
        ("{top: 5, of: energy}", r"keep.of: unknown key \(known: top\)"),
    ],
)
def test_a_bad_value_is_one_message_with_a_hint(value: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^\S+config.yaml:\d+: {problem}$"):
        study_of(tmp_path, f"keep: {value}\n")


def test_memory_is_that_of_what_is_kept_whatever_the_number_of_parts(tmp_path: Path) -> None:
    study = study_of(tmp_path, PAIR + "keep: {top: 5}\n")
    points = pq.read_table(swept(study_of(tmp_path, PAIR + "keep: all\n"), tmp_path / "run").path / "points.parquet")
    kept = Kept(study)
    for _ in range(30):  # the same designs again and again: always new rows
        kept = kept.plus(points, Tally(study.space.size))
        assert kept.rows == 5 * len(study.workloads) * len(study.space.pe_type)
    assert kept.tally.designs == 30 * study.space.size


def test_blocks_depend_on_the_study_alone_and_a_small_study_has_several(tmp_path: Path) -> None:
    def block_of(designs: int) -> int:
        axes = f"space: {{glb_kib: {{start: 100, stop: {99 + designs // 100}, step: 1}}, "
        axes += "rows: {start: 1, stop: 100, step: 1}}\n"
        return block_designs(study_of(tmp_path, "", f"schema: 1\nname: x\nworkloads: [net.csv]\n{axes}"))

    assert [block_of(n) for n in (100, 65_536, 128_000, 900_000)] == [1024, 1024, 2000, 14_062]
    assert block_of(1_000_000) == 15_625
    study = study_of(tmp_path, "sample: {method: random, n: 100}\n")
    assert block_designs(study) == 1024


@pytest.mark.slow
@pytest.mark.parametrize("prune", [True, False])
def test_killed_at_any_step_it_resumes_and_ends_with_the_same_bytes(
    prune: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path, PAIR + "keep: front\n")
    unbroken = digest(swept(study, tmp_path / "unbroken", 1, prune).path)
    for step in range(200):
        out = tmp_path / f"{step}"
        try:
            for _ in kill_at(monkeypatch, step):
                swept(study, out, 1, prune)
            break
        except KilledError:
            assert digest(swept(study, out, 1, prune).path) == unbroken
            assert sorted(path.name for path in out.iterdir()) == [".lock", "points.parquet", "run.json"]
    assert 20 < step < 199
