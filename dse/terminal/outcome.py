"""What `dse sweep` and `dse optimize` say before and after their work."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dse.metrics import of_networks
from dse.report.accuracy import not_known

if TYPE_CHECKING:
    from dse.config import Study
    from dse.config.study import Optimization
    from dse.optimize import OptimizeSummary
    from dse.sweep import RunSummary


NONE_USABLE = "no design is feasible and within the constraints"


def intentions(study: Study) -> tuple[str, ...]:
    """What was decided for the user: not to keep every point, to leave out networks of unknown accuracy."""
    return (*_not_all(study), *unrated(study))


def unrated(study: Study) -> tuple[str, ...]:
    """That networks are left out since an accuracy asked for is not known of them."""
    known = {workload.name: {each.pe_type: each for each in workload.accuracies} for workload in study.workloads}
    return not_known(known, study.space.pe_type, study.metrics)


def _not_all(study: Study) -> tuple[str, ...]:
    if not study.keep.auto or study.keep.what == "all":
        return ()
    points = study.designs * len(study.workloads)
    fronts = f"the exact fronts of {', '.join(study.objectives)}"
    return (f"{points:,} points are too many to keep: keeping {fronts}; `keep: all` in the config keeps every point",)


def outcome(study: Study, summary: RunSummary) -> tuple[str, ...]:
    """The run in one line, and the next command to type."""
    workloads = len(study.workloads)
    found = f"{summary.path}: {summary.designs:,} designs x {workloads} workload{'s'[workloads == 1 :]}"
    if study.keep.what == "all":
        percent = 100 * (summary.feasible or 0) / max(1, summary.points)
        found += f" = {summary.points:,} points, {percent:.1f} % feasible"
    else:
        how = "decided" if summary.pruned else "evaluated"
        found += f" {how}, {summary.points:,} points kept ({_kept(study)})"
    line = f"{found}, {summary.wall_s:.1f} s{' (resumed)' if summary.resumed else ''}"
    if not summary.points or summary.feasible == 0:
        return (line, NONE_USABLE)
    whole = study.keep.what == "front" or (study.keep.what == "all" and of_networks(study.objectives))
    metrics = study.objectives if whole else study.objectives[:1]
    return (line, _next(summary.path, metrics))


def search_outcome(study: Study, options: Optimization, summary: OptimizeSummary) -> tuple[str, ...]:
    """The search in one line, and the next command to type."""
    what = "pairs of network and design" if of_networks(study.objectives) else "designs"
    return (
        f"{summary.path}: {summary.designs:,} of {summary.space:,} {what} evaluated by {options.algorithm}, stopped "
        f"by {summary.stopped}; front of {summary.distinct:,} points ({summary.front:,} {what}), "
        f"{summary.wall_s:.1f} s{' (finished before)' if summary.found else ''}",
        _next(summary.path, study.objectives) if summary.front else NONE_USABLE,
    )


def _next(run: Path, metrics: Sequence[str]) -> str:
    options = " ".join(f"--metric {name}" for name in metrics)
    return f"next: dse pareto {shlex.quote(str(run))} {options}"


def remarks(study: Study, summary: RunSummary) -> tuple[str, ...]:
    """What is worth a message beside the outcome."""
    if not summary.failed:
        return ()
    where = ": see `reason`" if study.keep.what == "all" else ""
    return (f"{summary.failed:,} points are infeasible because their evaluation failed{where}",)


def _kept(study: Study) -> str:
    if study.keep.what == "front":
        return f"front: {', '.join(study.objectives)}"
    of = "data set" if of_networks(study.objectives) else "workload"
    return f"best {study.keep.n:,} of each {of} and PE type: {study.objectives[0]}"
