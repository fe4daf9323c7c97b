"""NSGA-II and NSGA-III of pymoo, asked for points and told their scores. Nothing else of the project knows pymoo.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEVC 6(2), 2002; Deb and Jain, "An
evolutionary many-objective optimization algorithm using reference-point-based nondominated sorting approach", IEEE TEVC
18(4), 2014, with the reference directions of Das and Dennis, SIAM J. Optim. 8(3), 1998.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.config import Config
from pymoo.core.evaluator import Evaluator
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem
from pymoo.util.ref_dirs import get_reference_directions
from pymoo.util.reference_direction import get_partition_closest_to_points

from dse.optimizers._exploration import Scores
from dse.optimizers._lattice import IntArray

# Points of the population, the standing of each (0 the best), number of children -> children.
Breed = Callable[[IntArray, Any, int], IntArray]
Points = Generator[IntArray, Scores, None]
Method = Literal["nsga2", "nsga3"]
Config.warnings["not_compiled"] = False  # it would go to stdout, which is for data


@dataclass(frozen=True)
class _Mating:
    """In the place of pymoo's mating: children come from `breed`."""

    breed: Breed

    def do(self, problem: Any, pop: Any, n_offsprings: int, algorithm: Any, random_state: Any) -> Any:
        rank, crowding = (np.asarray(pop.get(name), np.float64) for name in ("rank", "crowding"))  # NaN: has none
        order = np.lexsort((-np.nan_to_num(crowding), np.nan_to_num(rank), pop.get("CV")[:, 0]))
        standing = np.empty(len(order), np.int64)
        standing[order] = np.arange(len(order))
        points = np.asarray(pop.get("X"), np.int64)
        return Population.new("X", self.breed(points, standing, n_offsprings))


def generations(method: Method, first: IntArray, breed: Breed, objectives: int, population: int, seed: int) -> Points:
    """The points that each generation of a method wants evaluated, `first` to begin with; none at its end."""
    algorithm = _algorithm(method, first, breed, objectives, population)
    problem = Problem(n_var=first.shape[1], n_obj=objectives, n_ieq_constr=1)
    algorithm.setup(problem, termination=NoTermination(), seed=seed, verbose=False)
    while True:
        asked = algorithm.ask()
        if asked is None:  # no children: pymoo is at its end
            yield first[:0]
            return
        scores = yield np.asarray(asked.get("X"), np.int64)
        told = StaticProblem(problem, F=scores.costs, G=scores.violation[:, None])
        Evaluator().eval(told, asked)
        algorithm.tell(infills=asked)


def _algorithm(method: Method, first: IntArray, breed: Breed, objectives: int, population: int) -> Any:
    if method == "nsga2":
        return NSGA2(pop_size=population, sampling=first, mating=_Mating(breed), eliminate_duplicates=False)
    partitions = get_partition_closest_to_points(population, objectives)
    directions = get_reference_directions("das-dennis", objectives, n_partitions=partitions)
    size = max(population, len(directions))  # more only where one direction per objective is more
    return NSGA3(ref_dirs=directions, pop_size=size, sampling=first, mating=_Mating(breed), eliminate_duplicates=False)
