"""The words of a report on accuracy: differences with the right error, fronts counted, all of it from the numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dse.report.accuracy import accuracy_points
from dse.report.answers import Difference, answers, difference, difference_over_networks
from dse.report.fronts import pareto
from dse.report.run import open_run
from dse.report.usable import pe_label
from tests.synthetic_run import JOINT, SMALL, accuracy, known, rated, write_rated_run


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Figures have tests of their own."""
    monkeypatch.setattr("dse.report.figures.save", lambda draw, stem, provenance: ())


def test_on_par_is_within_the_margin():
    for points, verdict in ((0.59, "below INT8 (on par)"), (0.61, "below INT8 (not on par)"), (-0.61, "(better)")):
        assert verdict in Difference(points, 0.3, "", 0.6).words("INT8")
    assert "no verdict" in Difference(1.0, None, "", None).words("INT8")
    assert "no verdict" in Difference(1.0, 0.1, "", None).words("INT8")


def test_few_seeds_have_a_wide_margin_and_no_difference_below_the_test_error_counts():
    def margin(*drops):
        seeds = {("net", "int8"): dict(enumerate([90.0] * len(drops)))}
        seeds["net", "lightpe1"] = {seed: 90.0 - drop for seed, drop in enumerate(drops)}
        own = known("lightpe1", 90.0 - sum(drops) / len(drops), runs=len(drops))
        return difference("net", own, known("int8", 90.0, runs=len(drops)), seeds).margin

    assert margin(0.01, 0.02, 0.03) == 0.3  # the test error
    assert margin(1.0, 2.0, 3.0) == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)  # Student's t, two degrees of freedom
    assert margin(1.0, 2.0) == pytest.approx(2 * math.hypot(0.3, 0.3))  # two pairs say nothing of their spread


def test_scores_that_rank_get_no_verdict():
    own, other = ({str(n): known(name, 80.0 + n, evidence="ranked") for n in range(9)} for name in ("lightpe1", "int8"))
    assert difference_over_networks(own, other).margin is None
    assert difference("0", own["0"], other["0"], {}).margin is None


def test_a_difference_is_paired_by_seed_where_both_are_the_mean_of_shipped_seeds():
    seeds = {("net", "lightpe1"): {0: 90.0, 1: 91.0, 2: 92.0}, ("net", "int8"): {0: 90.5, 1: 91.4, 2: 92.6}}
    own, other = known("lightpe1", 91.0, runs=3), known("int8", 91.5, runs=3)
    found = difference("net", own, other, seeds)
    assert found.points == pytest.approx(0.5)
    assert found.error == pytest.approx(0.1 / math.sqrt(3))  # of 0.5, 0.4, 0.6: what seeds share cancels
    assert found.basis == "paired over 3 seeds"
    foreign = difference("net", known("lightpe1", 91.2, runs=3), other, seeds)  # not what the shipped table has
    assert foreign.error == pytest.approx(math.hypot(0.3, 0.3))
    assert foreign.basis == "not paired: test errors of both"


def test_a_difference_from_fp32_is_that_of_the_config():
    own = known("lightpe1", 90.0, runs=3, drop_percent=1.25, drop_error_percent=0.1)
    found = difference("net", own, known("fp32", 91.0, runs=3), {})
    assert (found.points, found.error, found.basis) == (1.25, 0.1, "paired over 3 seeds")
    single = difference("net", known("lightpe1", 90.0), known("fp32", 91.0), {})
    assert single.basis == "one training each: test errors of both"
    assert difference("net", known("lightpe1", 90.0, error_percent=None), known("fp32", 91.0), {}).error is None


def test_over_networks_a_difference_is_paired_by_network():
    own = {name: known("lightpe1", value) for name, value in (("a", 90.0), ("b", 80.0), ("c", 70.0))}
    others = {name: known("int8", value) for name, value in (("a", 90.5), ("b", 80.6), ("c", 70.4))}
    found = difference_over_networks(own, others)
    assert found.points == pytest.approx(0.5)
    assert found.error == pytest.approx(0.1 / math.sqrt(3))


def of_network(run, network):
    block = next(block for block in answers(run) if block.startswith(f"**{network}**"))
    return [line[2:] for line in block.splitlines() if line.startswith("- ")]


def test_every_sentence_has_its_level_of_evidence_and_numbers(ordinary, joint):
    for run, name in ((ordinary, "resnet20-cifar10"), (ordinary, "vgg16"), (joint, "cifar10")):
        for line in of_network(run, name):
            assert "measured" in line
            assert any(character.isdigit() for character in line.replace("LightPE-1", "").replace("LightPE-2", ""))


def test_the_words_change_with_the_numbers(tmp_path):
    def lines(**percents):
        values = {
            "fp32": 91.0,
            "int16": 91.0,
            "int8": 91.0,
            "w4a8": 90.5,
            "lightpe1": 90.9,
            "lightpe2": 90.8,
        } | percents
        own = {"vgg16": [accuracy(name, value) for name, value in values.items()]}
        name = "-".join(map(str, percents.values())) or "base"
        run = write_rated_run(tmp_path / name, own, workloads=("vgg16",), space=SMALL)
        return of_network(open_run(run), "vgg16")

    base, low = lines(), lines(lightpe1=80.0, w4a8=90.9)
    assert "0.10 \N{PLUS-MINUS SIGN} 0.42 points below FP32 (on par)" in base[0]
    assert "11.00 \N{PLUS-MINUS SIGN} 0.42 points below FP32 (not on par)" in low[0]
    energy = "LightPE-1 is Pareto-optimal against INT16, INT8 and W4A8 in accuracy and energy"
    assert any(line.startswith(energy) for line in base)
    worse = lines(int8=91.0, lightpe2=70.0)
    beaten = next(line for line in worse if line.startswith("LightPE-2 is not Pareto-optimal"))
    assert "LightPE-2 has 70.00 %" in beaten
    assert "W4A8 has 90.50 %" in beaten


def test_parity_needs_no_points_and_pareto_optimality_those_of_accuracy(tmp_path):
    kept = ("area", "accuracy_drop")  # points that are best in accuracy itself need not be among these
    run = open_run(write_rated_run(tmp_path / "drop", rated(), kept, "front", space=SMALL))
    lines = of_network(run, "cifar10")
    assert "paired over 2 networks" in lines[0]
    assert [line.split(" (")[0] for line in lines] == ["LightPE-1", "LightPE-2"]
    assert accuracy_points(run) is None


def test_all_networks_of_a_data_set_count_also_those_off_the_front(joint):
    line = of_network(joint, "cifar10")[0]
    assert "mean of 2 networks" in line
    assert "paired over 2 networks" in line


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
