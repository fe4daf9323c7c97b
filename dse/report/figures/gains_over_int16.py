"""Gains of every PE type and network over the best INT16 design."""

from __future__ import annotations

from matplotlib.figure import Figure

from dse.report.figures._gains import draw_gains
from dse.report.run import Run
from dse.report.usable import Points

ORDER = 2
CAPTION = (
    "How many times better the best design of each PE type is than the best INT16 design of the same network and clock "
    "setting, metric by metric: each PE type at its own maximum clock (own fmax), and all at the same clock (iso). "
    "Right of the line at 1 is better."
)


def draw(run: Run, points: Points) -> Figure:
    """Gains over INT16."""
    return draw_gains(points, "int16")
