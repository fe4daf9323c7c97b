"""The exact non-dominated set of any number of objectives.

Point a dominates point b when a is at least as good in every objective and better in one. The non-dominated set holds
every point that nothing dominates. Equal points do not dominate each other: all of them belong to it or none, so the
answer does not depend on the order of the points.

Method: Kung, Luccio and Preparata, "On finding the maxima of a set of vectors", J. ACM 22(4), 1975. Points sorted
lexicographically are halved; no point of the later half can dominate one of the earlier half, so the front is the front
of the earlier half and what it leaves of the front of the later half. O(n log n) for two objectives and
O(n log^(k-1) n) for k, every step on whole arrays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_SMALL = 1 << 13  # pairs of points below which comparing every pair beats splitting further


def non_dominated(objectives: ArrayLike, maximize: Sequence[bool]) -> BoolArray:
    """Which points nothing dominates.

    `objectives`: (n, k) values, one row a point; `maximize`: direction of each of the k objectives. Returns n flags.
    Raises ValueError when the shapes disagree or a value is NaN.
    """
    values = np.asarray(objectives, np.float64)
    if values.ndim != 2 or values.shape[1] != len(maximize) or not len(maximize):
        raise ValueError(f"objectives must be (n, {len(maximize) or 'at least 1'}), got shape {values.shape}")
    if np.isnan(values).any():
        raise ValueError("objectives must not be NaN")
    costs = np.where(np.asarray(maximize, bool), -values, values) + 0.0  # -0.0 and 0.0 become one value
    flags = np.zeros(len(costs), bool)
    if len(costs):
        order = np.lexsort(costs.T[::-1])
        sorted_costs = costs[order]
        first = np.r_[True, (sorted_costs[1:] != sorted_costs[:-1]).any(axis=1)]
        flags[order] = _front(sorted_costs[first])[np.cumsum(first) - 1]
    return flags


def _front(costs: FloatArray) -> BoolArray:
    """The front of distinct, lexicographically rising points of which less is better."""
    count, objectives = costs.shape
    if objectives == 1:
        return np.asarray(np.arange(count) == 0)
    if objectives == 2:
        best_before = np.minimum.accumulate(costs[:, 1])[:-1]
        return np.asarray(np.r_[True, costs[1:, 1] < best_before])
    if count * count <= _SMALL:
        return np.logical_not(_covered_pairwise(costs, costs, proper=True))
    half = count // 2
    early, late = _front(costs[:half]), _front(costs[half:])
    late[late] = ~covered(costs[:half][early, 1:], costs[half:][late, 1:])
    return np.asarray(np.r_[early, late])


def covered(by: FloatArray, points: FloatArray) -> BoolArray:
    """Which `points` have a point of `by` that is at most as large in every coordinate."""
    if not len(by) or not len(points):
        return np.zeros(len(points), bool)
    if by.shape[1] == 1:
        return np.asarray(points[:, 0] >= by[:, 0].min())
    if by.shape[1] == 2:
        return _covered_in_plane(by, points)
    if len(by) * len(points) <= _SMALL:
        return _covered_pairwise(by, points, proper=False)
    levels = np.unique(by[:, 0])
    if len(levels) == 1:
        return np.asarray((points[:, 0] >= levels[0]) & covered(by[:, 1:], points[:, 1:]))
    level = levels[(len(levels) - 1) // 2]  # below the largest, so both sides hold something
    low_by, low = by[:, 0] <= level, points[:, 0] <= level
    found = np.zeros(len(points), bool)
    found[low] = covered(by[low_by], points[low])
    found[~low] = covered(by[low_by][:, 1:], points[~low][:, 1:]) | covered(by[~low_by], points[~low])
    return found


def _covered_in_plane(by: FloatArray, points: FloatArray) -> BoolArray:
    order = np.argsort(by[:, 0], kind="stable")
    lowest = np.r_[np.inf, np.minimum.accumulate(by[order, 1])]
    count = np.searchsorted(by[order, 0], points[:, 0], side="right")
    return np.asarray((count > 0) & (lowest[count] <= points[:, 1]))


def _covered_pairwise(by: FloatArray, points: FloatArray, *, proper: bool) -> BoolArray:
    """As `covered`, by comparing every pair; `proper` ignores equal points."""
    covers = np.ones((len(points), len(by)), bool)
    equal = np.full_like(covers, proper)
    for theirs, ours in zip(by.T, points.T, strict=True):  # an array per objective: reducing a short axis is slow
        covers &= theirs[None, :] <= ours[:, None]
        equal &= theirs[None, :] == ours[:, None]
    return np.asarray((covers & ~equal).any(axis=1))
