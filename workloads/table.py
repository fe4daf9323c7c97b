"""Text tables: reading a file of a layer list, its comments, rows and numbers."""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path

from dse.errors import InputError, Problem

MAX_BYTES = 4 * 1024 * 1024
"""A layer list of 10,000 layers has half a megabyte; what is larger is another kind of file."""
_MAX_DIGITS = 18


@dataclass(frozen=True)
class Row:
    """A line of the table, or a comment as its only cell; `line` counts from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """`where` is how messages name the file; `rows[0]` is the header when there is one."""

    where: str
    comments: tuple[Row, ...]
    rows: tuple[Row, ...]

    def at(self, row: Row, column: str = "") -> str:
        """The place of a problem: `file.csv:12` or `file.csv:12 column stride`."""
        return f"{self.where}:{row.line}" + (f" column {column}" if column else "")


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file; InputError when it is missing, unreadable, too large or not text."""
    where = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(Problem(where, f"cannot be read: {reason}")) from None
    if len(data) > MAX_BYTES:
        raise InputError(Problem(where, f"is larger than {MAX_BYTES} bytes"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError(Problem(where, "is not a text file (UTF-8)"))
    return text


def split_table(text: str, where: str) -> Table:
    """Comments (`#` first) and comma-separated rows; blank lines and rows of blank cells are left out."""
    comments: list[Row] = []
    rows: list[Row] = []
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if line.lstrip().startswith("#"):
            comments.append(Row(number, (line.strip().lstrip("#").strip(),)))
            continue
        try:
            cells = tuple(cell.strip() for cell in next(csv.reader([line]), []))
        except csv.Error as error:
            raise InputError(Problem(f"{where}:{number}", f"is not a row of a CSV file: {error}")) from None
        if any(cells):
            rows.append(Row(number, cells))
    return Table(where, tuple(comments), tuple(rows))


def whole_number(cell: str, where: str) -> int | Problem:
    """The integer written in a cell (digits only: no `3.0`, `1e3`, `nan`), or what is wrong with it."""
    if not re.fullmatch(r"[+-]?[0-9]+", cell):
        return Problem(where, "must be a whole number", cell)
    if len(cell) > _MAX_DIGITS:
        return Problem(where, f"must have at most {_MAX_DIGITS} digits", cell)
    return int(cell)


def share(cell: str, where: str) -> float | Problem:
    """The decimal number written in a cell (`0.387`: no sign, no exponent, no `%`), or what is wrong with it."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", cell) or len(cell) > _MAX_DIGITS:
        return Problem(where, "must be a share from 0 to 1", cell)
    return float(cell)


def percent(cell: str, where: str) -> float | Problem:
    """The decimal number from 0 to 100 written in a cell, or what is wrong with it."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", cell) or len(cell) > _MAX_DIGITS or float(cell) > 100:
        return Problem(where, "must be a percentage from 0 to 100", cell)
    return float(cell)
