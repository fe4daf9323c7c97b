"""Fronts that grow: per workload the designs that nothing found so far dominates, within a tolerance for rounding."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dse.config import Study
from dse.metrics import METRICS, Totals
from dse.pareto import non_dominated
from dse.space import BoolArray, FloatArray, IntArray

TOLERANCE = 1e-9  # by which one value must be better than another to count as better


@dataclass
class Front:
    """The front of one workload: ids, and costs of shape (designs, objectives), less being better."""

    ids: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    costs: FloatArray | None = None

    def add(self, ids: IntArray, costs: FloatArray) -> None:
        """More designs; those that others dominate by more than the tolerance leave."""
        usable = np.isfinite(costs).all(axis=1)
        ids, costs = ids[usable], costs[usable]
        if self.costs is not None:
            new = ~np.isin(ids, self.ids)
            ids, costs = np.concatenate([self.ids, ids[new]]), np.concatenate([self.costs, costs[new]])
        exact = costs[non_dominated(costs, [False] * costs.shape[1])]
        kept = ~_better(exact, costs)
        self.ids, self.costs = ids[kept], costs[kept]

    def dominates(self, costs: FloatArray) -> BoolArray:
        """Whether some design of the front is better than each of the costs, in every objective as good."""
        return np.zeros(len(costs), bool) if self.costs is None else _better(self.costs, costs)


def _better(front: FloatArray, costs: FloatArray) -> BoolArray:
    """Whether a row of `front` is above costs in no objective, and below in one by more than the tolerance."""
    found = np.zeros(len(costs), bool)
    for point in front:
        found |= (point <= costs).all(axis=1) & (point + TOLERANCE * np.abs(point) < costs).any(axis=1)
    return found


def costs_of(study: Study, totals: Totals, shape: tuple[int, ...]) -> FloatArray:
    """The objectives as costs, (designs, objectives); infinite where a constraint is broken or nothing fits.

    Of bounds of boxes they are bounds, if all the metrics are `bounded`. A box of which nothing is known takes no time.
    """
    with np.errstate(divide="ignore"):
        values = {name: METRICS[name].compute(totals) for name in _names(study)}
    usable = np.isfinite(np.broadcast_to(totals.total_cycles, shape))
    for constraint in study.constraints:
        value, least, most = values[constraint.metric], constraint.minimum, constraint.maximum
        usable = usable & (least is None or value >= least * (1 - TOLERANCE))
        usable = usable & (most is None or value <= most * (1 + TOLERANCE))
    signed = (-values[name] if METRICS[name].maximize else values[name] for name in study.objectives)
    return np.stack([np.where(usable, np.broadcast_to(value, shape), np.inf).ravel() for value in signed], axis=1)


def _names(study: Study) -> set[str]:
    """Metrics that the objectives and constraints are about."""
    return {*study.objectives, *(constraint.metric for constraint in study.constraints)}
