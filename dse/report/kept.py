"""Runs that keep the exact fronts of their objectives, or the best points, instead of every point.

What such a run answers exactly: of each network and PE type, over all dataflows and clock settings, the best values and
the fronts of the metrics it was kept for. A front of some of them has all its values: of the designs that share a value
the ones that nothing beats in the other metrics are in the run. Where accuracy is an objective all this is of the
networks of a data set together (`Study.contests`). What needs other points is left out, never estimated.
"""

from __future__ import annotations

from collections.abc import Sequence

from dse.errors import InputError, Problem
from dse.report.breakdowns import BY
from dse.report.gains import GAIN_METRICS
from dse.report.run import Run

ALL_HINT = "sweep with `keep: all` to keep every point"
TABLES = ("dataflows", "spreads", "causes")  # that need points off the fronts
FIGURES = ("scatter", "dataflows", "causes")


def kept_metrics(run: Run, metrics: Sequence[str]) -> tuple[str, ...]:
    """The metrics asked for, by default all that the run was kept for; one alone is joined by another of these.

    Raises InputError where they are not among these, or the run keeps every point.
    """
    kept = run.kept or ()
    asked = tuple(dict.fromkeys(metrics)) or kept
    if foreign := [name for name in asked if name not in kept]:
        what = "best points in" if len(kept) == 1 else "fronts of"
        rule = f"the run keeps only the {what} {', '.join(kept)}"
        raise InputError(Problem("--metric", rule, ", ".join(foreign), ALL_HINT))
    partners = [name for name in kept if name not in asked]
    return (*asked, *partners[:1]) if len(asked) == 1 else asked


def kept_messages(run: Run, metrics: Sequence[str]) -> tuple[str, ...]:
    """What to know of answers in these metrics; nothing where the run keeps every point."""
    if run.kept is None:
        return ()
    messages = []
    if run.competes:
        messages.append("networks compete, since accuracy is an objective: bests of each network are not in this run")
    if len(run.clock_settings) > 1:
        messages.append("this run keeps fronts over all clock settings: bests and gains are those at any clock")
    if others := [name for name in run.kept if name not in metrics]:
        messages.append(
            f"all values of the front are here; of designs with equal {' and '.join(metrics)} those that others beat "
            f"in {' or '.join(others)} are not in the run"
        )
    return tuple(messages)


def without(run: Run) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the tables and of the figures that a report of the run has to do without."""
    if run.reported is None:
        return (), ()
    tables, figures = list(TABLES), list(FIGURES)
    if run.competes or not set(BY) <= set(run.reported):  # bests of PE types would be of different networks
        tables.append("breakdown")
        figures.append("breakdown")
    elif len(run.clock_settings) > 1:
        figures.append("breakdown")  # shows designs of one clock setting
    if run.competes or not set(GAIN_METRICS) <= set(run.reported):
        figures += ["gains_over_int16", "gains_over_int8"]
    return tuple(tables), tuple(figures)


def left_out(run: Run) -> tuple[str, ...]:
    """One line on what a report of the run does without; none where the run keeps every point."""
    tables, figures = without(run)
    if run.reported is None:
        return ()
    best = f"best in {', '.join(run.reported)}{' over all networks of a data set' if run.competes else ''}"
    cause = "a search came by these points" if run.searched else "many networks compete"
    why = f"the run keeps only what is {best}" if run.kept else f"{cause}: shown is what is {best}"
    hint = f" ({ALL_HINT})" if run.kept else ""
    return (f"left out, since {why}: tables {', '.join(tables)}; figures {', '.join(figures)}{hint}",)
