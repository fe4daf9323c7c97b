"""Predicted against synthesized: how well a fitted model does on points it has not seen.

`heldout.csv` of a PE type has the columns of `synthesis.csv` at points drawn with another seed. No fit
reads it.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dse.errors import RunError
from pe_library.model import (
    AREA_PARTS,
    ENERGY_PARTS,
    FITTED,
    INPUTS,
    PE_LIBRARY,
    PERIOD_PARTS,
    RUN_PARTS,
    FloatArray,
    load_pe_model,
)

# Measured wholes and the parts whose prediction is combined to compare with them.
SUMS = {"area_um2": AREA_PARTS, "run_pj": RUN_PARTS, "all_pj": ENERGY_PARTS}
WHOLES = ("area_um2", "leakage_uw", "run_pj", "all_pj", "min_period_ns")
QUANTITIES = (*WHOLES, *(name for name in FITTED if name not in WHOLES))


@dataclass(frozen=True)
class Pairs:
    """Measured and predicted values of one quantity at the held-out points, in the unit of its name."""

    pe_type: str
    quantity: str
    measured: FloatArray
    predicted: FloatArray

    @property
    def errors_percent(self) -> FloatArray:
        """Signed relative error of each point, in percent of the measured value."""
        return np.asarray((self.predicted / self.measured - 1.0) * 100.0)


@dataclass(frozen=True)
class HeldoutError:
    """Mean and largest absolute relative error of one quantity over the held-out points, in percent."""

    pe_type: str
    quantity: str
    mape_percent: float
    max_error_percent: float
    points: int


def read_points(path: Path) -> tuple[dict[str, str], ...]:
    """Rows of a file of synthesized points. Raises RunError when it is missing, empty or lacks a column."""
    if not path.is_file():
        raise RunError(f"{path} is missing: run `dse characterize {path.parent.name}` to synthesize its points")
    with path.open(encoding="utf-8", newline="") as file:
        rows = tuple(csv.DictReader(line for line in file if not line.startswith("#")))
    if not rows:
        raise RunError(f"{path} has no points")
    missing = [name for name in (*INPUTS, *FITTED, *WHOLES, "role") if name not in rows[0]]
    if missing:
        raise RunError(f"{path} lacks the columns {', '.join(missing)}")
    return rows


def column(rows: Sequence[dict[str, str]], name: str) -> FloatArray:
    """One numeric column. Raises RunError unless every value is a positive finite number."""
    try:
        values = np.asarray([float(row[name]) for row in rows])
    except (TypeError, ValueError) as error:
        raise RunError(f"column {name} has a value that is no number ({error})") from error
    if not (np.isfinite(values) & (values > 0)).all():
        raise RunError(f"column {name} must be positive and finite, got {values.min()} .. {values.max()}")
    return values


def heldout_pairs(name: str, library: Path = PE_LIBRARY) -> dict[str, Pairs]:
    """Measured and predicted values of a PE type by quantity: the wholes first, then every part.

    `run_pj` (energy of a cycle with a MAC) and `all_pj` (with an ifmap and a filter write besides) are
    measured as wholes and predicted as sums of separately fitted parts: they also test that parts add up.
    """
    rows = read_points(library / name / "heldout.csv")
    model = load_pe_model(name, library)
    depths = [column(rows, depth) for depth in INPUTS]
    predicted = model.parts(*depths)
    for whole, parts in SUMS.items():
        predicted[whole] = np.sum(np.broadcast_arrays(*(predicted[part] for part in parts)), axis=0)
    predicted["min_period_ns"] = np.max(np.broadcast_arrays(*(predicted[part] for part in PERIOD_PARTS)), axis=0)
    return {
        quantity: Pairs(name, quantity, column(rows, quantity), np.broadcast_to(predicted[quantity], len(rows)))
        for quantity in QUANTITIES
    }


def heldout_errors(name: str, library: Path = PE_LIBRARY) -> tuple[HeldoutError, ...]:
    """The error table of a PE type, one row per quantity in the order of `heldout_pairs`."""
    rows = []
    for pairs in heldout_pairs(name, library).values():
        errors = np.abs(pairs.errors_percent)
        rows.append(HeldoutError(name, pairs.quantity, float(errors.mean()), float(errors.max()), errors.size))
    return tuple(rows)
