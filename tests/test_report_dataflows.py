"""Reports of a run of several dataflows: the best over all of them, each beside the best, spads where there are any."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from dse.config import design_space
from dse.metrics import METRICS
from dse.report.breakdowns import breakdowns
from dse.report.causes import DESIGN_PARTS, design_causes
from dse.report.compact import compact, varying
from dse.report.full import pareto, report
from dse.report.gains import GAIN_METRICS, MEAN, by_dataflow, gains
from dse.report.run import open_run
from dse.report.tables import Table, to_csv
from dse.report.usable import load_points
from dse.space import SPAD_AXES
from tests.synthetic_run import MIXED, write_run

PAIR = ("perf_per_area", "energy")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A run of designs with and without spads."""
    path = tmp_path_factory.mktemp("mixed") / "run"
    return open_run(write_run(path, ("int16", "int8", "lightpe1"), ("vgg16", "alexnet"), MIXED))


def test_the_best_is_taken_over_all_dataflows_and_named(mixed):
    table = [row for row in mixed.table().to_pylist() if row["feasible"]]
    for row in gains(load_points(mixed, PAIR), PAIR):
        if row["workload"] == MEAN:
            assert row["dataflow"] is None
            continue
        column, keys = METRICS[row["metric"]].column, ("workload", "clock_setting", "pe_type")
        own = [point for point in table if all(point[key] == row[key] for key in keys)]
        pick = max if METRICS[row["metric"]].maximize else min
        assert row["best"] == pick(point[column] for point in own)
        assert row["dataflow"] in {point["dataflow"] for point in own if point[column] == row["best"]}


def test_each_dataflow_is_held_against_the_best_of_all(mixed):
    table = [row for row in mixed.table().to_pylist() if row["feasible"]]
    rows = by_dataflow(load_points(mixed, PAIR), PAIR)
    networks = [row for row in rows if row["workload"] != MEAN]
    assert len(networks) == 2 * 2 * 2 * 3 * 2  # metrics, networks, clocks, PE types, dataflows
    for row in networks:
        metric, keys = METRICS[row["metric"]], ("workload", "clock_setting", "pe_type")
        rivals = [point for point in table if all(point[key] == row[key] for key in keys)]
        pick = max if metric.maximize else min
        own = pick(point[metric.column] for point in rivals if point["dataflow"] == row["dataflow"])
        ratio = own / pick(point[metric.column] for point in rivals)
        assert (row["best"], row["vs_best"]) == (own, pytest.approx(ratio if metric.maximize else 1 / ratio))
    for mean in (row for row in rows if row["workload"] == MEAN):
        keys = ("metric", "clock_setting", "pe_type", "dataflow")
        shares = [row["vs_best"] for row in networks if all(row[key] == mean[key] for key in keys)]
        assert mean["vs_best"] == pytest.approx(math.sqrt(math.prod(shares)))


def test_a_run_of_several_dataflows_compares_them_in_the_terminal_the_json_and_the_report(undrawn, mixed, tmp_path):
    found = pareto(mixed, PAIR, tmp_path)
    assert "Best of each dataflow over the best of all, geometric mean of 2 networks" in found.render("table")
    assert max(map(len, found.render("table").splitlines())) <= 100
    assert len(json.loads(found.render("json"))["dataflows"]) == len(found.dataflows.rows) > 0
    assert "dataflows.csv" in {path.name for path in report(mixed, tmp_path)}


def test_ids_of_designs_that_differ_in_pe_type_alone_lie_one_stride_apart(mixed):
    """What the causes of a gain rely on to find a design with its PE type exchanged."""
    axes, space = ("dataflow", "rows", "cols", *SPAD_AXES, "glb_kib", "dram_gb_s"), mixed.config["space"]
    stride = design_space(space).size // len(space["pe_type"])
    found = {row["design_id"]: row for row in mixed.table().to_pylist() if row["workload"] == "alexnet"}
    assert len(found) == 3 * stride
    for index, row in found.items():
        first = found[index % stride]
        assert [row[axis] for axis in axes] == [first[axis] for axis in axes]
        assert row["pe_type"] == space["pe_type"][index // stride]


def test_winners_without_spads_have_a_dash_in_the_terminal_and_nothing_in_the_csv(undrawn, mixed, tmp_path):
    rows = pareto(mixed, PAIR, tmp_path).front.records()
    flows = ("row_stationary", "weight_stationary")
    shown = [next(row for row in rows if row["dataflow"] == flow) for flow in flows]
    table = compact("", shown, PAIR, varying(shown)).records()
    assert [row["flow"] for row in table] == ["row", "weight"]
    assert (table[0]["spads"].count("/"), table[1]["spads"]) == (2, "-")
    lines = csv.DictReader(io.StringIO(to_csv(Table.of("best", "", rows), "origin").partition("\n")[2]))
    for line in lines:
        assert {line[name] == "" for name in SPAD_AXES} == {line["dataflow"] == "weight_stationary"}


def test_a_run_of_one_dataflow_compares_none(undrawn, tmp_path):
    run = open_run(write_run(tmp_path / "run", ("int8",), ("vgg16",)))
    assert by_dataflow(load_points(run, PAIR), PAIR) == []
    assert "each dataflow" not in pareto(run, PAIR).render("table")


def test_causes_and_parts_of_designs_without_spads_make_the_whole(mixed):
    points = load_points(mixed, GAIN_METRICS)
    split = [row for row in design_causes(mixed, points) if row["storage"] is not None]
    assert split
    for row in split:
        factors = [row[name] for name in (*DESIGN_PARTS, "clock", "cycles", "resizing")]
        assert math.prod(factors) == pytest.approx(row["gain"], rel=1e-9)
    rows = breakdowns(mixed, points)
    assert {row["dataflow"] for row in rows} >= {"weight_stationary"}
    for row in rows:
        assert math.fsum(row[f"area_{part}_mm2"] for part in DESIGN_PARTS) == pytest.approx(row["area_mm2"])
