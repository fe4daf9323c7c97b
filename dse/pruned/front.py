"""Fronts that grow: per workload, or contest of several, the designs that nothing found so far dominates.

Values may be off by rounding: sums are in another order than in the points that are written. So a design leaves only
for one that is better by more than TOLERANCE, or equal, in every objective, and that keeps the constraints by as much;
and one that breaks a constraint by less stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.config import Study
from dse.metrics import METRICS, Totals
from dse.pareto import covered, non_dominated
from dse.space import BoolArray, FloatArray, IntArray

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Costs:
    """Objectives as costs, (..., objectives), infinite where a design cannot be used; and whether it surely can."""

    values: FloatArray
    sure: BoolArray

    def some(self, chosen: BoolArray | int) -> Costs:
        """Those under a mask, or at a place."""
        return Costs(self.values[chosen], self.sure[chosen])

    def and_then(self, other: Costs) -> Costs:
        """These, then others."""
        return Costs(np.concatenate([self.values, other.values]), np.concatenate([self.sure, other.sure]))


@dataclass
class Front:
    """The front of workloads that compete (`Study.contests`): ids of designs, their workloads, and their costs."""

    contest: tuple[int, ...]
    margin: FloatArray  # of each objective: TOLERANCE, or 0 where it is a constant of a network
    ids: IntArray
    workloads: IntArray
    costs: Costs

    @classmethod
    def empty(cls, study: Study, contest: tuple[int, ...]) -> Front:
        """Without designs."""
        margin = np.asarray([0.0 if METRICS[name].of_network else TOLERANCE for name in study.objectives])
        none = np.empty(0, np.int64)
        return cls(contest, margin, none, none, Costs(np.empty((0, len(margin))), np.empty(0, bool)))

    def add(self, ids: IntArray, costs: Costs) -> None:
        """More designs, with their costs of (workloads, designs); those that others dominate leave."""
        for workload in self.contest:
            own = costs.some(workload)
            new = np.asarray(np.isfinite(own.values).all(axis=1))
            new[new] = ~self.dominates(own.values[new])
            if new.any():
                self._merge(ids[new], np.full(new.sum(), workload), own.some(new))

    def _merge(self, ids: IntArray, workloads: IntArray, costs: Costs) -> None:
        ids, workloads = np.concatenate([self.ids, ids]), np.concatenate([self.workloads, workloads])
        costs = self.costs.and_then(costs)
        sure = costs.values[costs.sure]
        least = sure[non_dominated(sure, [False] * sure.shape[1])] if len(sure) else sure
        kept = ~_dominated(least, costs.values)
        self.ids, self.workloads, self.costs = ids[kept], workloads[kept], costs.some(kept)

    def dominates(self, values: FloatArray) -> BoolArray:
        """Whether some design of the front that can surely be used is better, by TOLERANCE, in every objective, or as
        good where that is a constant of a network."""
        by = self.costs.values[self.costs.sure]
        return covered(by + self.margin * np.abs(by), values)


def _dominated(by: FloatArray, values: FloatArray) -> BoolArray:
    found = np.zeros(len(values), bool)
    for point in by:
        better = point + TOLERANCE * np.abs(point) < values
        found |= (better | (point == values)).all(axis=1) & better.any(axis=1)
    return found


def costs_of(study: Study, totals: Totals, shape: tuple[int, ...], of_boxes: bool = False) -> Costs:
    """The objectives of designs, or of boxes their bounds, if all the metrics are `bounded`; an accuracy that is not
    known cannot be used.

    `shape` begins with the workloads; all behind it is one axis of the costs. Of boxes the constraints count that their
    bounds can break: those against too little of what is good.
    """
    with np.errstate(divide="ignore"):  # a box of which nothing is known takes no time
        values = {name: METRICS[name].compute(totals) for name in study.metrics}
    usable = np.isfinite(np.broadcast_to(totals.total_cycles, shape))
    for name in study.objectives:
        usable = usable & ~np.isnan(values[name])
    sure = usable
    for constraint in study.constraints:
        value, maximize = values[constraint.metric], METRICS[constraint.metric].maximize
        if constraint.minimum is not None and (maximize or not of_boxes):
            slack = TOLERANCE * abs(constraint.minimum)
            usable, sure = usable & (value >= constraint.minimum - slack), sure & (value >= constraint.minimum + slack)
        if constraint.maximum is not None and not (maximize and of_boxes):
            slack = TOLERANCE * abs(constraint.maximum)
            usable, sure = usable & (value <= constraint.maximum + slack), sure & (value <= constraint.maximum - slack)
    signed = (-values[name] if METRICS[name].maximize else values[name] for name in study.objectives)
    rows = [np.where(usable, np.broadcast_to(value, shape), np.inf).reshape(shape[0], -1) for value in signed]
    return Costs(np.stack(rows, axis=-1), np.broadcast_to(sure, shape).reshape(shape[0], -1))
