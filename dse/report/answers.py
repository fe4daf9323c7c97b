"""What a run says in words about its accuracies: are LightPEs on par with other PE types, and are they Pareto-optimal?

*On par* is what `dse.report.parity` finds equivalent. *Pareto-optimal against* other PE types: no design of theirs
dominates (`dse.pareto`) in accuracy and the other metric; where accuracy is an objective as its drop alone, in that.
Every sentence names its level of evidence; differences between levels are not taken.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from dse.metrics import METRICS
from dse.report.accuracy import DROP, accuracy_points, distinct, evidence_of, plane_metric
from dse.report.gains import fronts, ratio_metrics
from dse.report.parity import (
    CONFIDENCE,
    LEAST_PAIRS,
    RULE,
    Difference,
    Known,
    Seeds,
    difference,
    difference_over_networks,
    reference_of,
    unpaired,
)
from dse.report.run import Run
from dse.report.tables import listed, short
from dse.report.usable import IntArray, Points, pe_label
from workloads.accuracies import LEVELS, REFERENCE
from workloads.trainings import measured_trainings

MARGIN = f"{100 * CONFIDENCE:g} % margin"
SUBJECTS = ("lightpe1", "lightpe2")
RIVALS = ("int16", "int8", "w4a8")
METHOD = (
    f"{RULE} Pareto-optimal against other PE types: none of their designs is at least as good in accuracy and in the "
    "other metric and better in one."
)
CHANCE = " Of many accuracies a front holds those that are high by chance, too: its networks are to be trained alone."


def answers(run: Run) -> list[str]:
    """The blocks of the section of the report; none where the run has no accuracies."""
    if not run.accuracies:
        return []
    contests: dict[str, list[str]] = {}
    for network in run.accuracies:
        contests.setdefault(run.dataset(network) if run.competes else network, []).append(network)
    points, seeds = accuracy_points(run, rating=plane_metric(run)), measured_trainings()
    blocks = [f"## Accuracy\n\n{METHOD}{CHANCE if run.competes else ''}\n"]
    for contest, networks in contests.items():
        lines = [*_par(run, networks, seeds), *(_optimal(run, points, contest, seeds) if points else [])]
        blocks.append(f"**{contest}**\n\n" + "\n".join(f"- {line}" for line in lines) + "\n")
    return blocks


def _par(run: Run, networks: Sequence[str], seeds: Seeds) -> list[str]:
    """One line per LightPE and level of evidence: its accuracy against the other types', over all networks or, where
    they are too few for their spread to be known, for each."""
    lines = []
    for subject, level in product(SUBJECTS, LEVELS):
        known = _of_level(run, networks, subject, level)
        parts = [known] if len(known) >= LEAST_PAIRS else [{network: each} for network, each in known.items()]
        for own in parts:
            name, mean = "", f"{statistics.fmean(each.percent for each in own.values()):.2f} %"
            if len(own) > 1:
                mean = f"mean of {len(own)} networks {mean}"
            elif run.competes:
                name = f" on {next(iter(own))}"
            peers = {peer: _of_level(run, list(own), peer, level) for peer in (REFERENCE, *RIVALS)}
            peers[REFERENCE] = peers[REFERENCE] or reference_of(own)
            lines.append(f"{pe_label(subject)}{name} ({level} accuracy, {mean}{_against(own, peers, seeds)}.")
    return lines


def _against(own: Known, peers: Mapping[str, Known], seeds: Seeds) -> str:
    """What the differences are, the difference from each peer, and which peers lack."""
    found: dict[str, Difference] = {}
    for peer, theirs in peers.items():
        if len(own) > 1 and theirs:
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


def _optimal(run: Run, points: Points, contest: str, seeds: Seeds) -> list[str]:
    """Lines on the fronts of a contest, metric by metric."""
    lines, rating = [], plane_metric(run)
    for metric in ratio_metrics(list(points.values)):
        for name, by_type, overall in fronts(points, (rating, metric)):
            if name == contest:
                own = [subject for subject in SUBJECTS if subject in by_type]
                lines += [_against_rivals(run, points, (rating, metric), subject, by_type, seeds) for subject in own]
                lines.append(_holders(run, points, (rating, metric), overall))
    return lines


def _against_rivals(
    run: Run, points: Points, plane: tuple[str, str], subject: str, by_type: Mapping[str, IntArray], seeds: Seeds
) -> str:
    """How much of a type's own front no rival dominates."""
    rivals = {name: by_type[name] for name in RIVALS if name in by_type}
    label, words = pe_label(subject), _plane(plane)
    own = distinct(points, plane, by_type[subject])
    everyone = np.concatenate([own, *rivals.values()])
    levels = _levels(run, points, everyone)
    if not rivals:
        return f"{label}: no design of {listed([*map(pe_label, RIVALS)])} to compare with in {words} ({levels})."
    best = np.intersect1d(own, points.front(everyone, plane))
    names = listed([*map(pe_label, rivals)])
    close = {position: _close(run, points, plane, position, rivals, seeds) for position in own.tolist()}
    if len(own) > 1:
        count = f"{len(best)} of the {len(own)} points of its own front"
        verb, rests = "is" if len(best) == 1 else "are", _resting(sum(map(bool, close.values())))
        return f"{label}: {count} of {words} {verb} Pareto-optimal against {names} ({levels}){rests}."
    (position,) = own.tolist()
    beating = [front for front in rivals.values() if position not in points.front(np.append(front, position), plane)]
    places = [_place(points, plane, int(front[0])) for front in (own, *beating)]
    near = listed(close[position])
    rests = f"; this rests on an accuracy difference to {near} smaller than its {MARGIN}" if near else ""
    if not any(len(_reaching(points, plane[1], position, front)) for front in rivals.values()):
        rests = f"; none of theirs is as good in {METRICS[plane[1]].label.lower()}, so this holds at any accuracy"
    verdict = "is" if len(best) else "is not"
    return f"{label} {verdict} Pareto-optimal against {names} in {words} ({levels}): {'; '.join(places)}{rests}."


def _reaching(points: Points, metric: str, own: int, rival: IntArray) -> IntArray:
    """The points of a rival that are at least as good as a point in a metric."""
    values = points.values[metric]
    reach = values[rival] >= values[own] if METRICS[metric].maximize else values[rival] <= values[own]
    return np.asarray(rival[reach])


def _close(
    run: Run, points: Points, plane: tuple[str, str], own: int, rivals: Mapping[str, IntArray], seeds: Seeds
) -> list[str]:
    """The rivals whose accuracy decides, by less than the margin of its difference, whether they dominate a point."""
    rating, metric = plane
    sign, found = (1.0 if METRICS[rating].maximize else -1.0), list[tuple[float, float, str]]()
    for name, front in rivals.items():
        for other in _reaching(points, metric, own, front).tolist():
            margin = _margin(run, points, own, other, seeds)
            if margin is not None:
                ahead = sign * float(points.values[rating][own] - points.values[rating][other])
                found.append((ahead, margin, pe_label(name)))
    if any(ahead <= -margin for ahead, margin, _ in found):
        return []
    beaten = any(ahead <= 0 for ahead, _, _ in found)
    return list(dict.fromkeys(name for ahead, margin, name in found if (ahead <= 0 if beaten else ahead < margin)))


def _margin(run: Run, points: Points, own: int, other: int, seeds: Seeds) -> float | None:
    """That of the difference of two points' accuracies; None where they do not compare."""
    names = [points.label("network", position) for position in (own, other)]
    first, second = (
        run.accuracies[name][points.label("pe_type", position)]
        for name, position in zip(names, (own, other), strict=True)
    )
    if first.evidence != second.evidence:
        return None
    same = names[0] == names[1]
    return (difference(names[0], first, second, seeds) if same else unpaired(first, second)).margin


def _holders(run: Run, points: Points, plane: tuple[str, str], overall: IntArray) -> str:
    """Which types hold the front of all."""
    front = distinct(points, plane, overall)
    held = Counter(points.label("pe_type", position) for position in front.tolist()).most_common()
    shares = [f"{pe_label(name)} {own} ({100 * own / len(front):.0f} %)" for name, own in held]
    one_each = listed([pe_label(name) for name, _ in held]) + (", one each" if len(held) > 1 else "")
    return (
        f"The front of {_plane(plane)} over all PE types ({_levels(run, points, front)}) has {len(front)} "
        f"point{'s'[len(front) == 1 :]}: {one_each if held[0][1] == 1 else ', '.join(shares)}."
    )


def _resting(count: int) -> str:
    """That so many verdicts are open, as an accuracy decides them that is not resolved."""
    one = f"rests on an accuracy difference smaller than its {MARGIN}"
    several = f"rest on accuracy differences smaller than their {MARGIN}"
    return f"; {count} of these verdicts {one if count == 1 else several}" if count else ""


def _plane(plane: tuple[str, str]) -> str:
    """The two metrics in words."""
    return f"{'accuracy below FP32' if plane[0] == DROP else 'accuracy'} and {METRICS[plane[1]].label.lower()}"


def _place(points: Points, plane: tuple[str, str], position: int) -> str:
    rating, metric = plane
    known, value = float(points.values[rating][position]), float(points.values[metric][position])
    at = f"at {short(value)} {METRICS[metric].unit}"
    label = pe_label(points.label("pe_type", position))
    if rating == DROP:
        return f"{label} is {abs(known):.2f} points {'below' if known >= 0 else 'above'} FP32 {at}"
    return f"{label} has {known:.2f} % {at}"


def _levels(run: Run, points: Points, positions: IntArray) -> str:
    levels = evidence_of(run, points, positions)
    return f"{listed(levels)} accuracies{', mixed' if len(levels) > 1 else ''}"
