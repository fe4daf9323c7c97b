"""Fronts that grow: per workload the designs that nothing found so far dominates.

Values may be off by rounding: sums are in another order than in the points that are written. So a design leaves only
for one that is better by more than TOLERANCE, or equal, in every objective, and that keeps the constraints by as much;
and one that breaks a constraint by less stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.config import Study
from dse.metrics import METRICS, Totals
from dse.pareto import non_dominated
from dse.space import BoolArray, FloatArray, IntArray

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Costs:
    """Objectives as costs, (designs, objectives), infinite where a design cannot be used; and whether it surely can."""

    values: FloatArray
    sure: BoolArray

    def some(self, chosen: BoolArray) -> Costs:
        """Those under a mask."""
        return Costs(self.values[chosen], self.sure[chosen])

    def and_then(self, other: Costs) -> Costs:
        """These, then others."""
        return Costs(np.concatenate([self.values, other.values]), np.concatenate([self.sure, other.sure]))


@dataclass
class Front:
    """The front of one workload: ids of designs, and their costs."""

    ids: IntArray
    costs: Costs

    @classmethod
    def empty(cls, objectives: int) -> Front:
        """Without designs."""
        return cls(np.empty(0, np.int64), Costs(np.empty((0, objectives)), np.empty(0, bool)))

    def add(self, ids: IntArray, costs: Costs) -> None:
        """More designs; those that others dominate leave."""
        new = np.isfinite(costs.values).all(axis=1) & ~np.isin(ids, self.ids)
        ids, costs = np.concatenate([self.ids, ids[new]]), self.costs.and_then(costs.some(new))
        sure = costs.values[costs.sure]
        least = sure[non_dominated(sure, [False] * sure.shape[1])] if len(sure) else sure
        kept = ~_dominated(least, costs.values)
        self.ids, self.costs = ids[kept], costs.some(kept)

    def dominates(self, values: FloatArray) -> BoolArray:
        """Whether some design of the front that can surely be used is better."""
        return _dominated(self.costs.values[self.costs.sure], values)


def _dominated(by: FloatArray, values: FloatArray) -> BoolArray:
    found = np.zeros(len(values), bool)
    for point in by:
        better = point + TOLERANCE * np.abs(point) < values
        found |= (better | (point == values)).all(axis=1) & better.any(axis=1)
    return found


def costs_of(study: Study, totals: Totals, shape: tuple[int, ...], of_boxes: bool = False) -> Costs:
    """The objectives of designs, or of boxes their bounds, if all the metrics are `bounded`.

    Of boxes the constraints count that their bounds can break: those against too little of what is good.
    """
    with np.errstate(divide="ignore"):  # a box of which nothing is known takes no time
        values = {name: METRICS[name].compute(totals) for name in _names(study)}
    usable = np.isfinite(np.broadcast_to(totals.total_cycles, shape))
    sure = usable
    for constraint in study.constraints:
        value, maximize = values[constraint.metric], METRICS[constraint.metric].maximize
        if constraint.minimum is not None and (maximize or not of_boxes):
            usable = usable & (value >= constraint.minimum * (1 - TOLERANCE))
            sure = sure & (value >= constraint.minimum * (1 + TOLERANCE))
        if constraint.maximum is not None and not (maximize and of_boxes):
            usable = usable & (value <= constraint.maximum * (1 + TOLERANCE))
            sure = sure & (value <= constraint.maximum * (1 - TOLERANCE))
    signed = (-values[name] if METRICS[name].maximize else values[name] for name in study.objectives)
    columns = [np.where(usable, np.broadcast_to(value, shape), np.inf).ravel() for value in signed]
    return Costs(np.stack(columns, axis=1), np.broadcast_to(sure, shape).ravel())


def _names(study: Study) -> set[str]:
    """Metrics that the objectives and constraints are about."""
    return {*study.objectives, *(constraint.metric for constraint in study.constraints)}
