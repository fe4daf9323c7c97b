"""A mapped netlist as arrays: gates, flip-flops, clock gates, nets, and the part of the PE each belongs to.

A *gate* is one driver of a net: an output of a combinational cell, an output of a flip-flop, or an input port.
A port is modelled as launched by the smallest flip-flop of the library, outside the design; it costs nothing here.
The clock network is ideal: clock gates are kept apart, with the nets and pins of the clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from characterization.cells import MAX_INPUTS, Cell, Floats, Ints, Library, Output, Sequential
from dse.errors import RunError

Module = Mapping[str, Any]  # one module of a Yosys JSON netlist
# The psum spad reads and writes in every cycle, so its energy is told apart by structure: "psum_write" is all that
# leads to a stored word (write data, decoders, clock gates, the flip-flops), "psum_read" the rest (the read mux).
PARTS = ("ifmap", "filter", "psum_read", "psum_write", "mac", "control")
OUTSIDE = -1  # the part of input ports
ROOT = -1  # the clock port as parent of a clocked cell
NO_NET = -1
_INSTANCE = re.compile(r"u_(ifmap|filter|psum|mac)\b")


@dataclass(frozen=True)
class GateKind:
    """An output of a library cell, as gates use it. `inputs` are the pins in the order of a gate's input nets."""

    cell: Cell
    output: Output
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Netlist:
    """One flat netlist bound to a library. N nets (0 and 1 are constants), G gates in topological order.

    Gates: `kind` indexes `kinds`; `inputs` (G, 6) nets, -1 where unused; `output` net; `part` index into PARTS.
    Clocked cells (clock gates first, parents before children): `clocked_cell`; `data` net; `parent` clock gate
    or ROOT; `is_gate`; `stored` net of Q and `inverted` net of QN (NO_NET if unconnected), for a clock gate its
    clock net is `stored`.
    """

    library: Library
    net_count: int
    ports_in: Mapping[str, tuple[int, ...]]
    ports_out: Mapping[str, tuple[int, ...]]
    kinds: tuple[GateKind, ...]
    kind: Ints
    inputs: Ints
    output: Ints
    part: Ints
    clocked_cell: tuple[Cell, ...]
    clocked_part: Ints
    data: Ints
    parent: Ints
    is_gate: NDArray[np.bool_]
    stored: Ints
    inverted: Ints
    clock_net: int
    sink_net: Ints  # one entry per input pin of every cell: its net, capacitance and part
    sink_cap_ff: Floats
    sink_part: Ints
    area_um2: Floats  # per part
    leakage_uw: Floats  # per part

    def net_cap_ff(self) -> Floats:
        """Load of each net, fF: its sink pins and the wire-load model at its fan-out."""
        pins = np.bincount(self.sink_net, weights=self.sink_cap_ff, minlength=self.net_count)
        return np.asarray(pins + self.library.wire_cap(self.fanout()), dtype=np.float64)

    def fanout(self) -> Ints:
        """Number of sinks of each net, output ports included."""
        leaving = np.array([net for nets in self.ports_out.values() for net in nets], dtype=np.int64)
        return np.asarray(np.bincount(np.concatenate([self.sink_net, leaving]), minlength=self.net_count))


def bind(module: Module, library: Library) -> Netlist:
    """Bind one module of a Yosys JSON netlist to `library`; its clock is the port named `clk`, if there is one."""
    nets: dict[int | str, int] = {"0": 0, "1": 1}

    def number(bit: int | str) -> int:
        return nets.setdefault("0" if bit == "x" else bit, len(nets))

    ports = {
        name: (port["direction"], tuple(number(bit) for bit in port["bits"])) for name, port in module["ports"].items()
    }
    instances = [
        _Instance(
            cell=_usable(library, cell["type"], name),
            part=part_of(name),
            pins={pin: number(bits[0]) for pin, bits in cell["connections"].items() if bits},
        )
        for name, cell in module["cells"].items()
    ]
    instances = _without_dangling(instances, ports)
    return _freeze(library, len(nets), ports, _split_psum(instances))


def part_of(instance: str) -> int:
    """Index into PARTS of the sub-instance a flattened cell name belongs to; control when to none."""
    match = _INSTANCE.search(instance)
    name = match.group(1) if match else "control"
    return PARTS.index("psum_read" if name == "psum" else name)


Ports = Mapping[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class _Instance:
    cell: Cell
    part: int
    pins: Mapping[str, int]

    @property
    def is_clock_gate(self) -> bool:
        return self.cell.sequential is not None and self.cell.sequential.is_clock_gate

    @property
    def outputs(self) -> list[Output]:
        return [output for output in self.cell.outputs if output.pin in self.pins]

    def net(self, pin: str) -> int:
        return self.pins.get(pin, 0)


def _usable(library: Library, kind: str, name: str) -> Cell:
    cell = library.cells.get(kind)
    if cell is None or cell.problem:
        reason = cell.problem if cell else "it is not in the cell library"
        raise RunError(f"the netlist uses the cell {kind} ({name}): {reason}")
    return cell


def _without_dangling(instances: Sequence[_Instance], ports: Ports) -> list[_Instance]:
    """Drop output pins that lead nowhere, such as the unused one of Q and QN."""
    used = {net for i in instances for pin, net in i.pins.items() if pin in i.cell.inputs}
    used |= {net for direction, nets in ports.values() if direction == "output" for net in nets}
    return [
        replace(i, pins={pin: net for pin, net in i.pins.items() if pin in i.cell.inputs or net in used})
        for i in instances
    ]


def _split_psum(instances: Sequence[_Instance]) -> list[_Instance]:
    """Move the psum spad's clocked cells, and the gates their data and enables come from, to `psum_write`."""
    read, write = PARTS.index("psum_read"), PARTS.index("psum_write")
    driver = {i.pins[o.pin]: k for k, i in enumerate(instances) if i.part == read for o in i.outputs}
    waiting = [k for k, i in enumerate(instances) if i.part == read and i.cell.sequential]
    found = set(waiting)
    while waiting:
        instance = instances[waiting.pop()]
        sources = {driver[net] for pin, net in instance.pins.items() if pin in instance.cell.inputs and net in driver}
        waiting += sources - found
        found |= sources
    return [replace(i, part=write) if k in found else i for k, i in enumerate(instances)]


def _freeze(library: Library, net_count: int, ports: Ports, instances: Sequence[_Instance]) -> Netlist:
    clock_net = ports["clk"][1][0] if "clk" in ports else NO_NET
    kinds: dict[tuple[str, str], GateKind] = {}
    gates = _gates(library, ports, instances, kinds)
    numbers = {key: k for k, key in enumerate(kinds)}
    gates = [gates[k] for k in _topological([g[1] for g in gates], [g[2] for g in gates])]
    clocked = _clock_order(instances, clock_net)
    parents = {i.pins[i.outputs[0].pin]: k for k, i in enumerate(clocked) if i.is_clock_gate and i.outputs}
    stored, inverted = zip(*(_stored(i) for i in clocked), strict=True) if clocked else ((), ())
    sinks = [(i.pins[pin], i.cell.pin_cap_ff[pin], i.part) for i in instances for pin in i.cell.inputs if pin in i.pins]
    inputs = np.full((len(gates), MAX_INPUTS), NO_NET, dtype=np.int64)
    for row, gate in enumerate(gates):
        inputs[row, : len(gate[1])] = gate[1]
    by_part = np.zeros((len(PARTS), 2))
    for i in instances:
        by_part[i.part] += (i.cell.area_um2, i.cell.leakage_nw * 1e-3)
    return Netlist(
        library=library,
        net_count=net_count,
        ports_in={name: nets for name, (way, nets) in ports.items() if way == "input" and name != "clk"},
        ports_out={name: nets for name, (way, nets) in ports.items() if way == "output"},
        kinds=tuple(kinds.values()),
        kind=_ints(numbers[g[0]] for g in gates),
        inputs=inputs,
        output=_ints(g[2] for g in gates),
        part=_ints(g[3] for g in gates),
        clocked_cell=tuple(i.cell for i in clocked),
        clocked_part=_ints(i.part for i in clocked),
        data=_ints(i.net(_state(i).data) for i in clocked),
        parent=_ints(parents.get(i.net(_state(i).clock), ROOT) for i in clocked),
        is_gate=np.array([i.is_clock_gate for i in clocked], dtype=np.bool_),
        stored=_ints(stored),
        inverted=_ints(inverted),
        clock_net=clock_net,
        sink_net=_ints(s[0] for s in sinks),
        sink_cap_ff=np.array([s[1] for s in sinks], dtype=np.float64),
        sink_part=_ints(s[2] for s in sinks),
        area_um2=by_part[:, 0],
        leakage_uw=by_part[:, 1],
    )


_Gate = tuple[tuple[str, str], list[int], int, int]  # kind, input nets, output net, part


def _gates(
    library: Library, ports: Ports, instances: Sequence[_Instance], kinds: dict[tuple[str, str], GateKind]
) -> list[_Gate]:
    """All drivers of nets except clock gates; their kinds are collected in `kinds`."""
    gates: list[_Gate] = []

    def add(cell: Cell, output: Output, nets: list[int], target: int, part: int) -> None:
        pins = (cell.sequential.clock,) if cell.sequential else cell.inputs
        kinds.setdefault((cell.name, output.pin), GateKind(cell, output, pins))
        gates.append(((cell.name, output.pin), nets, target, part))

    launch = smallest_flip_flop(library)
    for name, (direction, nets) in ports.items():
        if direction == "input" and name != "clk":
            for net in nets:
                add(launch, launch.outputs[0], [NO_NET], net, OUTSIDE)
    for instance in instances:
        if not instance.is_clock_gate:
            sources = [NO_NET] if instance.cell.sequential else [instance.net(p) for p in instance.cell.inputs]
            for output in instance.outputs:
                add(instance.cell, output, sources, instance.pins[output.pin], instance.part)
    return gates


def _state(instance: _Instance) -> Sequential:
    assert instance.cell.sequential is not None
    return instance.cell.sequential


def _stored(instance: _Instance) -> tuple[int, int]:
    """Nets of the stored bit and of its inverse; for a clock gate its gated clock."""
    if instance.is_clock_gate:
        return (instance.pins[instance.outputs[0].pin] if instance.outputs else NO_NET), NO_NET
    found = {output.truth: instance.pins[output.pin] for output in instance.outputs}
    return found.get(0b10, NO_NET), found.get(0b01, NO_NET)


def _clock_order(instances: Sequence[_Instance], clock_net: int) -> list[_Instance]:
    """Clock gates with parents first, then flip-flops; every clock must lead back to the port `clk`."""
    waiting = [i for i in instances if i.cell.sequential]
    known, ordered = {clock_net}, list[_Instance]()
    while ready := [i for i in waiting if i.net(_state(i).clock) in known]:
        waiting = [i for i in waiting if i.net(_state(i).clock) not in known]
        ordered += ready
        known |= {i.pins[o.pin] for i in ready if i.is_clock_gate for o in i.outputs}
    if waiting:
        raise RunError(f"{len(waiting)} clocked cells have a clock that is neither `clk` nor a gated `clk`")
    return sorted(ordered, key=lambda i: not i.is_clock_gate)


def _ints(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)


def smallest_flip_flop(library: Library) -> Cell:
    """The plain D flip-flop of least area. Raises RunError if the library has none."""
    flip_flops = [c for c in library.cells.values() if c.sequential and not c.sequential.is_clock_gate]
    if not flip_flops:
        raise RunError(f"the cell library {library.name} has no plain rising-edge D flip-flop")
    return min(flip_flops, key=lambda c: (c.area_um2, c.name))


def _topological(inputs: Sequence[Sequence[int]], outputs: Sequence[int]) -> list[int]:
    """Order in which every gate comes after the drivers of its inputs. Raises RunError on a combinational loop."""
    driver = {net: gate for gate, net in enumerate(outputs)}
    if len(driver) != len(outputs):
        raise RunError("a net of the netlist has more than one driver")
    followers: list[list[int]] = [[] for _ in outputs]
    missing = [0] * len(outputs)
    for gate, nets in enumerate(inputs):
        for source in {driver[net] for net in nets if net in driver}:
            followers[source].append(gate)
            missing[gate] += 1
    order = [gate for gate, count in enumerate(missing) if count == 0]
    for gate in order:
        for follower in followers[gate]:
            missing[follower] -= 1
            if missing[follower] == 0:
                order.append(follower)
    if len(order) != len(outputs):
        raise RunError("the netlist has a combinational loop")
    return order
