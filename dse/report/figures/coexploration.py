"""The front over all networks and PE types together, with the networks named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dse.metrics import METRICS
from dse.report.accuracy import accuracy_points, distinct, evidence_of, plane_metric
from dse.report.compact import names_note, short_names
from dse.report.figures import NoSubjectError, SkipFigureError
from dse.report.figures._accuracy import (
    MARKER_PT,
    accuracy_axis,
    accuracy_label,
    known_of,
    level_handles,
    log_axis,
    mark,
    metric_label,
    step_line,
    title_of,
    type_handles,
    wrapped,
)
from dse.report.figures._names import place_names
from dse.report.figures._style import DOUBLE_IN, SINGLE_IN, grid, legend_above, plain_log_ticks
from dse.report.gains import fronts, ratio_metrics
from dse.report.run import Run
from dse.report.usable import NETWORK, IntArray, Points

ORDER = 5
CAPTION = (
    "Networks and accelerators explored together: the Pareto front over all networks, PE types and designs in all "
    "objectives. Grey line and large markers: the front in the two metrics of the panel. Some of its networks are "
    "named, each at one of its points. Filled markers: measured accuracy, half-filled: published, open: ranked, a "
    "score that orders networks and is no task accuracy."
)
PLANES = 2  # at most, of those that accuracy spans with the other objectives
HEIGHT_IN = 3.0
ROOM, HEADROOM = 0.35, 0.09  # widen the axes: towards the good end, and up and down, for names
SMALL_PT = 2.2


def draw(run: Run, points: Points) -> Figure:
    """A row of panels per data set, a panel per other objective."""
    if not run.competes or not run.accuracies:
        raise NoSubjectError
    others, rating = ratio_metrics(run.config["objectives"])[:PLANES], plane_metric(run)
    found = accuracy_points(run, others, rating)
    if found is None:
        raise SkipFigureError("the run does not tell the front of accuracy and another objective")
    others = [name for name in found.values if name != rating]
    contests = [(name, overall) for name, _, overall in fronts(found, (rating, *others))]
    width = SINGLE_IN if len(contests) * len(others) == 1 else DOUBLE_IN
    figure, axes = grid(len(contests) * len(others), width, HEIGHT_IN, len(others), sharey="row")
    everyone = np.concatenate([overall for _, overall in contests])
    levels = set(evidence_of(run, found, everyone))
    panels = [(name, overall, metric) for name, overall in contests for metric in others]
    for axis, (contest, overall, metric) in zip(axes, panels, strict=True):
        _panel(axis, run, found, overall, (metric, rating))
        networks = _networks(found, overall)
        only = networks[0] if len(set(networks)) == 1 else ""
        mixed = set(evidence_of(run, found, overall))
        panel_in, alone = width / len(others), len(contests) == 1
        axis.set_title(title_of(contest, mixed, alone=alone, width_in=panel_in, network=only))
        axis.set_xlabel(metric_label(metric))
    types = [name for (name,), group in found.groups("pe_type") if np.isin(group, everyone).any()]
    legend_above(figure, [*type_handles(types, levels), *level_handles(levels)])
    figure.supylabel(accuracy_label(rating, levels), fontsize=7)
    _names(figure, axes, found, [(overall, (metric, rating)) for _, overall, metric in panels])
    return figure


def _panel(axis: Axes, run: Run, points: Points, overall: IntArray, metrics: tuple[str, str]) -> None:
    across, up = (points.values[name] for name in metrics)
    edge, maximize = points.front(overall, metrics), METRICS[metrics[0]].maximize
    step_line(axis, across[edge], up[edge], maximize, "#BBBBBB", 2.0)
    on_edge = set(edge.tolist())
    shown = distinct(points, metrics, np.concatenate([edge, overall]))
    for position, known in zip(shown.tolist(), known_of(run, points, shown), strict=True):
        size = MARKER_PT if position in on_edge else SMALL_PT
        mark(axis, (across[position], up[position]), known.pe_type, known.evidence, size)
    accuracy_axis(axis, metrics[1], [up[overall]], HEADROOM)
    low, high = log_axis(axis, across[overall])
    room = (high / low) ** (ROOM if len(set(_networks(points, overall))) > 1 else 0)
    limits = (low, high * room) if maximize else (low / room, high)
    axis.set_xlim(limits)
    plain_log_ticks(axis.xaxis, *limits)


def _names(
    figure: Figure, axes: Sequence[Axes], points: Points, panels: Sequence[tuple[IntArray, tuple[str, str]]]
) -> None:
    """Names in the panels of several networks, and under the figure the beginning that they are short of."""
    several = [place for place, (overall, _) in enumerate(panels) if len(set(_networks(points, overall))) > 1]
    _, short = short_names([name for place in several for name in _networks(points, panels[place][0])])
    if note := names_note(short):
        figure.supxlabel(wrapped(f"Names beside points: {note}", figure.get_figwidth()), fontsize=7)
    figure.draw_without_rendering()  # lays the panels out
    for place in several:
        overall, metrics = panels[place]
        edge, good_right = points.front(overall, metrics), METRICS[metrics[0]].maximize
        values = np.stack([points.values[name] for name in metrics], axis=1)
        names = [short[name] for name in _networks(points, edge)]
        place_names(axes[place], names, values[edge], values[overall], mark_pt=MARKER_PT, good_right=good_right)


def _networks(points: Points, positions: IntArray) -> list[str]:
    return [points.label(NETWORK, position) for position in positions.tolist()]
