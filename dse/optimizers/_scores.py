"""Points of designs -> their scores: objectives as costs, and how far constraints are from being met.

With several workloads an objective is the geometric mean over them, as the gains of `dse report` are; a design is
usable where it runs every workload within every constraint.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dse.config import Constraint, Study
from dse.metrics import METRICS
from dse.optimizers._exploration import FloatArray, Scores

INFEASIBLE = 1e6  # violation of a workload that a design cannot run; a broken constraint adds its relative excess


def scores_of(study: Study, points: pa.Table) -> Scores:
    """Scores of the designs of a table of points, in the order of the first workload's rows.

    Every workload has the same designs in the same order.
    """
    names = points["workload"]
    tables = [points.filter(pc.equal(names, workload.name)) for workload in study.workloads]
    violation = sum((_violation(table, study.constraints) for table in tables), np.zeros(tables[0].num_rows))
    costs = np.stack([_cost(name, [_values(table, name) for table in tables]) for name in study.objectives], axis=1)
    return Scores(np.where(violation[:, None] == 0, costs, 0.0), violation)


def values_of(objectives: Sequence[str], costs: FloatArray) -> FloatArray:
    """The objectives, in their units, of costs (n, objectives)."""
    return np.asarray(costs * _signs(objectives))


def costs_of(objectives: Sequence[str], values: FloatArray) -> FloatArray:
    """Costs of objectives (n, objectives) in their units: the inverse of `values_of`."""
    return values_of(objectives, values)


def _signs(objectives: Sequence[str]) -> FloatArray:
    return np.array([-1.0 if METRICS[name].maximize else 1.0 for name in objectives])


def _cost(metric: str, values: Sequence[FloatArray]) -> FloatArray:
    mean = values[0] if len(values) == 1 else np.exp(np.mean(np.log(np.stack(values)), axis=0))
    return np.asarray(mean * _signs([metric]))


def _violation(points: pa.Table, constraints: Sequence[Constraint]) -> FloatArray:
    feasible = points["feasible"].to_numpy()
    total = np.where(feasible, 0.0, INFEASIBLE)
    for limit in constraints:
        value = _values(points, limit.metric)
        if limit.maximum is not None:
            total += np.where(feasible, np.maximum(value / limit.maximum - 1, 0), 0)
        if limit.minimum:
            total += np.where(feasible, np.maximum(1 - value / limit.minimum, 0), 0)
    return total


def _values(points: pa.Table, metric: str) -> FloatArray:
    """A metric, NaN where a design is infeasible."""
    return np.asarray(pc.fill_null(points[METRICS[metric].column], np.nan).to_numpy(), np.float64)
