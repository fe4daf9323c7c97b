"""An independent simulation of a mapped netlist: Icarus Verilog with one inertial delay per gate, counting toggles."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from characterization.activity import Bits
from characterization.cells import Ints
from characterization.netlist import NO_NET, ROOT, Netlist

PERIOD_TICKS = 50_000  # longer than any path


def count_toggles(netlist: Netlist, delay_ticks: Ints, stimulus: Bits, folder: Path) -> dict[int, int]:
    """Transitions of every gate output, by net, over the cycles of `stimulus` (one row of input bits per cycle)."""
    (folder / "stimulus.txt").write_text("\n".join("".join(map(str, row[::-1])) for row in stimulus))
    (folder / "bench.v").write_text("\n".join(_bench(netlist, delay_ticks, stimulus.shape)))
    subprocess.run(["iverilog", "-g2005", "-o", "bench.vvp", "bench.v"], cwd=folder, check=True)
    printed = subprocess.run(["vvp", "-n", "bench.vvp"], cwd=folder, check=True, capture_output=True, text=True)
    return {int(net): int(count) for net, count in (line.split() for line in printed.stdout.splitlines() if line)}


def _bench(netlist: Netlist, delay_ticks: Ints, shape: tuple[int, ...]) -> list[str]:
    cycles, width = shape
    cells = range(len(netlist.data))
    gated = [f"edge{s} = w{netlist.data[s]};" for s in cells if netlist.is_gate[s]]
    sampled = [
        f"if ({'1' if netlist.parent[s] == ROOT else f'edge{netlist.parent[s]}'}) q{s} <= w{netlist.data[s]};"
        for s in cells
        if not netlist.is_gate[s]
    ]
    outputs = netlist.output.tolist()
    return [
        "`timescale 1ps/1ps",
        "module bench;",
        f"reg [{width - 1}:0] stimulus [0:{cycles - 1}]; reg [{width - 1}:0] now; integer cycle; reg counting;",
        "wire w0 = 0; wire w1 = 1; initial begin now = 0; counting = 0; end",
        *(f"reg {'edge' if netlist.is_gate[s] else 'q'}{s} = 0;" for s in cells),
        *_drivers(netlist, delay_ticks),
        *(f"integer c{net} = 0; always @(w{net}) if (counting) c{net} = c{net} + 1;" for net in outputs),
        f'initial begin $readmemb("stimulus.txt", stimulus); #{PERIOD_TICKS} counting = 1;',
        f"for (cycle = 0; cycle < {cycles}; cycle = cycle + 1) begin",
        *gated,
        *sampled,
        f"now <= stimulus[cycle]; #{PERIOD_TICKS}; end",
        *(f'$display("%0d %0d", {net}, c{net});' for net in outputs),
        "$finish; end endmodule",
    ]


def _drivers(netlist: Netlist, delay_ticks: Ints) -> list[str]:
    ports = {net: k for k, net in enumerate(net for nets in netlist.ports_in.values() for net in nets)}
    stored = {int(net): s for s, net in enumerate(netlist.stored) if net != NO_NET and not netlist.is_gate[s]}
    inverted = {int(net): s for s, net in enumerate(netlist.inverted) if net != NO_NET}
    lines = []
    for gate, net in enumerate(netlist.output.tolist()):
        if net in ports:
            value = f"now[{ports[net]}]"
        elif net in stored or net in inverted:
            value = f"q{stored[net]}" if net in stored else f"~q{inverted[net]}"
        else:
            kind = netlist.kinds[netlist.kind[gate]]
            # A table lookup, because a sum of products could glitch in itself and delay a pending change.
            size = len(kind.inputs)
            pins = ", ".join(f"w{source}" for source in reversed(netlist.inputs[gate, :size]))
            lines.append(f"wire [{(1 << size) - 1}:0] t{gate} = {1 << size}'h{kind.output.truth:x};")
            value = f"t{gate}[{{{pins}}}]"
        lines.append(f"wire #({delay_ticks[gate]}) w{net} = {value};")
    return lines


def spread_delays(gates: int) -> Ints:
    """A different delay for nearly every gate, so that hardly any two events fall on the same tick."""
    return np.random.default_rng(1).integers(100, 1000, gates)
