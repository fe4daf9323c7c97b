"""What is said of the points of a run: that a search found them, what bounds them, which PE types have none."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dse.errors import RunError
from dse.report.fronts import pareto
from dse.report.full import report
from dse.report.remarks import PAIRS, searched, sources, unusable_types
from dse.report.run import open_run
from dse.report.usable import limits_text, load_points
from tests.synthetic_run import JOINT, SMALL, as_search, rated, write_rated_run, write_run

pytestmark = pytest.mark.usefixtures("undrawn")
PAIR = ("perf_per_area", "energy")


def limited(path, constraints, workloads=("vgg16",), **others):
    return open_run(write_run(path, workloads=workloads, space=SMALL, constraints=constraints, **others))


def page_of(run, out):
    report(run, out)
    return (out / "report.md").read_text()


def test_points_of_a_search_are_said_to_be_what_it_found(tmp_path):
    alone = open_run(as_search(write_run(tmp_path / "alone", workloads=("vgg16",), space=SMALL)))
    pairs = open_run(as_search(write_rated_run(tmp_path / "pairs", rated(), JOINT, space=SMALL)))
    for run, what in ((alone, "designs"), (pairs, PAIRS)):
        (message,) = searched(run)
        assert f"a search (nsga2, 600 of 20,736,000 {what} evaluated)" in message
        assert "no bounds" in message
        assert message in pareto(run, (), tmp_path / "out").messages
        page = page_of(run, tmp_path / "out")
        assert f"- **{message}**" in page
        assert f"- {what}: 600, points:" in page


def test_points_of_a_sweep_are_not(ordinary, joint, tmp_path):
    for run in (ordinary, joint):
        assert searched(run) == ()
        assert "search" not in page_of(run, tmp_path).split("## ")[0]


def test_a_report_leaves_the_front_of_a_search_as_it_is(tmp_path):
    path = as_search(write_rated_run(tmp_path / "run", rated(), JOINT, space=SMALL))
    for name in ("front.csv", "convergence.csv", "pareto.csv"):
        (path / name).write_text("of the search")
    written = {each.name for each in report(open_run(path))}
    assert "fronts.csv" in written
    assert {(path / name).read_text() for name in ("front.csv", "convergence.csv", "pareto.csv")} == {"of the search"}


def test_limits_are_written_as_people_write_them():
    limits = {"accuracy": {"max": None, "min": 99.0}, "area": {"min": 1.5, "max": 20}, "utilization": {"max": 0.5}}
    assert limits_text(limits) == "accuracy >= 99 %, area >= 1.5 mm2, area <= 20 mm2, utilization <= 0.5"
    assert limits_text({"accuracy_drop": {"min": None, "max": -0.5}}).startswith("accuracy_drop <= -0.5")
    assert limits_text({}) == ""


def test_constraints_are_said_with_the_front_in_the_report_and_where_nothing_meets_them(tmp_path):
    run = limited(tmp_path / "some", {"area": {"max": 3.0, "min": None}})
    assert pareto(run, PAIR, tmp_path).messages[0] == "points within the constraints: area <= 3 mm2"
    assert "- constraints: area <= 3 mm2\n" in page_of(run, tmp_path)
    free = limited(tmp_path / "free", None)
    assert not any("constraints" in message for message in pareto(free, PAIR, tmp_path).messages)
    assert "- constraints: none\n" in page_of(free, tmp_path)
    with pytest.raises(RunError, match=r"is within the constraints: area <= 0\.001 mm2$"):
        pareto(limited(tmp_path / "none", {"area": {"max": 0.001}}), PAIR)


def test_types_of_the_space_that_constraints_leave_without_a_point_are_said(tmp_path):
    areas = {row["pe_type"]: [] for row in limited(tmp_path / "free", None).table().to_pylist()}
    for row in limited(tmp_path / "free", None).table().to_pylist():
        areas[row["pe_type"]] += [row["area_mm2"]] if row["feasible"] else []
    bound = (min(areas["int16"]) + min(areas["fp32"])) / 2
    run = limited(tmp_path / "run", {"area": {"max": bound}})
    expected = "no usable point of FP32, though in the space: none is feasible within the constraints"
    assert expected in pareto(run, PAIR, tmp_path).messages
    assert f"- **{expected}**" in page_of(run, tmp_path)
    searching = open_run(as_search(run.path))
    assert "the search found none within the constraints" in unusable_types(searching, load_points(searching, PAIR))[0]


def test_types_that_have_points_or_whose_accuracy_is_unknown_are_not(ordinary, tmp_path):
    assert unusable_types(ordinary, load_points(ordinary, PAIR)) == ()
    lacking = {network: [each for each in own if each["pe_type"] != "int8"] for network, own in rated().items()}
    run = open_run(write_rated_run(tmp_path, lacking, space=SMALL))
    assert unusable_types(run, load_points(run, JOINT)) == ()  # `unknown_accuracies` says it
    assert unusable_types(run, load_points(run, PAIR)) == ()


def test_points_that_are_equal_are_counted_as_what_they_are(tmp_path):
    alone = write_run(tmp_path / "alone", workloads=("vgg16",), space=SMALL)
    pairs = write_rated_run(tmp_path / "pairs", rated(), JOINT, space=SMALL)
    for path, metrics, what in ((alone, PAIR, "designs"), (pairs, JOINT, PAIRS)):
        table = pq.read_table(path / "points.parquet")
        pq.write_table(pa.concat_tables([table, table]), path / "points.parquet")
        text = " ".join(pareto(open_run(path), metrics, tmp_path).table().split())
        found = re.search(rf": front of [\w ]+, (\d+) points? \((\d+) {what}\)", text)
        assert found, text
        assert int(found[2]) >= 2 * int(found[1])


def test_accuracies_of_several_sources_are_said_to_be(joint, tmp_path):
    assert sources(joint) == ()
    known = rated()
    known["vgg16"][0]["origin"] = "another recipe"
    mixed = open_run(write_rated_run(tmp_path / "mixed", known, JOINT, "front", space=SMALL))
    (message,) = sources(mixed)
    assert message.startswith("accuracies on cifar10 are of 2 sources (")
    assert "another recipe" in message
    assert message in pareto(mixed, (), tmp_path / "out").messages
    assert message in page_of(mixed, tmp_path / "out")
    known = {name: [each | {"origin": name, "dataset": name} for each in own] for name, own in rated().items()}
    assert sources(open_run(write_rated_run(tmp_path / "apart", known, JOINT, "front", space=SMALL))) == ()
