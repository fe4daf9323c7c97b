"""Accuracies of the networks of a run beside its points: which networks compete, tables of what is known and best.

Accuracies are those that the config of the run found (`Run.accuracies`), with their level of evidence. Where accuracy
is an objective the networks of a data set compete (`Run.competes`); elsewhere every network is a contest of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dse.config import workload_sha256
from dse.errors import RunError, first
from dse.metrics import METRICS, of_networks
from dse.report.compact import thinned
from dse.report.gains import fronts, ratio_metrics
from dse.report.run import Run
from dse.report.usable import IntArray, Points, load_points
from workloads.accuracies import LEVELS, accuracies, shipped_runs
from workloads.layer import Accuracy
from workloads.loader import load_workload

Row = dict[str, Any]

ACCURACY, DROP = "accuracy", "accuracy_drop"
PLANES = ("perf_per_area", "energy")  # what accuracy is weighed against
FINALISTS = 12
SAID = 8  # networks that a message names


def plane_metric(run: Run) -> str:
    """What other metrics are weighed against: accuracy, or its drop where only that is an objective."""
    objectives = run.config.get("objectives", ())
    return DROP if DROP in objectives and ACCURACY not in objectives else ACCURACY


def accuracy_points(run: Run, metrics: Sequence[str] = PLANES, rating: str = ACCURACY) -> Points | None:
    """The points whose `rating`, accuracy or its drop, is known, with those of the metrics that the run can tell the
    best of.

    "workload" is the data set where networks compete, else the network. None where nothing is there to show.
    """
    known = [name for name in metrics if run.reported is None or name in run.reported]
    every = run.kept is None and not run.searched
    told = every or not run.competes or rating in (run.reported or ())
    if not (known and told and run.accuracies):
        return None
    try:
        points = load_points(run, (rating, *known))
    except RunError:  # none of the networks with an accuracy has a usable design
        return None
    return points if run.competes else points.apart()


def unknown_accuracies(run: Run, metrics: Sequence[str]) -> tuple[str, ...]:
    """Messages on the networks and PE types that are left out, since an accuracy asked for is not known of them."""
    networks = run.config.get("workloads", ())
    known = {network: run.accuracies.get(network, {}) for network in networks}
    return not_known(known, run.config["space"].get("pe_type", ()), metrics)


def not_known(
    networks: Mapping[str, Mapping[str, Accuracy]], types: Sequence[str], metrics: Sequence[str]
) -> tuple[str, ...]:
    """The same for networks and what is known of them, PE type -> accuracy."""
    if not of_networks(metrics):
        return ()
    unknown = {name: [each for each in types if each not in own] for name, own in networks.items()}
    apart = {name: [each for each in types if each in own and own[each].drop_percent is None]
             for name, own in networks.items() if DROP in metrics}  # fmt: skip
    reasons = {"where accuracy counts, since none is known": unknown,
               "where accuracy_drop counts, since FP32 of the same source is not known": apart}  # fmt: skip
    said = []
    for reason, lacking in reasons.items():
        names = [
            name if len(own) == len(types) else f"{name} on {', '.join(own)}" for name, own in lacking.items() if own
        ]
        said += [f"left out {reason}: {first(names, SAID, '; ')}"] if names else []
    return tuple(said)


def evidence_of(run: Run, points: Points, positions: IntArray) -> tuple[str, ...]:
    """Levels of evidence of the accuracies of these points, the most trusted first."""
    known = run.accuracies
    pairs = np.unique(np.stack([points.codes[key][positions] for key in ("network", "pe_type")]), axis=1)
    names = [(points.names["network"][network], points.names["pe_type"][pe_type]) for network, pe_type in pairs.T]
    found = {known[network][pe_type].evidence for network, pe_type in names}
    return tuple(level for level in LEVELS if level in found)


def distinct(points: Points, metrics: Sequence[str], positions: IntArray) -> IntArray:
    """The first of the points of a PE type that are equal in the metrics."""
    columns = [points.codes["pe_type"], *(points.values[name] for name in metrics)]
    _, first = np.unique(np.stack([column[positions] for column in columns]), axis=1, return_index=True)
    return np.asarray(positions[np.sort(first)])


def accuracy_rows(run: Run) -> list[Row]:
    """What the run knows of its networks: one row per network and PE type."""
    return [
        {
            "network": network, "dataset": each.dataset, "pe_type": pe_type, "accuracy_percent": each.percent,
            "error_percent": each.error_percent, "drop_percent": each.drop_percent,
            "drop_error_percent": each.drop_error_percent, "evidence": each.evidence, "runs": each.runs,
            "source": each.source,
        }
        for network, own in run.accuracies.items()
        for pe_type, each in own.items()
    ]  # fmt: skip


def finalist_rows(run: Run, points: Points, metrics: Sequence[str]) -> list[Row]:
    """Per data set up to `FINALISTS` networks with a PE type, evenly spread over the front of all PE types."""
    measured, rows = accuracies(shipped_runs(("measured",))), list[Row]()

    def measured_of(network: str, pe_type: str) -> Accuracy | None:  # the run's own, else one of the same network
        own, shipped = run.accuracies[network][pe_type], measured.get(network, {}).get(pe_type)
        if own.evidence == "measured":
            return own
        if shipped is None or own.dataset != shipped.dataset:
            return None
        layers = run.config.get("workload_sha256", {}).get(network)
        return shipped if layers == workload_sha256(load_workload(network)) else None

    for dataset, _, overall in fronts(points, metrics):
        pairs: dict[tuple[str, str], list[int]] = {}
        for position in overall.tolist():
            pairs.setdefault((points.label("network", position), points.label("pe_type", position)), []).append(
                position
            )
        known = run.accuracies
        best_first = sorted(pairs, key=lambda pair: (-known[pair[0]][pair[1]].percent, pair))
        rows += [
            _finalist(dataset, pair, known[pair[0]][pair[1]], measured_of(*pair))
            | {f"best_{METRICS[name].column}": _best(points, pairs[pair], name) for name in ratio_metrics(metrics)}
            for pair in thinned(best_first, FINALISTS)
        ]
    return rows


def _finalist(dataset: str, pair: tuple[str, str], known: Accuracy, measured: Accuracy | None) -> Row:
    return {
        "dataset": dataset, "network": pair[0], "pe_type": pair[1], "accuracy_percent": known.percent,
        "error_percent": known.error_percent, "evidence": known.evidence,
        "measured_percent": measured and measured.percent,
        "measured_error_percent": measured and measured.error_percent, "measured_runs": measured and measured.runs,
    }  # fmt: skip


def _best(points: Points, positions: Sequence[int], metric: str) -> float:
    at = np.asarray(positions, np.int64)
    return float(points.values[metric][points.best(at, (metric,))])
