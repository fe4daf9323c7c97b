"""Metrics of candidates -> their scores: objectives as costs, and how far constraints are from being met.

Where networks do not compete an objective is the geometric mean over them, as the gains of `dse report` are; a design
is usable where it runs every network within every constraint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dse.config import Constraint, Study
from dse.metrics import METRICS, of_networks
from dse.optimizers._exploration import FloatArray, Scores
from dse.space import BoolArray

INFEASIBLE = 1e6  # violation of a run that is impossible or lacks an accuracy; a broken constraint adds its excess


def scores_of(study: Study, points: pa.Table) -> Scores:
    """Scores of the candidates of a table of points: their runs, as `dse.optimizers._candidates` orders them."""
    values = {name: pc.fill_null(points[METRICS[name].column], np.nan).to_numpy() for name in study.metrics}
    return scores(study, values, points["feasible"].to_numpy())


def scores(study: Study, values: Mapping[str, FloatArray], feasible: BoolArray) -> Scores:
    """Scores of candidates from the metrics of their runs, in the same order; NaN where one is not known."""
    together = 1 if of_networks(study.objectives) else len(study.workloads)
    by_run = {name: np.asarray(column, np.float64).reshape(-1, together) for name, column in values.items()}
    known = feasible.reshape(-1, together)
    for column in by_run.values():
        known = known & ~np.isnan(column)
    violation = np.where(known, 0.0, INFEASIBLE)
    for limit in study.constraints:
        violation += np.where(known, _excess(limit, by_run[limit.metric]), 0.0)
    total = violation.sum(axis=1)
    costs = np.stack([_cost(name, by_run[name], total == 0) for name in study.objectives], axis=1)
    return Scores(costs, total)


def values_of(objectives: Sequence[str], costs: FloatArray) -> FloatArray:
    """The objectives, in their units, of costs (n, objectives)."""
    return np.asarray(costs * _signs(objectives))


def costs_of(objectives: Sequence[str], values: FloatArray) -> FloatArray:
    """Costs of objectives (n, objectives) in their units: the inverse of `values_of`."""
    return values_of(objectives, values)


def _signs(objectives: Sequence[str]) -> FloatArray:
    return np.array([-1.0 if METRICS[name].maximize else 1.0 for name in objectives])


def _cost(metric: str, values: FloatArray, usable: BoolArray) -> FloatArray:
    """Of usable candidates an objective as a cost, over all their runs; 0 of others."""
    known = np.where(usable[:, None], values, 1.0)
    mean = known[:, 0] if values.shape[1] == 1 else np.exp(np.mean(np.log(known), axis=1))
    return np.where(usable, mean * _signs([metric]), 0.0)


def _excess(limit: Constraint, value: FloatArray) -> FloatArray:
    """By how much values are beyond a limit, relative to it."""
    excess = np.zeros_like(value)
    if limit.maximum is not None:
        excess += np.maximum(value - limit.maximum, 0) / (abs(limit.maximum) or 1.0)
    if limit.minimum is not None:
        excess += np.maximum(limit.minimum - value, 0) / (abs(limit.minimum) or 1.0)
    return excess
