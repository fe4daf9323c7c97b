"""Gate-level simulation with real delays: what toggles, glitches included, and what each gate spends on it.

Event-driven with inertial delays from static timing, clock edge by clock edge. The clock is ideal; a clock gate
passes the edge when its enable was high at the end of the cycle before. At each edge all flip-flops sample, then
flip-flops and input ports change after their clock-to-output delay, and events run until the netlist is quiet.
A gate has at most one pending output change; an input change that takes the reason for it away cancels it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from characterization.cells import MAX_INPUTS, Floats, Ints
from characterization.netlist import NO_NET, ROOT, Netlist
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
    return np.concatenate([_spread(values[name], len(nets)) for name, nets in netlist.ports_in.items()], axis=1)


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
    counts = _run(_circuit(netlist, timing), inputs, phases, int(phases.max()) + 1, zero_delay)
    return Activity(np.bincount(phases).astype(np.int64), *counts)


class _Circuit(NamedTuple):
    """A netlist as the compiled simulator wants it. Rows starts[n] .. starts[n + 1] are the sinks of net n."""

    inputs: Ints
    output: Ints
    truth: NDArray[np.uint64]
    ticks: Ints
    arc_energy: Floats
    starts: Ints
    sinks: Ints
    pins: Ints
    driver: Ints
    data: Ints
    parent: Ints
    is_gate: NDArray[np.bool_]
    stored: Ints
    inverted: Ints
    port_nets: Ints
    leaving: Ints


class _State(NamedTuple):
    """`value` of each net, input `pattern` of each gate, `bit` a flip-flop stores, `edge` whether it sees this edge."""

    value: Bits
    pattern: Ints
    bit: Bits
    edge: NDArray[np.bool_]


class _Queue(NamedTuple):
    """Calendar queue: one doubly linked list of gates per tick; `when` is -1 for gates with nothing pending."""

    head: Ints
    tail: Ints
    following: Ints
    previous: Ints
    when: Ints
    cost: Floats


class _Counts(NamedTuple):
    toggles: Ints
    spent: Floats
    clocked: Ints
    changed: Ints


def _circuit(netlist: Netlist, timing: Timing) -> _Circuit:
    gate, pin = np.nonzero(netlist.inputs >= 0)
    net = netlist.inputs[gate, pin]
    order = np.argsort(net, kind="stable")
    driver = np.full(netlist.net_count, NO_NET, dtype=np.int64)
    driver[netlist.output] = np.arange(len(netlist.output))
    return _Circuit(
        inputs=netlist.inputs,
        output=netlist.output,
        truth=np.array([kind.output.truth for kind in netlist.kinds], dtype=np.uint64)[netlist.kind],
        ticks=np.maximum(np.rint(timing.delay_ns / TICK_NS), 1).astype(np.int64),
        arc_energy=timing.energy_fj,
        starts=np.searchsorted(net[order], np.arange(netlist.net_count + 1)).astype(np.int64),
        sinks=gate[order].astype(np.int64),
        pins=pin[order].astype(np.int64),
        driver=driver,
        data=netlist.data,
        parent=netlist.parent,
        is_gate=netlist.is_gate,
        stored=netlist.stored,
        inverted=netlist.inverted,
        port_nets=np.array([net for nets in netlist.ports_in.values() for net in nets], dtype=np.int64),
        leaving=np.array([net for nets in netlist.ports_out.values() for net in nets], dtype=np.int64),
    )


@numba.njit(cache=True)
def _run(
    circuit: _Circuit, stimulus: Bits, phases: Ints, phase_count: int, zero_delay: bool
) -> tuple[Ints, Floats, Ints, Ints, Bits]:
    state = _initial(circuit)
    queue = _empty_queue(circuit)
    nets, gates, cells = len(state.value), len(circuit.output), len(circuit.data)
    counts = _Counts(
        np.zeros((phase_count, nets, 2), dtype=np.int64),
        np.zeros((phase_count, gates)),
        np.zeros((phase_count, cells), dtype=np.int64),
        np.zeros((phase_count, cells), dtype=np.int64),
    )
    outputs = np.zeros((len(stimulus), len(circuit.leaving)), dtype=np.uint8)
    changing = np.empty(2 * cells + len(circuit.port_nets), dtype=np.int64)
    for cycle in range(len(stimulus)):
        phase = phases[cycle]
        count = _clock_edge(circuit, state, counts, phase, stimulus[cycle], changing)
        if zero_delay:
            _settle_at_once(circuit, state, counts, phase, changing[:count])
        else:
            _settle_by_events(circuit, state, queue, counts, phase, changing[:count])
        for k in range(len(circuit.leaving)):
            outputs[cycle, k] = state.value[circuit.leaving[k]]
    return counts.toggles, counts.spent, counts.clocked, counts.changed, outputs


@numba.njit(cache=True)
def _initial(circuit: _Circuit) -> _State:
    """All flip-flops and input ports 0, and everything settled."""
    value = np.zeros(len(circuit.driver), dtype=np.uint8)
    value[1] = 1
    for s in range(len(circuit.data)):
        if circuit.inverted[s] >= 0:
            value[circuit.inverted[s]] = 1
    cells = len(circuit.data)
    pattern = np.zeros(len(circuit.output), dtype=np.int64)
    state = _State(value, pattern, np.zeros(cells, dtype=np.uint8), np.zeros(cells, dtype=np.bool_))
    _evaluate(circuit, state)
    return state


@numba.njit(cache=True)
def _evaluate(circuit: _Circuit, state: _State) -> None:
    """Bring all nets to their steady value; gates come in topological order."""
    for g in range(len(circuit.output)):
        if circuit.inputs[g, 0] == NO_NET:
            continue
        pattern = 0
        for p in range(MAX_INPUTS):
            if circuit.inputs[g, p] == NO_NET:
                break
            pattern |= np.int64(state.value[circuit.inputs[g, p]]) << p
        state.pattern[g] = pattern
        state.value[circuit.output[g]] = (circuit.truth[g] >> np.uint64(pattern)) & np.uint64(1)


@numba.njit(cache=True)
def _clock_edge(circuit: _Circuit, state: _State, counts: _Counts, phase: int, ports: Bits, changing: Ints) -> int:
    """Sample all clocked cells; write the nets that flip-flops and ports will change to `changing`, return how many."""
    count = 0
    for s in range(len(circuit.data)):
        parent, level = circuit.parent[s], state.value[circuit.data[s]]
        arrives = parent == ROOT or state.edge[parent]
        if circuit.is_gate[s]:
            state.edge[s] = arrives and level == 1
            counts.clocked[phase, s] += state.edge[s]
        elif arrives:
            counts.clocked[phase, s] += 1
            if level != state.bit[s]:
                state.bit[s] = level
                counts.changed[phase, s] += 1
                for net in (circuit.stored[s], circuit.inverted[s]):
                    if net >= 0:
                        changing[count] = net
                        count += 1
    for k in range(len(circuit.port_nets)):
        if state.value[circuit.port_nets[k]] != ports[k]:
            changing[count] = circuit.port_nets[k]
            count += 1
    return count


@numba.njit(cache=True)
def _settle_at_once(circuit: _Circuit, state: _State, counts: _Counts, phase: int, changing: Ints) -> None:
    before = state.value.copy()
    for net in changing:
        state.value[net] ^= 1
    _evaluate(circuit, state)
    for net in range(len(before)):
        if state.value[net] != before[net]:
            counts.toggles[phase, net, state.value[net]] += 1


@numba.njit(cache=True)
def _settle_by_events(
    circuit: _Circuit, state: _State, queue: _Queue, counts: _Counts, phase: int, changing: Ints
) -> None:
    pending, now = len(changing), 0
    for net in changing:
        _append(queue, circuit, circuit.driver[net], 0, 1, 1 - state.value[net], 0)
    while pending > 0:
        slot = now % len(queue.head)
        while queue.head[slot] != -1:
            g = queue.head[slot]
            _unlink(queue, g)
            pending -= 1
            net = circuit.output[g]
            state.value[net] ^= 1
            level = state.value[net]
            counts.toggles[phase, net, level] += 1
            counts.spent[phase, g] += queue.cost[g]
            for k in range(circuit.starts[net], circuit.starts[net + 1]):
                sink, pin = circuit.sinks[k], circuit.pins[k]
                state.pattern[sink] ^= 1 << pin
                wanted = (circuit.truth[sink] >> np.uint64(state.pattern[sink])) & np.uint64(1)
                if wanted == state.value[circuit.output[sink]]:
                    if queue.when[sink] >= 0:
                        _unlink(queue, sink)
                        pending -= 1
                elif queue.when[sink] < 0:
                    _append(queue, circuit, sink, pin, level, wanted, now)
                    pending += 1
        now += 1


@numba.njit(cache=True)
def _empty_queue(circuit: _Circuit) -> _Queue:
    """A queue with more ticks than the longest delay, so that no two times share a list."""
    gates, ticks = len(circuit.output), circuit.ticks.max() + 2
    return _Queue(
        np.full(ticks, -1, dtype=np.int64),
        np.full(ticks, -1, dtype=np.int64),
        np.full(gates, -1, dtype=np.int64),
        np.full(gates, -1, dtype=np.int64),
        np.full(gates, -1, dtype=np.int64),
        np.zeros(gates),
    )


@numba.njit(cache=True)
def _append(queue: _Queue, circuit: _Circuit, g: int, pin: int, before: int, after: int, now: int) -> None:
    """Schedule the output change of gate g that `pin` caused."""
    queue.cost[g] = circuit.arc_energy[g, pin, before, after]
    queue.when[g] = now + circuit.ticks[g, pin, before, after]
    slot = queue.when[g] % len(queue.head)
    queue.previous[g] = queue.tail[slot]
    queue.following[g] = -1
    if queue.tail[slot] == -1:
        queue.head[slot] = g
    else:
        queue.following[queue.tail[slot]] = g
    queue.tail[slot] = g


@numba.njit(cache=True)
def _unlink(queue: _Queue, g: int) -> None:
    slot = queue.when[g] % len(queue.head)
    if queue.previous[g] == -1:
        queue.head[slot] = queue.following[g]
    else:
        queue.following[queue.previous[g]] = queue.following[g]
    if queue.following[g] == -1:
        queue.tail[slot] = queue.previous[g]
    else:
        queue.previous[queue.following[g]] = queue.previous[g]
    queue.when[g] = -1
