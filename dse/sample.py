"""Samples of a design space: sorted design ids, without repeats."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from dse.config import Sample
from dse.space import DesignSpace, IntArray


def sampled_ids(space: DesignSpace, sample: Sample) -> IntArray:
    """At most `sample.n` design ids, drawn by the sample's method and seed; sorted and unique.

    `random` draws without repeats; `lhs` and `sobol` draw in the unit cube of the axes and round down to an axis value,
    so that a small space may give fewer designs than asked for. So may one in which some axes do not apply to some
    dataflows: points that differ in those axes alone are one design.
    """
    n = min(sample.n or space.size, space.size)
    if sample.method == "random":
        rng = np.random.default_rng(sample.seed)
        return np.sort(_distinct(rng, space.size, n))
    axes = space.axes
    if sample.method == "lhs":
        unit = qmc.LatinHypercube(d=len(axes), rng=sample.seed).random(n)
    else:
        unit = qmc.Sobol(d=len(axes), rng=sample.seed).random_base2(int(n - 1).bit_length())[:n]
    counts = {name: len(values) for name, values in axes.items()}
    columns = zip(counts.items(), unit.T, strict=True)
    return np.unique(space.ids({name: np.minimum((u * k).astype(np.int64), k - 1) for (name, k), u in columns}))


def _distinct(rng: np.random.Generator, size: int, n: int) -> IntArray:
    """n distinct integers below size, in memory that grows with n even where size is astronomical."""
    if n * 4 > size:
        return rng.permutation(size)[:n].astype(np.int64)
    found = np.empty(0, np.int64)
    while len(found) < n:
        drawn = np.concatenate([found, rng.integers(0, size, n - len(found), dtype=np.int64)])
        drawn.sort(kind="stable")  # quick where most are in order
        found = drawn[np.diff(drawn, prepend=-1) > 0]  # np.unique hashes: 60 times slower for millions
    return found
