"""`dse optimize`: the Pareto front of a space too large to sweep, searched for within a budget of evaluations.

Every design is evaluated once at most, by the code of the sweep. The answer is the exact non-dominated set of all
designs evaluated, not what an algorithm has left at its end. A search depends on config, options and seed only: killed,
it finds its finished rounds on disk and goes on behind them, to the same bytes.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import dse
from dse.block_points import block_points
from dse.config import Study, with_optimization
from dse.errors import InputError, Problem, RunError
from dse.optimizers import load_algorithm
from dse.optimizers._exploration import Evaluator, Limits, Search, Trace, explore
from dse.optimizers._hypervolume import require_moocore
from dse.optimizers._lattice import IntArray, Knows, Lattice
from dse.optimizers._scores import scores_of
from dse.payload import decode, encode
from dse.points import SCHEMA
from dse.provenance import pe_hashes
from dse.report.convergence import write_convergence, write_front
from dse.run_directory import RunDirectory, written
from dse.sweep import BLOCK_DESIGNS, Progress

FRONT, CONVERGENCE = "front.csv", "convergence"
ROW_GROUP = 16_384


@dataclass(frozen=True)
class OptimizeSummary:
    """What a finished search left behind: `front` designs with `distinct` values, and why it stopped.

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

    Raises InputError where it has fewer than two objectives or `out` holds another run, RunError where the extra
    `optimize` is missing, another process works in `out`, or it cannot be written.
    """
    start = time.monotonic()
    if len(study.objectives) < 2:
        hint = "`dse sweep` and `dse pareto` serve one"
        raise InputError(Problem("objectives", "must be at least two to optimize", list(study.objectives), hint))
    require_moocore()
    load_algorithm(study.optimization.algorithm)
    study = with_optimization(study)
    directory = RunDirectory(out, _identity(study))
    if not fresh and (found := directory.finished()):
        return _summary(out, found, 0.0, True)
    with directory.locked():
        if fresh:
            directory.clear()
        directory.begin()
        trace = search(study, _evaluator(study, directory), lambda done: progress(
            Progress(done, study.optimization.evaluations, time.monotonic() - start)))  # fmt: skip
        meta = _written(study, directory, trace)
        wall_s = time.monotonic() - start
        directory.end({
            **meta, "name": study.name, "config": study.resolved, "seed": study.optimization.seed,
            "wall_s": round(wall_s, 2), "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        })  # fmt: skip
    return _summary(out, meta, wall_s, False)


def search(study: Study, evaluator: Evaluator, progress: Callable[[int], None]) -> Trace:
    """The search of a study's space for its objectives, whatever scores the designs.

    `progress` is told the number of evaluations after each round.
    """
    options, objectives = study.optimization, len(study.objectives)
    algorithm, lattice = load_algorithm(options.algorithm), Lattice.of(study.space)

    def start(knows: Knows) -> Search:
        return algorithm.search(lattice, knows, objectives, options.population, options.seed)

    return explore(start, objectives, evaluator, Limits(options.evaluations, options.stagnation), progress)


def _evaluator(study: Study, directory: RunDirectory) -> Evaluator:
    """Evaluates rounds of designs; a round is kept on disk, and taken from there where it is."""
    numbers = itertools.count()
    return lambda ids: scores_of(study, _round(study, directory, next(numbers), ids))


def _round(study: Study, directory: RunDirectory, number: int, ids: IntArray) -> pa.Table:
    """The points of a round: those on disk if they are of these designs, else computed and put there."""
    payload = directory.read_part(number)
    if payload is not None and np.array_equal(np.unique(decode(payload)["design_id"]), ids):
        return decode(payload)
    points = computed(study, ids)
    directory.write_part(number, encode(points))
    return points


def computed(study: Study, ids: IntArray) -> pa.Table:
    """The points of designs (ids rising), block by block and in it workload by workload."""
    blocks = study.space.select(ids, BLOCK_DESIGNS)
    return pa.concat_tables(block_points(study, block) for block in blocks).unify_dictionaries()


def _written(study: Study, directory: RunDirectory, trace: Trace) -> dict[str, Any]:
    """Write points, front and convergence; returns what run.json says of them."""
    feasible = _write_points(directory, len(trace.rounds))
    provenance = f"dse {dse.__version__} config {study.sha256} run {study.name}"
    write_front(study, trace, directory.path / FRONT, provenance)
    write_convergence(study, trace, directory.path / CONVERGENCE, provenance)
    front = trace.scores.costs[trace.front]
    return {
        "designs": len(trace.ids), "points": len(trace.ids) * len(study.workloads), "feasible": feasible,
        "space": study.space.size, "front": len(front), "distinct": len(np.unique(front, axis=0)),
        "stopped": trace.stopped, "optimize": asdict(study.optimization),
    }  # fmt: skip


def _write_points(directory: RunDirectory, rounds: int) -> int:
    """All rounds, in order, as points.parquet; returns the number of feasible points."""
    schema, feasible, waiting = SCHEMA.with_metadata({"dse": json.dumps(directory.identity, sort_keys=True)}), 0, []
    with written(directory.points) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for number in range(rounds):
            payload = directory.read_part(number)
            if payload is None:
                raise RunError(f"{directory.parts}: a finished part is damaged; run the same command again")
            waiting.append(decode(payload).replace_schema_metadata(schema.metadata))
            if number == rounds - 1 or sum(map(len, waiting)) >= ROW_GROUP:
                table = pa.concat_tables(waiting).unify_dictionaries()
                writer.write_table(table)
                feasible += int(pc.sum(table["feasible"]).as_py() or 0)
                waiting = []
    return feasible


def _identity(study: Study) -> dict[str, Any]:
    """What makes two runs the same run, to the byte."""
    return {"version": dse.__version__, "config_sha256": study.sha256, "pe_models": pe_hashes(study.space)}


def _summary(out: Path, meta: Mapping[str, Any], wall_s: float, found: bool) -> OptimizeSummary:
    return OptimizeSummary(
        out, meta["designs"], meta["space"], meta["front"], meta["distinct"], meta["stopped"], wall_s, found
    )
