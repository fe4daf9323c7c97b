"""Where the gain in performance per area over INT16 comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dse.report.causes import design_causes
from dse.report.figures import SkipFigureError
from dse.report.figures._style import DOUBLE_IN, GREY, PART_COLORS, legend_above, plain_log_ticks
from dse.report.run import Run
from dse.report.usable import Points, clock_label, pe_label

Row = dict[str, Any]

ORDER = 5
CAPTION = (
    "Causes of the gain in performance per area of each PE type's best design over the best INT16 design. Factors "
    "above 1 extend to the right of the line, factors below 1 to the left; on the log scale their lengths add to the "
    "gain (dot). docs/figures.md gives the formula."
)
# Legend name -> the factors it joins.
CAUSES: Mapping[str, tuple[str, ...]] = {
    "arithmetic": ("arithmetic",),
    "storage": ("storage",),
    "control": ("control",),
    "GLB, NoC": ("buffer", "wires"),
    "clock": ("clock",),
    "cycles": ("cycles",),
    "resizing": ("resizing",),
}
LINE_IN, HEAD_IN, LOWEST_IN = 0.14, 0.3, 1.0
MARGIN = 1.08


def draw(run: Run, points: Points) -> Figure:
    """A row of panels per clock setting, a panel per PE type, a bar per network."""
    rows = [row for row in design_causes(run, points) if row["resizing"] is not None]
    if not rows:
        raise SkipFigureError("no PE type's exchange into the best INT16 design is in the run")
    clocks, types, networks = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("clock_setting", "pe_type", "workload")
    )
    height = max(HEAD_IN + LINE_IN * len(networks), LOWEST_IN)
    limits = [_limits([row for row in rows if row["pe_type"] == pe_type]) for pe_type in types]
    figure = Figure(figsize=(DOUBLE_IN, height * len(clocks)))
    axes = figure.subplots(  # a factor is as long in every panel
        len(clocks), len(types), squeeze=False, sharex="col", sharey=True,
        width_ratios=[math.log(high / low) for low, high in limits],
    )  # fmt: skip
    for line, clock in enumerate(clocks):
        axes[line, 0].set_ylabel(clock_label(clock))
        for column, pe_type in enumerate(types):
            chosen = [row for row in rows if (row["clock_setting"], row["pe_type"]) == (clock, pe_type)]
            _bars(axes[line, column], chosen, networks)
    for axis, pe_type, limit in zip(axes[0], types, limits, strict=True):
        axis.set(title=pe_label(pe_type), xscale="log", xlim=limit, ylim=(len(networks) - 0.5, -0.5))
        plain_log_ticks(axis.xaxis, *limit)
    axes[0, 0].set_yticks(range(len(networks)), networks)
    figure.supxlabel("Performance per area, times the best INT16 design", fontsize=7)
    handles: list[Any] = [Patch(color=color, label=name) for name, color in zip(CAUSES, PART_COLORS, strict=True)]
    handles.append(Line2D([], [], color="black", marker="o", ms=3, ls="none", label="gain"))
    legend_above(figure, handles)
    return figure


def _limits(rows: Sequence[Row]) -> tuple[float, float]:
    """What the bars of these rows reach to, and a little more."""
    low, high = 1.0, 1.0
    for row in rows:
        factors = [math.prod(row[name] for name in names) for names in CAUSES.values()]
        low = min(low, math.prod(factor for factor in factors if factor < 1))
        high = max(high, math.prod(factor for factor in factors if factor >= 1))
    return low / MARGIN, high * MARGIN


def _bars(axis: Axes, rows: Sequence[Row], networks: Sequence[str]) -> None:
    for row in rows:
        place, ends = networks.index(row["workload"]), {True: 1.0, False: 1.0}
        for names, color in zip(CAUSES.values(), PART_COLORS, strict=True):
            factor = math.prod(row[name] for name in names)
            start = ends[factor >= 1]
            ends[factor >= 1] = start * factor
            axis.barh(place, start * factor - start, 0.75, start, color=color)
        axis.plot(row["gain"], place, "o", color="black", ms=2.5, mew=0.3, mec="white", zorder=4)
    axis.axvline(1, color=GREY, lw=0.5, zorder=3)
    axis.tick_params(axis="y", length=0)
