"""Runs, tables and reports: arithmetic on hand-made numbers, laws on a synthetic run, the same bytes twice."""

from __future__ import annotations

import csv
import io
import json
import math
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.errors import InputError, RunError
from dse.metrics import ENERGY_PARTS, METRICS
from dse.pareto import non_dominated
from dse.report.breakdowns import breakdowns
from dse.report.causes import DESIGN_PARTS, area_factors, design_causes, mean_causes, pe_causes
from dse.report.full import pareto, report
from dse.report.gains import GAIN_METRICS, MEAN, gains, gains_by_network, geometric_mean, spreads
from dse.report.run import open_run
from dse.report.tables import Table, short, to_csv, to_markdown, to_terminal
from dse.report.usable import load_points
from tests.synthetic_run import SPACE, point, write_points, write_run

PAIR = ("perf_per_area", "energy")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return open_run(write_run(tmp_path_factory.mktemp("runs") / "synthetic", workloads=("vgg16", "alexnet")))


def hand_made(path, rows, constraints=None):
    """A run of rows (workload, PE type, clock setting, perf per area, energy)."""
    design = {axis: values[0] for axis, values in SPACE.items()}
    full = [
        {
            **point(index, {**design, "pe_type": pe_type, "clock_mhz": clock}, "vgg16", True),
            "workload": workload,
            "clock_setting": str(clock),
            "perf_per_area_inf_s_mm2": perf,
            "energy_mj": energy,
        }
        for index, (workload, pe_type, clock, perf, energy) in enumerate(rows)
    ]
    config = {"workloads": ["a", "b"], "space": {"pe_type": ["int16", "int8"]}, "constraints": constraints or {}}
    return open_run(write_points(path, full, config))


ROWS = [
    ("a", "int16", "max", 2.0, 8.0),
    ("a", "int16", "max", 1.0, 5.0),
    ("a", "int16", 200, 0.5, 6.0),
    ("a", "lightpe1", "max", 6.0, 4.0),
    ("a", "lightpe1", 200, 2.0, 3.0),
    ("b", "int16", "max", 10.0, 1.0),
    ("b", "lightpe1", "max", 120.0, 0.5),
]


def test_gains_are_ratios_of_bests_within_workload_and_clock(tmp_path):
    points = load_points(hand_made(tmp_path, ROWS), PAIR)
    found = {
        (row["metric"], row["clock_setting"], row["workload"]): row["gain_vs_int16"]
        for row in gains(points, PAIR)
        if row["pe_type"] == "lightpe1"
    }
    assert found == pytest.approx({
        ("perf_per_area", "max", "a"): 3.0, ("perf_per_area", "max", "b"): 12.0,
        ("perf_per_area", "max", MEAN): 6.0, ("perf_per_area", "200", "a"): 4.0,
        ("perf_per_area", "200", MEAN): 4.0,
        ("energy", "max", "a"): 1.25, ("energy", "max", "b"): 2.0, ("energy", "max", MEAN): math.sqrt(2.5),
        ("energy", "200", "a"): 2.0, ("energy", "200", MEAN): 2.0,
    })  # fmt: skip


def test_spread_is_largest_over_smallest(tmp_path):
    points = load_points(hand_made(tmp_path, ROWS), PAIR)
    row = next(r for r in spreads(points, PAIR) if (r["clock_setting"], r["workload"]) == ("all", "a"))
    assert row == {
        "clock_setting": "all", "workload": "a", "perf_per_area_int16": 4.0, "perf_per_area_all": 12.0,
        "energy_int16": 1.6, "energy_all": pytest.approx(8 / 3),
    }  # fmt: skip


def test_best_point_is_normalized_to_the_baselines_best_of_each_metric(undrawn, tmp_path):
    best = pareto(hand_made(tmp_path, ROWS), ["perf_per_area"]).best.records()
    int16 = next(r for r in best if (r["workload"], r["pe_type"], r["clock_setting"]) == ("a", "int16", "max"))
    assert (int16["perf_per_area_vs_int16"], int16["energy_vs_int16"]) == (1.0, 5 / 8)
    assert int16["perf_per_area_vs_int8"] is None


def test_ties_in_the_first_metric_go_to_the_better_second(undrawn, tmp_path):
    rows = [("a", "int16", "max", 2.0, 8.0), ("a", "int16", "max", 2.0, 7.0), ("a", "int16", "max", 2.0, 7.0)]
    best = pareto(hand_made(tmp_path, rows), ["perf_per_area"]).best.records()
    assert [(row["design_id"], row["energy_mj"]) for row in best] == [(1, 7.0)]


def test_constraints_of_the_run_bound_the_front(undrawn, tmp_path):
    limits = {"energy": {"min": None, "max": 5.0}, "perf_per_area": {"min": 1.5, "max": None}}
    limited = hand_made(tmp_path, ROWS, limits)
    assert {row["energy_mj"] for row in pareto(limited, PAIR).front.records()} == {4.0, 3.0, 1.0, 0.5}


def test_constraints_nothing_meets_are_named(tmp_path):
    with pytest.raises(RunError, match=r"none of the 7 feasible points .* constraints: energy .*0\.1"):
        pareto(hand_made(tmp_path, ROWS, {"energy": {"max": 0.1}}), PAIR)


def test_a_run_without_feasible_points_says_why(tmp_path):
    infeasible = open_run(write_run(tmp_path, workloads=("vgg16",), feasible=False))
    with pytest.raises(RunError, match=r"no feasible point; .*clock above the maximum \(5,184\)"):
        pareto(infeasible, PAIR)


def test_fronts_equal_the_definition_and_the_csv_holds_them(undrawn, run, tmp_path):
    found = pareto(run, PAIR, tmp_path)
    lines = found.csv_path.read_text().splitlines()
    assert lines[0] == f"# {run.provenance}"
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[1:]))))
    assert found.csv() == found.csv_path.read_text()
    table = run.table().to_pylist()
    for workload in ("vgg16", "alexnet"):
        usable = [row for row in table if row["workload"] == workload and row["feasible"]]
        values = np.array([[row[METRICS[name].column] for name in PAIR] for row in usable])
        expected = {usable[i]["design_id"] for i in np.flatnonzero(non_dominated(values, [True, False]))}
        assert {int(r["design_id"]) for r in rows if r["workload"] == workload and r["on_front"] == "True"} == expected


def test_terminal_tables_fit_100_columns(undrawn, run, tmp_path):
    for metrics in (["perf_per_area"], ["latency", "area", "power", "edp"]):
        assert max(map(len, pareto(run, metrics, tmp_path).render("table").splitlines())) <= 100


def test_json_holds_provenance_best_points_fronts_and_gains(undrawn, run, tmp_path):
    content = json.loads(pareto(run, ["energy"], tmp_path).render("json"))
    assert content["provenance"] == run.provenance
    assert set(content) == {"provenance", "best", "front", "gains", "dataflows"}
    assert {row["pe_type"] for row in content["best"]} == {"fp32", "int16", "int8", "w4a8", "lightpe1", "lightpe2"}


@pytest.mark.parametrize(
    ("asked", "paired"),
    [(["energy"], ("energy", "perf_per_area")), (["edp"], ("edp", "energy")), (["area", "area"], ("area", "energy")),
     (["latency", "area", "power"], ("latency", "area", "power"))],
)  # fmt: skip
def test_one_metric_alone_is_paired(undrawn, run, tmp_path, asked, paired):
    found = pareto(run, asked, tmp_path)
    assert found.metrics == paired
    assert len(found.figures) == 2 * (len(paired) - 1)


def test_unknown_metrics_are_input_errors_with_a_hint(run):
    with pytest.raises(InputError, match="did you mean `perf_per_area`") as error:
        pareto(run, ["perf_per_are", "speed"])
    assert len(error.value.problems) == 2


def test_missing_baselines_are_said_and_blank(undrawn, tmp_path):
    lonely = open_run(write_run(tmp_path / "run", pe_types=("lightpe1", "fp32"), workloads=("vgg16",)))
    found = pareto(lonely, PAIR)
    assert [message.split(":")[0] for message in found.messages] == [
        "no usable INT16 design in this run", "no usable INT8 design in this run",
    ]  # fmt: skip
    assert {row["energy_vs_int16"] for row in found.best.records()} == {None}
    assert not any(word in found.table() for word in ("xI16", "xI8", "INT16", "INT8"))
    assert ",," in found.csv()
    paths = {path.name for path in report(lonely, tmp_path / "out")}
    page = (tmp_path / "out" / "report.md").read_text()
    assert "gains_over_int8.png" not in paths
    assert "scatter.png" in paths
    assert "figure gains_over_int8 left out: no usable INT8 design" in page
    assert "No gains: the run has no usable designs of INT16 or INT8." in page


def test_only_baselines_that_are_there_are_compared_with(tmp_path):
    run = open_run(write_run(tmp_path / "run", pe_types=("lightpe1", "int8"), workloads=("vgg16",)))
    text = pareto(run, PAIR).table()
    assert "xI8: times better than the best INT8 design of the same" in text
    assert "Best over best INT8, geometric mean of 1 network" in text
    assert "xI16" not in text
    pages = [path.read_text() for path in report(run, tmp_path / "out") if path.suffix == ".md"]
    assert all("best INT8 design (" in page and "best INT16 design (" not in page for page in pages)


def test_figures_of_other_metrics_do_not_stay_behind(tmp_path):
    run = open_run(write_run(tmp_path / "run", pe_types=("int8",), workloads=("vgg16",)))
    assert {path.name for path in pareto(run, (*PAIR, "area")).figures} >= {"pareto.png", "pareto_area.png"}
    (run.path / "pareto_mine.png").touch()
    pareto(run, PAIR)
    assert {path.name for path in run.path.glob("pareto*.png")} == {"pareto.png", "pareto_mine.png"}


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A small run and the paths of its report, figures and all."""
    space = {axis: values[-2:] for axis, values in SPACE.items()}
    small = open_run(write_run(tmp_path_factory.mktemp("small") / "run", workloads=("vgg16",), space=space))
    return small, report(small, small.path / "report")


def test_the_same_run_gives_the_same_bytes(reported, tmp_path):
    small, paths = reported
    assert {path.suffix for path in paths} == {".csv", ".png", ".pdf", ".md"}
    again = report(small, tmp_path)
    assert [path.name for path in again] == [path.name for path in paths]
    assert [a.name for a, b in zip(again, paths, strict=True) if a.read_bytes() != b.read_bytes()] == []


def test_the_same_run_gives_the_same_pareto_csv(run, undrawn, tmp_path):
    first, second = (pareto(run, ["edp"], tmp_path / name).csv_path for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_the_report_links_every_file_it_writes(reported):
    small, paths = reported
    page = next(path for path in paths if path.name == "report.md").read_text()
    assert [p.name for p in paths if p.name not in ("report.md", "gains.md") and f"({p.name})" not in page] == []
    assert all(p.read_text().startswith(f"# {small.provenance}\n") for p in paths if p.suffix == ".csv")


def test_gains_by_network_has_a_cell_per_clock(tmp_path):
    rows = gains(load_points(hand_made(tmp_path, ROWS), PAIR), PAIR)
    assert gains_by_network(rows, "perf_per_area", "int16") == [
        {"network": "a", "LightPE-1": "3.00 / 4.00"}, {"network": "b", "LightPE-1": "12.00 / \N{EN DASH}"},
        {"network": MEAN, "LightPE-1": "6.00 / 4.00"},
    ]  # fmt: skip


areas = st.floats(1e-3, 1e6)


@given(st.dictionaries(st.sampled_from(DESIGN_PARTS), st.tuples(areas, areas), min_size=1))
def test_area_factors_multiply_to_the_area_ratio(parts):
    reference, other = ({name: pair[i] for name, pair in parts.items()} for i in (0, 1))
    factors = area_factors(reference, other)
    assert math.prod(factors.values()) == pytest.approx(sum(reference.values()) / sum(other.values()), rel=1e-6)
    for name in parts:  # a part that saves area never counts against, one that costs area never for the gain
        assert factors[name] >= 1 or reference[name] < other[name]
        assert factors[name] <= 1 or reference[name] > other[name]


def test_equal_areas_have_factors_that_cancel():
    factors = area_factors({"storage": 2.0, "arithmetic": 1.0}, {"storage": 1.0, "arithmetic": 2.0})
    assert math.prod(factors.values()) == pytest.approx(1.0)
    assert factors["storage"] == pytest.approx(math.exp(1 / 3))


def test_causes_multiply_to_the_gain(run):
    rows = design_causes(run, load_points(run, GAIN_METRICS))
    split = [row for row in rows if row["storage"] is not None]
    split += mean_causes(split)
    assert split
    for row in split:
        factors = [row[name] for name in (*DESIGN_PARTS, "clock", "cycles", "resizing")]
        assert math.prod(factors) == pytest.approx(row["gain"], rel=1e-9)
        assert row["clock_setting"] == "max" or row["clock"] == 1.0
    for row in pe_causes(("fp32", "int16", "lightpe1")):
        assert math.prod(row[name] for name in ("storage", "arithmetic", "control", "clock")) == row["gain"]


def test_an_exchange_that_is_infeasible_leaves_its_causes_blank(run):
    rows = design_causes(run, load_points(run, GAIN_METRICS))
    assert any(row["storage"] is None and row["gain"] > 0 for row in rows)


def test_breakdown_parts_add_to_the_totals(run):
    rows = breakdowns(run, load_points(run, GAIN_METRICS))
    assert len(rows) == 2 * 2 * 6
    for row in rows:
        assert math.fsum(row[f"area_{part}_mm2"] for part in DESIGN_PARTS) == pytest.approx(row["area_mm2"])
        assert math.fsum(row[f"energy_{part}_mj"] for part in ENERGY_PARTS) == pytest.approx(row["energy_mj"])


def test_rows_come_in_the_order_asked_across_row_groups(run):
    count = pq.ParquetFile(run.path / "points.parquet").metadata
    assert count.num_row_groups > 2
    wanted = np.array([count.num_rows - 1, 0, 5001, 0])
    everything = run.table()
    assert run.rows(wanted).to_pylist() == [everything.slice(int(i), 1).to_pylist()[0] for i in wanted]
    assert run.rows(np.zeros(0, np.int64)).num_rows == 0


def test_open_run_takes_the_newest_or_the_named(tmp_path):
    for age, name in enumerate(("newest", "older")):
        path = write_run(tmp_path / name, pe_types=("int8",), workloads=("vgg16",))
        os.utime(path / "run.json", (1_000_000 - age, 1_000_000 - age))
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "run.json").write_text("{}")
    assert open_run(None, tmp_path).name == "newest"
    assert open_run("older", tmp_path).path == tmp_path / "older"
    assert open_run(tmp_path / "older").name == "older"


def test_open_run_says_what_is_wrong(tmp_path):
    with pytest.raises(InputError, match="`dse sweep CONFIG` makes one"):
        open_run(None, tmp_path)
    with pytest.raises(InputError, match=r"must be a directory with run\.json"):
        open_run("nowhere", tmp_path)
    path = write_run(tmp_path / "broken", pe_types=("int8",), workloads=("vgg16",))
    (path / "run.json").write_text('{"name": "x"}')
    with pytest.raises(RunError, match="lacks config, config_sha256"):
        open_run(path)
    (path / "run.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        open_run(path)


def test_damaged_points_are_run_errors(undrawn, tmp_path):
    path = write_run(tmp_path / "run", pe_types=("int8",), workloads=("vgg16",))
    table = pq.read_table(path / "points.parquet")
    pq.write_table(table.drop_columns(["energy_mj"]), path / "points.parquet")
    with pytest.raises(RunError, match="lacks the columns energy_mj"):
        pareto(open_run(path), PAIR)
    (path / "points.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match="cannot be read"):
        pareto(open_run(path), PAIR)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (0.0, "0"), (3, "3"), (True, "True"), (1234.5, "1234"), (12.345, "12.3"), (0.01234, "0.0123"),
     (1e-7, "1.00e-07"), (2.5e7, "2.50e+07"), (-0.5, "-0.500"), (math.inf, "inf"), ("x", "x")],
)  # fmt: skip
def test_cells_show_three_digits(value, shown):
    assert short(value) == shown


@pytest.mark.parametrize("column", ["accuracy_percent", "error_percent", "accuracy", "accuracy_drop"])
def test_percentages_are_told_apart_to_hundredths(column):
    assert [short(value, column) for value in (90.25, 90.16, 0.297, 0.0, None)] == [
        "90.25",
        "90.16",
        "0.30",
        "0.00",
        "",
    ]
    assert short(90.25, "area_mm2") == "90.2"


def test_tables_keep_full_precision_in_csv_and_escape_markdown():
    table = Table.of("t", "T", [{"name": "a|b", "value": 1 / 3, "blank": None}])
    assert to_csv(table, "origin") == "# origin\nname,value,blank\na|b,0.3333333333333333,\n"
    assert to_markdown(table).splitlines()[2] == "| a\\|b | 0.333 |  |"
    assert "0.333" in to_terminal(table)


def test_geometric_mean_ignores_what_is_missing():
    assert geometric_mean([2.0, None, 8.0]) == pytest.approx(4.0)
    assert geometric_mean([None]) is None
