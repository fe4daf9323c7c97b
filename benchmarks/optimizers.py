"""How close the search algorithms come to an exact front: hypervolume as a share of the exact one, over several seeds.

python -m benchmarks.optimizers CONFIG EXACT [--objectives latency,energy ...] [--seeds 10] [--evaluations 20000]

EXACT is the run directory of a sweep of the whole space of CONFIG: designs are then looked up, not evaluated, and a
search takes seconds. Or it is a Parquet file with the columns of the objectives and a row per point of the exact front:
then designs are evaluated. A front of some objectives contains, in values, that of every choice among them, so one file
serves them all. The front must be of usable designs and, with several workloads that do not compete, of geometric
means.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from dse.config import Study, load_study
from dse.metrics import METRICS, of_networks
from dse.optimize import scorer, search
from dse.optimizers import list_algorithms
from dse.optimizers._candidates import runs_in
from dse.optimizers._exploration import Evaluator, FloatArray, Scores, non_dominated_rows
from dse.optimizers._hypervolume import Scale, hypervolume
from dse.optimizers._scores import costs_of, scores_of
from dse.report.tables import Table, to_markdown

OBJECTIVES = ("latency,energy", "latency,energy,area", "latency,energy,area,power")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("exact", type=Path)
    parser.add_argument("--objectives", action="append", help="names with commas between; may be repeated")
    parser.add_argument("--algorithms", default=",".join(list_algorithms()))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=20_000)
    options = parser.parse_args()
    study = load_study(options.config)
    rows = []
    for names in options.objectives or OBJECTIVES:
        objectives = tuple(names.split(","))
        given = replace(study, objectives=objectives)
        exact, evaluator = _exact(given, options.exact)
        for algorithm in options.algorithms.split(","):
            patience = None if algorithm == "random" else study.optimization.stagnation  # a baseline has all the budget
            chosen = replace(
                study.optimization, algorithm=algorithm, evaluations=options.evaluations, stagnation=patience
            )
            print(f"{names}: {algorithm}", file=sys.stderr)
            results = list(_results(replace(given, optimization=chosen), exact, evaluator, options.seeds))
            rows.append(_row(objectives, algorithm, exact, results))
    print(to_markdown(Table("optimizers", "", tuple(rows[0]), tuple(tuple(row.values()) for row in rows))))


def _row(
    objectives: Sequence[str], algorithm: str, exact: FloatArray, results: Sequence[tuple[float, int]]
) -> dict[str, str]:
    shares, evaluations = (np.array(column) for column in zip(*results, strict=True))
    return {
        "objectives": f"{len(objectives)}: {', '.join(objectives)}",
        "points of the exact front": f"{len(exact):,}",
        "algorithm": algorithm,
        **{name: f"{of(shares):.3f} %" for name, of in (("worst", np.min), ("median", np.median), ("best", np.max))},
        "evaluations": f"{np.median(evaluations):,.0f}",
    }


def _results(study: Study, exact: FloatArray, evaluator: Evaluator, seeds: int) -> Iterator[tuple[float, int]]:
    """Per seed the hypervolume in percent of the exact front's, and the evaluations spent."""
    scale = Scale.of(exact)
    whole = hypervolume(exact, scale)
    for seed in range(seeds):
        trace = search(
            replace(study, optimization=replace(study.optimization, seed=seed)), evaluator, lambda done: None
        )
        found = np.unique(trace.scores.costs[trace.front], axis=0)
        yield 100 * hypervolume(found, scale) / whole, len(trace.ids)


def _exact(study: Study, path: Path) -> tuple[FloatArray, Evaluator]:
    """Distinct costs of the exact front, and what scores designs."""
    if path.is_dir():
        scores = _looked_up(study, path / "points.parquet")
        return np.unique(scores.costs[non_dominated_rows(scores)], axis=0), scores.take
    table = pq.read_table(path, columns=[METRICS[name].column for name in study.objectives])
    front = costs_of(study.objectives, np.stack([column.to_numpy() for column in table.columns], axis=1))
    kept = non_dominated_rows(Scores(front, np.zeros(len(front))))
    return np.unique(front[kept], axis=0), scorer(study)


def _looked_up(study: Study, points: Path) -> Scores:
    """Scores of every candidate, by its id."""
    columns = ["design_id", "workload", "feasible", *(METRICS[name].column for name in study.metrics)]
    table = pq.read_table(points, columns=columns)
    if table.num_rows != study.space.size * len(study.workloads):
        sys.exit(f"{points} has not every design of the space")
    runs = runs_in(study, table)
    keys = (runs.designs, runs.networks) if of_networks(study.objectives) else (runs.networks, runs.designs)
    return scores_of(study, table.take(np.lexsort(keys)))


if __name__ == "__main__":
    main()
