"""Accuracy against energy per inference."""

from __future__ import annotations

from matplotlib.figure import Figure

from dse.report.figures._accuracy import CAPTION as TEXT
from dse.report.figures._accuracy import draw_plane
from dse.report.run import Run
from dse.report.usable import Points

ORDER = 5
CAPTION = TEXT.format(metric="energy per inference", better="up and to the left")


def draw(run: Run, points: Points) -> Figure:
    """The plane of accuracy and energy per inference."""
    return draw_plane(run, "energy")
