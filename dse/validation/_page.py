"""Comparisons as text: a terminal page, a Markdown page, CSV, JSON, and a summary."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from dse.report.tables import WIDTH, Table, to_csv, to_markdown, to_terminal
from dse.validation import Check, Comparison

COLUMNS = ("comparison", "item", "quantity", "ours", "theirs", "error_percent", "source")
HEAD = """# Validation: why the numbers can be believed, and where not

| what the model says | what stands behind it |
| --- | --- |
| cycles and traffic of row stationary arrays | measurements of a chip; a brute-force walk over all passes (tests) |
| choice of the mapping | never worse than the mapping that the chip's designers chose |
| cycles of systolic arrays | another simulator, equal; an array of registers that computes the layer (tests) |
| area, timing and energy of PEs between synthesized points | synthesis of points that no fit has seen |
| area, timing and energy of the GLB | CACTI at points left out |
| DRAM energy, wires | cited constants, compared with nothing |
| area and power of a finished chip | nothing: see the last section |

No number below is typed by hand: `dse validate` computes them and holds them against the tables in
`dse/validation/reference`, which name their sources. Errors are (ours - theirs) / theirs. This page is its
`--format markdown`; `--format csv` and `json` have every compared number.

## In short

A result with a limit exceeds it nowhere, or is marked BROKEN and fails the command; one without is shown as it is.
"""


def render(comparisons: Sequence[Comparison], form: str, provenance: str) -> str:
    """The comparisons as `table`, `markdown`, `csv` or `json` text."""
    if form == "markdown":
        return markdown(comparisons)
    if form == "table":
        return "\n".join(map(_terminal, comparisons))
    if form == "csv":
        return to_csv(Table("validation", "", COLUMNS, tuple(_rows(comparisons))), provenance)
    checks = [
        {"comparison": each.name, **asdict(check), "holds": check.holds}
        for each in comparisons
        for check in each.checks
    ]
    figures = [dict(zip(COLUMNS, row, strict=True)) for row in _rows(comparisons)]
    tables = {table.name: table.records() for each in comparisons for table in each.tables}
    content = {"provenance": provenance, "checks": checks, "figures": figures, "tables": tables}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def summary(comparisons: Sequence[Comparison]) -> str:
    """One row per result, as a Markdown table."""
    return to_markdown(_summary(comparisons))


def markdown(comparisons: Sequence[Comparison]) -> str:
    """The page docs/validation.md."""
    sections = [f"{HEAD}\n{summary(comparisons)}"]
    for each in comparisons:
        text = "\n\n".join(_filled(paragraph, 120) for paragraph in each.text.strip().split("\n\n"))
        tables = "\n".join(f"**{table.title}**\n\n{to_markdown(table)}" for table in each.tables)
        sections.append(f"## {each.title}\n\n{text}\n\n{tables}\n{_filled(f'Source: {each.source}', 120)}\n")
    return "\n".join(sections)


def _terminal(comparison: Comparison) -> str:
    tables = "\n".join(map(to_terminal, comparison.tables))
    results = f"\n{to_terminal(_summary([comparison]))}" if comparison.checks else ""
    source = _filled(f"source: {comparison.source}", WIDTH)
    return f"{comparison.title.upper()}\n\n{tables}{results}\n{source}\n"


def _summary(comparisons: Sequence[Comparison]) -> Table:
    rows = [
        (each.title if first else "", check.what, _result(check), _limit(check))
        for each in comparisons
        for first, check in zip((True, *(False,) * len(each.checks)), each.checks, strict=False)
    ]
    return Table("summary", "", ("compared with", "what", "result", "limit"), tuple(rows))


def _result(check: Check) -> str:
    return f"{check.found:.2f} %" if check.unit == "%" else f"{check.found:g} {check.unit}"


def _limit(check: Check) -> str:
    if check.limit is None:
        return ""
    return (f"{check.limit:g} %" if check.unit == "%" else f"{check.limit:g}") + ("" if check.holds else " BROKEN")


def _rows(comparisons: Sequence[Comparison]) -> Iterator[tuple[Any, ...]]:
    """Every figure as a row of `COLUMNS`."""
    for each in comparisons:
        for f in each.figures:
            yield each.name, f.item, f.quantity, f.ours, f.theirs, f.error_percent, each.source


def _filled(text: str, width: int) -> str:
    return textwrap.fill(" ".join(text.split()), width, break_on_hyphens=False, break_long_words=False)
