"""Reports of runs with accuracies: who competes, what is left out, tables and words that follow from the numbers."""

from __future__ import annotations

import json

import pytest

from dse.config import workload_sha256
from dse.errors import InputError, RunError
from dse.metrics import METRICS
from dse.pareto import non_dominated
from dse.report.accuracy import FINALISTS, finalist_rows, unknown_accuracies
from dse.report.answers import answers
from dse.report.full import pareto, report
from dse.report.run import Run, open_run
from dse.report.usable import load_points
from dse.sweep import sweep
from tests.studies import quiet, study_of
from tests.synthetic_run import JOINT, SMALL, known, rated, write_rated_run, write_run
from workloads.families import FAMILIES
from workloads.loader import load_workload

MANY = """
schema: 1
name: many
architectures: {family: resnet-cifar10, axes: {width1: [8], width2: [16, 24]}}
accuracy: {tables: [mine.csv]}
space: {pe_type: int8, rows: [8, 12]}
objectives: [accuracy, energy]
"""
pytestmark = pytest.mark.usefixtures("undrawn")  # figures have tests of their own
MEMBERS = [each.name for each in FAMILIES["resnet-cifar10"].members({"width1": [8], "width2": [16, 24]})]


# Networks that compete.


def test_where_accuracy_is_asked_for_the_networks_of_a_data_set_compete(ordinary, tmp_path):
    metrics = ("accuracy", "perf_per_area")
    found = pareto(ordinary, metrics, tmp_path)
    rows = [row for row in ordinary.table().to_pylist() if row["accuracy_percent"] is not None]
    values = [[row[METRICS[name].column] for name in metrics] for row in rows]
    flags = non_dominated(values, [True, True])
    expected = {(row["workload"], row["design_id"]) for row, flag in zip(rows, flags, strict=True) if flag}
    front = [row for row in found.front.records() if row["on_front"]]
    assert {(row["workload"], row["design_id"]) for row in front} == expected
    assert {row["dataset"] for row in front} == {"cifar10"}
    best = {(row["workload"], row["pe_type"] == "int8") for row in found.best.records()}
    assert best == {("vgg16", False), ("resnet20-cifar10", True)}  # the more accurate one that is known
    assert {row["workload"] for row in front} == {"vgg16", "resnet20-cifar10"}


def test_a_kept_front_is_read_as_that_of_all_points(joint, tmp_path):
    everything = open_run(write_rated_run(tmp_path / "all", rated(), JOINT, space=SMALL))
    for metrics in (JOINT, JOINT[:2], JOINT[::2]):
        kept, full = (pareto(run, metrics, tmp_path / "out").front.records() for run in (joint, everything))
        columns = [METRICS[name].column for name in metrics]
        fronts = [{tuple(row[c] for c in columns) for row in rows if row["on_front"]} for rows in (kept, full)]
        assert fronts[0] == fronts[1]


def test_without_accuracy_every_network_is_for_itself(ordinary, tmp_path):
    found = pareto(ordinary, ("perf_per_area", "energy"), tmp_path)
    assert {row["workload"] for row in found.best.records()} == {"resnet20-cifar10", "vgg16", "alexnet"}
    assert "dataset" not in found.best.columns
    assert not load_points(ordinary, ("energy",)).compete


def test_a_joint_run_competes_whatever_is_asked(joint, tmp_path):
    best = pareto(joint, ("perf_per_area", "energy"), tmp_path).best.records()
    assert len(best) == len({row["pe_type"] for row in best}) == 6


def test_data_sets_do_not_compete_with_each_other(tmp_path):
    apart = rated()
    apart["vgg16"] = [{**each, "dataset": "imagenet"} for each in apart["vgg16"]]
    run = open_run(write_rated_run(tmp_path, apart, space=SMALL))
    points = load_points(run, JOINT)
    assert [labels for labels, _ in points.groups("workload")] == [("cifar10",), ("imagenet",)]
    assert {labels for labels, _ in points.groups("network")} == {("resnet20-cifar10",), ("vgg16",)}
    assert [labels for labels, _ in points.apart().groups("workload")] == [("resnet20-cifar10",), ("vgg16",)]


def test_accuracies_have_no_gain(ordinary, tmp_path):
    found = pareto(ordinary, ("accuracy", "accuracy_drop", "energy"), tmp_path)
    assert {row["metric"] for row in found.levels.records()} == {"energy"}
    assert not any(name.startswith("accuracy") and "_vs_" in name for name in found.best.columns)
    pareto(ordinary, ("accuracy", "accuracy_drop"), tmp_path).table()


# What is not known.


def test_unknown_accuracies_never_win_and_are_said(ordinary, tmp_path):
    found = pareto(ordinary, ("accuracy", "energy"), tmp_path)
    rows = [*found.best.records(), *found.front.records()]
    assert all(row["accuracy_percent"] is not None for row in rows)
    assert ("vgg16", "int8") not in {(row["workload"], row["pe_type"]) for row in rows}
    assert found.messages == (
        "accuracies are measured",
        "left out where accuracy counts, since none is known: vgg16 on int8; alexnet",
    )


def test_a_drop_needs_the_accuracy_of_fp32(tmp_path):
    lacking = rated()
    lacking["vgg16"] = [{**each, "drop_percent": None} for each in lacking["vgg16"]]
    run = open_run(write_rated_run(tmp_path, lacking, space=SMALL))
    unknown = unknown_accuracies(run, ["accuracy"])
    assert unknown == ("left out where accuracy counts, since none is known: vgg16 on int8; alexnet",)
    reason = "left out where accuracy_drop counts, since FP32 of the same source is not known"
    names = "vgg16 on fp32, int16, w4a8, lightpe1, lightpe2"
    assert unknown_accuracies(run, ["accuracy_drop"]) == (*unknown, f"{reason}: {names}")
    assert {labels for labels, _ in load_points(run, ("accuracy_drop",)).groups("network")} == {("resnet20-cifar10",)}


def test_long_messages_are_cut(ordinary):
    many = {**ordinary.meta, "config": {**ordinary.config, "workloads": [f"net{i}" for i in range(30)]}}
    (message,) = unknown_accuracies(type(ordinary)(ordinary.path, many), ["accuracy"])
    assert message.endswith("net7 and 22 more")


def test_a_run_without_accuracies_says_so(tmp_path):
    plain = open_run(write_run(tmp_path / "run", workloads=("vgg16",), space=SMALL))
    with pytest.raises(RunError, match="no accuracy of a usable design of run `run` is known"):
        pareto(plain, ("accuracy",), tmp_path)


def test_a_run_without_accuracies_reports_nothing_of_them(tmp_path):
    plain = open_run(write_run(tmp_path / "run", workloads=("vgg16",), space=SMALL))
    names = {path.name for path in report(plain, tmp_path / "out")}
    page = (tmp_path / "out/report.md").read_text()
    assert "## Accuracy" not in page
    assert not any("accuracy" in line for line in page.splitlines() if line.startswith(("- **", "###", "![")))
    assert not any("accuracy" in name or "coexploration" in name for name in names)
    assert answers(plain) == []


def test_a_metric_the_joint_run_was_not_kept_for_is_refused(joint):
    with pytest.raises(InputError, match="keeps only the fronts of accuracy, perf_per_area, energy"):
        pareto(joint, ("area",))


# Tables.


def test_terminal_tables_name_networks_and_fit_100_columns(joint, ordinary, tmp_path):
    for run, metrics in ((joint, ()), (ordinary, JOINT), (ordinary, ("accuracy", "energy"))):
        text = pareto(run, metrics, tmp_path).table()
        assert max(map(len, text.splitlines())) <= 100
        assert "cifar10: front of" in text
        assert "resnet20-cifar10" in text


def test_finalists_are_on_the_front_and_those_trained_alone_have_their_accuracy(joint, monkeypatch):
    trained = {"vgg16": {"lightpe1": known("lightpe1", 92.0, error_percent=0.4, runs=3)}}
    monkeypatch.setattr("dse.report.accuracy.accuracies", lambda *_: trained)
    rows = finalist_rows(joint, load_points(joint, JOINT), JOINT)
    assert 2 <= len(rows) <= FINALISTS
    front = {(row["workload"], row["pe_type"]) for row in pareto(joint, JOINT, joint.path).front.records()
             if row["on_front"]}  # fmt: skip
    assert {(row["network"], row["pe_type"]) for row in rows} <= front
    measured = {(row["network"], row["pe_type"]): row["measured_percent"] for row in rows if row["measured_percent"]}
    own = {(row["network"], row["pe_type"]): row["accuracy_percent"] for row in rows if row["evidence"] == "measured"}
    assert measured == {("vgg16", "lightpe1"): 92.0} | own
    assert [row["accuracy_percent"] for row in rows] == sorted((r["accuracy_percent"] for r in rows), reverse=True)


def test_measured_accuracies_of_finalists_are_of_the_same_network_and_data_set(tmp_path):
    """A network of the user may have the name of a shipped one."""
    ranked = rated(evidence="ranked")
    path = write_rated_run(tmp_path, ranked, JOINT, space=SMALL)
    meta = json.loads((path / "run.json").read_text())
    digest = workload_sha256(load_workload("resnet20-cifar10"))
    for known_as, found in (("cifar10", True), ("another", False)):
        for own in meta["config"]["workload_accuracies"]["resnet20-cifar10"]:
            own["dataset"] = known_as
        for layers in (digest, "other layers"):
            meta["config"]["workload_sha256"] = {"resnet20-cifar10": layers}
            run = Run(path, meta)
            rows = [row for row in finalist_rows(run, load_points(run, JOINT), JOINT) if row["network"] != "vgg16"]
            assert rows
            assert {row["measured_percent"] is not None for row in rows} == {found and layers == digest}


def test_networks_left_out_by_a_limit_on_accuracy_are_said(ordinary, tmp_path):
    limited = {**ordinary.meta, "config": {**ordinary.config, "constraints": {"accuracy": {"min": 50.0, "max": None}}}}
    messages = pareto(type(ordinary)(ordinary.path, limited), ("perf_per_area",), tmp_path).messages
    assert "left out where accuracy counts, since none is known: vgg16 on int8; alexnet" in messages


def test_networks_of_data_sets_without_a_name_do_not_compete(tmp_path):
    unnamed = {name: [each | {"dataset": ""} for each in own] for name, own in rated().items()}
    run = open_run(write_rated_run(tmp_path, unnamed, JOINT, space=SMALL))
    contests = {labels[0] for labels, _ in load_points(run, JOINT).groups("workload")}
    assert contests == {f"unnamed data set of {name}" for name in unnamed}


def test_the_report_of_a_joint_run_says_what_it_cannot_tell(joint, tmp_path):
    names = {path.name for path in report(joint, tmp_path)}
    page = (tmp_path / "report.md").read_text()
    assert {"accuracy.csv", "accuracy_levels.csv", "finalists.csv", "coexploration.png"} <= names
    assert not {"breakdown.csv", "gains_over_int8.png", "scatter.png", "causes.csv"} & names
    assert page.count("left out, since the run keeps only what is best in accuracy") == 1
    assert "## Accuracy" in page
    assert "at equal accuracy" in page


def test_the_report_of_an_ordinary_run_adds_what_is_known(ordinary, tmp_path):
    names = {path.name for path in report(ordinary, tmp_path)}
    assert {
        "accuracy.csv",
        "accuracy_energy.png",
        "accuracy_perf_per_area.png",
        "breakdown.csv",
        "scatter.png",
    } <= names
    assert not {"accuracy_levels.csv", "finalists.csv", "coexploration.png"} & names
    lines = (tmp_path / "accuracy.csv").read_text().splitlines()
    assert lines[1].startswith("network,dataset,pe_type,accuracy_percent,error_percent,drop_percent,drop_error_percent")
    assert len(lines) == 2 + 6 + 5


def test_planes_that_a_run_does_not_tell_are_left_out(tmp_path):
    run = open_run(write_rated_run(tmp_path / "run", rated(), ("accuracy", "energy"), "front", space=SMALL))
    names = {path.name for path in report(run, tmp_path / "out")}
    assert "accuracy_energy.png" in names
    assert "accuracy_perf_per_area.png" not in names
    assert "figure accuracy_perf_per_area left out" in (tmp_path / "out/report.md").read_text()


def test_many_networks_that_compete_are_reported_by_their_front_even_where_all_points_are_kept(tmp_path):
    values = [f"{name},int8,{40 + place},measured,made up" for place, name in enumerate(MEMBERS)]
    (tmp_path / "mine.csv").write_text("\n".join(["network,pe_type,accuracy_percent,evidence,source", *values]) + "\n")
    study = study_of(tmp_path, MANY)
    assert sweep(study, tmp_path / "run", 1, False, quiet).points == len(MEMBERS) * 2
    run = open_run(tmp_path / "run")
    assert run.kept is None
    assert run.reported == ("accuracy", "energy")
    names = {path.name for path in report(run)}
    assert {"coexploration.png", "accuracy_levels.csv"} <= names
    assert not {"scatter.png", "spreads.csv"} & names
