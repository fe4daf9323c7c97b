"""Comparisons of the model with references: one file each, found by file name.

A comparison module defines
    ORDER               its place on the page
    compare()           -> Comparison
Reference data lie in `reference/*.csv`; their comment lines name the source. Everything else is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from dse.report.tables import Table


@dataclass(frozen=True)
class Figure:
    """One number of ours beside that of the reference; `quantity` ends in its unit, `item` says what it is of."""

    item: str
    quantity: str
    ours: float
    theirs: float

    @property
    def error_percent(self) -> float:
        """Signed relative error, in percent of the reference, which is not 0."""
        return 100 * (self.ours / self.theirs - 1)

    def cells(self, ours: str, theirs: str, error: str = "error %") -> dict[str, float]:
        """Both numbers and the error as cells of a table row with these columns."""
        return {ours: self.ours, theirs: self.theirs, error: self.error_percent}


@dataclass(frozen=True)
class Check:
    """A result in one number, and the size that it must not exceed; None where no limit was set beforehand."""

    what: str
    found: float
    limit: float | None = None
    unit: str = "%"

    @property
    def holds(self) -> bool:
        """Whether the result keeps to its limit."""
        return self.limit is None or abs(self.found) <= self.limit


@dataclass(frozen=True)
class Comparison:
    """The model against one reference. `text` is Markdown: what is compared, and where not to believe it.

    `name` is that of the module, `title` names the reference. `checks` sum the comparison up.
    `figures` are all numbers that have a reference, in order; `tables` show them, or what sums them up, to people.
    """

    name: str
    title: str
    source: str
    text: str
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]
    checks: tuple[Check, ...]


class Module(Protocol):
    """What a comparison module provides; see the package docstring."""

    ORDER: int

    def compare(self) -> Comparison: ...


@cache
def list_comparisons() -> tuple[str, ...]:
    """Names of the comparisons that exist, one per file of this package, in their order."""
    names = (file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("_"))
    return tuple(sorted(names, key=lambda name: (_load(name).ORDER, name)))


def compare(names: Sequence[str] = ()) -> tuple[Comparison, ...]:
    """Run the comparisons of these names, by default all, in their order."""
    return tuple(_load(name).compare() for name in list_comparisons() if not names or name in names)


def _load(name: str) -> Module:
    return cast(Module, import_module(f"dse.validation.{name}"))


def total(figures: Sequence[Figure], quantity: str) -> Figure:
    """The sum of the figures of one quantity."""
    chosen = [figure for figure in figures if figure.quantity == quantity]
    return Figure("total", quantity, sum(f.ours for f in chosen), sum(f.theirs for f in chosen))


def worst(figures: Sequence[Figure]) -> Figure:
    """The figure of largest error."""
    return max(figures, key=lambda figure: abs(figure.error_percent))
