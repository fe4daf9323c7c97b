"""Tables: one value type, written as CSV, JSON, Markdown or for the terminal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dse.metrics import METRICS

WIDTH = 100  # columns of a terminal table


@dataclass(frozen=True)
class Table:
    """Named columns and rows of plain values; None is a cell without a value. `note` says how to read it."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""

    @classmethod
    def of(cls, name: str, title: str, rows: Sequence[Mapping[str, Any]], note: str = "") -> Table:
        """A table of mappings; its columns are the keys of the first."""
        columns = tuple(rows[0]) if rows else ()
        return cls(name, title, columns, tuple(tuple(row[column] for column in columns) for row in rows), note)

    def records(self) -> list[dict[str, Any]]:
        """One mapping per row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def to_csv(table: Table, provenance: str) -> str:
    """CSV with a first line `# provenance`; numbers at full precision, cells without a value empty."""
    text = io.StringIO()
    text.write(f"# {provenance}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return text.getvalue()


def to_json(tables: Sequence[Table], provenance: str) -> str:
    """JSON object: provenance, and a list of records per table."""
    content = {"provenance": provenance, **{table.name: table.records() for table in tables}}
    return json.dumps(content, indent=1, allow_nan=False)


def to_markdown(table: Table) -> str:
    """A Markdown table, numbers to three digits and right-aligned."""
    numeric = [_is_numeric(table, index) for index in range(len(table.columns))]
    lines = [table.columns, tuple("--:" if right else "---" for right in numeric)]
    lines += [
        tuple(short(*cell).replace("|", "\\|") for cell in zip(row, table.columns, strict=True)) for row in table.rows
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def to_terminal(table: Table) -> str:
    """Plain text at most `WIDTH` columns wide: title, table, note."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for index, column in enumerate(table.columns):
        right = _is_numeric(table, index)
        shown.add_column(column, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in table.rows:
        shown.add_row(*(short(*cell) for cell in zip(row, table.columns, strict=True)))
    text = io.StringIO()
    console = Console(file=text, width=WIDTH, color_system=None, highlight=False, emoji=False, markup=False)
    if table.title:
        console.print(table.title)
    console.print(shown)
    if table.note:
        console.print(table.note)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def write(path: Path, text: str) -> Path:
    """Write text with `\\n` line ends on every system; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def short(value: Any, column: str = "") -> str:
    """A cell for people: floats to three digits, without exponents up to a million; percentages to hundredths."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    if column.endswith("_percent") or (column in METRICS and METRICS[column].of_network):
        return f"{value:.2f}"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    power = math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, 2 - power)}f}" if -4 < power < 6 else f"{value:.2e}"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(", ".join(names).rsplit(", ", 1))


def _is_numeric(table: Table, index: int) -> bool:
    values = [row[index] for row in table.rows if row[index] is not None]
    return bool(values) and all(isinstance(value, int | float) for value in values)
