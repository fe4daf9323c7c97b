"""A mapped netlist as arrays: gates, flip-flops, clock gates, nets, and the part of the PE each belongs to.

A *gate* is one driver of a net: an output of a combinational cell, an output of a flip-flop, or an input port.
A port is modelled as launched by the smallest flip-flop of the library, outside the design; it costs nothing here.
The clock network is ideal: clock gates are kept apart, with the nets and pins of the clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from characterization.liberty import MAX_INPUTS, Cell, Floats, Library, Output
from dse.errors import RunError

Ints = NDArray[np.int64]
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
    """One flat netlist bound to a library. N nets (0 and 1 are constants), G gates in topological order, S clocked cells.

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


def load_netlist(path: Path, library: Library, top: str) -> Netlist:
    """Read a flat Yosys JSON netlist of `top` and bind it to `library`. Raises RunError on an unsupported cell."""
    return bind(json.loads(path.read_text())["modules"][top], library)


def bind(module: Mapping[str, Any], library: Library) -> Netlist:
    """Bind one module of a Yosys JSON netlist to `library`; its clock is the port named `clk`, if there is one."""
    builder = _Builder(library)
    for name, port in module["ports"].items():
        builder.port(name, port["direction"], port["bits"])
    for name, cell in module["cells"].items():
        builder.cell(name, cell["type"], cell["connections"])
    return builder.finish()


def part_of(instance: str) -> int:
    """Index into PARTS of the sub-instance a flattened cell name belongs to; control when to none."""
    match = _INSTANCE.search(instance)
    name = match.group(1) if match else "control"
    return PARTS.index("psum_read" if name == "psum" else name)


@dataclass(frozen=True)
class _Clocked:
    cell: Cell
    part: int
    clock: int
    data: int
    stored: int
    inverted: int


class _Builder:
    """Collects cells one by one; `finish` orders and freezes them."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.launch = _smallest_flip_flop(library)
        self.nets: dict[int | str, int] = {"0": 0, "1": 1}
        self.ports_in: dict[str, tuple[int, ...]] = {}
        self.ports_out: dict[str, tuple[int, ...]] = {}
        self.kinds: dict[tuple[str, str], tuple[int, GateKind]] = {}
        self.gates: list[tuple[int, list[int], int, int]] = []
        self.clocked: list[_Clocked] = []
        self.sinks: list[tuple[int, float, int]] = []
        self.area = np.zeros(len(PARTS))
        self.leakage = np.zeros(len(PARTS))

    def net(self, bits: Sequence[int | str]) -> int:
        bit = bits[0] if bits[0] != "x" else "0"
        return self.nets.setdefault(bit, len(self.nets))

    def port(self, name: str, direction: str, bits: Sequence[int | str]) -> None:
        nets = tuple(self.net([bit]) for bit in bits)
        (self.ports_in if direction == "input" else self.ports_out)[name] = nets
        if direction == "input" and name != "clk":
            kind = self.kind(self.launch, self.launch.outputs[0])
            self.gates += [(kind, [NO_NET], net, OUTSIDE) for net in nets]

    def kind(self, cell: Cell, output: Output) -> int:
        pins = (cell.sequential.clock,) if cell.sequential else cell.inputs
        fresh = (len(self.kinds), GateKind(cell, output, pins))
        return self.kinds.setdefault((cell.name, output.pin), fresh)[0]

    def cell(self, name: str, kind: str, connections: Mapping[str, Sequence[int | str]]) -> None:
        cell = self.library.cells.get(kind)
        if cell is None or cell.problem:
            reason = cell.problem if cell else "it is not in the cell library"
            raise RunError(f"the netlist uses the cell {kind} ({name}): {reason}")
        part = part_of(name)
        self.area[part] += cell.area_um2
        self.leakage[part] += cell.leakage_nw * 1e-3
        pins = {pin: self.net(bits) for pin, bits in connections.items() if bits}
        self.sinks += [(pins[pin], cell.pin_cap_ff[pin], part) for pin in cell.inputs if pin in pins]
        driven = [output for output in cell.outputs if output.pin in pins]
        state = cell.sequential
        if state is None:
            nets = [pins.get(pin, 0) for pin in cell.inputs]
            self.gates += [(self.kind(cell, o), nets, pins[o.pin], part) for o in driven]
            return
        found = {o.truth: pins[o.pin] for o in driven}
        stored = pins[driven[0].pin] if state.is_clock_gate and driven else found.get(0b10, NO_NET)
        inverted = NO_NET if state.is_clock_gate else found.get(0b01, NO_NET)
        self.clocked.append(_Clocked(cell, part, pins[state.clock], pins[state.data], stored, inverted))
        if not state.is_clock_gate:
            self.gates += [(self.kind(cell, o), [NO_NET], pins[o.pin], part) for o in driven]

    def finish(self) -> Netlist:
        gates = [self.gates[i] for i in _topological([g[1] for g in self.gates], [g[2] for g in self.gates])]
        clock_net = self.ports_in.get("clk", (NO_NET,))[0]
        clocked = self._clock_order(clock_net)
        parents = {c.stored: i for i, c in enumerate(clocked) if _is_gate(c)} | {clock_net: ROOT}
        inputs = np.full((len(gates), MAX_INPUTS), NO_NET, dtype=np.int64)
        for row, gate in enumerate(gates):
            inputs[row, : len(gate[1])] = gate[1]
        return Netlist(
            library=self.library,
            net_count=len(self.nets),
            ports_in={name: nets for name, nets in self.ports_in.items() if name != "clk"},
            ports_out=self.ports_out,
            kinds=tuple(kind for _, kind in self.kinds.values()),
            kind=_ints(g[0] for g in gates),
            inputs=inputs,
            output=_ints(g[2] for g in gates),
            part=_ints(g[3] for g in gates),
            clocked_cell=tuple(c.cell for c in clocked),
            clocked_part=_ints(c.part for c in clocked),
            data=_ints(c.data for c in clocked),
            parent=_ints(parents[c.clock] for c in clocked),
            is_gate=np.array([_is_gate(c) for c in clocked], dtype=np.bool_),
            stored=_ints(c.stored for c in clocked),
            inverted=_ints(c.inverted for c in clocked),
            clock_net=clock_net,
            sink_net=_ints(s[0] for s in self.sinks),
            sink_cap_ff=np.array([s[1] for s in self.sinks], dtype=np.float64),
            sink_part=_ints(s[2] for s in self.sinks),
            area_um2=self.area,
            leakage_uw=self.leakage,
        )

    def _clock_order(self, clock_net: int) -> list[_Clocked]:
        """Clock gates with parents first, then flip-flops; every clock must lead back to the port `clk`."""
        waiting, known, ordered = list(self.clocked), {clock_net}, list[_Clocked]()
        while ready := [c for c in waiting if c.clock in known]:
            waiting = [c for c in waiting if c.clock not in known]
            ordered += ready
            known |= {c.stored for c in ready if _is_gate(c)}
        if waiting:
            raise RunError(f"{len(waiting)} clocked cells have a clock that is neither `clk` nor a gated `clk`")
        return sorted(ordered, key=lambda c: not _is_gate(c))


def _is_gate(clocked: _Clocked) -> bool:
    return clocked.cell.sequential is not None and clocked.cell.sequential.is_clock_gate


def _ints(values: Any) -> Ints:
    return np.array(list(values), dtype=np.int64)


def _smallest_flip_flop(library: Library) -> Cell:
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
