"""Who is better by how much: best points, gains over the best INT16 and INT8 designs, spreads.

One definition throughout. The *best* value of a metric is taken over all usable designs of one workload, one clock
setting and one PE type, whatever their dataflow. A *gain* over a baseline type is how many times better that is than
the baseline's best value of the same metric, workload and clock setting: the ratio for metrics to maximize, its inverse
for metrics to minimize, so above 1 is always better. Designs at their own maximum clock (`max`) are compared with each
other, and so are the designs of each fixed clock (iso-clock). Normalizing to the best INT16 design is the convention of
QADAM and QUIDAM (arXiv 2205.13045, 2206.15463), whose abstracts also quote the spreads. Where networks compete
(`Points.compete`), their data set takes the place of the workload, and bests are of networks that differ in accuracy:
gains are then told at equal accuracy (`dse.report.levels`), not over these bests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.metrics import METRICS
from dse.report.run import Run
from dse.report.usable import KEYS, LABELS, Points, better_by, pe_label

IntArray = NDArray[np.int64]
Row = dict[str, Any]

BASELINES = ("int16", "int8")
GAIN_METRICS = ("perf_per_area", "energy", "energy_no_dram")
MEAN = "geometric mean"
ALL = "all"


def best_values(points: Points, metric: str) -> dict[tuple[str, ...], float]:
    """The best value of a metric by (workload, clock setting, PE type)."""
    values = points.values[metric]
    return {labels: float(values[points.best(group, [metric])]) for labels, group in points.groups(*KEYS)}


def best_positions(points: Points, metrics: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Position of the best point in the first metric, by (workload, clock setting, PE type); see `Points.best`."""
    return {labels: points.best(group, metrics) for labels, group in points.groups(*KEYS)}


def fronts(
    points: Points, metrics: Sequence[str], key: str = "pe_type"
) -> Iterator[tuple[str, dict[str, IntArray], IntArray]]:
    """Per workload: its name, the front of each PE type (or value of another key), and the front of all together.

    The front of all is the front of these fronts: what its own type dominates cannot be on it.
    """
    for (workload,), group in points.groups("workload"):
        codes = points.codes[key][group]
        by_type = {points.names[key][code]: points.front(group[codes == code], metrics) for code in np.unique(codes)}
        yield workload, by_type, points.front(np.concatenate(list(by_type.values())), metrics)


def describe(run: Run, points: Points, positions: Sequence[int] | IntArray, metrics: Sequence[str]) -> list[Row]:
    """All columns of the points at `positions`, and `<metric>_vs_<baseline>`: the gain over the baseline's best.

    Where networks compete, their data set comes first, and no gains: points differ in accuracy. Nor has an accuracy a
    gain: accuracies differ by points.
    """
    at = np.asarray(positions, np.int64)
    rows: list[Row] = run.rows(points.row[at]).to_pylist()
    if points.compete:
        return [{"dataset": points.label("workload", p), **row} for row, p in zip(rows, at, strict=True)]
    for metric in ratio_metrics(metrics):
        best, column = best_values(points, metric), METRICS[metric].column
        for row, position in zip(rows, at, strict=True):
            for baseline in BASELINES:
                contest = points.label("workload", position), points.label("clock_setting", position)
                reference = best.get((*contest, baseline))
                gain = None if reference is None else better_by(metric, row[column], reference)
                row[f"{metric}_vs_{baseline}"] = gain
    return rows


def gains(points: Points, metrics: Sequence[str] = GAIN_METRICS) -> list[Row]:
    """Gain of each PE type's best over the baselines' best, per metric, clock setting and workload, and their mean.

    No rows where networks compete: bests differ in accuracy.
    """
    rows: list[Row] = []
    for metric in [] if points.compete else ratio_metrics(metrics):
        at = best_positions(points, [metric])
        best = {labels: float(points.values[metric][position]) for labels, position in at.items()}
        for clock in points.names["clock_setting"]:
            found = [
                _gain(metric, labels, best, points.label("dataflow", position))
                for labels, position in at.items()
                if labels[1] == clock
            ]
            rows += found + _means(found, metric, clock, points.names["pe_type"])
    return rows


def _gain(metric: str, labels: tuple[str, ...], best: Mapping[tuple[str, ...], float], dataflow: str) -> Row:
    workload, clock, pe_type = labels
    row: Row = {"metric": metric, "clock_setting": clock, "workload": workload, "pe_type": pe_type}
    row |= {"dataflow": dataflow, "best": best[labels]}
    for baseline in BASELINES:
        reference = best.get((workload, clock, baseline))
        row[f"gain_vs_{baseline}"] = None if reference is None else better_by(metric, best[labels], reference)
    return row


def _means(rows: Sequence[Row], metric: str, clock: str, pe_types: Sequence[str]) -> list[Row]:
    means: list[Row] = []
    for pe_type in pe_types:
        own = [row for row in rows if row["pe_type"] == pe_type]
        if own:
            mean: Row = {"metric": metric, "clock_setting": clock, "workload": MEAN, "pe_type": pe_type}
            mean |= {"dataflow": None, "best": None}
            for baseline in BASELINES:
                mean[f"gain_vs_{baseline}"] = geometric_mean([row[f"gain_vs_{baseline}"] for row in own])
            means.append(mean)
    return means


def by_dataflow(points: Points, metrics: Sequence[str] = GAIN_METRICS) -> list[Row]:
    """The best of each dataflow over the best of all dataflows, per metric, clock setting, network and PE type.

    `vs_best` is 1 for the best dataflow and below for the others; the means are geometric, over networks. No rows where
    the run has one dataflow.
    """
    if len(points.names["dataflow"]) < 2:
        return []
    rows: list[Row] = []
    for metric in ratio_metrics(metrics):
        best, values = best_values(points, metric), points.values[metric]
        ratios: dict[tuple[str, ...], list[float | None]] = {}
        for labels, group in points.groups(*LABELS):
            value = float(values[points.best(group, [metric])])
            ratio = better_by(metric, value, best[labels[:-1]])
            rows.append({"metric": metric, **dict(zip(LABELS, labels, strict=True)), "best": value, "vs_best": ratio})
            ratios.setdefault(labels[1:], []).append(ratio)
        for shared, found in ratios.items():
            mean: Row = {"metric": metric, **dict(zip(LABELS, (MEAN, *shared), strict=True))}
            rows.append({**mean, "best": None, "vs_best": geometric_mean(found)})
    return rows


def baselines_of(rows: Sequence[Mapping[str, Any]], metric: str = "gain") -> list[str]:
    """The baselines that rows have gains over: of described points those in a metric."""
    return [name for name in BASELINES if any(row.get(f"{metric}_vs_{name}") is not None for row in rows)]


def ratio_metrics(metrics: Sequence[str]) -> list[str]:
    """The metrics in which designs are told to be so many times better: all but accuracies."""
    return [name for name in metrics if not METRICS[name].of_network]


def geometric_mean(values: Sequence[float | None]) -> float | None:
    """Geometric mean of the values there are; None when there is none."""
    present = [value for value in values if value is not None]
    return float(np.exp(np.mean(np.log(present)))) if present else None


def spreads(points: Points, metrics: Sequence[str] = GAIN_METRICS) -> list[Row]:
    """Largest over smallest value of each metric per workload: over INT16 designs, and over designs of all types."""
    rows: list[Row] = []
    for clock, keys in ((ALL, ("workload",)), (None, ("workload", "clock_setting"))):
        for labels, group in points.groups(*keys):
            int16 = group[_is_type(points, group, "int16")]
            row: Row = {"clock_setting": clock or labels[1], "workload": labels[0]}
            for metric in metrics:
                values = points.values[metric]
                row[f"{metric}_int16"] = _spread(values[int16])
                row[f"{metric}_all"] = _spread(values[group])
            rows.append(row)
    return rows


def _is_type(points: Points, group: IntArray, pe_type: str) -> NDArray[np.bool_]:
    names = points.names["pe_type"]
    code = names.index(pe_type) if pe_type in names else -1
    return np.asarray(points.codes["pe_type"][group] == code)


def _spread(values: NDArray[np.float64]) -> float | None:
    return float(values.max() / values.min()) if len(values) else None


def gains_by_network(rows: Sequence[Row], metric: str, baseline: str) -> list[Row]:
    """Gains of one metric over one baseline as a row per network and a column per PE type.

    A cell holds the gain at each clock setting, in the order of `rows`, joined by " / "; "" where there is none.
    """
    chosen = [row for row in rows if row["metric"] == metric and row["pe_type"] != baseline]
    clocks = list(dict.fromkeys(row["clock_setting"] for row in chosen))
    types = list(dict.fromkeys(row["pe_type"] for row in chosen))
    cells = {(r["workload"], r["pe_type"], r["clock_setting"]): r[f"gain_vs_{baseline}"] for r in chosen}
    networks = [name for name in dict.fromkeys(row["workload"] for row in chosen) if name != MEAN]
    return [
        {"network": network}
        | {pe_label(name): _cell([cells.get((network, name, clock)) for clock in clocks]) for name in types}
        for network in (*networks, MEAN)
    ]


def _cell(values: Sequence[float | None]) -> str:
    shown = ["\N{EN DASH}" if value is None else f"{value:.2f}" for value in values]
    return " / ".join(shown)
