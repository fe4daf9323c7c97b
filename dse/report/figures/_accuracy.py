"""Accuracy against another metric: fronts per PE type, a panel per network, or per data set whose networks compete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dse.metrics import METRICS
from dse.report.accuracy import ACCURACY, accuracy_points, distinct
from dse.report.figures import NoSubjectError, SkipFigureError
from dse.report.figures._style import DOUBLE_IN, GREY, SINGLE_IN, grid, legend_above, plain_log_ticks, type_style
from dse.report.gains import fronts
from dse.report.run import UNNAMED, Run
from dse.report.usable import IntArray, Points
from workloads.accuracies import LEVELS
from workloads.layer import Accuracy

Fill = Literal["full", "left", "none"]
FILLS: Mapping[str, Fill] = {"measured": "full", "published": "left", "ranked": "none"}
COLUMNS = 3
MARKER_PT, CROWDED_PT = 4.0, 3.0  # the latter where a front has so many points
CROWD = 8
CAPTION = (
    "Top-1 accuracy against {metric}: the Pareto front of each PE type over all dataflows and clock settings (its best "
    "design where each network stands alone), and the front over all types (grey). Better is {better}. Filled "
    "markers: measured accuracy, half-filled: published, open: ranked, a score that orders networks and is no task "
    "accuracy. Bars: one standard error, where it is known."
)


def draw_plane(run: Run, metric: str) -> Figure:
    """Accuracy against a metric of the run. Raises SkipFigureError where the run cannot tell it."""
    if not run.accuracies:
        raise NoSubjectError
    points = accuracy_points(run, (metric,))
    if points is None:
        raise SkipFigureError(f"the run does not tell the best {metric} of networks whose accuracy is known")
    return draw_accuracy(run, points, metric)


def draw_accuracy(run: Run, points: Points, across: str, up: str = ACCURACY) -> Figure:
    """One panel per "workload" of the points: `across` against `up`, an accuracy."""
    contests = list(fronts(points, (up, across)))
    columns = {4: 2}.get(len(contests), COLUMNS)
    width = SINGLE_IN if len(contests) == 1 else DOUBLE_IN
    figure, axes = grid(len(contests), width, 2.6 if len(contests) == 1 else 2.1, columns)
    levels: set[str] = set()
    for axis, (contest, by_type, overall) in zip(axes, contests, strict=True):
        found = {each.evidence for front in by_type.values() for each in known_of(run, points, front)}
        levels |= found
        _panel(axis, run, points, by_type, overall, (across, up))
        mixed = "levels of evidence mixed" if len(found) > 1 else ""
        named = contest if len(contests) > 1 or contest != UNNAMED else ""
        axis.set_title(", ".join(text for text in (named, mixed) if text))
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


def type_handles(pe_types: Sequence[str], levels: set[str]) -> list[Line2D]:
    """Legend entries of PE types; filled as what they stand for where that is of one level."""
    fill = next(iter(levels)) if len(levels) == 1 else LEVELS[0]
    styles = [(name, type_style(name)) for name in pe_types]
    return [Line2D([], [], **_marker(name, fill, MARKER_PT), label=style.label) for name, style in styles]


def level_handles(levels: set[str]) -> list[Line2D]:
    """Legend entries of the levels of evidence that are there."""
    return [
        Line2D([], [], marker="o", ls="none", ms=MARKER_PT, mew=0.7, mfc=_face(level, GREY), mec=GREY,
               fillstyle=FILLS[level], markerfacecoloralt="white", label=level)
        for level in LEVELS if level in levels
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
    """Name of an accuracy upwards, with its level of evidence where it is one."""
    only = f", {next(iter(levels))}" if len(levels) == 1 else ""
    return f"{METRICS[up].label}{only} ({'%' if up == ACCURACY else 'points'})"


def log_axis(axis: Axes, values: Sequence[NDArray[np.float64]], margin: float = 0.06) -> tuple[float, float]:
    """A logarithmic axis across, a little wider than the values; its limits."""
    low, high = min(column.min() for column in values), max(column.max() for column in values)
    pad = max((high / low) ** margin, 1.05)
    axis.set(xscale="log", xlim=(low / pad, high * pad))
    plain_log_ticks(axis.xaxis, low / pad, high * pad)
    return float(low / pad), float(high * pad)


def _panel(
    axis: Axes, run: Run, points: Points, by_type: Mapping[str, IntArray], overall: IntArray, metrics: tuple[str, str]
) -> None:
    across, up = (points.values[name] for name in metrics)
    maximize = METRICS[metrics[0]].maximize
    step_line(axis, across[overall], up[overall], maximize, "#BBBBBB", 2.5)
    for pe_type, front in by_type.items():
        color, front = type_style(pe_type).color, distinct(points, metrics, front)
        step_line(axis, across[front], up[front], maximize, color, 0.8)
        for position, known in zip(front.tolist(), known_of(run, points, front), strict=True):
            place = across[position], up[position]
            error = known.error_percent if metrics[1] == ACCURACY else known.drop_error_percent
            if error is not None:
                axis.errorbar(*place, error, color=color, elinewidth=0.6, capsize=1.5, capthick=0.6, zorder=3)
            mark(axis, place, pe_type, known.evidence, MARKER_PT if len(front) < CROWD else CROWDED_PT)
    if not METRICS[metrics[0]].of_network:
        log_axis(axis, [across[front] for front in by_type.values()])
    axis.yaxis.set_inverted(not METRICS[metrics[1]].maximize)
    axis.grid(True, axis="y")


def _marker(pe_type: str, level: str, size_pt: float) -> dict[str, Any]:
    style = type_style(pe_type)
    return {
        "ls": "none", "marker": style.marker, "ms": size_pt, "mew": 0.7 * min(1.0, size_pt / MARKER_PT),
        "mec": style.color, "mfc": _face(level, style.color), "fillstyle": FILLS[level], "markerfacecoloralt": "white",
    }  # fmt: skip


def _face(level: str, color: str) -> str:
    return "white" if FILLS[level] == "none" else color
