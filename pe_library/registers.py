"""The PEs of systolic dataflows, as measured: one register per operand instead of scratch pads.

Such a PE has no depth to vary, so there is nothing to fit: `systolic.csv` of a PE type holds one synthesized row per
dataflow (`characterization.systolic`), and a prediction is that row.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dse.errors import RunError
from pe_library.model import PE_LIBRARY, FloatArray, PEPrediction, load_pe_type

OPERANDS = ("ifmap", "filter", "psum")
# The operand that each dataflow keeps in its register while the others stream.
STATIONARY = {"input_stationary": "ifmap", "weight_stationary": "filter", "output_stationary": "psum"}
WRITE_PARTS = ("ifmap_write_pj", "filter_write_pj", "psum_write_pj")
MEASURED = ("area_um2", "leakage_uw", "min_period_ns", "clock_pj", "control_pj", "mac_pj", *WRITE_PARTS)


def load_register_pe(pe_type: str, dataflow: str, library: Path = PE_LIBRARY) -> PEPrediction:
    """Quantities of one PE of a systolic dataflow, 0-d arrays; `*_write_pj` writes a register once, reads are free.

    Raises InputError (unknown type) or RunError (no usable row).
    """
    row = register_row(pe_type, dataflow, library)
    free, values = np.zeros(()), {name: _number(pe_type, dataflow, row, name) for name in MEASURED}
    return PEPrediction(
        **values, ifmap_read_pj=free, filter_read_pj=free, psum_read_pj=free, in_range=np.ones((), dtype=np.bool_)
    )


def register_pe_sha256(pe_type: str, dataflow: str, library: Path = PE_LIBRARY) -> str:
    """Hash of the row of a dataflow (canonical JSON), which a run records."""
    canonical = json.dumps(register_row(pe_type, dataflow, library), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@functools.cache
def register_row(pe_type: str, dataflow: str, library: Path = PE_LIBRARY) -> Mapping[str, str]:
    """The row of a dataflow as it stands in `systolic.csv`. Raises InputError (unknown type) or RunError (no row)."""
    load_pe_type(pe_type, library)
    path = library / pe_type / "systolic.csv"
    advice = f"run `dse characterize {pe_type}` to build it"
    if not path.is_file():
        raise RunError(f"PE type `{pe_type}` has no systolic PEs: {path} is missing; {advice}")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = {row["dataflow"]: row for row in csv.DictReader(stream)}
    if dataflow not in rows:
        raise RunError(f"{path} has no row for the dataflow `{dataflow}`; {advice}")
    return rows[dataflow]


def _number(pe_type: str, dataflow: str, row: Mapping[str, str], name: str) -> FloatArray:
    try:
        value = float(row[name])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"systolic.csv of `{pe_type}`, {dataflow}: {name} is no number ({error!r})") from error
    if not 0 < value < np.inf:
        raise RunError(f"systolic.csv of `{pe_type}`, {dataflow}: {name} must be positive and finite, got {value}")
    return np.asarray(value)
