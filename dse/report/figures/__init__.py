"""The figures of a report, one file each, found by file name: adding a figure is adding a file.

A figure is a module `dse/report/figures/<name>.py` (no leading underscore) with `CAPTION: str`, `ORDER: int` (place in
the report) and `draw(run, points) -> matplotlib.figure.Figure`, which raises `SkipFigureError` when there is nothing to
draw (`NoSubjectError` when nobody expects there to be). `points` holds the metrics of `dse.report.gains.GAIN_METRICS`,
or those that the run was kept for. docs/figures.md has a recipe.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from dse.errors import InputError, Problem, did_you_mean
from dse.report.run import Run
from dse.report.usable import Points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SkipFigureError(Exception):
    """The run lacks what a figure shows; the message says what."""


class NoSubjectError(SkipFigureError):
    """The run has nothing of what a figure is about, so that nobody misses it."""


class FigureModule(Protocol):
    """What every file of this folder defines."""

    CAPTION: str
    ORDER: int

    def draw(self, run: Run, points: Points) -> Figure:
        """The figure at its final size. Raises SkipFigureError."""
        ...


def list_figures() -> tuple[str, ...]:
    """Names of the figures in the order of the report."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return tuple(sorted(names, key=lambda name: (load_figure(name).ORDER, name)))


def load_figure(name: str) -> FigureModule:
    """The module of a figure. Raises InputError when there is none of this name."""
    known = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    if name not in known:
        raise InputError(Problem("figure", "must be a figure", name, did_you_mean(name, known)))
    return cast(FigureModule, importlib.import_module(f"{__name__}.{name}"))


def save(draw: Callable[[], Figure], stem: Path, provenance: str) -> tuple[Path, Path]:
    """Draw in the common style and write `<stem>.png` (300 dpi) and `<stem>.pdf`: same input, same bytes."""
    import matplotlib

    from dse.report.figures._style import STYLE

    png, pdf = stem.with_name(stem.name + ".png"), stem.with_name(stem.name + ".pdf")
    png.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change a figure
        matplotlib.rcParams.update(STYLE)
        figure = draw()
        figure.savefig(png, dpi=300, metadata={"Software": provenance})
        # Dates would make equal figures differ.
        dates = {"CreationDate": None, "ModDate": None}
        figure.savefig(pdf, dpi=300, metadata={"Creator": provenance, "Title": stem.name, **dates})
    return png, pdf
