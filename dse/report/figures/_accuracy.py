"""Accuracy against another metric: fronts per PE type, a panel per network, or per data set whose networks compete."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dse.metrics import METRICS
from dse.report.accuracy import ACCURACY, DROP, accuracy_points, distinct, evidence_of, plane_metric
from dse.report.figures import NoSubjectError, SkipFigureError
from dse.report.figures._style import (
    DOUBLE_IN,
    GREY,
    SINGLE_IN,
    grid,
    legend_above,
    linear_limits,
    log_limits,
    plain_log_ticks,
    type_style,
)
from dse.report.gains import fronts
from dse.report.run import UNNAMED, Run
from dse.report.usable import IntArray, Points
from workloads.accuracies import LEVELS
from workloads.layer import Accuracy

Fill = Literal["full", "left", "none"]
FILLS: Mapping[str, Fill] = {"measured": "full", "published": "left", "ranked": "none"}
LEVEL_MARKER = "p"  # of a level of evidence in the legend: the shape of no PE type
COLUMNS = 3
CHARACTERS = 17  # of text per inch, about
MARKER_PT, CROWDED_PT = 4.0, 3.0  # the latter where a front has so many points
LEVEL_PT = 5.0
CROWD = 8
BARS = 12  # points of a panel with a bar each; of more one bar stands for all
SCORES = {ACCURACY: "Score", DROP: "Score below FP32"}
LEAST_POINTS = 1.0  # percentage points that an axis spans
CAPTION = (
    "Top-1 accuracy (how far it is below FP32, where that is the objective) against {metric}: the Pareto front of each "
    "PE type over all dataflows and clock settings (its best design where each network stands alone), and the front "
    "over all types (grey). Better is {better}. Filled markers: measured accuracy, half-filled: published, open: "
    "ranked, a score that orders networks and is no task accuracy. Bars: one standard error, of test images and seeds, "
    f"where it is known; in a panel of more than {BARS} points one grey bar is as long as the median. Networks of a "
    "data set are tested on the same images: whether bars overlap says nothing about the difference of two points."
)


def draw_plane(run: Run, metric: str) -> Figure:
    """Accuracy, or its drop (`plane_metric`), against a metric. Raises SkipFigureError where the run cannot tell it."""
    if not run.accuracies:
        raise NoSubjectError
    rating = plane_metric(run)
    points = accuracy_points(run, (metric,), rating)
    if points is None:
        raise SkipFigureError(f"the run does not tell the best {metric} of networks whose accuracy is known")
    return draw_accuracy(run, points, metric, rating)


def draw_accuracy(run: Run, points: Points, across: str, up: str = ACCURACY) -> Figure:
    """One panel per "workload" of the points: `across` against `up`, an accuracy."""
    contests = list(fronts(points, (up, across)))
    columns = {4: 2}.get(len(contests), COLUMNS)
    width = SINGLE_IN if len(contests) == 1 else DOUBLE_IN
    figure, axes = grid(len(contests), width, 2.6 if len(contests) == 1 else 2.1, columns)
    levels: set[str] = set()
    for axis, (contest, by_type, overall) in zip(axes, contests, strict=True):
        found = set(evidence_of(run, points, np.concatenate([*by_type.values()])))
        levels |= found
        _panel(axis, run, points, by_type, overall, (across, up))
        axis.set_title(title_of(contest, found, alone=len(contests) == 1, width_in=width / min(columns, len(contests))))
    legend_above(
        figure, [*type_handles([name for (name,), _ in points.groups("pe_type")], levels), *level_handles(levels)]
    )
    figure.supxlabel(metric_label(across), fontsize=7)
    figure.supylabel(accuracy_label(up, levels), fontsize=7)
    return figure


def known_of(run: Run, points: Points, positions: IntArray) -> list[Accuracy]:
    """The accuracy behind each point."""
    known = run.accuracies
    pairs = [(points.label("network", p), points.label("pe_type", p)) for p in positions.tolist()]
    return [known[network][pe_type] for network, pe_type in pairs]


def title_of(contest: str, levels: set[str], *, alone: bool, width_in: float, network: str = "") -> str:
    """Title of a panel: data set or network, the network that all points are of, and whether levels are mixed."""
    named = "" if alone and contest.startswith(UNNAMED) else contest
    parts = (named, network and f"all points of {network}", "levels of evidence mixed" if len(levels) > 1 else "")
    return wrapped(", ".join(part for part in parts if part), width_in)


def wrapped(text: str, width_in: float) -> str:
    """The text in lines of at most this width, broken between words."""
    return textwrap.fill(text, int(CHARACTERS * width_in), break_on_hyphens=False)


def type_handles(pe_types: Sequence[str], levels: set[str]) -> list[Line2D]:
    """Legend entries of PE types; filled as what they stand for where that is of one level."""
    fill = next(iter(levels)) if len(levels) == 1 else LEVELS[0]
    styles = [(name, type_style(name)) for name in pe_types]
    return [Line2D([], [], **_marker(name, fill, MARKER_PT), label=style.label) for name, style in styles]


def level_handles(levels: set[str]) -> list[Line2D]:
    """Legend entries of the levels of evidence, where there are several; a single one is named by the axis."""
    return [
        Line2D([], [], marker=LEVEL_MARKER, ls="none", ms=LEVEL_PT, mew=0.7, mfc=_face(level, GREY), mec=GREY,
               fillstyle=FILLS[level], markerfacecoloralt="white", label=level)
        for level in LEVELS if level in levels and len(levels) > 1
    ]  # fmt: skip


def mark(axis: Axes, place: tuple[float, float], pe_type: str, level: str, size_pt: float = MARKER_PT) -> None:
    """Marker of a PE type, filled by the level of evidence."""
    axis.plot(*place, **_marker(pe_type, level, size_pt), zorder=4)


def step_line(
    axis: Axes, x: NDArray[np.float64], y: NDArray[np.float64], maximize_x: bool, color: str, width: float
) -> None:
    """The border of what the front's points reach: from each the step runs towards worse values across."""
    order = np.lexsort((y, x))
    axis.plot(
        x[order], y[order], color=color, lw=width, drawstyle="steps-pre" if maximize_x else "steps-post", zorder=2
    )


def metric_label(metric: str) -> str:
    """Name, unit and direction of a metric across."""
    known = METRICS[metric]
    unit = known.unit.replace("mm2", "mm\N{SUPERSCRIPT TWO}")
    better = "better \N{RIGHTWARDS ARROW}" if known.maximize else "\N{LEFTWARDS ARROW} better"
    return f"{known.label}{', ' if unit else ''}{unit} ({better})"


def accuracy_label(up: str, levels: set[str]) -> str:
    """Name of an accuracy upwards, with its level of evidence where it is one; what ranks is a score."""
    only = f", {next(iter(levels))}" if len(levels) == 1 else ""
    name = SCORES[up] if levels == {LEVELS[-1]} else METRICS[up].label
    return f"{name}{only} ({'%' if up == ACCURACY else 'points'})"


def log_axis(axis: Axes, values: NDArray[np.float64]) -> tuple[float, float]:
    """A logarithmic axis across, a little wider than the values; its limits."""
    limits = log_limits(values.min(), values.max())
    axis.set(xscale="log", xlim=limits)
    plain_log_ticks(axis.xaxis, *limits)
    return limits


def accuracy_axis(axis: Axes, up: str, ends: Sequence[NDArray[np.float64]], margin: float = 0.06) -> None:
    """A linear axis upwards, better values above, a little wider than what lies between these ends."""
    low, high = min(column.min() for column in ends), max(column.max() for column in ends)
    low, high = linear_limits(low, high, LEAST_POINTS, margin)
    axis.set_ylim(*((low, high) if METRICS[up].maximize else (high, low)))
    axis.grid(True, axis="y")


def _panel(
    axis: Axes, run: Run, points: Points, by_type: Mapping[str, IntArray], overall: IntArray, metrics: tuple[str, str]
) -> None:
    across, up = (points.values[name] for name in metrics)
    maximize = METRICS[metrics[0]].maximize
    step_line(axis, across[overall], up[overall], maximize, "#BBBBBB", 2.5)
    shown = {pe_type: distinct(points, metrics, front) for pe_type, front in by_type.items()}
    for pe_type, front in shown.items():
        step_line(axis, across[front], up[front], maximize, type_style(pe_type).color, 0.8)
        size = MARKER_PT if len(front) < CROWD else CROWDED_PT
        for position, known in zip(front.tolist(), known_of(run, points, front), strict=True):
            mark(axis, (across[position], up[position]), pe_type, known.evidence, size)
    every = np.concatenate(list(shown.values()))
    if METRICS[metrics[0]].of_network:
        axis.set_xlim(linear_limits(across[every].min(), across[every].max(), LEAST_POINTS))
    else:
        log_axis(axis, across[every])
    _bars(axis, run, points, every, metrics)


def _bars(axis: Axes, run: Run, points: Points, shown: IntArray, metrics: tuple[str, str]) -> None:
    """The axis upwards, and a bar per point, or where there are many a typical one in the emptiest corner."""
    across, up = (points.values[name][shown] for name in metrics)
    known = known_of(run, points, shown)
    found = [each.error_percent if metrics[1] == ACCURACY else each.drop_error_percent for each in known]
    errors = np.array([np.nan if error is None else error for error in found])
    if len(shown) <= BARS:
        accuracy_axis(axis, metrics[1], [up - np.nan_to_num(errors), up + np.nan_to_num(errors)])
        for x, y, error, each in zip(across, up, errors, known, strict=True):
            if not np.isnan(error):
                color = type_style(each.pe_type).color
                axis.errorbar(x, y, error, color=color, elinewidth=0.6, capsize=1.5, capthick=0.6, zorder=3)
        return
    accuracy_axis(axis, metrics[1], [up])
    if not np.isnan(errors).all():
        scores = {each.evidence for each in known} == {LEVELS[-1]}
        what = "error of a drop" if metrics[1] != ACCURACY else "error of a score" if scores else "test error"
        _typical_bar(axis, np.stack([across, up], axis=1), float(np.nanmedian(errors)), what)


def _typical_bar(axis: Axes, places: NDArray[np.float64], error: float, what: str) -> None:
    """A bar of one error on both sides in the corner that is farthest from all points."""
    bottom, top = axis.get_ylim()
    least = 4 * error / abs(top - bottom)  # the axis is to be twice as long as the bar
    if least > 1:
        middle, half = (bottom + top) / 2, (top - bottom) / 2
        bottom, top = axis.set_ylim(middle - half * least, middle + half * least)
    inside = axis.transAxes.inverted().transform(axis.transData.transform(places))
    corners = np.array([(1.0, 1.0), (0.0, 1.0), (0.0, 0.0), (1.0, 0.0)])
    right, upper = corners[np.hypot(*(inside[:, None] - corners).T).min(axis=1).argmax()].astype(bool)
    height = error / (top - bottom)
    centre = bottom + (top - bottom) * (0.96 - abs(height) if upper else 0.04 + abs(height))
    x, text_x, align = (0.97, 0.945, "right") if right else (0.03, 0.055, "left")
    line = axis.get_yaxis_transform()  # a fraction across, the data upwards
    axis.plot([x, x], [centre - error, centre + error], "_-", transform=line, color=GREY, ms=4, mew=0.8, lw=0.8)
    axis.text(text_x, centre, what, transform=line, ha=align, va="center", color=GREY)


def _marker(pe_type: str, level: str, size_pt: float) -> dict[str, Any]:
    style = type_style(pe_type)
    return {
        "ls": "none", "marker": style.marker, "ms": size_pt, "mew": 0.7 * min(1.0, size_pt / MARKER_PT),
        "mec": style.color, "mfc": _face(level, style.color), "fillstyle": FILLS[level], "markerfacecoloralt": "white",
    }  # fmt: skip


def _face(level: str, color: str) -> str:
    return "white" if FILLS[level] == "none" else color
