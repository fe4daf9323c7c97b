"""What every search algorithm shares: a budget of evaluations, a memory of designs, and when to stop.

An algorithm is a generator: it yields design ids and is sent their scores. A proposal without an unknown design is its
last: it knows nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dse.optimizers._lattice import BoolArray, IntArray, Knows, Lattice, first_of_each
from dse.pareto import non_dominated

FloatArray = NDArray[np.float64]

BUDGET, STAGNATION, EXHAUSTED = "budget", "stagnation", "exhausted"


@dataclass(frozen=True)
class Scores:
    """What designs are worth: `costs` (n, objectives), less is better; `violation` (n,), 0 where a design is usable.

    Where it is not, costs are without meaning; the larger the violation, the farther from usable.
    """

    costs: FloatArray
    violation: FloatArray

    def take(self, rows: IntArray) -> Scores:
        """The scores of some rows."""
        return Scores(self.costs[rows], self.violation[rows])

    def plus(self, other: Scores) -> Scores:
        """These scores and others after them."""
        return Scores(np.concatenate([self.costs, other.costs]), np.concatenate([self.violation, other.violation]))


Evaluator = Callable[[IntArray], Scores]  # distinct design ids, rising -> their scores
Search = Generator[IntArray, Scores, None]


class Algorithm(Protocol):
    """What every algorithm's file defines."""

    def search(self, lattice: Lattice, knows: Knows, objectives: int, population: int, seed: int) -> Search:
        """Proposals of about `population` design ids; one without an unknown design is the last."""
        ...


@dataclass(frozen=True)
class Limits:
    """When to stop: after `evaluations`, or after `stagnation` of them without a change of the front (None: never)."""

    evaluations: int
    stagnation: int | None


@dataclass(frozen=True)
class Trace:
    """What was evaluated, in order; `rounds` has the number of evaluations after each round, `stopped` says why."""

    ids: IntArray
    scores: Scores
    rounds: IntArray
    stopped: str

    @property
    def front(self) -> IntArray:
        """Rows of the non-dominated set of the usable designs."""
        return non_dominated_rows(self.scores)


class Memory:
    """Scores of all designs evaluated so far, found by design id."""

    def __init__(self, objectives: int) -> None:
        self.ids = np.empty(0, np.int64)  # in order of evaluation
        self.scores = Scores(np.empty((0, objectives)), np.empty(0))
        self._sorted = np.empty(0, np.int64)
        self._rows = np.empty(0, np.int64)

    def knows(self, ids: IntArray) -> BoolArray:
        """Which designs were evaluated."""
        if not len(self._sorted):
            return np.zeros(len(ids), bool)
        place = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
        return np.asarray(self._sorted[place] == ids)

    def scores_of(self, ids: IntArray) -> Scores:
        """Scores of designs that were evaluated."""
        return self.scores.take(self._rows[np.searchsorted(self._sorted, ids)])

    def add(self, ids: IntArray, scores: Scores) -> None:
        """Remember designs that are not known yet."""
        self.ids, self.scores = np.concatenate([self.ids, ids]), self.scores.plus(scores)
        self._rows = np.argsort(self.ids, kind="stable")
        self._sorted = self.ids[self._rows]


def explore(
    start: Callable[[Knows], Search],
    objectives: int,
    evaluator: Evaluator,
    limits: Limits,
    progress: Callable[[int], None],
) -> Trace:
    """Run a search within its limits; every design is evaluated once at most.

    `start` makes the search from what tells which designs are known; `progress` is told the number of evaluations after
    each round. A round is a proposal: of its unknown designs, as many as the budget has room for are evaluated.
    """
    memory, front, changed, rounds = Memory(objectives), np.empty((0, objectives)), 0, list[int]()
    search = start(memory.knows)
    proposed = next(search)
    while True:
        new = proposed[first_of_each(proposed)]
        new = np.sort(new[~memory.knows(new)][: limits.evaluations - len(memory.ids)])
        if len(new):
            scores = evaluator(new)
            memory.add(new, scores)
            grown = _merged(front, scores)
            changed = changed if np.array_equal(grown, front) else len(memory.ids)
            front = grown
            rounds.append(len(memory.ids))
            progress(len(memory.ids))
        stopped = _reason(len(memory.ids), changed, len(new), limits)
        if stopped:
            search.close()
            return Trace(memory.ids, memory.scores, np.array(rounds, np.int64), stopped)
        proposed = search.send(memory.scores_of(proposed))


def _reason(done: int, changed: int, new: int, limits: Limits) -> str:
    """Why to stop after `done` evaluations, if at all; the front changed last after `changed` of them."""
    if done >= limits.evaluations:
        return BUDGET
    if limits.stagnation is not None and done - changed >= limits.stagnation:
        return STAGNATION
    return "" if new else EXHAUSTED


def non_dominated_rows(scores: Scores) -> IntArray:
    """Rows of the usable designs that no usable one dominates."""
    usable = np.flatnonzero(scores.violation == 0)
    return usable[non_dominated(scores.costs[usable], [False] * scores.costs.shape[1])]


def _merged(front: FloatArray, scores: Scores) -> FloatArray:
    """The front, as distinct costs in order, with more designs."""
    both = Scores(front, np.zeros(len(front))).plus(scores)
    return np.unique(both.costs[non_dominated_rows(both)], axis=0)
