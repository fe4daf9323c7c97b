"""Runs that keep exact fronts, or the best points, instead of every point: the same rows however they are found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import cli
from dse import sweep as sweep_module
from dse.config import Study, load_study
from dse.errors import InputError, RunError
from dse.kept import Kept, Tally
from dse.metrics import METRICS
from dse.points import SCHEMA
from dse.report.fronts import pareto
from dse.report.run import open_run
from dse.report.usable import load_points
from dse.sweep import Progress, RunSummary, block_designs, sweep
from dse.terminal.outcome import intentions
from tests.studies import quiet
from tests.test_run_directory import KilledError, kill_at

LAYERS = """layer,kind,C,H,W,M,R,S,stride,padding,dilation,groups,count
one,conv,3,16,16,8,3,3,1,1,1,1,1
two,conv,8,16,16,{channels},3,3,2,1,1,1,2
"""
CONFIG = """
schema: 1
name: tiny
workloads: [net.csv]
space:
  pe_type: [int16, lightpe1]
  dataflow: [weight_stationary, row_stationary]
  rows: [4, 8]
  cols: [4, 8]
  filter_spad_words: [64, 112]
  glb_kib: [16, 64]
  dram_gb_s: [1, 8]
  clock_mhz: [max, 150]
"""
PAIR = "objectives: [perf_per_area, energy]\n"
THREE = "objectives: [latency, energy, area]\n"
LIMITS = "constraints: {area: {max: 1.1}, perf_per_area: {min: 2000}}\n"
SAMPLES = ["sample: {method: random, n: 57, seed: 3}\n", "sample: {method: lhs, n: 40, seed: 1}\n"]
LONG = [PAIR, THREE + LIMITS.replace("1.1", "0.9")]
STUDIES = [
    PAIR + LIMITS, THREE, *(PAIR + s for s in SAMPLES), *(pytest.param(s, marks=pytest.mark.slow) for s in LONG)
]  # fmt: skip
WORKLOADS = "workloads: [net.csv, other.csv]"


def study_of(folder: Path, extra: str, text: str = CONFIG) -> Study:
    (folder / "net.csv").write_text(LAYERS.format(channels=16))
    (folder / "other.csv").write_text(LAYERS.format(channels=40))
    (folder / "config.yaml").write_text(text.replace("workloads: [net.csv]", WORKLOADS) + extra)
    return load_study(folder / "config.yaml")


def digest(run: Path) -> str:
    return hashlib.sha256((run / "points.parquet").read_bytes()).hexdigest()


def rows_of(run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(run / "points.parquet").to_pylist()
    return rows


def swept(study: Study, out: Path, jobs: int = 1, prune: bool = True) -> RunSummary:
    return sweep(study, out, jobs, False, quiet, prune=prune)


Memo = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def all_rows(tmp_path_factory: pytest.TempPathFactory) -> Memo:
    """The rows of a sweep that keeps all points, by what its config says besides."""

    @cache
    def rows(extra: str) -> list[dict[str, Any]]:
        folder = tmp_path_factory.mktemp("all")
        study = study_of(folder, extra + "keep: all\n")
        return rows_of(swept(study, folder / "run").path)

    return rows


def expected(study: Study, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What to keep of rows, from the definitions, by comparing every pair."""
    kept: list[Mapping[str, Any]] = []
    for workload in study.workloads:
        for pe_type in study.space.pe_type:
            own = [row for row in rows if (row["workload"], row["pe_type"]) == (workload.name, pe_type)]
            kept += chosen(study, [row for row in own if row["feasible"] and within(study, row)])
    names = [workload.name for workload in study.workloads]
    return sorted(kept, key=lambda row: (row["design_id"], names.index(row["workload"])))


def within(study: Study, row: Mapping[str, Any]) -> bool:
    limits = [(row[METRICS[each.metric].column], each.minimum, each.maximum) for each in study.constraints]
    return all((low is None or value >= low) and (high is None or value <= high) for value, low, high in limits)


def chosen(study: Study, rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    metrics = [METRICS[name] for name in study.objectives]
    signs = np.array([-1.0 if metric.maximize else 1.0 for metric in metrics])
    costs = np.array([[row[metric.column] for metric in metrics] for row in rows]).reshape(len(rows), -1) * signs
    if study.keep.what == "top":
        order = sorted(range(len(rows)), key=lambda place: (*costs[place], rows[place]["design_id"]))
        return [rows[place] for place in order[: study.keep.n]]
    beaten = [((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any() for cost in costs]
    return [row for row, out in zip(rows, beaten, strict=True) if not out]


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


# What is said.


def test_progress_and_summary_say_what_was_decided_and_kept(tmp_path: Path) -> None:
    study = study_of(tmp_path, PAIR + "keep: front\n")
    seen: list[Progress] = []
    summary = sweep(study, tmp_path / "run", 1, False, seen.append)
    assert {now.total for now in seen} == {study.space.size}
    assert (seen[0].done, seen[0].kept) == (0, 0)
    assert (seen[-1].done, seen[-1].kept) == (summary.designs, summary.points)
    assert len(seen) > 4  # more often than at the end of each grid
    meta = json.loads((summary.path / "run.json").read_text())
    numbers = {key: meta[key] for key in ("designs", "points", "feasible", "failed", "pruned", "keep")}
    assert numbers == {
        "designs": study.space.size, "points": summary.points, "feasible": None, "failed": 0, "pruned": True,
        "keep": "front",
    }  # fmt: skip


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.report.figures.save", lambda draw, stem, provenance: ())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, list(arguments), prog_name="dse")


def run_ok(*arguments: str) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def test_sweep_pareto_and_report_of_fronts_follow_each_other(
    all_rows: Memo, undrawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = study_of(tmp_path, THREE + "keep: front\n")
    result = run_ok("sweep", "config.yaml", "--jobs", "1")
    line, following = result.stdout.splitlines()
    kept = len(expected(study, all_rows(THREE)))
    start = f"results/tiny: 192 designs x 2 workloads decided, {kept} points kept (front: latency, energy, area), "
    assert line.startswith(start)
    assert following == "next: dse pareto results/tiny --metric latency --metric energy --metric area"
    again = run_ok("sweep", "config.yaml", "--jobs", "1", "--no-prune", "-o", "every")
    assert "192 designs x 2 workloads evaluated" in again.stdout
    assert digest(tmp_path / "every") == digest(tmp_path / "results/tiny")

    assert run_ok(*following.split()[2:]).stdout == run_ok("pareto").stdout  # its objectives are the default
    assert "at any clock" in run_ok("pareto").stderr
    part = run_ok("pareto", "--metric", "area")
    assert "front of area and latency" in part.stdout  # not energy of all: a partner of its own
    assert "those that others beat in energy are not in the run" in part.stderr
    refused = run("pareto", "--metric", "energy", "--metric", "power", "--metric", "edp")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: --metric: the run keeps only the fronts of latency, energy, area, got 'power, edp' "
        "(sweep with `keep: all` to keep every point)\n"
    )
    report = run_ok("report", "-o", "paper")
    assert all(Path(path).is_file() for path in report.stdout.split())
    assert {"best.csv", "fronts.csv", "gains.csv", "report.md"} <= {path.name for path in Path("paper").iterdir()}
    assert report.stderr.startswith("left out, since the run keeps only what is best in latency, energy, area: tables ")
    assert "scatter" in report.stderr
    assert report.stderr.count("\n") == 1


def test_best_points_have_no_front_but_bests(undrawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study_of(tmp_path, THREE + "keep: {top: 3}\n")
    result = run_ok("sweep", "config.yaml", "--jobs", "1")
    assert "12 points kept (best 3 of each workload and PE type: latency)" in result.stdout
    assert "best latency per PE type" in run_ok(*result.stdout.splitlines()[-1].split()[2:]).stdout
    assert "keeps only the best points in latency, got 'energy'" in run("pareto", "--metric", "energy").stderr
    run_ok("report", "-o", "paper")


# Fronts are read as those of a run that keeps all.


@pytest.mark.parametrize("metrics", [("latency", "energy", "area"), ("area", "energy")])
def test_bests_gains_and_fronts_are_those_of_a_run_of_all_points(
    metrics: tuple[str, ...], undrawn: None, tmp_path: Path
) -> None:
    single = CONFIG.replace("  clock_mhz: [max, 150]\n", "")
    found = []
    for keep in ("all", "front"):
        study = study_of(tmp_path, THREE + f"keep: {keep}\n", single)
        report = pareto(open_run(swept(study, tmp_path / keep).path), metrics)
        values = [[tuple(row[METRICS[m].column] for m in metrics) for row in table.records() if row.get("on_front", 1)]
                  for table in (report.best, report.front)]  # fmt: skip
        found.append((values[0], set(values[1]), report.gains.rows))
    assert found[0] == found[1]


def test_bests_of_a_run_of_fronts_are_those_at_any_clock(all_rows: Memo, tmp_path: Path) -> None:
    study = study_of(tmp_path, PAIR + "keep: front\n")
    points = load_points(open_run(swept(study, tmp_path / "run").path), study.objectives)
    usable = [row for row in all_rows(PAIR) if row["feasible"]]
    for (workload, clock, pe_type), group in points.groups("workload", "clock_setting", "pe_type"):
        own = [row for row in usable if (row["workload"], row["pe_type"]) == (workload, pe_type)]
        assert clock == "any"
        assert points.values["energy"][group].min() == min(row["energy_mj"] for row in own)
        assert points.values["perf_per_area"][group].max() == max(row["perf_per_area_inf_s_mm2"] for row in own)


def test_what_auto_chose_is_said_before_the_work_begins(tmp_path: Path) -> None:
    many = CONFIG.replace("rows: [4, 8]", "rows: {start: 1, stop: 1000, step: 1}").replace("[1, 8]", "[1, 2, 4, 8, 16]")
    (said,) = intentions(study_of(tmp_path, PAIR, many.replace("[4, 8]", "{start: 1, stop: 60, step: 1}")))
    assert said == (
        "14,400,000 points are too many to keep: keeping the exact fronts of perf_per_area, energy; `keep: all` in the "
        "config keeps every point"
    )
    assert intentions(study_of(tmp_path, PAIR)) == intentions(study_of(tmp_path, PAIR + "keep: front\n", many)) == ()


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


@pytest.mark.slow
def test_a_report_of_fronts_draws_what_fronts_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    single = CONFIG.replace("  clock_mhz: [max, 150]\n", "")
    study = study_of(tmp_path, "objectives: [perf_per_area, energy, energy_no_dram]\nkeep: front\n", single)
    run_ok("sweep", "config.yaml", "--jobs", "1")
    assert study.space.size == 96
    found = {Path(path).name for path in run_ok("report", "-o", "paper").stdout.split()}
    assert {"breakdown.png", "gains_over_int16.png", "heldout.png", "breakdown.csv"} <= found
    assert not {"scatter.png", "causes.png", "spreads.csv"} & found
