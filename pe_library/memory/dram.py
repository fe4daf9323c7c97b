"""Energy per bit of off-chip DRAM, by technology; every value and its source stand in `dram.csv`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from dse.errors import InputError, Problem, did_you_mean

DRAM_CSV = Path(__file__).with_name("dram.csv")


def list_dram() -> tuple[str, ...]:
    """Known DRAM technologies, in the order of the table."""
    return tuple(_table())


def dram_pj_per_bit(technology: str, mac16_pj: Any = None) -> Any:
    """Energy [pJ] to read or write one bit of DRAM.

    `eyeriss` is a convention relative to a 16-bit MAC and needs that MAC's energy `mac16_pj` [pJ]; the other
    technologies ignore it. Raises InputError for an unknown technology or a missing `mac16_pj`.
    """
    table = _table()
    if technology not in table:
        raise InputError(Problem("dram", "unknown technology", technology, did_you_mean(technology, table)))
    row = table[technology]
    if row["pj_per_bit"]:
        return float(row["pj_per_bit"])
    if mac16_pj is None:
        raise InputError(Problem("dram", "relative to a 16-bit MAC: its energy is needed", technology))
    return float(row["macs_per_16_bits"]) * mac16_pj / 16


def _table() -> dict[str, dict[str, str]]:
    with DRAM_CSV.open(newline="") as stream:
        rows = csv.DictReader(line for line in stream if not line.startswith("#"))
        return {row["technology"]: row for row in rows}
