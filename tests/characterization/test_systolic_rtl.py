"""An array of systolic PEs: its Verilog and its mapped gates against the folds of matrix products in numpy."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba", reason="needs the [characterize] extra")

from characterization.activity import pack_inputs, unpack_outputs
from characterization.activity import simulate as simulate_gates
from characterization.liberty import load_library
from characterization.library import nangate45
from characterization.netlist import Module, Netlist, bind
from characterization.simulate_rtl import UNKNOWN, mac_vectors, simulate
from characterization.synthesis import link, synthesize
from characterization.systolic import systolic_files, systolic_parts
from characterization.timing import analyze
from pe_library.codes import MacModel, load_mac_model
from pe_library.registers import OPERANDS, STATIONARY

ALL_TYPES = ("fp32", "int16", "int8", "w4a8", "lightpe1", "lightpe2")
ROWS, COLS = 3, 2
FOLDS, LENGTH = 5, 200  # every fold is LENGTH vectors on ROWS x COLS PEs
Array = NDArray[np.int64]
needs_iverilog = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="needs Icarus Verilog (apt-get install iverilog)"
)


@dataclass(frozen=True)
class Fold:
    """Codes at the edges of the array per cycle, and the results: in `cycle` psum_out of `column` is `code`."""

    ports: Mapping[str, Array]
    cycle: Array
    column: Array
    code: Array


def edge(stays: str) -> tuple[str, str]:
    """The operands that enter at the left and, beside psums, at the top."""
    return ("filter", "ifmap") if stays == "ifmap" else ("ifmap", "filter")


def draw_fold(stays: str, model: MacModel, codes: tuple[Array, Array, Array], random: np.random.Generator) -> Fold:
    """A fold with pauses anywhere: load (psums too, where they stay), stream, and drain where psums stay."""
    left, top = edge(stays)
    values = dict(zip(OPERANDS, (random.permutation(column) for column in codes), strict=True))
    slot = np.sort(random.choice(LENGTH * 3 // 2, LENGTH, replace=False))
    start, cycles = 1 + ROWS + 1, 2 * LENGTH
    names = [*(f"valid_in_{r}" for r in range(ROWS)), *(f"{left}_in_{r}" for r in range(ROWS))]
    names += [*(f"{top}_in_{c}" for c in range(COLS)), *(f"psum_in_{c}" for c in range(COLS)), "shift"]
    ports = {name: np.zeros(cycles, dtype=np.int64) for name in names}
    kept = values[stays][: ROWS * COLS].reshape(ROWS, COLS)
    ports["shift"][1 : 1 + ROWS] = 1
    for c in range(COLS):
        ports[f"{stays}_in_{c}"][1 : 1 + ROWS] = kept[::-1, c]
    streamed = values[left][-ROWS * LENGTH :].reshape(LENGTH, ROWS)
    for r in range(ROWS):
        ports[f"valid_in_{r}"][start + slot + r] = 1
        ports[f"{left}_in_{r}"][start + slot + r] = streamed[:, r]
    results = []
    if stays == "psum":
        weights = values[top][: LENGTH * COLS].reshape(LENGTH, COLS)
        drain = start + int(slot[-1]) + ROWS + COLS + 1
        ports["shift"][drain : drain + ROWS] = 1
        for c in range(COLS):
            ports[f"{top}_in_{c}"][start + slot + c] = weights[:, c]
            for r in range(ROWS):
                psum = kept[r : r + 1, c]
                for k in range(LENGTH):
                    psum = model.mac(streamed[k : k + 1, r], weights[k : k + 1, c], psum)
                results.append((np.array([drain + ROWS - 1 - r]), np.array([c]), psum))
    else:
        psums = values["psum"][: LENGTH * COLS].reshape(LENGTH, COLS)
        for c in range(COLS):
            ports[f"psum_in_{c}"][start + slot + c + 2] = psum = psums[:, c]
            for r in range(ROWS):
                resident = np.full(LENGTH, kept[r, c])
                act, wgt = (resident, streamed[:, r]) if stays == "ifmap" else (streamed[:, r], resident)
                psum = model.mac(act, wgt, psum)
            results.append((start + slot + c + ROWS + 2, np.full(LENGTH, c), psum))
    cycle, column, code = (np.concatenate(part) for part in zip(*results, strict=True))
    return Fold(ports, cycle, column, code)


def draw_folds(pe_type: str, dataflow: str) -> Fold:
    """Several folds, one after the other."""
    model, random = load_mac_model(pe_type), np.random.default_rng(17)
    vectors = mac_vectors(pe_type, 12_000, seed=23) if pe_type != "fp32" else finite(12_000, random)
    folds = [draw_fold(STATIONARY[dataflow], model, vectors, random) for _ in range(FOLDS)]
    ports = {name: np.concatenate([fold.ports[name] for fold in folds]) for name in folds[0].ports}
    ports["rst_n"] = (np.arange(len(ports["shift"])) > 0).astype(np.int64)
    cycle = np.concatenate([fold.cycle + 2 * LENGTH * k for k, fold in enumerate(folds)])
    column, code = (np.concatenate([getattr(fold, name) for fold in folds]) for name in ("column", "code"))
    return Fold(ports, cycle, column, code)


def finite(count: int, random: np.random.Generator) -> tuple[Array, Array, Array]:
    """fp32 operands whose long sums stay finite."""
    act, wgt, psum = random.normal(size=(3, count)).astype(np.float32).view(np.uint32).astype(np.int64)
    return act, wgt, psum


def results_of(outputs: Mapping[str, Array], folds: Fold) -> Array:
    return np.stack([outputs[f"psum_out_{c}"] for c in range(COLS)])[folds.column, folds.cycle]


# ---- the array: PEs by row and column, and the name of the wire at each of their ports


def wires(stays: str, r: int, c: int) -> dict[str, str]:
    """Wire at each port of PE (r, c); a wire that no PE drives is a port of the array."""
    left, top = edge(stays)

    def right(name: str, column: int) -> str:
        return f"{name}_{r}_{column}" if column else f"{name}_in_{r}"

    def down(name: str, row: int) -> str:
        if row == ROWS and name == "psum":
            return f"psum_out_{c}"
        return f"{name}_{row}_{c}" if row else f"{name}_in_{c}"

    moves = {"valid": right, left: right, top: down, "psum": down}
    at, ahead = {"valid": c, left: c, top: r, "psum": r}, 1
    ports = {"rst_n": "rst_n", "shift": "shift"}
    ports |= {f"{name}_in": move(name, at[name]) for name, move in moves.items()}
    return ports | {f"{name}_out": move(name, at[name] + ahead) for name, move in moves.items()}


def bits_of(model: MacModel) -> dict[str, int]:
    widths = (model.ACTIVATION_BITS, model.WEIGHT_BITS, model.PSUM_BITS)
    return {"valid": 1, "shift": 1, "rst": 1, **dict(zip(OPERANDS, widths, strict=True))}


def array_verilog(pe_type: str, dataflow: str, inputs: list[str]) -> str:
    bits = bits_of(load_mac_model(pe_type))
    stays = STATIONARY[dataflow]
    outputs = [f"psum_out_{c}" for c in range(COLS)]
    pes = {(r, c): wires(stays, r, c) for r in range(ROWS) for c in range(COLS)}
    inner = {wire for ports in pes.values() for wire in ports.values()} - set(inputs) - set(outputs)
    widths = {name: bits[name.split("_")[0]] for name in (*inputs, *outputs, *sorted(inner))}
    parameters = f".AW({bits['ifmap']}), .WW({bits['filter']}), .PW({bits['psum']})"
    parameters += f", .STATIONARY({OPERANDS.index(stays)})"
    declared = [f"input [{widths[name] - 1}:0] {name}" for name in inputs]
    declared += [f"output [{widths[name] - 1}:0] {name}" for name in outputs]
    lines = [f"module array(input clk, {', '.join(declared)});"]
    lines += [f"wire [{widths[name] - 1}:0] {name};" for name in sorted(inner)]
    for (r, c), ports in pes.items():
        pins = ", ".join(f".{port}({wire})" for port, wire in ports.items())
        lines.append(f"systolic_pe #({parameters}) pe_{r}_{c} (.clk(clk), {pins});")
    return "\n".join([*lines, "endmodule", ""])


def array_netlist(pe_type: str, dataflow: str, inputs: list[str]) -> Netlist:
    """The array of mapped PEs, linked by name."""
    library = load_library(nangate45())
    modules = {name: synthesize(part, nangate45(), library) for name, part in systolic_parts(pe_type, dataflow).items()}
    pe = numbered(link(modules.pop(""), modules))
    bits = bits_of(load_mac_model(pe_type))

    def nets(wire: str) -> list[str]:
        return [f"{wire}[{k}]" for k in range(1 if wire == "clk" else bits[wire.split("_")[0]])]

    cells = {
        f"pe_{r}_{c}": {"connections": {port: nets(wire) for port, wire in {"clk": "clk", **ports}.items()}}
        for r in range(ROWS)
        for c in range(COLS)
        for ports in [wires(STATIONARY[dataflow], r, c)]
    }
    ways = dict.fromkeys(("clk", *inputs), "input") | {f"psum_out_{c}": "output" for c in range(COLS)}
    top: Module = {"ports": {n: {"direction": way, "bits": nets(n)} for n, way in ways.items()}, "cells": cells}
    return bind(link(top, dict.fromkeys(cells, pe)), library)


def numbered(module: Module) -> Module:
    """A linked module with numbers for nets, as `link` wants them of a part."""
    number: dict[object, object] = {constant: constant for constant in ("0", "1", "x")}

    def renamed(bits: list[object]) -> list[object]:
        return [number.setdefault(bit, len(number)) for bit in bits]

    ports = {name: {**port, "bits": renamed(port["bits"])} for name, port in module["ports"].items()}
    cells = {
        name: {**cell, "connections": {pin: renamed(bits) for pin, bits in cell["connections"].items()}}
        for name, cell in module["cells"].items()
    }
    return {"ports": ports, "cells": cells}


@needs_iverilog
@pytest.mark.parametrize("dataflow", STATIONARY)
@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_an_array_of_pes_computes_the_folds_of_its_dataflow(pe_type: str, dataflow: str, tmp_path: Path) -> None:
    folds = draw_folds(pe_type, dataflow)
    (tmp_path / "array.v").write_text(array_verilog(pe_type, dataflow, list(folds.ports)))
    widths = {f"psum_out_{c}": load_mac_model(pe_type).PSUM_BITS for c in range(COLS)}
    seen = simulate("array", {}, folds.ports, widths, [tmp_path / "array.v", *systolic_files(pe_type)])
    assert np.array_equal(results_of(seen, folds), folds.code)


@pytest.mark.characterize
@needs_iverilog
@pytest.mark.parametrize("dataflow", STATIONARY)
@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_the_gates_of_the_array_do_what_its_verilog_does(pe_type: str, dataflow: str, tmp_path: Path) -> None:
    folds = draw_folds(pe_type, dataflow)
    netlist = array_netlist(pe_type, dataflow, list(folds.ports))
    phases = np.zeros(len(folds.ports["shift"]), dtype=np.int64)
    activity = simulate_gates(netlist, analyze(netlist), pack_inputs(netlist, folds.ports), phases)
    outputs = unpack_outputs(netlist, activity.outputs)
    assert np.array_equal(results_of(outputs, folds), folds.code)
    (tmp_path / "array.v").write_text(array_verilog(pe_type, dataflow, list(folds.ports)))
    widths = {name: load_mac_model(pe_type).PSUM_BITS for name in outputs}
    seen = simulate("array", {}, folds.ports, widths, [tmp_path / "array.v", *systolic_files(pe_type)])
    for name, codes in seen.items():
        known = codes != UNKNOWN
        assert known.mean() > 0.9
        assert np.array_equal(outputs[name][known], codes[known])
