"""Gains of every PE type over the best design of a baseline type: a row per network, a panel per metric and clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dse.metrics import METRICS
from dse.report.figures import SkipFigureError
from dse.report.figures._style import BAND, DOUBLE_IN, GREY, grid, kind_legend, plain_log_ticks, type_style
from dse.report.gains import GAIN_METRICS, MEAN, gains
from dse.report.usable import Points, clock_label

Row = dict[str, Any]

# Height of a network's line, of what surrounds the lines of a panel, and of the lowest panel.
LINE_IN, HEAD_IN, LOWEST_IN = 0.17, 0.25, 1.0
DODGE = 0.75  # part of the line spacing over which types spread, so that equal gains stay visible


def gains_caption(baseline: str) -> str:
    """Caption of the figure over a baseline type, named as a reader knows it."""
    return (
        f"How many times better the best design of each PE type is than the best {baseline} design of the same network "
        "and clock setting, metric by metric: each PE type at its own maximum clock (own fmax), and all at the same "
        "clock (iso). Right of the line at 1 is better."
    )


def draw_gains(points: Points, baseline: str) -> Figure:
    """One row of panels per clock setting, one column per metric; the baseline is the line at 1."""
    column = f"gain_vs_{baseline}"
    rows = [row for row in gains(points) if row[column] is not None and row["pe_type"] != baseline]
    if not rows:
        raise SkipFigureError(f"no usable {baseline.upper()} design to compare others with")
    clocks = list(dict.fromkeys(row["clock_setting"] for row in rows))
    networks = [*(labels[0] for labels, _ in points.groups("workload")), MEAN]
    height = max(HEAD_IN + LINE_IN * len(networks), LOWEST_IN)
    panels = [(clock, metric) for clock in clocks for metric in GAIN_METRICS]
    figure, axes = grid(len(panels), DOUBLE_IN, height, len(GAIN_METRICS), sharex="col", sharey=True)
    for axis, (clock, metric) in zip(axes, panels, strict=True):
        chosen = [row for row in rows if (row["clock_setting"], row["metric"]) == (clock, metric)]
        _panel(axis, chosen, column, networks)
        if metric == GAIN_METRICS[0]:
            axis.set_ylabel(clock_label(clock))
        if clock == clocks[0]:
            axis.set_title(METRICS[metric].label)
    for axis, metric in zip(axes[: len(GAIN_METRICS)], GAIN_METRICS, strict=True):
        values = [row[column] for row in rows if row["metric"] == metric]
        limits = min(*values, 1.0) / 1.12, max(*values, 1.0) * 1.12
        axis.set_xlim(limits)
        plain_log_ticks(axis.xaxis, *limits)
    types = [name for (name,), _ in points.groups("pe_type") if name != baseline]
    figure.supxlabel(f"Times better than the best {type_style(baseline).label} design", fontsize=7)
    kind_legend(figure, [type_style(name) for name in types], lines=False)
    return figure


def _panel(axis: Axes, rows: Sequence[Row], column: str, networks: Sequence[str]) -> None:
    axis.set(xscale="log", ylim=(len(networks) - 0.5, -0.5))
    axis.set_yticks(range(len(networks)), networks)
    axis.tick_params(axis="y", length=0)
    for line in range(0, len(networks), 2):
        axis.axhspan(line - 0.5, line + 0.5, color=BAND, lw=0, zorder=0)
    axis.axhline(len(networks) - 1.5, color=GREY, lw=0.5, zorder=1)  # the mean apart from what it is the mean of
    axis.axvline(1, color=GREY, lw=0.7, zorder=2)
    types = list(dict.fromkeys(row["pe_type"] for row in rows))
    offsets = DODGE * ((np.arange(len(types)) + 0.5) / len(types) - 0.5)
    for row in rows:
        style = type_style(row["pe_type"])
        y = networks.index(row["workload"]) + offsets[types.index(row["pe_type"])]
        axis.plot(row[column], y, style.marker, color=style.color, ms=3.5, mew=0.3, mec="white", zorder=3)
