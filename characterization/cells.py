"""What static timing, power and simulation need to know of library cells. Units: ns, fF, fJ, nW, um2.

Edges are numbered 0 fall, 1 rise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MAX_INPUTS = 6


@dataclass(frozen=True)
class Table:
    """A quantity over input slew [ns] (rows) and load [fF] or second slew [ns] (columns)."""

    rows: Floats
    columns: Floats
    values: Floats

    def at(self, row: float, column: float) -> float:
        """Bilinear interpolation, extrapolated linearly outside the axes."""
        i, x = _bracket(self.rows, row)
        j, y = _bracket(self.columns, column)
        k, m = min(i + 1, len(self.rows) - 1), min(j + 1, len(self.columns) - 1)
        v = self.values
        return float((v[i, j] * (1 - y) + v[i, m] * y) * (1 - x) + (v[k, j] * (1 - y) + v[k, m] * y) * x)


@dataclass(frozen=True)
class Output:
    """One output pin. `truth` holds bit i = value for input pattern i (input k is bit k of i).

    `delay` and `slew` are keyed by (input pin, input edge, output edge), `energy` by (input pin, output edge).
    For flip-flops and clock gates the only input pin is the clock.
    """

    pin: str
    truth: int
    max_load_ff: float
    delay: Mapping[tuple[str, int, int], Table] = field(default_factory=dict)
    slew: Mapping[tuple[str, int, int], Table] = field(default_factory=dict)
    energy: Mapping[tuple[str, int], Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Sequential:
    """A rising-edge flip-flop or a latch-based clock gate.

    `setup` by edge of the data pin, over (data slew, clock slew). Energies by slew: `data_energy` of an edge of
    the data pin while the clock is low; `clock_energy` by name: `rise_hold` (state stays), `rise_change`, `fall`;
    for a clock gate `rise_hold` and `fall` are those of the closed gate, the open one has its output's energies.
    """

    is_clock_gate: bool
    clock: str
    data: str
    setup: Mapping[int, Table]
    data_energy: Mapping[int, Table]
    clock_energy: Mapping[str, Table]


@dataclass(frozen=True)
class Cell:
    """One library cell. `problem` says why a netlist must not use it ("" if it may)."""

    name: str
    area_um2: float
    leakage_nw: float
    inputs: tuple[str, ...]
    outputs: tuple[Output, ...]
    pin_cap_ff: Mapping[str, float]
    sequential: Sequential | None = None
    problem: str = ""


@dataclass(frozen=True)
class Library:
    """A cell library at one corner. `wire_cap_ff[n]` is the wire-load model's capacitance at fan-out n."""

    name: str
    sha256: str
    voltage_v: float
    temperature_c: float
    cells: Mapping[str, Cell]
    wire_cap_ff: Floats

    def wire_cap(self, fanout: NDArray[np.int64]) -> Floats:
        """Wire capacitance [fF] at each fan-out, continued along the last slope of the model."""
        last = len(self.wire_cap_ff) - 1
        slope = self.wire_cap_ff[last] - self.wire_cap_ff[last - 1]
        inside = self.wire_cap_ff[np.minimum(fanout, last)]
        return np.asarray(inside + slope * np.maximum(fanout - last, 0), dtype=np.float64)


def _bracket(axis: Floats, x: float) -> tuple[int, float]:
    """Lower index of the interval of `axis` that holds x, and the position within it (may leave [0, 1])."""
    if len(axis) == 1:
        return 0, 0.0
    i = int(np.clip(np.searchsorted(axis, x) - 1, 0, len(axis) - 2))
    return i, float((x - axis[i]) / (axis[i + 1] - axis[i]))
