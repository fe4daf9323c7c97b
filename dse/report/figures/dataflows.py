"""Every design of every network in the plane of two metrics, with the Pareto front of each dataflow."""

from __future__ import annotations

from matplotlib.figure import Figure

from dse.report.figures import SkipFigureError
from dse.report.figures.scatter import draw_pair
from dse.report.run import Run
from dse.report.usable import Points

ORDER = 2
CAPTION = (
    "Performance per area against energy per inference for every usable design of every PE type, coloured by dataflow "
    "(tinted cells), and the exact Pareto front of each dataflow (lines). Axes and frame are as in the figure by type."
)


def draw(run: Run, points: Points) -> Figure:
    """The plane of `scatter`, coloured by dataflow."""
    if len(list(points.groups("dataflow"))) < 2:
        raise SkipFigureError("the run has designs of one dataflow only")
    return draw_pair(points, "perf_per_area", "energy", "dataflow")
