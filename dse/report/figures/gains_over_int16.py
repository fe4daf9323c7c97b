"""Gains of every PE type and network over the best INT16 design."""

from __future__ import annotations

from matplotlib.figure import Figure

from dse.report.figures._gains import draw_gains, gains_caption
from dse.report.run import Run
from dse.report.usable import Points

ORDER = 2
CAPTION = gains_caption("INT16")


def draw(run: Run, points: Points) -> Figure:
    """Gains over INT16."""
    return draw_gains(points, "int16")
