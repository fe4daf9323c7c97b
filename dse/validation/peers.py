"""Other tools on the same layers of the same chip."""

from __future__ import annotations

from dse.report.tables import Table
from dse.validation import Comparison, total
from dse.validation._reference import read_reference, source_of
from dse.validation.eyeriss import CYCLES, chip_figures

ORDER = 3

TEXT = """
How far other tools are from the chip on these five layers. They answer slightly different questions: nn_dataflow
counts idle PEs and no ramp-up, MAESTRO takes a mapping file, Timeloop searches its own mapping (two budgets of
search), this model ran on the chip's mapping."""


def compare() -> Comparison:
    """Errors of processing cycles, percent, by tool."""
    figures = [figure for figure in chip_figures() if figure.quantity == CYCLES]
    ours = {figure.item: figure.error_percent for figure in (*figures, total(figures, CYCLES))}
    theirs = [{"tool": row["tool"], **{name: float(row[name]) for name in ours}} for row in read_reference("peers")]
    rows = [{"tool": "dse, row stationary, the chip's mapping", **ours}, *theirs]
    table = Table.of("peers", "Error of processing cycles against the chip, percent", rows)
    return Comparison("peers", "Other tools on the same layers", source_of("peers"), TEXT, (table,), (), ())
