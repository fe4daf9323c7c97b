"""Whether two accuracies are on par: differences of accuracies, their confidence intervals, and a test of equivalence.

The *interval* is the difference with its margin on both sides. Of a network trained from one base the difference is
paired over the seeds that both PE types have; over the networks of a data set it is the mean of their differences. What
another training (another network) would change has the margin of Student's t, of at least `LEAST_PAIRS` pairs; what
other test images would change is paired by image, twice its standard error. The margin is the root of the sum of both
squares. Where it is not known which images are right, the errors of both accuracies stand for it, which overstates it;
where there are fewer pairs, the margin is twice these alone.

*On par* is what lies wholly within `TOLERANCE` points on either side of zero. What lies wholly beyond it is not on par,
or better; all else is undecided: a difference that is not resolved is no proof of parity. Scores that rank get no
verdict and no error: they share weights and images, and order architectures. Neither do accuracies without known errors
and those of two sources, such as two recipes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scipy import stats

from workloads.accuracies import LEVELS, REFERENCE, error_of_mean, paired_drops
from workloads.layer import Accuracy
from workloads.trainings import Key, Trainings, images_error_percent

TOLERANCE = 1.0  # points of accuracy that do not count
CONFIDENCE = 0.95
RANKED = LEVELS[-1]
NORMAL = 2.0  # standard errors of a difference whose error is that of large tests
LEAST_PAIRS = 3  # fewer say nothing of their spread
RULE = (
    f"On par: the {100 * CONFIDENCE:g} % interval of the difference lies within {TOLERANCE:g} point of zero. Not on "
    "par, or better: it lies wholly beyond. Undecided: it reaches over that bound. The interval holds what another "
    "training and what other test images would change, both paired where that is known; \N{PLUS-MINUS SIGN} is one "
    "standard error. Scores that rank, accuracies without errors and those of two sources get no verdict."
)

Seeds = Mapping[Key, Trainings]  # those of the shipped table
Known = Mapping[str, Accuracy]  # by network


@dataclass(frozen=True)
class Difference:
    """By how many points an accuracy is below another one, its standard error (None: not known), what that is, and the
    margin of its interval (None: no verdict)."""

    points: float
    error: float | None
    basis: str
    margin: float | None

    @property
    def verdict(self) -> str:
        """Where the interval lies."""
        if self.margin is None:
            return "no verdict"
        if abs(self.points) + self.margin <= TOLERANCE:
            return "on par"
        if abs(self.points) - self.margin <= TOLERANCE:
            return "undecided"
        return "not on par" if self.points > 0 else "better"

    def words(self, other: str) -> str:
        """Like `0.61 +- 0.12 points below INT8 (on par)`."""
        error = "" if self.error is None else f" \N{PLUS-MINUS SIGN} {self.error:.2f}"
        side = "below" if self.points >= 0 else "above"
        return f"{abs(self.points):.2f}{error} points {side} {other} ({self.verdict})"


def difference(network: str, own: Accuracy, other: Accuracy, seeds: Seeds) -> Difference:
    """How far the first accuracy of a network is below the second, of the same level of evidence."""
    if own.origin != other.origin:
        return unpaired(own, other)
    first, second = (_trainings(network, each, seeds) for each in (own, other))
    drops = paired_drops(first.percent, second.percent)
    if len(drops) >= LEAST_PAIRS:
        images = images_error_percent(first.right, second.right)
        return _paired(drops, f"paired over {len(drops)} seeds", _error(own, other) if images is None else images)
    once = own.runs == other.runs == 1 and bool(drops)
    basis = "one training each: test errors of both" if once else "not paired: errors of both"
    return unpaired(own, other, basis, statistics.fmean(drops) if drops else None)


def unpaired(
    own: Accuracy, other: Accuracy, basis: str = "not paired: errors of both", paired_points: float | None = None
) -> Difference:
    """How far the first accuracy is below the second, with the errors of both; `paired_points` where pairs tell it."""
    points, error = other.percent - own.percent if paired_points is None else paired_points, _error(own, other)
    if own.origin != other.origin:
        return Difference(points, None, "of two sources", None)
    if error is None or RANKED in (own.evidence, other.evidence):
        return Difference(points, None, "not paired", None)
    return Difference(points, error, basis, NORMAL * error)


def difference_over_networks(own: Known, others: Known) -> Difference:
    """Mean over the networks that both have of how far the first is below the second; scores get no verdict, since all
    networks share weights and images."""
    drops = [other.percent - own[network].percent for network, other in others.items()]
    ranked = any(each.evidence == RANKED for each in others.values())
    basis = f"mean difference, paired over {len(drops)} networks{' that share weights' if ranked else ''}"
    same = all(own[network].origin == other.origin for network, other in others.items())
    errors = [_error(own[network], other) for network, other in others.items()]
    known = [error for error in errors if error is not None]
    if ranked or not same or len(drops) < LEAST_PAIRS or len(known) < len(errors):
        return Difference(statistics.fmean(drops), None, basis, None)
    return _paired(drops, basis, max(known))


def reference_of(own: Known) -> Known:
    """FP32's accuracies of the networks whose drops below it are known, where only these are; their errors are not."""
    return {
        network: replace(each, pe_type=REFERENCE, percent=each.percent + each.drop_percent, error_percent=None,
                         drop_percent=0.0, drop_error_percent=None)
        for network, each in own.items() if each.drop_percent is not None
    }  # fmt: skip


def _paired(drops: Sequence[float], basis: str, of_images: float | None) -> Difference:
    """The mean of at least LEAST_PAIRS differences, with what the choice of test images adds to its error."""
    error = error_of_mean(drops)
    if error is None or of_images is None:
        return Difference(statistics.fmean(drops), None, basis, None)
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(drops) - 1))
    margin = math.hypot(quantile * error, NORMAL * of_images)
    return Difference(statistics.fmean(drops), math.hypot(error, of_images), basis, margin)


def _error(own: Accuracy, other: Accuracy) -> float | None:
    """Standard error of a difference that is not paired; None where one of them is not known."""
    known = [each.error_percent for each in (own, other) if each.error_percent is not None]
    return math.hypot(*known) if len(known) == 2 else None


def _trainings(network: str, known: Accuracy, seeds: Seeds) -> Trainings:
    """Those that an accuracy is the mean of; none where it is not of the shipped table."""
    found = seeds.get((network, known.pe_type, known.origin), Trainings())
    same = known.evidence == "measured" and len(found.percent) == known.runs
    near = same and math.isclose(statistics.fmean(found.percent.values()), known.percent, abs_tol=1e-9)
    return found if near else Trainings()
