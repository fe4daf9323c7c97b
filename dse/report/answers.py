"""What a run says in words about its accuracies: are LightPEs on par with other PE types, and are they Pareto-optimal?

*On par*: the difference of accuracies is within its confidence interval. Of a network trained from one base it is a
paired difference over the seeds that both PE types have, at least three, with Student's t; over the networks of a data
set it is the mean difference, paired by network. A difference below the test error of one accuracy is none: both are of
the same images. With fewer pairs the error is the root of the sum of both squared errors, which overstates it. Scores
that rank get no verdict: they share weights and images, and order architectures.

*Pareto-optimal against* other PE types: no design of theirs dominates (`dse.pareto`) in accuracy and the other metric.
Every sentence names its level of evidence; differences between levels are not taken.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy import stats

from dse.metrics import METRICS
from dse.report.accuracy import ACCURACY, accuracy_points, distinct, evidence_of
from dse.report.gains import fronts
from dse.report.run import Run
from dse.report.tables import listed, short
from dse.report.usable import IntArray, Points, pe_label
from workloads.accuracies import LEVELS, REFERENCE, error_of_mean, paired_drops, shipped_runs
from workloads.layer import Accuracy

SUBJECTS = ("lightpe1", "lightpe2")
RIVALS = ("int16", "int8", "w4a8")
CONFIDENCE = 0.95
RANKED = LEVELS[-1]
NORMAL = 2.0  # standard errors of a difference whose error is that of large tests
LEAST_PAIRS = 3  # fewer say nothing of their spread
METHOD = (
    f"On par: the difference is within its {100 * CONFIDENCE:g} % interval (Student's t where it is paired; "
    "\N{PLUS-MINUS SIGN} is one standard error), or below the test error of one accuracy. Scores that rank get no "
    "verdict. Pareto-optimal against other PE types: none of their designs is at least as good in accuracy and in the "
    "other metric and better in one."
)
CHANCE = " Of many accuracies a front holds those that are high by chance, too: its networks are to be trained alone."

Seeds = Mapping[tuple[str, str], Mapping[int, float]]  # network, PE type -> seed -> accuracy, percent
Known = Mapping[str, Accuracy]  # by network


@dataclass(frozen=True)
class Difference:
    """By how many points an accuracy is below another one, its standard error (None: not known), what that is, and the
    largest difference that is none (None: no verdict)."""

    points: float
    error: float | None
    basis: str
    margin: float | None

    def words(self, other: str) -> str:
        """Like `0.61 +- 0.12 points below INT8 (not on par)`."""
        size, side = f"{abs(self.points):.2f}", "below" if self.points >= 0 else "above"
        if self.error is None:
            return f"{size} points {side} {other} (error not known: no verdict)"
        apart = "not on par" if self.points > 0 else "better"
        verdict = "no verdict" if self.margin is None else "on par" if abs(self.points) <= self.margin else apart
        return f"{size} \N{PLUS-MINUS SIGN} {self.error:.2f} points {side} {other} ({verdict})"


def _paired(drops: Sequence[float], basis: str, test_error: float | None) -> Difference:
    """The mean of at least LEAST_PAIRS differences."""
    error = error_of_mean(drops)
    assert error is not None  # of at least two
    margin = None if test_error is None else max(_quantile(len(drops)) * error, test_error)
    return Difference(statistics.fmean(drops), error, basis, margin)


def _quantile(pairs: int) -> float:
    """Of Student's t, for the mean of so many differences."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, pairs - 1))


def answers(run: Run) -> list[str]:
    """The blocks of the section of the report; none where the run has no accuracies."""
    if not run.accuracies:
        return []
    contests: dict[str, list[str]] = {}
    for network in run.accuracies:
        contests.setdefault(run.dataset(network) if run.competes else network, []).append(network)
    points, seeds = accuracy_points(run), measured_seeds()
    blocks = [f"## Accuracy\n\n{METHOD}{CHANCE if run.competes else ''}\n"]
    for contest, networks in contests.items():
        lines = [*_par(run, networks, seeds), *(_optimal(run, points, contest) if points else [])]
        blocks.append(f"**{contest}**\n\n" + "\n".join(f"- {line}" for line in lines) + "\n")
    return blocks


def measured_seeds() -> Seeds:
    """Accuracy of every seed of the shipped table."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for each in shipped_runs(("measured",)):
        found.setdefault((each.network, each.pe_type), {})[each.seed] = each.percent
    return found


def difference(network: str, own: Accuracy, other: Accuracy, seeds: Seeds) -> Difference:
    """How far the first accuracy of a network is below the second, of the same level of evidence."""
    first, second = _seeds_of(network, own, seeds), _seeds_of(network, other, seeds)
    drops = paired_drops(first, second)
    if own.error_percent is None or other.error_percent is None:
        return Difference(other.percent - own.percent, None, "one value each", None)
    test_error = max(own.error_percent, other.error_percent)
    if len(drops) >= LEAST_PAIRS:
        return _paired(drops, f"paired over {len(drops)} seeds", test_error)
    pairs = min(own.runs, other.runs)
    if other.pe_type == REFERENCE and pairs >= LEAST_PAIRS and own.drop_percent is not None and own.drop_error_percent:
        least = max(_quantile(pairs) * own.drop_error_percent, test_error)
        return Difference(own.drop_percent, own.drop_error_percent, f"paired over {pairs} seeds", least)
    error = math.hypot(own.error_percent, other.error_percent)
    trained = "one training each" if own.runs == other.runs == 1 else "not paired"
    margin = None if own.evidence == RANKED else NORMAL * error
    return Difference(other.percent - own.percent, error, f"{trained}: test errors of both", margin)


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


def _par(run: Run, networks: Sequence[str], seeds: Seeds) -> list[str]:
    """One line per LightPE and level of evidence: its accuracy against the other types'."""
    lines = []
    for subject, level in product(SUBJECTS, LEVELS):
        own = _of_level(run, networks, subject, level)
        if own:
            mean = f"{statistics.fmean(each.percent for each in own.values()):.2f} %"
            of = f"mean of {len(own)} networks {mean}" if len(own) > 1 else mean
            peers = {peer: _of_level(run, list(own), peer, level) for peer in (REFERENCE, *RIVALS)}
            lines.append(f"{pe_label(subject)} ({level} accuracy, {of}{_against(own, peers, seeds)}.")
    return lines


def _against(own: Known, peers: Mapping[str, Known], seeds: Seeds) -> str:
    """What the differences are, the difference from each peer, and which peers lack."""
    found: dict[str, Difference] = {}
    for peer, theirs in peers.items():
        if len(theirs) > 1:
            found[peer] = difference_over_networks(own, theirs)
        elif theirs:
            (network,) = theirs
            found[peer] = difference(network, own[network], theirs[network], seeds)
    bases = sorted({each.basis for each in found.values()})
    clauses = []
    for peer, each in found.items():
        clauses.append(each.words(pe_label(peer)) + (f" [{each.basis}]" if len(bases) > 1 else ""))
    lacking = [pe_label(peer) for peer in peers if peer not in found]
    clauses += [f"no such accuracy of {listed(lacking)}"] if lacking else []
    return f"{'; ' + bases[0] if len(bases) == 1 else ''}): {', '.join(clauses)}"


def _of_level(run: Run, networks: Sequence[str], pe_type: str, level: str) -> Known:
    """Accuracies on a PE type of the networks that have them at a level of evidence."""
    known = {network: run.accuracies[network].get(pe_type) for network in networks}
    return {network: each for network, each in known.items() if each is not None and each.evidence == level}


def _optimal(run: Run, points: Points, contest: str) -> list[str]:
    """Lines on the fronts of a contest, metric by metric."""
    lines = []
    for metric in points.values:
        if metric != ACCURACY:
            for name, by_type, overall in fronts(points, (ACCURACY, metric)):
                if name == contest:
                    own = [subject for subject in SUBJECTS if subject in by_type]
                    lines += [_against_rivals(run, points, metric, subject, by_type) for subject in own]
                    lines.append(_holders(run, points, metric, overall))
    return lines


def _against_rivals(run: Run, points: Points, metric: str, subject: str, by_type: Mapping[str, IntArray]) -> str:
    """How much of a type's own front no rival dominates."""
    rivals = {name: by_type[name] for name in RIVALS if name in by_type}
    label, plane = pe_label(subject), f"accuracy and {METRICS[metric].label.lower()}"
    own = distinct(points, (ACCURACY, metric), by_type[subject])
    everyone = np.concatenate([own, *rivals.values()])
    levels = _levels(run, points, everyone)
    if not rivals:
        return f"{label}: no design of {listed([*map(pe_label, RIVALS)])} to compare with in {plane} ({levels})."
    best = np.intersect1d(own, points.front(everyone, (ACCURACY, metric)))
    names = listed([*map(pe_label, rivals)])
    if len(own) > 1:
        count = f"{len(best)} of the {len(own)} points of its own front"
        return f"{label}: {count} of {plane} are Pareto-optimal against {names} ({levels})."
    verdict = "is" if len(best) else "is not"
    beating = [front for front in rivals.values()
               if own[0] not in points.front(np.concatenate([own, front]), (ACCURACY, metric))]  # fmt: skip
    places = [_place(points, metric, int(front[0])) for front in (own, *beating)]
    return f"{label} {verdict} Pareto-optimal against {names} in {plane} ({levels}): {'; '.join(places)}."


def _holders(run: Run, points: Points, metric: str, overall: IntArray) -> str:
    """Which types hold the front of all."""
    front = distinct(points, (ACCURACY, metric), overall)
    held = Counter(points.label("pe_type", position) for position in front.tolist()).most_common()
    shares = [f"{pe_label(name)} {own} ({100 * own / len(front):.0f} %)" for name, own in held]
    one_each = listed([pe_label(name) for name, _ in held]) + (", one each" if len(held) > 1 else "")
    return (
        f"The front of accuracy and {METRICS[metric].label.lower()} over all PE types "
        f"({_levels(run, points, front)}) has {len(front)} point{'s'[len(front) == 1 :]}: "
        f"{one_each if held[0][1] == 1 else ', '.join(shares)}."
    )


def _place(points: Points, metric: str, position: int) -> str:
    label, value = pe_label(points.label("pe_type", position)), float(points.values[metric][position])
    return f"{label} has {points.values[ACCURACY][position]:.2f} % at {short(value)} {METRICS[metric].unit}"


def _levels(run: Run, points: Points, positions: IntArray) -> str:
    levels = evidence_of(run, points, positions)
    return f"{listed(levels)} accuracies{', mixed' if len(levels) > 1 else ''}"


def _seeds_of(network: str, known: Accuracy, seeds: Seeds) -> Mapping[int, float]:
    """The seeds that an accuracy is the mean of; none where it is not of the shipped table."""
    found = seeds.get((network, known.pe_type), {})
    same = known.evidence == "measured" and len(found) == known.runs
    return found if same and math.isclose(statistics.fmean(found.values()), known.percent, abs_tol=1e-9) else {}
