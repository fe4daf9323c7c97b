"""The exact fronts of one grid of designs by branch and bound over boxes of designs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from dse.block_points import block_points
from dse.config import Study
from dse.kept import Kept, Tally
from dse.mapping import is_compilable
from dse.metrics import METRICS, Totals
from dse.points import SCHEMA
from dse.pruned.bounds import BoxBounds
from dse.pruned.boxes import Regions
from dse.pruned.front import Front, costs_of
from dse.pruned.quick import QuickCosts
from dse.space import Block, BoolArray, FloatArray, Grid, IntArray

LEAF_DESIGNS = 2  # a box of so few is evaluated
FIRST_DESIGNS = 32
DESIGNS_PER_CALL = 4096
ROUNDS = 12  # of the local search
AT_ONCE = 6  # designs whose neighbours it looks at in a round
NEAR, NEAR_TARGETS = 24, 6  # designs of a sample near a target, and targets
LINES = 6  # along which the effect of an axis is measured
Report = Callable[[int, int], None]  # designs decided, designs on the front


def can_prune(study: Study) -> bool:
    """Whether all objectives and constraints have bounds, and the compiled search counts every layer exactly."""
    batch, layers = max(study.space.batch), (layer for workload in study.workloads for layer in workload.layers)
    compilable = all(is_compilable(layer, batch, study.technology) for layer in layers)
    bounded = all(METRICS[name].bounded for name in study.metrics)
    return compilable and bounded and not all(METRICS[name].of_network for name in study.objectives)


def grid_points(study: Study, grid: Grid, ids: IntArray | None, report: Report = lambda done, kept: None) -> pa.Table:
    """Rows of `dse.points.SCHEMA` for the designs of a grid, or of a sample of it, that no other one dominates.

    For each workload on its own, in the study's objectives, among those that are feasible and within the constraints.
    """
    search = _Search(study, grid, QuickCosts.of(study, grid), _no_fronts(study))
    search.guess()
    bounds, steps = BoxBounds.of(study, grid), search.spreads()
    if ids is not None:  # what was found so far may not belong to the sample, but tells where to look
        targets = np.unique(np.concatenate([front.ids for front in search.fronts]))
        search = _Search(study, grid, search.quick, _no_fronts(study))
        search.add_near(ids, targets, steps)
    regions = Regions.whole(grid, ids)
    total, known = int(regions.counts.sum()), bounds.nothing_known(len(regions.boxes))
    while len(regions.boxes):
        small = regions.counts <= LEAF_DESIGNS
        search.add(regions.some(small).ids(grid))
        regions, known = regions.some(~small), known.some(~small)
        if len(regions.boxes):
            alive, known = bounds.raised(regions.boxes, known, search.may_matter)
            regions, known = regions.some(alive), known.some(alive)
            regions, parents = regions.halved(steps)
            known = known.some(parents)
        report(total - int(regions.counts.sum()), sum(len(front.ids) for front in search.fronts))
    return _rows(study, grid, search.fronts)


@dataclass
class _Search:
    """What is known so far about the designs of a grid."""

    study: Study
    grid: Grid
    quick: QuickCosts
    fronts: list[Front]
    seen: IntArray = field(default_factory=lambda: np.empty(0, np.int64))

    def add(self, ids: IntArray) -> None:
        """Evaluate designs that were not yet."""
        new = np.setdiff1d(ids, self.seen)  # each once
        self.seen = np.union1d(self.seen, new)
        for low in range(0, len(new), DESIGNS_PER_CALL):
            some = new[low : low + DESIGNS_PER_CALL]
            costs = self.quick.costs(self.grid.decode(some))
            for front in self.fronts:
                front.add(some, costs)

    def guess(self) -> None:
        """A first front: of some designs, and of those that differ in the value of one axis from the best so far."""
        rng, done = np.random.default_rng(0), np.empty(0, np.int64)
        self.add(self.grid.start + rng.integers(0, self.grid.size, FIRST_DESIGNS))
        for _ in range(ROUNDS):
            best = np.setdiff1d(np.concatenate([front.ids for front in self.fronts]), done)
            if not len(best):
                return
            some = best if len(best) <= AT_ONCE else rng.choice(best, AT_ONCE, replace=False)
            done = np.union1d(done, some)
            places = np.stack(np.unravel_index(some - self.grid.start, self.grid.shape), axis=1)
            self.add(np.concatenate(_lines(self.grid, places)))

    def add_near(self, ids: IntArray, targets: IntArray, spreads: list[FloatArray]) -> None:
        """Evaluate those designs of a sample that are nearest to others, on the scale of `spreads`."""

        def coordinates(some: IntArray) -> FloatArray:
            places = np.unravel_index(some - self.grid.start, self.grid.shape)
            return np.stack([scale[place] for scale, place in zip(spreads, places, strict=True)], axis=1)

        own, near = coordinates(ids), []
        for target in coordinates(targets[:: max(1, len(targets) // NEAR_TARGETS)]):
            distance = np.abs(own - target).sum(axis=1)
            near.append(np.argpartition(distance, min(NEAR, len(ids) - 1))[:NEAR])
        self.add(ids[np.unique(np.concatenate(near))] if near else ids[:NEAR])

    def spreads(self) -> list[FloatArray]:
        """Of each axis how far its values are from the first: the sum of what each step changes, as logarithms of
        time, energy and area, in the mean of some lines through the grid."""
        rng = np.random.default_rng(0)
        starts = np.stack([rng.integers(0, size, LINES) for size in self.grid.shape], axis=1)
        logs = self.quick.logarithms(self.grid.decode(np.concatenate(_lines(self.grid, starts))))
        ends = np.cumsum([LINES * size for size in self.grid.shape])
        found = []
        for part, size in zip(np.split(logs, ends[:-1], axis=1), self.grid.shape, strict=True):
            steps = np.abs(np.diff(part.reshape(3, LINES, size), axis=2)).sum(axis=0).mean(axis=0)
            found.append(np.concatenate([[0.0], np.cumsum(steps)]))
        return found

    def may_matter(self, bounds: Totals, open_: BoolArray) -> BoolArray:
        """Which of the open pairs (box, workload), with bounds of (workloads, boxes), may belong to a front."""
        costs = costs_of(self.study, bounds, open_.T.shape, of_boxes=True).values
        may = open_.T & (costs < np.inf).all(axis=2)
        for front in self.fronts:
            own = np.zeros_like(may)
            own[list(front.contest)] = may[list(front.contest)]
            may[own] = ~front.dominates(costs[own])
        return np.asarray(may.T)


def _lines(grid: Grid, places: IntArray) -> list[IntArray]:
    """Of each axis the ids on the lines along it through some places: one line after the other, values in order."""
    found = []
    for axis, size in enumerate(grid.shape):
        line = np.repeat(places, size, axis=0)
        line[:, axis] = np.tile(np.arange(size), len(places))
        found.append(grid.start + np.ravel_multi_index(line.T, grid.shape))
    return found


def _no_fronts(study: Study) -> list[Front]:
    return [Front.empty(study, contest) for contest in study.contests]


def mapped_points(study: Study, grid: Grid, blocks: Iterable[Block]) -> tuple[pa.Table, int]:
    """The same rows by mapping every design of some blocks of a grid; and how many points are feasible."""
    quick, fronts, feasible = QuickCosts.of(study, grid), _no_fronts(study), 0
    for block in blocks:
        totals = quick.totals(block.designs)
        feasible += int(np.isfinite(totals.total_cycles).sum())
        costs = costs_of(study, totals, (len(study.workloads), *block.designs.shape))
        for front in fronts:
            front.add(block.design_ids, costs)
    return _rows(study, grid, fronts), feasible


def _rows(study: Study, grid: Grid, fronts: list[Front]) -> pa.Table:
    """The rows of the fronts: their designs evaluated in full, and what belongs to the front by these numbers."""
    ids = np.unique(np.concatenate([front.ids for front in fronts]))
    if not len(ids):
        return SCHEMA.empty_table()
    points = block_points(study, Block(ids, grid.decode(ids)))
    return Kept(study).plus(points, Tally()).table()
