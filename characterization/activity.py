"""Gate-level simulation with real delays: what toggles, glitches included, and what each gate spends on it.

Event-driven with inertial delays from static timing, clock edge by clock edge. The clock is ideal; a clock gate
passes the edge when its enable was high at the end of the cycle before. At each edge all flip-flops sample, then
flip-flops and input ports change after their clock-to-output delay, and events run until the netlist is quiet.
A gate has at most one pending output change; an input change that takes the reason for it away cancels it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from characterization.liberty import Floats
from characterization.netlist import NO_NET, Ints, Netlist
from characterization.timing import Timing

TICK_NS = 0.25e-3
Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Activity:
    """Counts per phase (rows), summed over the cycles of the phase.

    `cycles` (phases,); `toggles` (phases, nets, 2) by edge 0 fall, 1 rise; `arc_energy_fj` (phases, gates)
    internal energy of fired arcs; `clocked`, `changed` (phases, clocked cells): cycles in which the cell saw a
    clock edge, and in which a flip-flop's stored bit changed. `outputs` (cycles, output bits): the output ports
    at the end of each cycle, in the order of `Netlist.ports_out`, bit 0 first.
    """

    cycles: Ints
    toggles: Ints
    arc_energy_fj: Floats
    clocked: Ints
    changed: Ints
    outputs: Bits


def pack_inputs(netlist: Netlist, values: Mapping[str, Ints]) -> Bits:
    """Spread integer codes per cycle of each input port over its bits: (cycles, input bits), ports in netlist order."""
    return np.concatenate(
        [_spread(values[name], len(nets)) for name, nets in netlist.ports_in.items()], axis=1
    )


def unpack_outputs(netlist: Netlist, bits: Bits) -> dict[str, Ints]:
    """The inverse for output ports: integer codes per cycle."""
    codes, at = {}, 0
    for name, nets in netlist.ports_out.items():
        weights = np.int64(1) << np.arange(len(nets), dtype=np.int64)
        codes[name] = bits[:, at : at + len(nets)].astype(np.int64) @ weights
        at += len(nets)
    return codes


def _spread(codes: Ints, width: int) -> Bits:
    return (np.asarray(codes)[:, None] >> np.arange(width) & 1).astype(np.uint8)


def simulate(netlist: Netlist, timing: Timing, inputs: Bits, phases: Ints, zero_delay: bool = False) -> Activity:
    """Simulate from the all-zero state; one row of `inputs` and one phase number (0 ..) per cycle.

    With `zero_delay` every net settles to its final value at once in topological order, without glitches.
    """
    order = np.array([net for nets in netlist.ports_in.values() for net in nets], dtype=np.int64)
    leaving = np.array([net for nets in netlist.ports_out.values() for net in nets], dtype=np.int64)
    truth = np.array([kind.output.truth for kind in netlist.kinds], dtype=np.uint64)[netlist.kind]
    ticks = np.maximum(np.rint(timing.delay_ns / TICK_NS), 1).astype(np.int64)
    starts, sinks, pins = _fanout(netlist)
    arguments = (
        netlist.net_count, netlist.inputs, netlist.output, truth, ticks, timing.energy_fj,
        starts, sinks, pins, _driver(netlist), netlist.data, netlist.parent, netlist.is_gate,
        netlist.stored, netlist.inverted, order, leaving, inputs, phases, int(phases.max()) + 1,
        _wheel_size(ticks), zero_delay,
    )  # fmt: skip
    toggles, energy, clocked, changed, outputs = _run(*arguments)
    return Activity(np.bincount(phases).astype(np.int64), toggles, energy, clocked, changed, outputs)


def _wheel_size(ticks: Ints) -> int:
    return 1 << int(ticks.max() + 1).bit_length()


def _driver(netlist: Netlist) -> Ints:
    driver = np.full(netlist.net_count, NO_NET, dtype=np.int64)
    driver[netlist.output] = np.arange(len(netlist.output))
    return driver


def _fanout(netlist: Netlist) -> tuple[Ints, Ints, Ints]:
    """Combinational sinks of each net: gates and pins in rows starts[net] .. starts[net + 1]."""
    gate, pin = np.nonzero(netlist.inputs >= 0)
    net = netlist.inputs[gate, pin]
    order = np.argsort(net, kind="stable")
    starts = np.searchsorted(net[order], np.arange(netlist.net_count + 1))
    return starts.astype(np.int64), gate[order].astype(np.int64), pin[order].astype(np.int64)


@numba.njit(cache=True)
def _settled(inputs: Ints, output: Ints, truth: NDArray[np.uint64], value: Bits, state: Ints) -> None:
    """Bring all nets to their steady value at zero delay; gates come in topological order."""
    for g in range(len(output)):
        if inputs[g, 0] == -1:
            continue
        pattern = 0
        for p in range(6):
            if inputs[g, p] == -1:
                break
            pattern |= np.int64(value[inputs[g, p]]) << p
        state[g] = pattern
        value[output[g]] = (truth[g] >> np.uint64(pattern)) & np.uint64(1)


@numba.njit(cache=True)
def _run(
    nets: int, inputs: Ints, output: Ints, truth: NDArray[np.uint64], ticks: Ints, arc_energy: Floats,
    starts: Ints, sinks: Ints, pins: Ints, driver: Ints, data: Ints, parent: Ints, is_gate: NDArray[np.bool_],
    stored: Ints, inverted: Ints, port_nets: Ints, leaving: Ints, stimulus: Bits, phases: Ints, phase_count: int,
    wheel: int, zero_delay: bool,
) -> tuple[Ints, Floats, Ints, Ints, Bits]:  # fmt: skip
    gates, cells, cycles = len(output), len(data), len(stimulus)
    toggles = np.zeros((phase_count, nets, 2), dtype=np.int64)
    spent = np.zeros((phase_count, gates))
    clocked = np.zeros((phase_count, cells), dtype=np.int64)
    changed = np.zeros((phase_count, cells), dtype=np.int64)
    outputs = np.zeros((cycles, len(leaving)), dtype=np.uint8)

    value = np.zeros(nets, dtype=np.uint8)
    value[1] = 1
    for s in range(cells):
        if inverted[s] >= 0:
            value[inverted[s]] = 1
    state = np.zeros(gates, dtype=np.int64)
    _settled(inputs, output, truth, value, state)
    bit = np.zeros(cells, dtype=np.uint8)  # what each flip-flop stores
    edge = np.zeros(cells, dtype=np.bool_)  # which cells see this clock edge
    before = value.copy()

    # Calendar queue: one doubly linked list of gates per tick, `when` is -1 for gates with nothing pending.
    head = np.full(wheel, -1, dtype=np.int64)
    tail = np.full(wheel, -1, dtype=np.int64)
    following = np.full(gates, -1, dtype=np.int64)
    previous = np.full(gates, -1, dtype=np.int64)
    when = np.full(gates, -1, dtype=np.int64)
    cost = np.zeros(gates)
    changing = np.empty(2 * cells + len(port_nets), dtype=np.int64)

    for cycle in range(cycles):
        phase = phases[cycle]
        count = 0
        for s in range(cells):
            arrives = parent[s] == -1 or edge[parent[s]]
            if is_gate[s]:
                edge[s] = arrives and value[data[s]] == 1
                clocked[phase, s] += edge[s]
            elif arrives:
                clocked[phase, s] += 1
                if value[data[s]] != bit[s]:
                    bit[s] ^= 1
                    changed[phase, s] += 1
                    if stored[s] >= 0:
                        changing[count] = stored[s]
                        count += 1
                    if inverted[s] >= 0:
                        changing[count] = inverted[s]
                        count += 1
        for k in range(len(port_nets)):
            if value[port_nets[k]] != stimulus[cycle, k]:
                changing[count] = port_nets[k]
                count += 1

        if zero_delay:
            before[:] = value
            for k in range(count):
                value[changing[k]] ^= 1
            _settled(inputs, output, truth, value, state)
            for n in range(nets):
                if value[n] != before[n]:
                    toggles[phase, n, value[n]] += 1
        else:
            pending = 0
            for k in range(count):
                g = driver[changing[k]]
                after = 1 - value[changing[k]]
                at = ticks[g, 0, 1, after]
                cost[g] = arc_energy[g, 0, 1, after]
                pending += _append(g, at, head, tail, following, previous, when, wheel)
            now = 0
            while pending > 0:
                slot = now % wheel
                while head[slot] != -1:
                    g = head[slot]
                    _unlink(g, head, tail, following, previous, when, wheel)
                    pending -= 1
                    net = output[g]
                    value[net] ^= 1
                    level = value[net]
                    toggles[phase, net, level] += 1
                    spent[phase, g] += cost[g]
                    for k in range(starts[net], starts[net + 1]):
                        h, p = sinks[k], pins[k]
                        state[h] ^= 1 << p
                        wanted = (truth[h] >> np.uint64(state[h])) & np.uint64(1)
                        if wanted == value[output[h]]:
                            if when[h] >= 0:
                                _unlink(h, head, tail, following, previous, when, wheel)
                                pending -= 1
                        elif when[h] < 0:
                            cost[h] = arc_energy[h, p, level, wanted]
                            at = now + ticks[h, p, level, wanted]
                            pending += _append(h, at, head, tail, following, previous, when, wheel)
                now += 1
        for k in range(len(leaving)):
            outputs[cycle, k] = value[leaving[k]]
    return toggles, spent, clocked, changed, outputs


@numba.njit(cache=True)
def _append(
    g: int, at: int, head: Ints, tail: Ints, following: Ints, previous: Ints, when: Ints, wheel: int
) -> int:
    slot = at % wheel
    when[g] = at
    previous[g] = tail[slot]
    following[g] = -1
    if tail[slot] == -1:
        head[slot] = g
    else:
        following[tail[slot]] = g
    tail[slot] = g
    return 1


@numba.njit(cache=True)
def _unlink(g: int, head: Ints, tail: Ints, following: Ints, previous: Ints, when: Ints, wheel: int) -> None:
    slot = when[g] % wheel
    if previous[g] == -1:
        head[slot] = following[g]
    else:
        following[previous[g]] = following[g]
    if following[g] == -1:
        tail[slot] = previous[g]
    else:
        previous[following[g]] = previous[g]
    when[g] = -1
