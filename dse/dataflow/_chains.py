"""Chains of tilings: of all ways to refine a layer step by step along two directions, the one that serves GLBs best."""

from __future__ import annotations

import numpy as np

from dse.space import BoolArray, FloatArray

CAPACITIES = 2.0 ** np.arange(12, 21.5, 0.5)
"""GLBs that a chain is judged by, in activation words: 4 Ki to 2 Mi."""


def best_chain(room: FloatArray, cost: FloatArray) -> tuple[float, list[tuple[int, int]]]:
    """The path from [0, 0] to the last corner, one index up at a time, with the least sum of log costs, and that sum.

    `room` [activation words] and `cost` are per pair of levels of refinement. A capacity pays for the first place of
    the path that it has room for, or for the last place where there is none. Dynamic programming: exact where `room`
    falls along the path.
    """
    price = np.log(cost)
    found: dict[tuple[int, int], tuple[float, BoolArray, tuple[int, int] | None]] = {}
    for place in np.ndindex(*room.shape):
        fits = room[place] <= CAPACITIES
        before = [(place[0] - 1, place[1]), (place[0], place[1] - 1)]
        ways = [(*_paid(found[p], fits, price[place]), p) for p in before if min(p) >= 0]
        start = float(np.sum(fits) * price[place]), fits
        found[place] = min(ways, key=lambda way: way[0]) if ways else (*start, None)
    total, served, _ = found[place]
    path = [place]
    while (previous := found[path[-1]][2]) is not None:
        path.append(previous)
    return total + float(np.sum(~served) * price[place]), path[::-1]


def _paid(way: tuple[float, BoolArray, object], fits: BoolArray, price: float) -> tuple[float, BoolArray]:
    """A path that goes on to a place: what is paid, and which capacities have been served."""
    paid, served, _ = way
    return paid + float(np.sum(fits & ~served)) * price, served | fits
