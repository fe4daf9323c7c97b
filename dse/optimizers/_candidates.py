"""What a search of a study proposes: designs, or where networks compete pairs of a network and a design.

Networks compete where accuracy is an objective (`Study.contests`); else each design runs all of them. A *run* is one
network on one design: a pair has one, a design as many as there are networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dse.config import Study
from dse.config.schema import MAX_DESIGNS
from dse.errors import InputError, Problem, first
from dse.metrics import of_networks
from dse.optimizers._lattice import ONE, IntArray, Networks


@dataclass(frozen=True)
class Runs:
    """Runs of candidates, one candidate after the other: index of the network, and id of the design."""

    networks: IntArray
    designs: IntArray


def networks_of(study: Study) -> Networks:
    """The networks that compete in a study. Raises InputError where they do not compare, or are too many."""
    if not of_networks(study.objectives):
        _check_constraints(study)
        return ONE
    datasets = sorted({workload.dataset or "one not named" for workload in study.workloads if workload.accuracies})
    if len(datasets) > 1:
        rule = "accuracies on different data do not compare; optimize the networks of one data set at a time"
        raise InputError(Problem("workloads", rule, datasets))
    networks = Networks(_single(study), study.architectures)
    if networks.count * study.space.size > MAX_DESIGNS:
        rule = f"must hold at most {MAX_DESIGNS} pairs of a network and a design"
        raise InputError(Problem("space", rule, hint="shorten some axes"))
    return networks


def contestants(study: Study) -> Study:
    """The study without the networks that would compete in vain, since no accuracy is known of them; members of its
    family stay, known or not, as the axes of the family give all of them."""
    if not of_networks(study.objectives):
        return study
    single = _single(study)
    known = (workload for workload in study.workloads[:single] if workload.accuracies)
    return replace(study, workloads=(*known, *study.workloads[single:]))


def _single(study: Study) -> int:
    """How many networks are of no family; they come first."""
    return len(study.workloads) - Networks(0, study.architectures).count


def _check_constraints(study: Study) -> None:
    """A design has to keep every constraint on every network: a network without accuracy would leave none."""
    if not of_networks(constraint.metric for constraint in study.constraints):
        return
    lacking = [each.name for each in study.workloads if not each.accuracies]
    if lacking:
        hint = "give their accuracies, leave them out, or make accuracy an objective"
        raise InputError(Problem("constraints", "no accuracy is known of some networks", first(lacking, 5), hint))


def runs_of(study: Study, ids: IntArray) -> Runs:
    """The runs of candidates, in their order and then that of the networks."""
    if of_networks(study.objectives):
        return Runs(*np.divmod(ids, study.space.size))
    count = len(study.workloads)
    return Runs(np.tile(np.arange(count), len(ids)), np.repeat(ids, count))


def runs_in(study: Study, points: pa.Table) -> Runs:
    """The runs that are rows of points."""
    names = pa.array([workload.name for workload in study.workloads])
    networks = pc.index_in(points["workload"].cast(pa.string()), names)
    return Runs(networks.to_numpy().astype(np.int64), points["design_id"].to_numpy())
