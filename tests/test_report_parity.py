"""Whether accuracies are on par: the right error and margin of a difference, and a verdict only where it is proven."""

from __future__ import annotations

import math

import pytest

from dse.report.parity import TOLERANCE, Difference, difference, difference_over_networks, reference_of, unpaired
from tests.synthetic_run import known

NOT_PAIRED = "not paired: errors of both"


def test_on_par_is_proven_by_the_whole_interval():
    assert TOLERANCE == 1.0
    for points, margin, verdict in (
        (0.3, 0.6, "on par"), (-0.3, 0.6, "on par"), (0.0, 1.0, "on par"),
        (0.5, 0.6, "undecided"), (-0.5, 0.6, "undecided"), (1.5, 0.6, "undecided"), (-1.5, 0.6, "undecided"),
        (0.0, 1.1, "undecided"), (10.4, 14.1, "undecided"),
        (1.7, 0.6, "not on par"), (-1.7, 0.6, "better"),
    ):  # fmt: skip
        found = Difference(points, 0.3, "", margin)
        assert found.verdict == verdict, (points, margin)
        assert f"({verdict})" in found.words("INT8")


def test_a_difference_that_large_errors_hide_is_no_parity():
    own, other = known("lightpe1", 80.8, error_percent=5.0), known("int8", 91.2, error_percent=5.0)
    assert difference("net", own, other, {}).verdict == "undecided"


def test_a_resolved_difference_within_the_tolerance_is_on_par():
    seeds = {("net", "int8"): {0: 90.0, 1: 90.1, 2: 90.2}, ("net", "lightpe1"): {0: 89.4, 1: 89.5, 2: 89.6}}
    own, other = known("lightpe1", 89.5, runs=3), known("int8", 90.1, runs=3)
    found = difference("net", own, other, seeds)
    assert found.points - found.margin > 0
    assert found.verdict == "on par"


def test_without_errors_and_between_scores_there_is_no_verdict():
    assert Difference(1.0, None, "", None).verdict == "error not known: no verdict"
    assert Difference(1.0, 0.1, "", None).verdict == "no verdict"
    own, other = ({str(n): known(name, 80.0 + n, evidence="ranked") for n in range(9)} for name in ("lightpe1", "int8"))
    assert difference_over_networks(own, other).margin is None
    assert difference("0", own["0"], other["0"], {}).margin is None
    assert difference("net", known("lightpe1", 90.0, error_percent=None), known("fp32", 91.0), {}).error is None


def test_few_seeds_have_a_wide_margin_and_no_margin_is_below_the_test_error():
    def margin(*drops):
        seeds = {("net", "int8"): dict(enumerate([90.0] * len(drops)))}
        seeds["net", "lightpe1"] = {seed: 90.0 - drop for seed, drop in enumerate(drops)}
        own = known("lightpe1", 90.0 - sum(drops) / len(drops), runs=len(drops))
        return difference("net", own, known("int8", 90.0, runs=len(drops)), seeds).margin

    assert margin(0.01, 0.02, 0.03) == 0.3  # the test error
    assert margin(1.0, 2.0, 3.0) == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)  # Student's t, two degrees of freedom
    assert margin(1.0, 2.0) == pytest.approx(2 * math.hypot(0.3, 0.3))  # two pairs say nothing of their spread


def test_a_difference_is_paired_by_seed_where_both_are_the_mean_of_shipped_seeds():
    seeds = {("net", "lightpe1"): {0: 90.0, 1: 91.0, 2: 92.0}, ("net", "int8"): {0: 90.5, 1: 91.4, 2: 92.6}}
    own, other = known("lightpe1", 91.0, runs=3), known("int8", 91.5, runs=3)
    found = difference("net", own, other, seeds)
    assert found.points == pytest.approx(0.5)
    assert found.error == pytest.approx(0.1 / math.sqrt(3))  # of 0.5, 0.4, 0.6: what seeds share cancels
    assert found.basis == "paired over 3 seeds"
    foreign = difference("net", known("lightpe1", 91.2, runs=3), other, seeds)  # not what the shipped table has
    assert foreign.error == pytest.approx(math.hypot(0.3, 0.3))
    assert foreign.basis == NOT_PAIRED


def test_one_training_each_is_said_of_the_shipped_table_alone():
    own, other = known("lightpe1", 90.0), known("int8", 91.0)
    shipped = {("net", "lightpe1"): {0: 90.0}, ("net", "int8"): {0: 91.0}}
    assert difference("net", own, other, shipped).basis == "one training each: test errors of both"
    assert difference("net", own, other, {}).basis == NOT_PAIRED  # who knows what a user's values are
    assert difference("net", own, other, {("net", "int8"): {0: 91.0}}).basis == NOT_PAIRED
    assert unpaired(own, other).basis == NOT_PAIRED


def test_a_difference_from_fp32_is_that_of_the_config():
    own = known("lightpe1", 90.0, runs=3, drop_percent=1.25, drop_error_percent=0.1)
    found = difference("net", own, known("fp32", 91.0, runs=3), {})
    assert (found.points, found.error, found.basis) == (1.25, 0.1, "paired over 3 seeds")


def test_fp32_is_known_by_the_drop_where_the_run_has_no_accuracy_of_it():
    own = {"a": known("lightpe1", 90.0, drop_percent=1.25), "b": known("lightpe1", 80.0)}
    assert {name: each.percent for name, each in reference_of(own).items()} == {"a": 91.25}
    single = difference("a", own["a"], reference_of(own)["a"], {})
    assert (single.points, single.verdict) == (1.25, "error not known: no verdict")  # FP32's is in no table at hand
    drops = dict.fromkeys(("a", "b", "c"), known("lightpe1", 90.0, runs=3, drop_percent=0.2, drop_error_percent=0.1))
    seeds = difference("a", drops["a"], reference_of(drops)["a"], {})
    assert (seeds.points, seeds.error, seeds.verdict) == (0.2, 0.1, "on par")
    several = difference_over_networks(drops, reference_of(drops))
    assert (several.points, several.verdict) == (pytest.approx(0.2), "on par")


def test_over_networks_a_difference_is_paired_by_network():
    own = {name: known("lightpe1", value) for name, value in (("a", 90.0), ("b", 80.0), ("c", 70.0))}
    others = {name: known("int8", value) for name, value in (("a", 90.5), ("b", 80.6), ("c", 70.4))}
    found = difference_over_networks(own, others)
    assert found.points == pytest.approx(0.5)
    assert found.error == pytest.approx(0.1 / math.sqrt(3))
