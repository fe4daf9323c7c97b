"""Energy per bit of off-chip DRAM, by technology; every value and its source stand in `dram.csv`."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from dse.errors import InputError, Problem, did_you_mean

DRAM_CSV = Path(__file__).with_name("dram.csv")


def list_dram() -> tuple[str, ...]:
    """Known DRAM technologies, in the order of the table."""
    return tuple(_table())


def dram_pj_per_bit(technology: str, mac16_pj: Callable[[], Any]) -> Any:
    """Energy [pJ] to read or write one bit of DRAM.

    `mac16_pj` gives the energy [pJ] of a 16-bit MAC; it is asked for only where the table's value is relative to one
    (`eyeriss`), and the result then has its shape. Raises InputError for an unknown technology.
    """
    table = _table()
    if technology not in table:
        raise InputError(Problem("dram", "unknown technology", technology, did_you_mean(technology, table)))
    row = table[technology]
    if row["pj_per_bit"]:
        return float(row["pj_per_bit"])
    return float(row["macs_per_16_bits"]) * mac16_pj() / 16


@cache
def _table() -> dict[str, dict[str, str]]:
    with DRAM_CSV.open(newline="") as stream:
        rows = csv.DictReader(line for line in stream if not line.startswith("#"))
        return {row["technology"]: row for row in rows}
