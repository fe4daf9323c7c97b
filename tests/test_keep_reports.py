"""What is said of runs that keep fronts, or the best points, and how they are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli
from dse.metrics import METRICS
from dse.report.fronts import pareto
from dse.report.run import open_run
from dse.report.usable import load_points
from dse.sweep import Progress, sweep
from dse.terminal.outcome import intentions
from tests.kept_studies import CONFIG, PAIR, THREE, Memo, digest, expected, study_of, swept


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
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.report.figures.save", lambda draw, stem, provenance: ())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, list(arguments), prog_name="dse")


def run_ok(*arguments: str) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def test_sweep_pareto_and_report_of_fronts_follow_each_other(
    all_rows: Memo, without_figures: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = study_of(tmp_path, THREE + "keep: front\n")
    result = run_ok("sweep", "config.yaml", "--jobs", "1")
    line, following = result.stdout.splitlines()
    kept = len(expected(study, all_rows(THREE)))
    start = f"results/tiny: 192 designs x 2 workloads decided, {kept} points kept (front: latency, energy, area), "
    assert line.startswith(start)
    assert following == "next: dse pareto results/tiny --metric latency --metric energy --metric area"
    assert run_ok(*following.split()[2:])
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


def test_best_points_have_no_front_but_bests(
    without_figures: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    metrics: tuple[str, ...], without_figures: None, tmp_path: Path
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
def test_a_report_of_fronts_draws_what_fronts_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    single = CONFIG.replace("  clock_mhz: [max, 150]\n", "")
    study = study_of(tmp_path, "objectives: [perf_per_area, energy, energy_no_dram]\nkeep: front\n", single)
    run_ok("sweep", "config.yaml", "--jobs", "1")
    assert study.space.size == 96
    found = {Path(path).name for path in run_ok("report", "-o", "paper").stdout.split()}
    assert {"breakdown.png", "gains_over_int16.png", "heldout.png", "breakdown.csv"} <= found
    assert not {"scatter.png", "causes.png", "spreads.csv"} & found
