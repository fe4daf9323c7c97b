"""Gains at equal accuracy: per level of accuracy the best accelerator of each PE type, where networks compete.

A smaller network is a faster one. So the best value of a PE type over all networks of a data set is that of its
smallest network, and types compared by it are compared at different accuracies. Here each level is a floor of accuracy
(or a ceiling of its drop), of a PE type counts its best point that keeps to it, and a gain is over the best INT16 or
INT8 point that keeps to the same level. Levels are multiples of a round step; one whose points are all those of the
next stricter level is left out, and the step is the finest with which at most `MOST` remain.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from dse.metrics import METRICS
from dse.report.accuracy import ACCURACY, DROP
from dse.report.gains import BASELINES, baselines_of, fronts, ratio_metrics
from dse.report.run import Run
from dse.report.tables import Table, listed, short, to_markdown
from dse.report.usable import IntArray, Points, better_by, pe_label
from dse.space import NUMERIC_AXES
from pe_library.model import list_pe_types
from workloads.accuracies import LEVELS as EVIDENCE

Row = dict[str, Any]
Bests = dict[tuple[str, str], int]  # metric, PE type -> position of its best point

LEVELS = "accuracy_levels"  # name of the table
STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)  # points of accuracy; the last ones suit any range
MOST = 8  # levels of a data set
BOUNDS = {  # of an accuracy: column and heading of a level, and what is equal at it
    ACCURACY: ("accuracy_at_least_percent", "accuracy at least, %", "accuracy"),
    DROP: ("accuracy_drop_at_most_percent", "below FP32 at most, points", "drop of accuracy"),
}
NONE = "\N{EN DASH}"
NOTE = (
    "Each PE type's best point that keeps to the level, over all networks of the data set and all clock settings"
    f"{{over}}; {NONE} where there is none. At the easiest levels a type's best may be the smallest network of the "
    "run, better than asked."
)
_HIDDEN = 1e-9  # what arithmetic with floats may take off an accuracy that just keeps to a level
_AXES = ("dataflow", *(axis.name for axis in NUMERIC_AXES if axis.name != "clock_mhz"), "clock_mhz")


def level_metric(metrics: Sequence[str]) -> str | None:
    """The accuracy among the metrics that levels are of; None where there is none."""
    return next((name for name in metrics if METRICS[name].of_network), None)


def level_rows(run: Run, points: Points, metrics: Sequence[str]) -> list[Row]:
    """Per data set, level of accuracy, other metric and PE type: the best point and its gains at that level."""
    level, others = level_metric(metrics), ratio_metrics(metrics)
    if level is None or not others or not points.compete:
        return []
    found: list[tuple[int, Row]] = []
    for dataset, by_type, _ in fronts(points, (level, *others)):
        for bound, bests in _levels(points, level, others, by_type):
            for (metric, pe_type), position in bests.items():
                row = {"dataset": dataset, BOUNDS[level][0]: bound, "metric": metric, "pe_type": pe_type}
                found.append((position, row | _gains(points, metric, position, bests)))
    designs = run.rows(points.row[[position for position, _ in found]]).to_pylist()
    return [{**row, **_design(design)} for (_, row), design in zip(found, designs, strict=True)]


def level_table(run: Run, points: Points, metrics: Sequence[str]) -> Table:
    """`level_rows` as a table; no rows where networks do not compete."""
    rows = level_rows(run, points, metrics)
    note = "The tables of gains above, with network and design: per level, metric and PE type the best point."
    return Table.of(LEVELS, f"Best accelerators at equal {_bound(rows)[2]}" if rows else "", rows, note)


def level_tables(levels: Table, between: str = " / ") -> list[Table]:
    """The same, short: per data set and metric a row for each level and a column for each PE type.

    Cells are gains over INT16 and over INT8; over the one there is; without both, best values.
    """
    bases = baselines_of(levels.records())
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in levels.records():
        groups.setdefault((row["dataset"], row["metric"]), []).append(row)
    tables = []
    for (dataset, metric), rows in groups.items():
        what = f"{METRICS[metric].label.lower()} at equal {_bound(rows)[2]}"
        than = f", times better than the best {_names(bases)} design" if bases else ""
        tables.append(Table.of(metric, f"{dataset}: {what}{than}", _lines(rows, bases, between)))
    return tables


def levels_markdown(levels: Table) -> str:
    """The short tables as Markdown, and how to read them."""
    blocks = [f"**{table.title}**\n\n{to_markdown(table)}" for table in level_tables(levels)]
    return "\n".join([*blocks, f"{level_note(levels)}\n"]) if blocks else ""


def level_note(levels: Table) -> str:
    """How to read the short tables."""
    rows = levels.records()
    found = {row["accuracy_evidence"] for row in rows}
    named = listed([level for level in EVIDENCE if level in found])
    drop = " Networks of the same drop may differ in accuracy." if _bound(rows) == BOUNDS[DROP] else ""
    mixed = f" Accuracies are {named}: compare within one level of evidence." if len(found) > 1 else ""
    errors = [row["accuracy_error_percent"] for row in rows if row["accuracy_error_percent"] is not None]
    error = f" {statistics.median(errors):.2f} points are one standard error of an accuracy (median)." if errors else ""
    bases = baselines_of(rows)
    over = f", over the best {_names(bases)} point that keeps to it, too" if bases else ""
    return f"{NOTE.format(over=over)}{drop}{error}{mixed}"


def _levels(
    points: Points, level: str, others: Sequence[str], by_type: Mapping[str, IntArray]
) -> list[tuple[float, Bests]]:
    """The levels of a data set, the strictest first, with the best points of each."""
    found: list[tuple[float, Bests]] = []
    for step in STEPS:
        found = list(islice(_levels_by(step, points, level, others, by_type), MOST + 1))
        if len(found) <= MOST:
            break
    return found


def _levels_by(
    step: float, points: Points, level: str, others: Sequence[str], by_type: Mapping[str, IntArray]
) -> Iterator[tuple[float, Bests]]:
    """The levels that are multiples of a step and differ in their points from the next stricter one."""
    sign = 1.0 if METRICS[level].maximize else -1.0
    values = {pe_type: sign * points.values[level][front] + _HIDDEN for pe_type, front in by_type.items()}
    highest, lowest = (math.floor(end / step) for end in (max(own.max() for own in values.values()),
                                                          min(own.min() for own in values.values())))  # fmt: skip
    last: Bests = {}
    for number in range(highest, lowest - 1, -1):
        floor = round(number * step, 6)
        enough = {pe_type: front[values[pe_type] >= floor] for pe_type, front in by_type.items()}
        bests = {
            (metric, pe_type): points.best(own, (metric, level))
            for metric in others
            for pe_type, own in enough.items()
            if len(own)
        }
        if bests != last:
            yield sign * floor + 0.0, bests
        last = bests


def _gains(points: Points, metric: str, position: int, bests: Bests) -> Row:
    """The value of a point and how many times better it is than those of the baselines among the best."""
    values = points.values[metric]
    row: Row = {"best": float(values[position])}
    for baseline in BASELINES:
        reference = bests.get((metric, baseline))
        gain = None if reference is None else better_by(metric, row["best"], float(values[reference]))
        row[f"gain_vs_{baseline}"] = gain
    return row


def _bound(rows: Sequence[Row]) -> tuple[str, str, str]:
    """That of `BOUNDS` which the levels are of."""
    return next(bound for bound in BOUNDS.values() if bound[0] in rows[0])


def _names(bases: Sequence[str]) -> str:
    return " / ".join(map(pe_label, bases))


def _lines(rows: Sequence[Row], bases: Sequence[str], between: str) -> list[Row]:
    """A line per level of a data set: its best value of all, and the gains of each PE type."""
    metric, known, (bound, words, _) = METRICS[rows[0]["metric"]], list_pe_types(), _bound(rows)
    types = sorted({row["pe_type"] for row in rows}, key=lambda name: [*known, name].index(name))
    lines = []
    for level in dict.fromkeys(row[bound] for row in rows):
        own = {row["pe_type"]: row for row in rows if row[bound] == level}
        best = (max if metric.maximize else min)(own.values(), key=lambda row: float(row["best"]))
        heading = f"best, {metric.unit}" if metric.unit else "best"
        line = {words: f"{level:g}", heading: f"{short(best['best'])}, {pe_label(best['pe_type'])}"}
        lines.append(line | {pe_label(name): _cell(own.get(name), bases, between) for name in types})
    return lines


def _cell(row: Row | None, bases: Sequence[str], between: str) -> str:
    if row is None:
        return NONE
    gains = [row[f"gain_vs_{base}"] for base in bases]
    return between.join(NONE if gain is None else f"{gain:.2f}" for gain in gains) or short(row["best"])


def _design(row: Mapping[str, Any]) -> Row:
    """A point as network, accuracy and axes."""
    known = ("accuracy_percent", "accuracy_drop_percent", "accuracy_error_percent", "accuracy_evidence", *_AXES)
    return {"network": row["workload"], **{name: row[name] for name in known}}
