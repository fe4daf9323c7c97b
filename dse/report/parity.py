"""Whether two accuracies are on par: differences of accuracies, their confidence intervals, and a test of equivalence.

The *interval* is the difference with its margin on both sides. Of a network trained from one base the difference is
paired over the seeds that both PE types have, over the networks of a data set it is the mean of their differences; of
at least `LEAST_PAIRS` pairs the margin is that of Student's t. Elsewhere the error is the root of the sum of both
squared errors, which overstates it, and the margin twice that. No margin is below the test error of one accuracy: both
are of the same images.

*On par* is what lies wholly within `TOLERANCE` points on either side of zero. What lies wholly beyond it is not on par,
or better; all else is undecided: a difference that is not resolved is no proof of parity. Scores that rank get no
verdict, since they share weights and images and order architectures; neither do accuracies without known errors.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scipy import stats

from workloads.accuracies import LEVELS, REFERENCE, error_of_mean, paired_drops, shipped_runs
from workloads.layer import Accuracy

TOLERANCE = 1.0  # points of accuracy that do not count
CONFIDENCE = 0.95
RANKED = LEVELS[-1]
NORMAL = 2.0  # standard errors of a difference whose error is that of large tests
LEAST_PAIRS = 3  # fewer say nothing of their spread
RULE = (
    f"On par: the {100 * CONFIDENCE:g} % interval of the difference lies within {TOLERANCE:g} point of zero. Not on "
    "par, or better: it lies wholly beyond. Undecided: it reaches over that bound. The interval is that of Student's t "
    "where the difference is paired, else two standard errors (\N{PLUS-MINUS SIGN} is one), and never below the test "
    "error of one accuracy. Scores that rank and accuracies without errors get no verdict."
)

Seeds = Mapping[tuple[str, str], Mapping[int, float]]  # network, PE type -> seed -> accuracy, percent
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
        if self.error is None:
            return "error not known: no verdict"
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


def measured_seeds() -> Seeds:
    """Accuracy of every seed of the shipped table."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for each in shipped_runs(("measured",)):
        found.setdefault((each.network, each.pe_type), {})[each.seed] = each.percent
    return found


def difference(network: str, own: Accuracy, other: Accuracy, seeds: Seeds) -> Difference:
    """How far the first accuracy of a network is below the second, of the same level of evidence."""
    first, second = (_seeds_of(network, each, seeds) for each in (own, other))
    if own.error_percent is not None:
        test_error = max(own.error_percent, other.error_percent or 0.0)
        if len(drops := paired_drops(first, second)) >= LEAST_PAIRS:
            return _paired(drops, f"paired over {len(drops)} seeds", test_error)
        pairs = min(own.runs, other.runs)
        drop, error = own.drop_percent, own.drop_error_percent
        if other.pe_type == REFERENCE and pairs >= LEAST_PAIRS and drop is not None and error:
            margin = max(_quantile(pairs) * error, test_error)
            return Difference(drop, error, f"paired over {pairs} seeds", margin)
    once = own.runs == other.runs == 1 and bool(first) and bool(second)
    return unpaired(own, other, "one training each: test errors of both" if once else "not paired: errors of both")


def unpaired(own: Accuracy, other: Accuracy, basis: str = "not paired: errors of both") -> Difference:
    """How far the first accuracy is below the second, with the errors of both."""
    points = other.percent - own.percent
    if own.error_percent is None or other.error_percent is None:
        return Difference(points, None, "not paired", None)
    error = math.hypot(own.error_percent, other.error_percent)
    return Difference(points, error, basis, None if RANKED in (own.evidence, other.evidence) else NORMAL * error)


def difference_over_networks(own: Known, others: Known) -> Difference:
    """Mean over the networks that both have of how far the first is below the second; scores get no verdict, since all
    networks share weights and images."""
    drops = [other.percent - own[network].percent for network, other in others.items()]
    ranked = any(each.evidence == RANKED for each in others.values())
    basis = f"mean difference, paired over {len(drops)} networks{' that share weights' if ranked else ''}"
    errors = [own[network].error_percent for network in others]
    known = [error for error in errors if error is not None]
    if len(drops) < LEAST_PAIRS or len(known) < len(errors):
        return Difference(statistics.fmean(drops), None, basis, None)
    found = _paired(drops, basis, max(known))
    return replace(found, margin=None) if ranked else found


def reference_of(own: Known) -> Known:
    """FP32's accuracies of the networks whose drops below it are known, where only these are; their errors are not."""
    return {
        network: replace(each, pe_type=REFERENCE, percent=each.percent + each.drop_percent, error_percent=None,
                         drop_percent=0.0, drop_error_percent=None)
        for network, each in own.items() if each.drop_percent is not None
    }  # fmt: skip


def _paired(drops: Sequence[float], basis: str, test_error: float) -> Difference:
    """The mean of at least LEAST_PAIRS differences."""
    error = error_of_mean(drops)
    assert error is not None  # of at least two
    return Difference(statistics.fmean(drops), error, basis, max(_quantile(len(drops)) * error, test_error))


def _quantile(pairs: int) -> float:
    """Of Student's t, for the mean of so many differences."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, pairs - 1))


def _seeds_of(network: str, known: Accuracy, seeds: Seeds) -> Mapping[int, float]:
    """The seeds that an accuracy is the mean of; none where it is not of the shipped table."""
    found = seeds.get((network, known.pe_type), {})
    same = known.evidence == "measured" and len(found) == known.runs
    return found if same and math.isclose(statistics.fmean(found.values()), known.percent, abs_tol=1e-9) else {}
