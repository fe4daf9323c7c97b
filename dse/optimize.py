"""`dse optimize`: the Pareto front of a space too large to sweep, searched for within a budget of evaluations.

Candidates are designs, or pairs of a network and a design where networks compete. Each is evaluated once at most, by
the code of the sweep. Where the compiled search alone can score them it leads the search, round by round, and their
points are computed at the end, many at a time. The answer is the exact non-dominated set of all points, not what an
algorithm has left at its end. A search depends on config, options and seed only: killed, it finds its finished parts on
disk and goes on behind them, to the same bytes.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import dse
from dse.config import Study, with_optimization
from dse.errors import InputError, Problem
from dse.optimizers import load_algorithm
from dse.optimizers._candidates import contestants, networks_of, runs_in, runs_of
from dse.optimizers._exploration import Evaluator, Limits, Scores, Search, Trace, explore
from dse.optimizers._full import full_points
from dse.optimizers._hypervolume import require_moocore
from dse.optimizers._lattice import IntArray, Knows, Lattice
from dse.optimizers._quick import quick_scores
from dse.optimizers._scores import scores_of
from dse.payload import decode, encode
from dse.points import SCHEMA
from dse.provenance import pe_hashes, provenance_line
from dse.pruned.search import can_prune
from dse.report.convergence import write_convergence, write_front
from dse.run_directory import RunDirectory, written
from dse.sweep import Progress

FRONT, CONVERGENCE = "front.csv", "convergence"
VIOLATION = "violation"
GROUP_ROWS = 16_384  # of points that are computed and written together, about


@dataclass(frozen=True)
class OptimizeSummary:
    """What a finished search left behind: candidates evaluated (`designs`) of all (`space`), `front` of them with
    `distinct` values, and why it stopped.

    `found`: it was there already.
    """

    path: Path
    designs: int
    space: int
    front: int
    distinct: int
    stopped: str
    wall_s: float
    found: bool


def optimize(study: Study, out: Path, fresh: bool, progress: Callable[[Progress], None]) -> OptimizeSummary:
    """Search the space of a study for its objectives, as its `optimization` says, into the run directory `out`.

    Raises InputError where it has fewer than two objectives, networks that do not compare compete, or `out` holds
    another run; RunError where the extra `optimize` is missing, another process works in `out`, or it cannot be
    written.
    """
    start = time.monotonic()
    if len(study.objectives) < 2:
        hint = "`dse sweep` and `dse pareto` serve one"
        raise InputError(Problem("objectives", "must be at least two to optimize", list(study.objectives), hint))
    networks_of(study)
    require_moocore()
    load_algorithm(study.optimization.algorithm)
    study = contestants(with_optimization(study))
    directory = RunDirectory(out, _identity(study))
    if not fresh and (found := directory.finished()):
        return _summary(out, found, 0.0, True)
    with directory.locked():
        if fresh:
            directory.clear()
        directory.begin()
        trace = search(study, _evaluator(study, directory), lambda done: progress(
            Progress(done, study.optimization.evaluations, time.monotonic() - start, what="evaluations")))  # fmt: skip
        meta = _written(study, directory, trace)
        wall_s = time.monotonic() - start
        directory.end({
            **meta, "name": study.name, "config": study.resolved, "seed": study.optimization.seed,
            "wall_s": round(wall_s, 2), "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        })  # fmt: skip
    return _summary(out, meta, wall_s, False)


def search(study: Study, evaluator: Evaluator, progress: Callable[[int], None]) -> Trace:
    """The search of a study for its objectives, whatever scores the candidates.

    `progress` is told the number of evaluations after each round.
    """
    options, objectives = study.optimization, len(study.objectives)
    algorithm, lattice = load_algorithm(options.algorithm), Lattice.of(study.space, networks_of(study))

    def start(knows: Knows) -> Search:
        return algorithm.search(lattice, knows, objectives, options.population, options.seed)

    return explore(start, objectives, evaluator, Limits(options.evaluations, options.stagnation), progress)


def scorer(study: Study) -> Evaluator:
    """What scores candidates: the compiled search where it can, else their points."""
    return quick_scores(study) if can_prune(study) else lambda ids: scores_of(study, full_points(study, ids))


def _evaluator(study: Study, directory: RunDirectory) -> Evaluator:
    """Scores rounds of candidates. Their scores, or points where these are computed, are kept on disk."""
    numbers = itertools.count()
    if not can_prune(study):
        return lambda ids: scores_of(study, _points(study, directory, next(numbers), ids))
    score = scorer(study)
    names = [f"cost_{number}" for number in range(len(study.objectives))]

    def evaluator(ids: IntArray) -> Scores:
        def table() -> pa.Table:
            found = score(ids)
            return pa.table({"id": ids, VIOLATION: found.violation} | dict(zip(names, found.costs.T, strict=True)))

        kept = _part(directory, next(numbers), lambda kept: np.array_equal(kept["id"], ids), table)
        costs = np.stack([kept[name].to_numpy() for name in names], axis=1)
        return Scores(costs, kept[VIOLATION].to_numpy())

    return evaluator


def _points(study: Study, directory: RunDirectory, number: int, ids: IntArray) -> pa.Table:
    """The points of candidates, from the part of this number or put there."""
    runs = runs_of(study, ids)

    def of_these(points: pa.Table) -> bool:
        kept = runs_in(study, points)
        return np.array_equal(kept.networks, runs.networks) and np.array_equal(kept.designs, runs.designs)

    return _part(directory, number, of_these, lambda: full_points(study, ids))


def _part(
    directory: RunDirectory, number: int, wanted: Callable[[pa.Table], bool], make: Callable[[], pa.Table]
) -> pa.Table:
    """The table of a part that is on disk if it is the one wanted, else made and put there."""
    payload = directory.read_part(number)
    if payload is not None and wanted(found := decode(payload)):
        return found
    table = make()
    directory.write_part(number, encode(table))
    return table


def _written(study: Study, directory: RunDirectory, trace: Trace) -> dict[str, Any]:
    """Write points, front and convergence; returns what run.json says of them."""
    trace, points, feasible = _write_points(study, directory, trace)
    pe_models = directory.identity["pe_models"]
    provenance = provenance_line(study.name, study.sha256, study.optimization.seed, pe_models)
    write_front(study, trace, directory.path / FRONT, provenance)
    write_convergence(study, trace, directory.path / CONVERGENCE, provenance)
    front = trace.scores.costs[trace.front]
    return {
        "designs": len(trace.ids), "points": points, "feasible": feasible,
        "space": Lattice.of(study.space, networks_of(study)).size, "front": len(front),
        "distinct": len(np.unique(front, axis=0)), "stopped": trace.stopped, "optimize": asdict(study.optimization),
    }  # fmt: skip


def _write_points(study: Study, directory: RunDirectory, trace: Trace) -> tuple[Trace, int, int]:
    """Write all points in order of evaluation; returns the trace with the scores they have, and how many there are and
    are feasible."""
    schema = SCHEMA.with_metadata({"dse": json.dumps(directory.identity, sort_keys=True)})
    scores, points, feasible = Scores(np.empty((0, len(study.objectives))), np.empty(0)), 0, 0
    with written(directory.points) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in _groups(study, directory, trace):
            writer.write_table(table.replace_schema_metadata(schema.metadata))
            scores = scores.plus(scores_of(study, table))
            points, feasible = points + table.num_rows, feasible + int(pc.sum(table["feasible"]).as_py() or 0)
    return replace(trace, scores=scores), points, feasible


def _groups(study: Study, directory: RunDirectory, trace: Trace) -> Iterator[pa.Table]:
    """The points of all candidates, some rounds at a time: of parts behind those of the rounds, or of these."""
    group = max(1, GROUP_ROWS // len(runs_of(study, trace.ids[:1]).designs))
    ends = trace.rounds[np.flatnonzero(np.diff(trace.rounds // group, append=-1))]
    for number, (low, high) in enumerate(pairwise([0, *ends.tolist()])):
        if can_prune(study):
            yield _points(study, directory, len(trace.rounds) + number, trace.ids[low:high])
            continue
        rounds = np.flatnonzero((trace.rounds > low) & (trace.rounds <= high)).tolist()
        starts = np.concatenate([[0], trace.rounds])
        tables = [_points(study, directory, each, trace.ids[starts[each] : starts[each + 1]]) for each in rounds]
        yield pa.concat_tables(tables).unify_dictionaries()


def _identity(study: Study) -> dict[str, Any]:
    """What makes two runs the same run, to the byte."""
    axes = {name: list(values) for name, values in study.architectures.items()}
    return {
        "version": dse.__version__, "config_sha256": study.sha256, "pe_models": pe_hashes(study.space),
        "architectures": axes,
    }  # fmt: skip


def _summary(out: Path, meta: Mapping[str, Any], wall_s: float, found: bool) -> OptimizeSummary:
    return OptimizeSummary(
        out, meta["designs"], meta["space"], meta["front"], meta["distinct"], meta["stopped"], wall_s, found
    )
