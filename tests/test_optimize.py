"""Searches of real spaces: the exact front, within budget and constraints, repeatable to the byte, resumable."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli import cli
from dse.config import Study, load_study
from dse.errors import InputError
from dse.optimize import optimize
from dse.optimizers import _full as full_module
from dse.optimizers import list_algorithms
from dse.pareto import non_dominated
from dse.points import SCHEMA
from dse.report.run import open_run
from dse.report.usable import load_points
from dse.sweep import Progress, sweep

LAYERS = (
    "layer,kind,C,H,W,M,R,S,stride,padding,dilation,groups,count\n"
    "a,conv,16,32,32,32,3,3,1,1,1,1,1\n"
    "b,conv,64,8,8,64,3,3,1,1,1,1,4\n"
)
CONFIG = """
schema: 1
name: tiny
workloads: [two.csv]
space:
  pe_type: [int16, lightpe1]
  dataflow: [row_stationary, weight_stationary]
  rows: [16, 8, 12]
  cols: [8, 14]
  filter_spad_words: [32, 112, 224]
  glb_kib: [32, 64, 108]
  dram_gb_s: [1, 4, 16]
objectives: [latency, energy, area]
constraints: {area: {max: 3}, power: {max: 800}}
optimize: {evaluations: 280, population: 40, seed: 3}
"""
BYTES = ("points.parquet", "front.csv", "convergence.csv", "convergence.png", "convergence.pdf")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_of(tmp_path, CONFIG)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished search of CONFIG and the sweep of the whole space; to be read only."""
    folder = tmp_path_factory.mktemp("finished")
    study = study_of(folder, CONFIG)
    optimize(study, folder / "search", False, quiet)
    sweep(study, folder / "sweep", 1, False, lambda progress: None)
    return folder


def study_of(folder: Path, text: str) -> Study:
    (folder / "two.csv").write_text(LAYERS)
    (folder / "one.csv").write_text("\n".join(LAYERS.splitlines()[:2]) + "\n")
    (folder / "config.yaml").write_text(text)
    return load_study(folder / "config.yaml")


def quiet(progress: Progress) -> None:
    assert 0 < progress.done <= progress.total


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in BYTES}


def read_csv(path: Path) -> list[dict[str, str]]:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# dse ")
    return list(csv.DictReader(lines[1:]))


def front_of(run: Path, metrics: tuple[str, ...]) -> list[tuple[float, ...]]:
    """Distinct values of the front, as `dse pareto` reads it out of a run."""
    points = load_points(open_run(run), metrics)
    rows = points.front(np.arange(len(points.row)), metrics)
    return sorted({tuple(float(points.values[name][row]) for name in metrics) for row in rows})


@pytest.mark.parametrize("algorithm", sorted(set(list_algorithms()) - {"random"}))
def test_reaches_the_exact_front_of_a_small_space(algorithm: str, study: Study, finished: Path, tmp_path: Path) -> None:
    chosen = replace(study, optimization=replace(study.optimization, algorithm=algorithm))
    optimize(chosen, tmp_path / "search", False, quiet)
    assert front_of(tmp_path / "search", study.objectives) == front_of(finished / "sweep", study.objectives)


def test_writes_the_points_a_sweep_would_write_each_design_once_within_the_budget(finished: Path) -> None:
    table = pq.read_table(finished / "search" / "points.parquet")
    assert table.schema.names == SCHEMA.names
    rows = table.to_pylist()
    wanted = {row["design_id"]: row for row in pq.read_table(finished / "sweep" / "points.parquet").to_pylist()}
    assert len({row["design_id"] for row in rows}) == len(rows) == 280
    assert all(row == wanted[row["design_id"]] for row in rows)


def test_same_config_and_seed_same_bytes(study: Study, finished: Path, tmp_path: Path) -> None:
    optimize(study, tmp_path / "again", False, quiet)
    assert digests(tmp_path / "again") == digests(finished / "search")


def test_a_killed_search_goes_on_where_it_stopped_to_the_same_bytes(
    study: Study, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(progress: Progress) -> None:
        if progress.done >= 180:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimize(study, tmp_path / "broken", False, killed)
    assert not (tmp_path / "broken" / "run.json").exists()

    evaluated: list[int] = []
    real = full_module.block_points
    monkeypatch.setattr(
        full_module, "block_points", lambda s, block: evaluated.extend(block.design_ids) or real(s, block)
    )
    optimize(study, tmp_path / "broken", False, quiet)
    assert 0 < len(evaluated) <= 100
    assert digests(tmp_path / "broken") == digests(finished / "search")
    assert not (tmp_path / "broken" / "parts").exists()


def test_the_front_file_is_the_front_within_the_constraints(study: Study, finished: Path) -> None:
    run = finished / "search"
    front = read_csv(run / "front.csv")
    points = {row["design_id"]: row for row in pq.read_table(run / "points.parquet").to_pylist()}
    columns = ("latency_ms", "energy_mj", "area_mm2")
    values = sorted({tuple(float(row[column]) for column in columns) for row in front})
    assert values == front_of(run, study.objectives)
    assert any(row["feasible"] and row["area_mm2"] > 3 for row in points.values()), "a constraint should have mattered"
    for row in front:
        point = points[int(row["design_id"])]
        assert point["feasible"]
        assert point["area_mm2"] <= 3
        assert point["power_mw"] <= 800
        assert all(row[key] == ("" if point[key] is None else str(point[key])) for key in ("rows", "filter_spad_words"))
        assert all(float(row[column]) == point[column] for column in columns)


def test_hypervolume_never_falls_in_the_convergence_file(finished: Path) -> None:
    rows = read_csv(finished / "search" / "convergence.csv")
    volumes = [float(row["hypervolume"]) for row in rows]
    assert volumes[0] < volumes[-1]
    assert volumes == sorted(volumes)
    assert int(rows[-1]["evaluations"]) == 280


def test_run_json_says_how_it_was_searched_and_why_it_stopped(study: Study, finished: Path) -> None:
    meta = json.loads((finished / "search" / "run.json").read_text())
    assert meta["optimize"] == {
        "algorithm": "nsga2", "evaluations": 280, "population": 40, "seed": 3, "stagnation": 5000
    }  # fmt: skip
    assert (meta["designs"], meta["points"], meta["stopped"], meta["space"]) == (280, 280, "budget", study.space.size)
    assert meta["seed"] == 3
    assert meta["config_sha256"] != study.sha256, "a sweep must not take this run for its own"


def test_of_several_workloads_the_objective_is_the_geometric_mean(tmp_path: Path) -> None:
    text = CONFIG.replace("[two.csv]", "[one.csv, two.csv]").replace("[latency, energy, area]", "[latency, energy]")
    study = study_of(tmp_path, text.replace("evaluations: 280", "evaluations: 5000"))
    optimize(study, tmp_path / "run", False, quiet)
    rows = pq.read_table(tmp_path / "run" / "points.parquet").to_pylist()
    pairs = [[row for row in rows if row["workload"] == name] for name in ("one", "two")]
    assert [row["design_id"] for row in pairs[0]] == [row["design_id"] for row in pairs[1]]
    usable = [
        (np.sqrt(a["latency_ms"] * b["latency_ms"]), np.sqrt(a["energy_mj"] * b["energy_mj"]))
        for a, b in zip(*pairs, strict=True)
        if all(row["feasible"] and row["area_mm2"] <= 3 and row["power_mw"] <= 800 for row in (a, b))
    ]
    assert len(pairs[0]) == study.space.size
    exact = np.array(usable)[non_dominated(usable, [False, False])]
    found = [(float(row["latency_ms"]), float(row["energy_mj"])) for row in read_csv(tmp_path / "run" / "front.csv")]
    assert sorted(found) == [pytest.approx(row) for row in sorted(map(tuple, exact.tolist()))]


def test_a_space_without_a_usable_design_gives_an_empty_front_and_no_figure(tmp_path: Path) -> None:
    study = study_of(tmp_path, CONFIG.replace("max: 3}", "max: 0.001}"))
    summary = optimize(study, tmp_path / "run", False, quiet)
    assert (summary.front, summary.designs) == (0, 280)
    assert read_csv(tmp_path / "run" / "front.csv") == []
    assert not (tmp_path / "run" / "convergence.png").exists()


def test_a_finished_search_is_not_done_again_unless_asked(study: Study, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "search", tmp_path / "run")
    again = optimize(study, tmp_path / "run", False, unwanted)
    assert (again.designs, again.space, again.stopped, again.found) == (280, study.space.size, "budget", True)
    before = (tmp_path / "run" / "points.parquet").stat().st_mtime_ns
    assert not optimize(study, tmp_path / "run", True, quiet).found
    assert (tmp_path / "run" / "points.parquet").stat().st_mtime_ns > before


def unwanted(progress: Progress) -> None:
    raise AssertionError("nothing was to be evaluated")


def test_a_run_of_another_search_or_of_a_sweep_is_never_overwritten(
    study: Study, finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished / "search", tmp_path / "run")
    before = digests(tmp_path / "run")
    with pytest.raises(InputError, match="another config"):
        optimize(replace(study, optimization=replace(study.optimization, seed=9)), tmp_path / "run", False, unwanted)
    with pytest.raises(InputError, match="another config"):
        sweep(study, tmp_path / "run", 1, False, unwanted)
    assert digests(tmp_path / "run") == before


def test_one_objective_is_an_error(tmp_path: Path) -> None:
    study = study_of(tmp_path, CONFIG.replace("[latency, energy, area]", "[latency]"))
    with pytest.raises(InputError, match="objectives: must be at least two"):
        optimize(study, tmp_path / "run", False, unwanted)
    assert not (tmp_path / "run").exists()


# The config and the command line.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("populaton: 20", "optimize.populaton: unknown key (did you mean `population`?)"),
        ("algorithm: nsga4", "optimize.algorithm: unknown algorithm, got 'nsga4'"),
        ("evaluations: 0", "optimize.evaluations: must be at least 1, got 0"),
        ("population: 3", "optimize.population: must be at least 4, got 3"),
        ("stagnation: few", "optimize.stagnation: must be a whole number, got 'few'"),
    ],
)
def test_wrong_options_in_the_config_are_errors(change: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        study_of(
            tmp_path, CONFIG.replace("optimize: {evaluations: 280, population: 40, seed: 3}", f"optimize: {{{change}}}")
        )
    assert message in str(caught.value)


def test_how_a_space_is_searched_does_not_change_what_a_sweep_of_it_is(study: Study, tmp_path: Path) -> None:
    assert study_of(tmp_path, CONFIG.replace("seed: 3", "seed: 4")).sha256 == study.sha256


def invoke(*arguments: Any) -> Any:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_options_of_the_command_override_the_config_and_pareto_and_report_read_the_run(
    study: Study, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = ("--algorithm", "local", "--evaluations", 150, "--seed", 8)
    done = invoke("optimize", tmp_path / "config.yaml", "-o", out, *options)
    assert done.exit_code == 0, done.output
    assert "150 of 432 designs evaluated by local, stopped by budget" in done.stdout
    chosen = json.loads((out / "run.json").read_text())["optimize"]
    assert (chosen["algorithm"], chosen["evaluations"], chosen["seed"]) == ("local", 150, 8)
    following = done.stdout.split("next: dse ")[1].split()
    assert invoke(*following).exit_code == 0
    assert invoke("report", out, "-o", tmp_path / "report").exit_code == 0
    assert (tmp_path / "report" / "report.md").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [(("--algorithm", "nsga22"), "--algorithm: unknown algorithm, got 'nsga22' (did you mean `nsga2`?)"),
     (("--evaluations", "0"), "--evaluations"), (("--population", "20"), "--population")],
)  # fmt: skip
def test_wrong_options_of_the_command_are_bad_input(
    option: tuple[str, str], message: str, study: Study, tmp_path: Path
) -> None:
    done = invoke("optimize", tmp_path / "config.yaml", "-o", tmp_path / "run", *option)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "run").exists()


def test_keeps_going_when_a_design_cannot_be_evaluated(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dse import block_points as module

    real: Callable[..., Any] = module.evaluate

    def failing(designs: Any, *arguments: Any) -> Any:
        if (designs.column("glb_kib") == 64).any():
            raise ZeroDivisionError("made up")
        return real(designs, *arguments)

    monkeypatch.setattr(module, "evaluate", failing)
    summary = optimize(study, tmp_path / "run", False, quiet)
    assert summary.front > 0
    assert all(row["glb_kib"] != "64" for row in read_csv(tmp_path / "run" / "front.csv"))


# The benchmark.


def shares(capsys: pytest.CaptureFixture[str]) -> list[list[float]]:
    """Worst, median and best share of each row of the table that was printed."""
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if " % |" in line]
    return [[float(cell.removesuffix(" %")) for cell in row[3:6]] for row in rows]


def test_the_benchmark_calls_the_exact_front_100_percent_and_less_of_it_less(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.optimizers import main

    def measured(exact: Path, evaluations: int) -> list[list[float]]:
        chosen = ("--objectives", "latency,energy", "--algorithms", "nsga2,random", "--seeds", "2")
        arguments = ["", finished / "config.yaml", exact, *chosen, "--evaluations", evaluations]
        monkeypatch.setattr("sys.argv", [str(argument) for argument in arguments])
        main()
        return shares(capsys)

    assert measured(finished / "sweep", 432) == [[100.0] * 3] * 2
    few = measured(finished / "sweep", 60)
    assert all(0 < worst <= median <= best <= 100 for worst, median, best in few)
    assert few[1][0] < 100
    front = front_of(finished / "sweep", ("latency", "energy"))
    columns = dict(zip(("latency_ms", "energy_mj"), zip(*front, strict=True), strict=True))
    pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), tmp_path / "front.parquet")
    assert measured(tmp_path / "front.parquet", 60) == few, "looked up or evaluated is the same"
