"""Gains of every PE type and network over the best INT8 design."""

from __future__ import annotations

from matplotlib.figure import Figure

from dse.report.figures._gains import draw_gains, gains_caption
from dse.report.run import Run
from dse.report.usable import Points

ORDER = 3
CAPTION = gains_caption("INT8")


def draw(run: Run, points: Points) -> Figure:
    """Gains over INT8."""
    return draw_gains(points, "int8")
