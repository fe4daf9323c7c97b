"""Every design of every network in the plane of two metrics, with the Pareto front of each PE type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dse.metrics import METRICS
from dse.report.figures._style import (
    DOUBLE_IN,
    GREY,
    SINGLE_IN,
    Kind,
    KindStyle,
    grid,
    kind_legend,
    kind_style,
    log_limits,
    plain_log_ticks,
)
from dse.report.gains import fronts
from dse.report.run import Run
from dse.report.usable import Points

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Pair = tuple[str, str]
Limits = tuple[float, float]

ORDER = 1
CAPTION = (
    "Performance per area against energy per inference for every usable design at every clock setting (tinted cells; "
    "where PE types overlap, their colours alternate), and the exact Pareto front of each PE type (lines; at most "
    "seven of its points carry the marker). Where every network has INT16 designs, both axes are relative to their "
    "best value, so designs right of and below the dashed lines beat every INT16 design in that metric. Designs far "
    "worse than every front are beyond the frame; each panel says how many."
)
COLUMNS = 4
MARKED = 7
FAR = 3  # designs this many times worse than any front are left out and counted, on log scales
TINT = 0.55  # strength of a cell's colour on white
BASELINE = "int16"
DASHES = (0, (4, 3))


@dataclass(frozen=True)
class Panel:
    """One network: coordinates and kind (PE type or dataflow) of each design, and coordinates of each kind's front."""

    workload: str
    across: FloatArray
    up: FloatArray
    codes: IntArray
    styles: tuple[KindStyle, ...]
    fronts: Mapping[str, tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class View:
    """Scale of an axis. Linear from 0 when more is better, logarithmic when less is: the good end gets the room."""

    scale: str

    @classmethod
    def of(cls, maximize: bool) -> View:
        """The view of a metric by its direction."""
        return cls("linear" if maximize else "log")

    def limits(self, values: Sequence[FloatArray], front: Sequence[FloatArray]) -> Limits:
        """Axis limits a little beyond the values, but not beyond `FAR` times the worst of a front."""
        low, high = min(column.min() for column in values), max(column.max() for column in values)
        if self.scale == "linear":
            return 0.0, float(high * 1.05)
        high = min(high, FAR * max(column.max() for column in front))
        return log_limits(low, high, 0.04)

    def place(self, values: FloatArray, limits: Limits) -> FloatArray:
        """Where values lie between the limits, from 0 to 1."""
        low, high = limits
        if self.scale == "linear":
            return np.asarray((values - low) / (high - low))
        return np.asarray(np.log(values / low) / np.log(high / low))


def draw(run: Run, points: Points) -> Figure:
    """The plane of the papers: performance per area against energy."""
    return draw_pair(points, "perf_per_area", "energy")


def draw_pair(points: Points, x: str, y: str, kind: Kind = "pe_type") -> Figure:
    """Small multiples, one per network: metric `x` across, `y` up, coloured by PE type or dataflow.

    Relative to the best INT16 where there is one.
    """
    scales = _scales(points, x, y)
    groups = {labels[0]: group for labels, group in points.groups("workload")}
    panels = [
        _panel(points, kind, groups[workload], (workload, by_kind), (x, y), scales.get(workload, (1.0, 1.0)))
        for workload, by_kind, _ in fronts(points, [x, y], kind)
    ]
    columns = {5: 3, 6: 3}.get(len(panels), COLUMNS)
    width, height = SINGLE_IN if len(panels) == 1 else DOUBLE_IN, 1.6 if len(panels) > columns else 2.2
    figure, axes = grid(len(panels), width, height, columns, sharex=bool(scales), sharey=bool(scales))
    views = View.of(METRICS[x].maximize), View.of(METRICS[y].maximize)
    for axis, panel in zip(axes, panels, strict=True):
        alike = panels if scales else [panel]
        ends = [line for p in alike for line in p.fronts.values()]
        limits = (
            views[0].limits([p.across for p in alike], [line[0] for line in ends]),
            views[1].limits([p.up for p in alike], [line[1] for line in ends]),
        )
        _cells(axis, panel, views, limits)
        axis.set(xscale=views[0].scale, yscale=views[1].scale, title=panel.workload)
        for name, front in panel.fronts.items():
            _front(axis, kind_style(kind, name), *front, METRICS[x].maximize)
        if scales:
            axis.axhline(1, color=GREY, lw=0.5, ls=DASHES, zorder=2)
            axis.axvline(1, color=GREY, lw=0.5, ls=DASHES, zorder=2)
        axis.set(xlim=limits[0], ylim=limits[1])
        for ticks, view, limit in zip((axis.xaxis, axis.yaxis), views, limits, strict=True):
            if view.scale == "log":
                plain_log_ticks(ticks, *limit)
    reference = [Line2D([], [], color=GREY, lw=0.5, ls=DASHES, label="best INT16")] if scales else []
    kind_legend(figure, [kind_style(kind, name) for (name,), _ in points.groups(kind)], reference)
    figure.supxlabel(_label(x, bool(scales), ", "), fontsize=7)
    figure.supylabel(_label(y, bool(scales), "\n" if scales else ", "), fontsize=7)
    return figure


def _scales(points: Points, x: str, y: str) -> dict[str, tuple[float, float]]:
    """The best INT16 values of both metrics per network; nothing unless every network has them."""
    scales = {}
    for (workload, pe_type), group in points.groups("workload", "pe_type"):
        if pe_type == BASELINE:
            best = [float(points.values[name][points.best(group, [name])]) for name in (x, y)]
            scales[workload] = (best[0], best[1])
    return scales if len(scales) == len(list(points.groups("workload"))) else {}


def _panel(
    points: Points,
    kind: Kind,
    group: IntArray,
    network: tuple[str, Mapping[str, IntArray]],
    metrics: Pair,
    scale: tuple[float, float],
) -> Panel:
    across, up = (points.values[name] / unit for name, unit in zip(metrics, scale, strict=True))
    styles = tuple(kind_style(kind, name) for name in points.names[kind])
    lines = {name: (across[front], up[front]) for name, front in network[1].items()}
    return Panel(network[0], across[group], up[group], points.codes[kind][group], styles, lines)


def _cells(axis: Axes, panel: Panel, views: tuple[View, View], limits: tuple[Limits, Limits]) -> None:
    """Colour each cell of a fine grid in which a design lies: no design is left out, no kind hides another."""
    side = int(np.clip(3 * np.sqrt(len(panel.across)), 60, 220))
    places = [view.place(v, limit) for v, view, limit in zip((panel.across, panel.up), views, limits, strict=True)]
    inside: BoolArray = np.maximum(places[0], places[1]) < 1
    column, row = ((place[inside] * side).astype(np.int64) for place in places)
    colors = np.array([to_rgb(style.color) for style in panel.styles])
    present = np.zeros((len(colors), side * side), bool)
    present[panel.codes[inside], row * side + column] = True
    shown = np.logical_or.reduce(present, axis=0)
    image = np.concatenate([1 - TINT * (1 - colors[_one_of(present)]), shown[:, None]], axis=1)
    axis.imshow(
        image.reshape(side, side, 4), origin="lower", extent=(0, 1, 0, 1), transform=axis.transAxes, aspect="auto",
        interpolation="nearest", zorder=1,
    )  # fmt: skip
    beyond = np.count_nonzero(~inside)
    if beyond:
        percent = 100 * beyond / len(inside)
        text = f"{percent:.1f} %" if percent >= 0.1 else "<0.1 %"
        axis.text(1, 1, f"{text} beyond", transform=axis.transAxes, ha="right", va="top", color=GREY)


def _one_of(present: BoolArray) -> IntArray:
    """Per cell one of the kinds present, evenly and for a given cell always the same; (kinds, cells) -> cells."""
    cells = present.shape[1]
    ranks = np.cumsum(present, axis=0)
    mixed = np.random.default_rng(0).random(cells)
    return np.asarray(np.argmax(ranks > mixed * ranks[-1], axis=0))


def _front(axis: Axes, style: KindStyle, across: FloatArray, up: FloatArray, maximize_x: bool) -> None:
    """The border of what the front's points reach: from each the step runs towards worse values across."""
    order = np.lexsort((up, across))
    x, y = across[order], up[order]
    marked = np.unique(np.linspace(0, len(x) - 1, min(MARKED, len(x))).round().astype(np.int64))
    steps = "steps-pre" if maximize_x else "steps-post"
    axis.plot(x, y, color=style.color, lw=0.9, drawstyle=steps, zorder=3)
    axis.plot(x[marked], y[marked], style.marker, color=style.color, ms=3, mew=0.3, mec="white", zorder=4)


def _label(metric: str, relative: bool, separator: str) -> str:
    known = METRICS[metric]
    unit = "relative to INT16's best" if relative else known.unit.replace("mm2", "mm\N{SUPERSCRIPT TWO}")
    better = "better \N{RIGHTWARDS ARROW}" if known.maximize else "\N{LEFTWARDS ARROW} better"
    return f"{known.label}{separator if unit else ''}{unit} ({better})"
