"""Global buffer: one single-port SRAM macro at 45 nm, interpolated in a grid of CACTI 7 runs.

The grid (`cacti_45nm.csv`, provenance in its header) holds sizes x word widths x cell types. Between grid points
every quantity is interpolated linearly in log(size) and log(width). CACTI's internal optimizer jumps between
organizations, so along the size its results are not quite monotone; before use they are replaced by the closest
(least squares of the logarithm) non-decreasing sequence. `docs/memory.md` has the size of both errors.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.errors import InputError, Problem, did_you_mean

GRID_CSV = Path(__file__).with_name("cacti_45nm.csv")
QUANTITIES = ("area_mm2", "read_pj", "write_pj", "leakage_mw", "access_ns", "min_period_ns")

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SramPrediction:
    """One array per quantity, of the broadcast shape of the arguments of `GlbModel.predict`.

    `read_pj`, `write_pj`: energy of one access of a whole word. `access_ns`: address to data. `min_period_ns`:
    shortest clock period at which the macro serves one random access a cycle, the larger of CACTI's access time
    and random cycle time. `in_range`: inside the characterized grid; outside, the nearest edge is returned.
    """

    area_mm2: FloatArray
    read_pj: FloatArray
    write_pj: FloatArray
    leakage_mw: FloatArray
    access_ns: FloatArray
    min_period_ns: FloatArray
    in_range: NDArray[np.bool_]


@dataclass(frozen=True)
class GlbModel:
    """`log_table[quantity, width, size]`: natural logarithm of `QUANTITIES`, non-decreasing along the size."""

    cell: str
    sizes_kib: FloatArray
    word_bits: FloatArray
    log_table: FloatArray

    def predict(self, glb_kib: ArrayLike, word_bits: ArrayLike) -> SramPrediction:
        """Quantities of a macro of `glb_kib` [KiB] with words of `word_bits` [bit]; element-wise, broadcasting."""
        size, width = np.asarray(glb_kib, dtype=np.float64), np.asarray(word_bits, dtype=np.float64)
        i, x = _locate(self.sizes_kib, size)
        j, y = _locate(self.word_bits, width)
        table = self.log_table
        narrow = table[:, j, i] + x * (table[:, j, i + 1] - table[:, j, i])
        wide = table[:, j + 1, i] + x * (table[:, j + 1, i + 1] - table[:, j + 1, i])
        in_range = _inside(self.sizes_kib, size) & _inside(self.word_bits, width)
        values = np.exp(narrow + y * (wide - narrow))
        return SramPrediction(**dict(zip(QUANTITIES, values, strict=True)), in_range=in_range)


def read_grid(cell: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(sizes [KiB], word widths [bit], values[quantity, width, size]) of one cell type, as CACTI gave them.

    Raises InputError for an unknown cell type.
    """
    rows = [row for row in _rows() if row["cell"] == cell]
    if not rows:
        raise InputError(Problem("glb cell", "unknown SRAM cell type", cell, did_you_mean(cell, list_glb_cells())))
    sizes = np.array(sorted({float(row["glb_kib"]) for row in rows}))
    widths = np.array(sorted({float(row["word_bits"]) for row in rows}))
    values = np.full((len(QUANTITIES), len(widths), len(sizes)), np.nan)
    for row in rows:
        point = {name: float(value) for name, value in row.items() if name != "cell"}
        point["min_period_ns"] = max(point["access_ns"], point["cycle_ns"])
        at = np.searchsorted(widths, point["word_bits"]), np.searchsorted(sizes, point["glb_kib"])
        values[:, at[0], at[1]] = [point[name] for name in QUANTITIES]
    return sizes, widths, values


def list_glb_cells() -> tuple[str, ...]:
    """Characterized SRAM cell types, in the order of the grid."""
    return tuple(dict.fromkeys(row["cell"] for row in _rows()))


@cache
def load_glb_model(cell: str) -> GlbModel:
    """Model of one cell type of `list_glb_cells()`. Raises InputError for an unknown one."""
    return fit_glb_model(cell, *read_grid(cell))


def fit_glb_model(cell: str, sizes_kib: FloatArray, word_bits: FloatArray, values: FloatArray) -> GlbModel:
    """Model through `values[quantity, width, size]`, made non-decreasing along the size."""
    return GlbModel(cell, sizes_kib, word_bits, isotonic(np.log(values)))


def isotonic(values: FloatArray) -> FloatArray:
    """Closest non-decreasing sequence along the last axis, in least squares.

    Max-min formula: y_i = max over j <= i of min over k >= i of mean(values[j..k]) (Robertson, Wright and Dykstra,
    Order Restricted Statistical Inference, 1988, section 1.4).
    """
    k = np.arange(values.shape[-1])
    j = k[:, None]
    total = np.concatenate([np.zeros_like(values[..., :1]), np.cumsum(values, axis=-1)], axis=-1)
    mean = (total[..., None, 1:] - total[..., :-1, None]) / np.maximum(k - j + 1, 1)  # meaningless where k < j
    lowest = np.minimum.accumulate(mean[..., ::-1], axis=-1)[..., ::-1]
    result: FloatArray = np.where(k >= j, lowest, -np.inf).max(axis=-2)
    return result


def _rows() -> Iterator[dict[str, str]]:
    with GRID_CSV.open(newline="") as stream:
        yield from csv.DictReader(line for line in stream if not line.startswith("#"))


def _inside(grid: FloatArray, value: FloatArray) -> NDArray[np.bool_]:
    return np.asarray((value >= grid[0]) & (value <= grid[-1]))


def _locate(grid: FloatArray, value: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Index of the grid cell below `value` (clipped into the grid) and its position in it, 0 to 1, in the log."""
    inside = np.clip(value, grid[0], grid[-1])
    index = np.minimum(np.searchsorted(grid, inside, side="right") - 1, len(grid) - 2)
    return index, np.log(inside / grid[index]) / np.log(grid[index + 1] / grid[index])
