"""Reference data: CSV files with comment lines that name the source."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "reference"
Row = dict[str, str]


@cache
def read_reference(name: str) -> tuple[Row, ...]:
    """The rows of `reference/<name>.csv`."""
    return tuple(csv.DictReader(line for line in _lines(name) if not line.startswith("#")))


@cache
def source_of(name: str) -> str:
    """Where the data come from: the comment lines that begin with `source:`, in one line."""
    marked = (line.removeprefix("# source: ") for line in _lines(name) if line.startswith("# source: "))
    return " ".join(marked)


def _lines(name: str) -> list[str]:
    return (FOLDER / f"{name}.csv").read_text(encoding="utf-8").splitlines()
