"""Whether accuracies are on par: the right error and margin of a difference, and a verdict only where it is proven."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dse.report.parity import TOLERANCE, Difference, difference, difference_over_networks, reference_of, unpaired
from tests.synthetic_run import known
from workloads.trainings import Trainings, images_error_percent, measured_trainings

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


def trained(**percents):
    """The shipped trainings of `net`, PE type -> percent of seed 0, 1, ..., in the source of `known`."""
    source = known("int8", 90.0).origin
    return {("net", name, source): Trainings(dict(enumerate(own))) for name, own in percents.items()}


def of(seeds, pe_type):
    """The accuracy that is the mean of these trainings."""
    own = next(each.percent for key, each in seeds.items() if key[1] == pe_type)
    return known(pe_type, sum(own.values()) / len(own), runs=len(own))


def paired(seeds):
    return difference("net", of(seeds, "lightpe1"), of(seeds, "int8"), seeds)


def test_without_errors_and_between_scores_there_is_no_verdict():
    assert Difference(1.0, None, "", None).verdict == "no verdict"
    assert "\N{PLUS-MINUS SIGN}" not in Difference(1.0, None, "", None).words("INT8")
    own, other = ({str(n): known(name, 80.0 + n, evidence="ranked") for n in range(9)} for name in ("lightpe1", "int8"))
    for found in (difference_over_networks(own, other), difference("0", own["0"], other["0"], {})):
        assert (found.error, found.margin) == (None, None)  # 216 slices of one network are not 216 trainings
    assert difference("net", known("lightpe1", 90.0, error_percent=None), known("fp32", 91.0), {}).error is None


def test_accuracies_of_two_sources_get_no_verdict():
    own, other = known("lightpe1", 94.0, origin="my paper"), known("fp32", 90.0)
    found = difference("net", own, other, {})
    assert (found.margin, found.basis) == (None, "of two sources")
    networks = ("a", "b", "c")
    assert difference_over_networks(dict.fromkeys(networks, own), dict.fromkeys(networks, other)).margin is None


def test_a_difference_is_paired_by_seed_where_both_are_the_mean_of_shipped_seeds():
    seeds = trained(lightpe1=(90.0, 91.0, 92.0), int8=(90.5, 91.4, 92.6))
    found, of_tests = paired(seeds), math.hypot(0.3, 0.3)  # which images are right is not known: both errors
    assert found.points == pytest.approx(0.5)
    of_seeds = 0.1 / math.sqrt(3)  # of 0.5, 0.4, 0.6: what seeds share cancels
    assert found.error == pytest.approx(math.hypot(of_seeds, of_tests))
    assert found.margin == pytest.approx(math.hypot(4.303 * of_seeds, 2 * of_tests), rel=1e-3)  # Student's t
    assert found.basis == "paired over 3 seeds"
    foreign = difference("net", known("lightpe1", 91.2, runs=3), of(seeds, "int8"), seeds)  # not the shipped value
    assert (foreign.error, foreign.basis) == (pytest.approx(of_tests), NOT_PAIRED)
    alone = paired(trained(lightpe1=(90.0,), int8=(90.5, 99.0)))  # FP32's other seed says nothing of this one
    assert (alone.points, alone.basis) == (pytest.approx(0.5), NOT_PAIRED)
    two = paired(trained(lightpe1=(90.0, 91.0), int8=(90.5, 91.4)))  # two pairs say nothing of their spread
    assert (two.margin, two.basis) == (pytest.approx(2 * of_tests), NOT_PAIRED)


def test_what_other_test_images_would_change_is_paired_by_image():
    """400 images, INT8 right on 360; LightPE-1 wrong on 4 of these and right on 2 others."""
    seeds = trained(lightpe1=(89.5, 89.5, 89.5), int8=(90.0, 90.0, 90.0))
    int8 = np.arange(400) < 360
    lightpe1 = (np.arange(400) >= 4) & (np.arange(400) < 362)
    for key, each in seeds.items():
        each.right.update(dict.fromkeys(range(3), lightpe1 if key[1] == "lightpe1" else int8))
    discordant = 100 * math.sqrt(6 / 400 - (2 / 400) ** 2) / math.sqrt(399)
    assert paired(seeds).error == pytest.approx(discordant)
    assert paired(seeds).margin == pytest.approx(2 * discordant)
    assert discordant < 100 * math.sqrt(0.9 * 0.1 / 400)  # what the images change of one accuracy
    alike = trained(lightpe1=(90.0, 90.1, 90.2), int8=(90.0, 90.1, 90.2))
    for each in alike.values():
        each.right.update(dict.fromkeys(range(3), int8))
    assert (paired(alike).margin, paired(alike).verdict) == (0.0, "on par")


def test_seeds_whose_images_were_not_kept_count_for_the_spread_alone():
    right = np.arange(10) < 5
    assert images_error_percent({0: right, 1: right}, {1: ~right, 2: right}) == pytest.approx(
        images_error_percent({1: right}, {1: ~right})
    )
    assert images_error_percent({0: right}, {1: right}) is None


def test_the_shipped_images_are_right_as_often_as_the_shipped_accuracies_say():
    kept = [(each.percent[seed], right) for each in measured_trainings().values() for seed, right in each.right.items()]
    assert kept
    for percent, right in kept:
        assert 100 * right.mean() == pytest.approx(percent, abs=0.005)


def test_one_training_each_is_said_of_the_shipped_table_alone():
    own, other = known("lightpe1", 90.0), known("int8", 91.0)
    shipped = trained(lightpe1=(90.0,), int8=(91.0,))
    assert difference("net", own, other, shipped).basis == "one training each: test errors of both"
    assert difference("net", own, other, {}).basis == NOT_PAIRED  # who knows what a user's values are
    assert difference("net", own, other, trained(int8=(91.0,))).basis == NOT_PAIRED
    assert unpaired(own, other).basis == NOT_PAIRED


def test_fp32_is_known_by_the_drop_where_the_run_has_no_accuracy_of_it():
    own = {"a": known("lightpe1", 90.0, drop_percent=1.25), "b": known("lightpe1", 80.0)}
    assert {name: each.percent for name, each in reference_of(own).items()} == {"a": 91.25}
    single = difference("a", own["a"], reference_of(own)["a"], {})
    assert (single.points, single.verdict) == (1.25, "no verdict")  # FP32's error is in no table at hand
    seeds = trained(lightpe1=(90.0, 91.0, 92.0), fp32=(90.5, 91.4, 92.6))
    own = {"net": replace(of(seeds, "lightpe1"), drop_percent=0.5)}
    whole = of(seeds, "fp32")
    assert difference("net", own["net"], reference_of(own)["net"], seeds).points == pytest.approx(0.5)
    assert difference("net", own["net"], whole, seeds).margin is not None


def test_over_networks_a_difference_is_paired_by_network():
    own = {name: known("lightpe1", value) for name, value in (("a", 90.0), ("b", 80.0), ("c", 70.0))}
    others = {name: known("int8", value) for name, value in (("a", 90.5), ("b", 80.6), ("c", 70.4))}
    found = difference_over_networks(own, others)
    assert found.points == pytest.approx(0.5)
    assert found.error == pytest.approx(math.hypot(0.1 / math.sqrt(3), math.hypot(0.3, 0.3)))
    few = {name: others[name] for name in "ab"}
    assert difference_over_networks(own, few).margin is None
