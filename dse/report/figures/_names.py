"""Names of networks beside their points: few, each once, and over no mark, no line and no other name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from dse.report.figures._style import GREY

FloatArray = NDArray[np.float64]

NAMED = 6  # points at most
APART_PT = 24.0  # between named points
GAP_PT = 1.0  # around a name
ASIDE_PT, LIFT_PT = 4.5, 6.5  # of a name from its point
# Where a name is tried, in this order: towards the good end or away from it, and above, beside or below its point.
PLACES = ((1, 1), (1, 0), (-1, -1), (-1, 1), (1, -1))


def place_names(
    axis: Axes, names: Sequence[str], places: FloatArray, marks: FloatArray, *, mark_pt: float, good_right: bool
) -> None:
    """Name some of the points on a line of steps, whose coordinates are the rows of `places`; one point of a name.

    The highest comes first, then always the one farthest from all that are named. `marks` are all points of the panel.
    The figure has to be laid out, and its layout is left as it is.
    """
    unit = axis.figure.dpi / 72
    pixels = axis.transData.transform(places)
    radius = mark_pt / 2 * unit
    taken = [Bbox.from_extents(*(at - radius), *(at + radius)) for at in axis.transData.transform(marks)]
    taken += _step_boxes(pixels, good_right)
    nearest = np.full(len(names), np.inf)  # of the named points, in pixels
    left, count, at = list(range(len(names))), 0, int(pixels[:, 1].argmax())
    while left and count < NAMED and nearest[at] >= APART_PT * unit:
        left.remove(at)
        box = _place(axis, names[at], places[at], taken, 1 if good_right else -1)
        if box is not None:
            taken.append(box)
            count += 1
            nearest = np.minimum(nearest, np.hypot(*(pixels - pixels[at]).T))
            left = [other for other in left if names[other] != names[at]]
        at = max(left, key=lambda other: nearest[other], default=at)


def _place(axis: Axes, name: str, place: FloatArray, taken: Sequence[Bbox], good: int) -> Bbox | None:
    """Write a name beside its point where there is room, and return its box."""
    gap = GAP_PT * axis.figure.dpi / 72
    frame = axis.get_window_extent()
    for side, up in PLACES:
        text = _write(axis, name, place, side * good, up)
        box = text.get_window_extent()
        around = box.padded(gap)
        inside = frame.x0 <= around.x0 and around.x1 <= frame.x1 and frame.y0 <= around.y0 and around.y1 <= frame.y1
        if inside and not around.count_overlaps(taken):
            return box
        text.remove()
    return None


def _write(axis: Axes, name: str, place: FloatArray, side: int, up: int) -> Annotation:
    text = axis.annotate(
        name, tuple(place), (ASIDE_PT * side * (1 if up else 1.3), LIFT_PT * up), textcoords="offset points",
        ha="left" if side > 0 else "right", va="center", color=GREY, zorder=5, annotation_clip=False,
    )  # fmt: skip
    text.set_in_layout(False)
    return text


def _step_boxes(pixels: FloatArray, good_right: bool) -> list[Bbox]:
    """Boxes of the two parts of each step between neighbours of the line; see `step_line`."""
    ends = pixels[np.lexsort(pixels.T[::-1])]
    before, after = ends[:-1], ends[1:]
    corners = np.stack([before[:, 0], after[:, 1]] if good_right else [after[:, 0], before[:, 1]], axis=1)
    pairs = np.concatenate([np.stack([before, corners], axis=1), np.stack([corners, after], axis=1)])
    return [Bbox.from_extents(*pair.min(axis=0), *pair.max(axis=0)) for pair in pairs]
