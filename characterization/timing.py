"""Static timing with non-linear delay model (NLDM) tables: arrival and slew of every net, minimum clock period.

Delay and output slew of an arc are table lookups at (input slew, output load); a net's load is its pins plus the
wire-load model at its fan-out; at each net the latest arrival and the largest slew of each edge are kept. Wire
resistance is left out (below 1 ps at these sizes). The clock is ideal: no insertion delay, no skew, CLOCK_SLEW_NS.
Inputs come from, and outputs go to, the library's smallest flip-flop outside the design.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numba
import numpy as np

from characterization.cells import MAX_INPUTS, Floats, Ints, Table
from characterization.netlist import OUTSIDE, PARTS, GateKind, Netlist, smallest_flip_flop

CLOCK_SLEW_NS = 0.02
_NEVER = -1e30
NO_TABLE = -1


@dataclass(frozen=True)
class Timing:
    """Result of static timing. Edges are indexed 0 fall, 1 rise; times in ns, energies in fJ, loads in fF.

    `arrival_ns`, `slew_ns`: (nets, 2). `delay_ns`: (gates, 6, 2, 2) by input pin, input edge, output edge.
    `energy_fj`: the same shape, internal energy of the gate when that arc fires. `load_ff`: (nets,).
    `period_ns`: minimum period of the paths that end in each part, in the order of PARTS.
    """

    arrival_ns: Floats
    slew_ns: Floats
    delay_ns: Floats
    energy_fj: Floats
    load_ff: Floats
    period_ns: Floats

    @property
    def min_period_ns(self) -> float:
        """The smallest clock period that meets every setup check."""
        return float(self.period_ns.max())


@dataclass(frozen=True)
class TableStack:
    """Many lookup tables as padded arrays, for compiled code. Build it with `stack_tables`."""

    rows: Floats
    columns: Floats
    values: Floats
    size: Ints


def stack_tables(tables: Sequence[Table]) -> TableStack:
    """Pad tables to one common size, keeping their true sizes in `size` (tables, 2)."""
    height = max((len(t.rows) for t in tables), default=1)
    width = max((len(t.columns) for t in tables), default=1)
    rows, columns = np.zeros((len(tables), height)), np.zeros((len(tables), width))
    values = np.zeros((len(tables), height, width))
    size = np.array([t.values.shape for t in tables], dtype=np.int64).reshape(-1, 2)
    for k, t in enumerate(tables):
        rows[k, : len(t.rows)], columns[k, : len(t.columns)] = t.rows, t.columns
        values[k, : size[k, 0], : size[k, 1]] = t.values
    return TableStack(rows, columns, values, size)


@dataclass(frozen=True)
class _KindTables:
    """Table numbers by gate kind, input pin, input edge, output edge; NO_TABLE where there is no arc."""

    delay: Ints
    slew: Ints
    energy: Ints
    stack: TableStack


def _kind_tables(kinds: Sequence[GateKind]) -> _KindTables:
    tables: list[Table] = []
    shape = (len(kinds), MAX_INPUTS, 2, 2)
    delay, slew, energy = (np.full(shape, NO_TABLE, dtype=np.int64) for _ in range(3))

    def add(table: Table) -> int:
        tables.append(table)
        return len(tables) - 1

    for k, kind in enumerate(kinds):
        for p, pin in enumerate(kind.inputs):
            for after in (0, 1):
                power = kind.output.energy.get((pin, after))
                number = add(power) if power else NO_TABLE
                for before in (0, 1):
                    key = (pin, before, after)
                    energy[k, p, before, after] = number
                    if key in kind.output.delay:
                        delay[k, p, before, after] = add(kind.output.delay[key])
                        slew[k, p, before, after] = add(kind.output.slew[key])
    return _KindTables(delay, slew, energy, stack_tables(tables))


@numba.njit(cache=True)
def lookup(
    rows: Floats, columns: Floats, values: Floats, size: Ints, table: int, row: float, column: float, clamp: bool
) -> float:
    """Bilinear lookup in table number `table`; outside the axes linear extrapolation, or clamped to them."""
    n, m = size[table, 0], size[table, 1]
    i, j, x, y = 0, 0, 0.0, 0.0
    if n > 1:
        while i < n - 2 and row > rows[table, i + 1]:
            i += 1
        x = (row - rows[table, i]) / (rows[table, i + 1] - rows[table, i])
    if m > 1:
        while j < m - 2 and column > columns[table, j + 1]:
            j += 1
        y = (column - columns[table, j]) / (columns[table, j + 1] - columns[table, j])
    if clamp:
        x, y = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    k, h = min(i + 1, n - 1), min(j + 1, m - 1)
    low = values[table, i, j] * (1 - y) + values[table, i, h] * y
    high = values[table, k, j] * (1 - y) + values[table, k, h] * y
    return low * (1 - x) + high * x  # type: ignore[no-any-return]


@numba.njit(cache=True)
def _propagate(
    kind: Ints, inputs: Ints, output: Ints, load: Floats, delay_table: Ints, slew_table: Ints, energy_table: Ints,
    rows: Floats, columns: Floats, values: Floats, size: Ints, clock_slew: float,
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    nets, gates = len(load), len(kind)
    arrival, slew = np.full((nets, 2), _NEVER), np.zeros((nets, 2))
    delay, energy = np.zeros((gates, MAX_INPUTS, 2, 2)), np.zeros((gates, MAX_INPUTS, 2, 2))
    for g in range(gates):
        k, out = kind[g], output[g]
        for p in range(MAX_INPUTS):
            net = inputs[g, p]
            if net == -1 and p > 0:
                break
            for before in range(2):
                start = 0.0 if net == -1 else arrival[net, before]
                edge_slew = clock_slew if net == -1 else slew[net, before]
                for after in range(2):
                    e = energy_table[k, p, before, after]
                    if e >= 0:
                        energy[g, p, before, after] = lookup(rows, columns, values, size, e, edge_slew, load[out], True)
                    d = delay_table[k, p, before, after]
                    if d < 0:
                        continue
                    arc = lookup(rows, columns, values, size, d, edge_slew, load[out], False)
                    delay[g, p, before, after] = arc
                    if start == _NEVER:
                        continue
                    t = slew_table[k, p, before, after]
                    steep = lookup(rows, columns, values, size, t, edge_slew, load[out], False)
                    arrival[out, after] = max(arrival[out, after], start + arc)
                    slew[out, after] = max(slew[out, after], steep)
    return arrival, slew, delay, energy


def analyze(netlist: Netlist) -> Timing:
    """Static timing of a netlist at the library's corner."""
    tables = _kind_tables(netlist.kinds)
    load = netlist.net_cap_ff()
    stack = tables.stack
    arrival, slew, delay, energy = _propagate(
        netlist.kind, netlist.inputs, netlist.output, load, tables.delay, tables.slew, tables.energy,
        stack.rows, stack.columns, stack.values, stack.size, CLOCK_SLEW_NS,
    )  # fmt: skip
    return Timing(arrival, slew, delay, energy, load, _periods(netlist, arrival, slew))


def _periods(netlist: Netlist, arrival: Floats, slew: Floats) -> Floats:
    """Latest arrival plus setup at the data pins of flip-flops and clock gates and at output ports, per part."""
    period = np.zeros(len(PARTS))

    def end_point(part: int, net: int, setup: Mapping[int, Table]) -> None:
        for edge in (0, 1):
            if arrival[net, edge] > _NEVER:
                needed = setup[edge].at(slew[net, edge], CLOCK_SLEW_NS) if edge in setup else 0.0
                period[part] = max(period[part], arrival[net, edge] + needed)

    for cell, part, net in zip(netlist.clocked_cell, netlist.clocked_part, netlist.data, strict=True):
        if cell.sequential is not None:
            end_point(part, net, cell.sequential.setup)
    owner = dict(zip(netlist.output.tolist(), netlist.part.tolist(), strict=True))
    outside = smallest_flip_flop(netlist.library).sequential
    for net in (n for nets in netlist.ports_out.values() for n in nets):
        if owner.get(net, OUTSIDE) != OUTSIDE and outside is not None:
            end_point(owner[net], net, outside.setup)
    return period
