"""Accuracy against performance per area."""

from __future__ import annotations

from matplotlib.figure import Figure

from dse.report.figures._accuracy import CAPTION as TEXT
from dse.report.figures._accuracy import draw_plane
from dse.report.run import Run
from dse.report.usable import Points

ORDER = 5
CAPTION = TEXT.format(metric="performance per area", better="up and to the right")


def draw(run: Run, points: Points) -> Figure:
    """The plane of accuracy and performance per area."""
    return draw_plane(run, "perf_per_area")
