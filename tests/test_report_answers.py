"""The words of a report on accuracy: verdicts and fronts, all of it from the numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dse.report.accuracy import accuracy_points
from dse.report.answers import answers
from dse.report.fronts import pareto
from dse.report.run import open_run
from dse.report.usable import pe_label
from tests.synthetic_run import GMACS, JOINT, SMALL, accuracy, rated, write_rated_run


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Figures have tests of their own."""
    monkeypatch.setattr("dse.report.figures.save", lambda draw, stem, provenance: ())


def of_network(run, network):
    block = next(block for block in answers(run) if block.startswith(f"**{network}**"))
    return [line[2:] for line in block.splitlines() if line.startswith("- ")]


def test_every_sentence_has_its_level_of_evidence_and_numbers(ordinary, joint):
    for run, name in ((ordinary, "resnet20-cifar10"), (ordinary, "vgg16"), (joint, "cifar10")):
        for line in of_network(run, name):
            assert "measured" in line
            assert any(character.isdigit() for character in line.replace("LightPE-1", "").replace("LightPE-2", ""))


def lines_of(path, *, others=None, **percents):
    """The lines on one network whose accuracies are these."""
    values = {"fp32": 91.0, "int16": 91.0, "int8": 91.0, "w4a8": 90.5, "lightpe1": 90.9, "lightpe2": 90.8} | percents
    own = {"vgg16": [accuracy(name, value, **(others or {})) for name, value in values.items() if value is not None]}
    run = write_rated_run(path, own, workloads=("vgg16",), space=SMALL)
    return of_network(open_run(run), "vgg16")


def test_the_words_change_with_the_numbers(tmp_path):
    base, low = lines_of(tmp_path / "base"), lines_of(tmp_path / "low", lightpe1=80.0, w4a8=90.9)
    assert "0.10 \N{PLUS-MINUS SIGN} 0.42 points below FP32 (on par)" in base[0]
    assert "0.40 \N{PLUS-MINUS SIGN} 0.42 points above W4A8 (undecided)" in base[0]
    assert "11.00 \N{PLUS-MINUS SIGN} 0.42 points below FP32 (not on par)" in low[0]
    energy = "LightPE-1 is Pareto-optimal against INT16, INT8 and W4A8 in accuracy and energy"
    assert any(line.startswith(energy) for line in base)
    worse = lines_of(tmp_path / "worse", int8=91.0, lightpe2=70.0)
    beaten = next(line for line in worse if line.startswith("LightPE-2 is not Pareto-optimal"))
    assert "LightPE-2 has 70.00 %" in beaten
    assert "W4A8 has 90.50 %" in beaten


def test_optimality_that_rests_on_an_accuracy_within_its_error_says_so(tmp_path):
    """W4A8 needs less energy than LightPE-2, so only accuracy keeps LightPE-2 on the front."""

    def line(name, **numbers):
        lines = lines_of(tmp_path / name, **numbers)
        return next(each for each in lines if each.startswith("LightPE-2 is Pareto-optimal") and "energy" in each)

    rests = "; this rests on an accuracy difference to W4A8 smaller than its 95 % margin."
    assert line("close", w4a8=90.5, lightpe2=90.8).endswith(rests)  # 0.3 apart, the margin is 0.85
    lines = lines_of(tmp_path / "behind", w4a8=90.5, lightpe2=90.4)
    behind = next(each for each in lines if each.startswith("LightPE-2 is not Pareto-optimal") and "energy" in each)
    assert behind.endswith(rests)  # a tenth more would make it so
    assert "rests" not in line("apart", w4a8=80.5, lightpe2=90.8)
    assert "rests" not in line("unknown", w4a8=90.5, lightpe2=90.8, others={"error_percent": None})
    assert "rests" not in line("ranked", w4a8=90.5, lightpe2=90.8, others={"evidence": "ranked"})


def test_what_no_rival_reaches_in_the_other_metric_is_optimal_at_any_accuracy(tmp_path):
    for percent in (90.9, 10.0):
        lines = lines_of(tmp_path / str(percent), lightpe1=percent)
        (line,) = (each for each in lines if each.startswith("LightPE-1 is Pareto-optimal") and "per area" in each)
        assert line.endswith("; none of theirs is as good in performance per area, so this holds at any accuracy.")


def test_verdicts_on_the_points_of_a_front_that_rest_on_close_accuracies_are_counted(tmp_path, joint):
    (line,) = (each for each in of_network(joint, "cifar10") if each.startswith("LightPE-2: ") and "energy" in each)
    assert line.endswith("; 2 of these verdicts rest on accuracy differences smaller than their 95 % margin.")
    exact = open_run(write_rated_run(tmp_path, rated(error_percent=0.001), JOINT, space=SMALL))
    assert not any("rest" in each.split("): ")[-1] for each in of_network(exact, "cifar10") if "front" in each)


def test_fp32_off_the_space_is_still_what_the_drop_is_from(tmp_path):
    first = lines_of(tmp_path, fp32=None, others={"drop_percent": 0.7})[0]
    assert "0.70 points below FP32 (no verdict)" in first
    assert "no such accuracy" not in first


def test_where_the_drop_is_the_objective_fronts_are_those_of_the_drop(tmp_path):
    kept = ("accuracy_drop", "energy")
    run = open_run(write_rated_run(tmp_path, rated(), kept, "front", space=SMALL))
    lines = of_network(run, "cifar10")
    assert "of accuracy below FP32 and energy per inference over all PE types" in lines[-1]
    points = accuracy_points(run, rating="accuracy_drop")
    assert tuple(points.values) == kept
    assert accuracy_points(run) is None  # points that are best in accuracy itself need not be in the run
    every = open_run(write_rated_run(tmp_path / "all", rated(), kept, space=SMALL))
    assert accuracy_points(every) is not None


def test_parity_needs_no_points_and_pareto_optimality_those_of_accuracy(tmp_path):
    kept = ("area", "accuracy_drop")  # points that are best in accuracy itself need not be among these
    run = open_run(write_rated_run(tmp_path / "drop", rated(), kept, "front", space=SMALL))
    lines = of_network(run, "cifar10")
    assert all("points below FP32" in line for line in lines)
    networks = [network for network in run.accuracies if run.dataset(network) == "cifar10"]
    named = [f"{name} on {network}" for name in ("LightPE-1", "LightPE-2") for network in networks]
    assert [line.split(" (")[0] for line in lines] == named
    assert accuracy_points(run) is None


def test_all_networks_of_a_data_set_count_also_those_off_the_front(joint, tmp_path):
    """Each alone where they are too few to know how much networks differ."""
    lines = of_network(joint, "cifar10")
    assert sum(line.startswith("LightPE-1 on resnet20-cifar10 (") for line in lines) == 1
    assert not any("networks" in line for line in lines)
    one = rated()["vgg16"]
    many = write_rated_run(tmp_path, dict.fromkeys(tuple(GMACS)[:3], one), JOINT, space=SMALL)
    line = of_network(open_run(many), one[0]["dataset"])[0]
    assert line.startswith("LightPE-1 (measured accuracy, mean of 3 networks ")
    assert "paired over 3 networks" in line


def test_levels_of_evidence_are_not_compared(tmp_path):
    mixed = rated()
    mixed["vgg16"] = [{**each, "evidence": "published" if each["pe_type"] == "w4a8" else "measured"}
                      for each in mixed["vgg16"]]  # fmt: skip
    run = open_run(write_rated_run(tmp_path, mixed, space=SMALL))
    first, *others = of_network(run, "vgg16")
    assert "no such accuracy of INT8 and W4A8" in first
    assert any("measured and published accuracies, mixed" in line for line in others)
    assert "accuracies are measured and published: compare within one" in pareto(run, JOINT, tmp_path).messages[0]


def test_shares_of_the_front_are_counted_over_distinct_points(joint):
    points = accuracy_points(joint)
    front = points.front(np.arange(len(points.row)), ("accuracy", "energy"))
    distinct = {(points.values["accuracy"][p], points.values["energy"][p], points.label("pe_type", p)) for p in front}
    line = next(line for line in of_network(joint, "cifar10") if line.startswith("The front of accuracy and energy"))
    assert f"has {len(distinct)} points: " in line
    for pe_type, own in itertools.groupby(sorted(distinct, key=lambda each: each[2]), lambda each: each[2]):
        assert f"{pe_label(pe_type)} {len(list(own))} (" in line or "one each" in line
