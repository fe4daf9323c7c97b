"""Energy of simulated activity, attributed to the parts of the PE.

- Switching: C V^2 / 2 per transition of a net (pins and wire-load model), paid by the part that drives the net.
  Nets driven from outside (input ports, the clock) are paid by the parts they lead to: each part its own pins, and
  the wire in proportion to its number of pins.
- Internal: the library's energy tables, per fired arc of a gate; per edge of the clock pin of flip-flops and clock
  gates, by what the cell does at that edge; per edge of their data pins (taken with the clock low: data arrive in
  the second half of the cycle).
Leakage is the mean over each cell's states.
"""

from __future__ import annotations

import numpy as np

from characterization.activity import Activity
from characterization.cells import Cell, Floats, Ints
from characterization.netlist import NO_NET, OUTSIDE, PARTS, Netlist
from characterization.timing import CLOCK_SLEW_NS, Timing


def energy_pj(netlist: Netlist, timing: Timing, activity: Activity) -> Floats:
    """Energy in pJ per cycle of each phase (rows) in each part (columns, in the order of PARTS)."""
    total = (
        _gates(netlist, activity)
        + _nets(netlist, timing, activity)
        + _data_pins(netlist, timing, activity)
        + _clock_pins(netlist, timing, activity)
    )
    return np.asarray(total * 1e-3 / np.maximum(activity.cycles, 1)[:, None], dtype=np.float64)


def _by_part(values: Floats, part: Ints) -> Floats:
    """Sum the columns of `values` (phases, items) by the items' part; items outside are left out."""
    inside = part != OUTSIDE
    table = np.zeros((len(part), len(PARTS)))
    table[np.flatnonzero(inside), part[inside]] = 1.0
    return np.asarray(values @ table, dtype=np.float64)


def _gates(netlist: Netlist, activity: Activity) -> Floats:
    return _by_part(activity.arc_energy_fj, netlist.part)


def _nets(netlist: Netlist, timing: Timing, activity: Activity) -> Floats:
    """Switching energy of all nets, the clock network included."""
    per_toggle = 0.5 * netlist.library.voltage_v**2 * timing.load_ff
    toggles = activity.toggles.sum(axis=2).astype(np.float64)
    edges = 2.0 * activity.clocked[:, netlist.is_gate]
    toggles[:, netlist.stored[netlist.is_gate]] += edges
    if netlist.clock_net != NO_NET:
        toggles[:, netlist.clock_net] += 2.0 * activity.cycles
    return np.asarray((toggles * per_toggle) @ _net_shares(netlist, timing), dtype=np.float64)


def _net_shares(netlist: Netlist, timing: Timing) -> Floats:
    """Share of each net's energy that each part pays, (nets, parts)."""
    shares = np.zeros((netlist.net_count, len(PARTS)))
    fanout = np.maximum(np.bincount(netlist.sink_net, minlength=netlist.net_count), 1)
    pins = np.bincount(netlist.sink_net, weights=netlist.sink_cap_ff, minlength=netlist.net_count)
    wire = (timing.load_ff - pins) / fanout
    load = np.maximum(timing.load_ff, 1e-9)[netlist.sink_net]
    np.add.at(shares, (netlist.sink_net, netlist.sink_part), (netlist.sink_cap_ff + wire[netlist.sink_net]) / load)
    inside = netlist.part != OUTSIDE
    owned, owner = netlist.output[inside], netlist.part[inside]
    gated, gate_part = netlist.stored[netlist.is_gate], netlist.clocked_part[netlist.is_gate]
    for nets, parts in ((owned, owner), (gated, gate_part)):
        shares[nets] = 0.0
        shares[nets, parts] = 1.0
    return shares


def _data_pins(netlist: Netlist, timing: Timing, activity: Activity) -> Floats:
    per_edge = np.zeros((len(netlist.data), 2))
    for s, (cell, net) in enumerate(zip(netlist.clocked_cell, netlist.data, strict=True)):
        assert cell.sequential is not None
        for edge, table in cell.sequential.data_energy.items():
            per_edge[s, edge] = table.at(min(timing.slew_ns[net, edge], table.rows[-1]), 0.0)
    edges = activity.toggles[:, netlist.data, :]
    return _by_part((edges * per_edge).sum(axis=2), netlist.clocked_part)


def _clock_pins(netlist: Netlist, timing: Timing, activity: Activity) -> Floats:
    """Internal energy of the clock pins; a clock gate is also charged its output's energy when it is open."""
    cells = {cell.name: cell for cell in netlist.clocked_cell}
    energies = {name: _clock_energies(cell) for name, cell in cells.items()}
    hold, change, fall = np.array([energies[cell.name] for cell in netlist.clocked_cell]).reshape(-1, 3).T
    cycles = activity.cycles[:, None].astype(np.float64)
    open_, changed = activity.clocked.astype(np.float64), activity.changed.astype(np.float64)
    arrives = np.broadcast_to(cycles, open_.shape).copy()
    children = np.flatnonzero(netlist.parent >= 0)
    arrives[:, children] = open_[:, netlist.parent[children]]
    flip_flops = open_ * (hold + fall) + changed * (change - hold)
    gates = (arrives - open_) * (hold + fall) + open_ * _open_gate_energy(netlist, timing)
    return _by_part(np.where(netlist.is_gate, gates, flip_flops), netlist.clocked_part)


def _clock_energies(cell: Cell) -> tuple[float, ...]:
    assert cell.sequential is not None
    tables = cell.sequential.clock_energy
    return tuple(tables[name].at(CLOCK_SLEW_NS, 0.0) for name in ("rise_hold", "rise_change", "fall"))


def _open_gate_energy(netlist: Netlist, timing: Timing) -> Floats:
    energy = np.zeros(len(netlist.data))
    for s in np.flatnonzero(netlist.is_gate):
        cell = netlist.clocked_cell[s]
        for table in cell.outputs[0].energy.values():
            load = min(timing.load_ff[netlist.stored[s]], table.columns[-1])
            energy[s] += table.at(CLOCK_SLEW_NS, float(load))
    return energy
