"""What a reader must know of the points of a run before its numbers: where they come from, what bounds and misses."""

from __future__ import annotations

from dse.errors import first
from dse.metrics import of_networks
from dse.report.gains import BASELINES
from dse.report.run import Run
from dse.report.tables import listed
from dse.report.usable import Points, limits_text, pe_label

PAIRS = "pairs of network and design"
SHOWN = 3  # sources of accuracies in a message


def remarks(run: Run, points: Points) -> tuple[str, ...]:
    """All of them, one message each."""
    return *searched(run), *unusable_types(run, points), *missing_baselines(points), *sources(run)


def searched(run: Run) -> tuple[str, ...]:
    """That points of `dse optimize` are what a search found."""
    if not run.searched:
        return ()
    options, space = run.meta["optimize"], run.meta.get("space")
    what = PAIRS if run.competes else "designs"
    many = f"{run.meta.get('designs', 0):,}{'' if space is None else f' of {space:,}'} {what} evaluated"
    return (
        f"these points come from a search ({options['algorithm']}, {many}): fronts, gains and counts are of what it "
        "found, no bounds; it looks little at PE types off its front, so gains over them may be too high",
    )


def sources(run: Run) -> tuple[str, ...]:
    """One message per data set on whose accuracies are of several sources, such as two recipes of training."""
    found: dict[str, set[str]] = {}
    for network, own in run.accuracies.items() if run.competes else ():
        found.setdefault(run.dataset(network), set()).update(each.origin for each in own.values())
    return tuple(
        f"accuracies on {dataset} are of {len(names)} sources ({first(sorted(names), SHOWN)}): those of two need not "
        "compare"
        for dataset, names in found.items()
        if len(names) > 1
    )


def constraints(run: Run) -> tuple[str, ...]:
    """The limits that usable points keep to."""
    return (f"points within the constraints: {limits_text(run.constraints)}",) if run.constraints else ()


def missing_baselines(points: Points) -> tuple[str, ...]:
    """One message per baseline type without a usable point."""
    types = {labels[0] for labels, _ in points.groups("pe_type")}
    return tuple(
        f"no usable {name.upper()} design in this run: columns that compare with it are blank"
        for name in BASELINES
        if name not in types
    )


def unusable_types(run: Run, points: Points) -> tuple[str, ...]:
    """One message on the PE types of the space that have no usable point, though others have.

    Types whose accuracy is asked for and not known are left to `dse.report.accuracy.unknown_accuracies`.
    """
    usable = {labels[0] for labels, _ in points.groups("pe_type")}
    lacking = [name for name in run.config["space"].get("pe_type", ()) if name not in usable]
    if of_networks((*points.values, *(run.kept or ()), *run.constraints)):
        lacking = [name for name in lacking if any(name in own for own in run.accuracies.values())]
    if not lacking:
        return ()
    within = " within the constraints" if run.constraints else ""
    why = "the search found none" if run.searched else "none is feasible"
    return (f"no usable point of {listed([*map(pe_label, lacking)])}, though in the space: {why}{within}",)
