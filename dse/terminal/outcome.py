"""What `dse sweep` says before and after its work."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from dse.metrics import METRICS, of_networks

if TYPE_CHECKING:
    from dse.config import Study
    from dse.sweep import RunSummary


def intentions(study: Study) -> tuple[str, ...]:
    """What was decided for the user: not to keep every point, to leave out networks of unknown accuracy."""
    return (*_not_all(study), *_unknown(study))


def _unknown(study: Study) -> tuple[str, ...]:
    asked = [name for name in study.metrics if METRICS[name].of_network]
    types, lacking = study.space.pe_type, []
    for workload in study.workloads if asked else ():
        unknown = [pe_type for pe_type in types if workload.accuracy(pe_type) is None]
        if unknown:
            whole = len(unknown) == len(types)
            lacking.append(workload.name if whole else f"{workload.name} on {', '.join(unknown)}")
    shown = "; ".join(lacking[:5]) + (f" and {len(lacking) - 5} more networks" if len(lacking) > 5 else "")
    return (f"no accuracy is known of {shown}: left out where {asked[0]} counts",) if lacking else ()


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
    whole = study.keep.what == "front" or of_networks(study.objectives)
    metrics = study.objectives if whole else study.objectives[:1]
    options = " ".join(f"--metric {name}" for name in metrics)
    return (
        f"{found}, {summary.wall_s:.1f} s{' (resumed)' if summary.resumed else ''}",
        f"next: dse pareto {shlex.quote(str(summary.path))} {options}",
    )


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
