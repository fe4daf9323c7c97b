"""The front over all networks and PE types together, with the networks named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dse.metrics import METRICS
from dse.report.accuracy import ACCURACY, accuracy_points, distinct, short_names
from dse.report.figures import NoSubjectError, SkipFigureError
from dse.report.figures._accuracy import (
    MARKER_PT,
    accuracy_label,
    known_of,
    level_handles,
    log_axis,
    mark,
    metric_label,
    step_line,
    type_handles,
)
from dse.report.figures._style import DOUBLE_IN, GREY, SINGLE_IN, grid, legend_above
from dse.report.gains import fronts, ratio_metrics
from dse.report.run import UNNAMED, Run
from dse.report.usable import IntArray, Points

ORDER = 5
CAPTION = (
    "Networks and accelerators explored together: the Pareto front over all networks, PE types and designs in all "
    "objectives. Grey line and large markers: the front in the two metrics of the panel; some of its networks are "
    "named, less the beginning that all names share. Filled markers: measured accuracy, half-filled: published, open: "
    "ranked, a score that orders networks and is no task accuracy."
)
PLANES = 2  # at most, of those that accuracy spans with the other objectives
HEIGHT_IN = 3.0
NAMED = 9  # points at most
APART = 0.055  # part of the height that names keep apart
ROOM = 0.42  # widens the axis towards the good end, where the names are
LIFT_PT = 6.5  # of a name above its point
SMALL_PT = 2.2


def draw(run: Run, points: Points) -> Figure:
    """A row of panels per data set, a panel per other objective."""
    if not run.competes or not run.accuracies:
        raise NoSubjectError
    others = ratio_metrics(run.config["objectives"])[:PLANES]
    found = accuracy_points(run, others)
    if found is None:
        raise SkipFigureError("the run does not tell the front of accuracy and another objective")
    others = [name for name in found.values if name != ACCURACY]
    contests = list(fronts(found, (ACCURACY, *others)))
    width = SINGLE_IN if len(contests) * len(others) == 1 else DOUBLE_IN
    figure, axes = grid(len(contests) * len(others), width, HEIGHT_IN, len(others), sharey="row")
    everyone = np.concatenate([overall for *_, overall in contests])
    levels = {each.evidence for each in known_of(run, found, everyone)}
    panels = [(name, overall, metric) for name, _, overall in contests for metric in others]
    for axis, (contest, overall, metric) in zip(axes, panels, strict=True):
        _panel(axis, run, found, overall, metric)
        axis.set_title("" if contest == UNNAMED and len(contests) == 1 else contest)
        axis.set_xlabel(metric_label(metric))
    types = [name for (name,), group in found.groups("pe_type") if np.isin(group, everyone).any()]
    legend_above(figure, [*type_handles(types, levels), *level_handles(levels)])
    figure.supylabel(accuracy_label(ACCURACY, levels), fontsize=7)
    return figure


def _panel(axis: Axes, run: Run, points: Points, overall: IntArray, metric: str) -> None:
    across, up = points.values[metric], points.values[ACCURACY]
    edge = points.front(overall, (ACCURACY, metric))
    step_line(axis, across[edge], up[edge], METRICS[metric].maximize, "#BBBBBB", 2.0)
    on_edge = set(edge.tolist())
    shown = distinct(points, (ACCURACY, metric), np.concatenate([edge, overall]))
    for position, known in zip(shown.tolist(), known_of(run, points, shown), strict=True):
        size = MARKER_PT if position in on_edge else SMALL_PT
        mark(axis, (across[position], up[position]), known.pe_type, known.evidence, size)
    low, high = log_axis(axis, [across[overall]])
    room = (high / low) ** ROOM
    axis.set_xlim(*((low, high * room) if METRICS[metric].maximize else (low / room, high)))
    axis.grid(True, axis="y")
    _names(axis, points, edge, metric)


def _names(axis: Axes, points: Points, edge: IntArray, metric: str) -> None:
    """Names beside points of the front, on the side where nothing can be."""
    across, up = points.values[metric], points.values[ACCURACY]
    short = short_names([points.label("network", position) for position in edge.tolist()])[1]
    side, align = (4, "left") if METRICS[metric].maximize else (-4, "right")
    axis.margins(y=0.08)
    for position in _spread(edge, up):
        axis.annotate(
            short[points.label("network", position)], (across[position], up[position]), (side, LIFT_PT),
            textcoords="offset points", ha=align, va="center", color=GREY, zorder=5,
        )  # fmt: skip


def _spread(edge: IntArray, up: np.typing.NDArray[np.float64]) -> Sequence[int]:
    """Points of the front to name: evenly spread upwards, and far enough from each other for a line of text."""
    order = edge[np.argsort(up[edge], kind="stable")]
    reach = max(float(up[order[-1]] - up[order[0]]), 1e-9)
    chosen: list[int] = []
    for target in np.linspace(up[order[-1]], up[order[0]], NAMED):
        nearest = int(order[np.abs(up[order] - target).argmin()])
        if all(abs(up[nearest] - up[other]) >= APART * reach for other in chosen):
            chosen.append(nearest)
    return chosen
