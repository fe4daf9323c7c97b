"""Where the gain in performance per area over INT16 comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dse.causes import design_causes
from dse.figures import SkipFigureError
from dse.figures._style import DOUBLE_IN, GREY, PART_COLORS, grid, legend_above, plain_log_ticks
from dse.run import Run
from dse.usable import Points, clock_label, pe_label

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
LINE_IN, HEAD_IN, LOWEST_IN = 0.14, 0.3, 0.85


def draw(run: Run, points: Points) -> Figure:
    """A row of panels per clock setting, a panel per PE type, a bar per network."""
    rows = [row for row in design_causes(run, points) if row["resizing"] is not None]
    if not rows:
        raise SkipFigureError("no PE type's exchange into the best INT16 design is in the run")
    clocks, types, networks = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("clock_setting", "pe_type", "workload")
    )
    height = max(HEAD_IN + LINE_IN * len(networks), LOWEST_IN)
    figure, axes = grid(len(clocks) * len(types), DOUBLE_IN, height, len(types), sharex=True, sharey=True)
    reach = [1.0]
    for index, axis in enumerate(axes):
        clock, pe_type = clocks[index // len(types)], types[index % len(types)]
        chosen = [row for row in rows if (row["clock_setting"], row["pe_type"]) == (clock, pe_type)]
        reach += _bars(axis, chosen, networks)
        axis.set_title(pe_label(pe_type) if index < len(types) else "")
        axis.set_ylabel(clock_label(clock) if index % len(types) == 0 else "")
    axes[0].set(xscale="log", xlim=(min(reach) / 1.1, max(reach) * 1.1), ylim=(len(networks) - 0.5, -0.5))
    axes[0].set_yticks(range(len(networks)), networks)
    plain_log_ticks(axes[0].xaxis, min(reach), max(reach))
    figure.supxlabel("Performance per area, times the best INT16 design", fontsize=7)
    handles: list[Any] = [Patch(color=color, label=name) for name, color in zip(CAUSES, PART_COLORS, strict=True)]
    handles.append(Line2D([], [], color="black", marker="o", ms=3, ls="none", label="gain"))
    legend_above(figure, handles)
    return figure


def _bars(axis: Axes, rows: Sequence[Row], networks: Sequence[str]) -> list[float]:
    """Draw the bars of a panel; returns how far they reach."""
    reach = []
    for row in rows:
        place, ends = networks.index(row["workload"]), {True: 1.0, False: 1.0}
        for factors, color in zip(CAUSES.values(), PART_COLORS, strict=True):
            factor = math.prod(row[name] for name in factors)
            start = ends[factor >= 1]
            ends[factor >= 1] = start * factor
            axis.barh(place, start * factor - start, 0.75, start, color=color)
        axis.plot(row["gain"], place, "o", color="black", ms=2.5, mew=0.3, mec="white", zorder=4)
        reach += [*ends.values(), row["gain"]]
    axis.axvline(1, color=GREY, lw=0.5, zorder=3)
    axis.tick_params(axis="y", length=0)
    return [float(value) for value in np.asarray(reach)]
