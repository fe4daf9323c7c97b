"""Run the RTL through Icarus Verilog, cycle by cycle, and make the operand vectors that tests of a MAC share.

Used by tests only. A gate-level netlist with the same ports can be simulated the same way: pass its files as sources.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from dse.errors import RunError
from pe_library.codes import Codes, MacModel, code_of, float_of, load_mac_model

ROOT = Path(__file__).resolve().parent.parent
RTL = (ROOT / "characterization" / "rtl" / "pe.v", ROOT / "characterization" / "rtl" / "spad.v")
UNKNOWN = -1
"""Stands for a sampled value that has an undefined bit."""

FP32_CORNERS = (
    *(0x00000000, 0x80000000, 0x7F800000, 0xFF800000),  # zeros, infinities
    *(0x7FC00000, 0xFFC00000, 0x7F800001, 0x7FFFFFFF),  # quiet and signaling NaN
    *(0x00000001, 0x807FFFFF, 0x00800000, 0x80800001),  # smallest and largest subnormal, smallest normals
    *(0x7F7FFFFF, 0xFF7FFFFF, 0x3F800000, 0xBF800000),  # largest normals, ones
    *(0x3F7FFFFF, 0x3F800001, 0x20000000),  # neighbours of one, 2**-63
    0xB3000001,  # just over half a unit below one: the longest alignment that matters
)


def mac_source(pe_type: str) -> Path:
    """The Verilog file with module `mac` of a PE type."""
    return ROOT / "pe_library" / pe_type / "mac.v"


def simulate(
    top: str,
    parameters: Mapping[str, int],
    inputs: Mapping[str, Codes],
    outputs: Mapping[str, int],
    sources: Sequence[Path],
) -> dict[str, Codes]:
    """Clock module `top` through given inputs and sample its outputs just before every rising edge of `clk`.

    `inputs` maps ports to their codes, one code a cycle, all of shape (n,); ports left out float. `outputs` maps
    ports to their width in bits. No port is wider than 63 bits. Returns n codes per output, UNKNOWN where a
    bit is undefined. Raises RunError when iverilog is missing or refuses the sources.
    """
    columns = [np.asarray(codes, np.int64).tolist() for codes in inputs.values()]
    lines = (" ".join(f"{code:x}" for code in cycle) for cycle in zip(*columns, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "inputs.hex").write_text("\n".join(lines) + "\n", encoding="ascii")
        (work / "bench.v").write_text(_testbench(top, parameters, tuple(inputs), outputs), encoding="ascii")
        _run(["iverilog", "-g2005", "-s", "bench", "-o", "bench.vvp", "bench.v", *map(str, sources)], work)
        _run(["vvp", "-n", "bench.vvp"], work)
        rows = [line.split() for line in (work / "outputs.hex").read_text(encoding="ascii").splitlines()]
    return {name: np.array([_code(row[k]) for row in rows], np.int64) for k, name in enumerate(outputs)}


def simulate_mac(pe_type: str, act: Codes, wgt: Codes, psum: Codes, sources: Sequence[Path] | None = None) -> Codes:
    """psum_out of module `mac` for n triples of codes, a new triple every cycle. Shapes (n,) -> (n,).

    The psum meets its product one cycle after the operands. `sources` replaces the RTL, as by a netlist.
    """
    inputs = {
        "en": np.append(np.ones_like(act), 0),
        "act": np.append(act, 0),
        "wgt": np.append(wgt, 0),
        "psum_in": np.concatenate([[0], psum]),
    }
    outputs = {"psum_out": load_mac_model(pe_type).PSUM_BITS}
    return simulate("mac", {}, inputs, outputs, sources or [mac_source(pe_type)])["psum_out"][1:]


def simulate_pe(pe_type: str, depths: tuple[int, int, int], inputs: Mapping[str, Codes]) -> dict[str, Codes]:
    """psum_out, psum_valid and window_done of a whole PE in every cycle; depths are (ifmap, filter, psum) words."""
    model = load_mac_model(pe_type)
    parameters = {
        "AW": model.ACTIVATION_BITS,
        "WW": model.WEIGHT_BITS,
        "PW": model.PSUM_BITS,
        **dict(zip(("DI", "DF", "DP"), depths, strict=True)),
    }
    outputs = {"psum_out": model.PSUM_BITS, "psum_valid": 1, "window_done": 1}
    return simulate("pe", parameters, inputs, outputs, [*RTL, mac_source(pe_type)])


def mac_vectors(pe_type: str, n: int, seed: int) -> tuple[Codes, Codes, Codes]:
    """n operand triples (activation, weight, psum codes), each of shape (n,): corners first, then seeded random.

    Integer corners: every product of the extreme operands with the extreme psums, and every weight code (up to 8
    bits) with the extreme activations. fp32 corners: all triples of FP32_CORNERS; its random part is
    aimed at rounding, cancellation, underflow, overflow and exponent gaps.
    """
    rng = np.random.default_rng(seed)
    model = load_mac_model(pe_type)
    if pe_type == "fp32":
        corners, rest = _triples(FP32_CORNERS, FP32_CORNERS, FP32_CORNERS), _random_fp32
    else:
        corners, rest = _integer_corners(model, rng), _random_integers
    drawn = rest(model, max(n - corners.shape[1], 0), rng)
    act, wgt, psum = np.concatenate([corners, drawn], axis=1)[:, :n]
    return act, wgt, psum


def _integer_corners(model: MacModel, rng: np.random.Generator) -> Codes:
    acts, psums = _extremes(model.ACTIVATION_BITS), _extremes(model.PSUM_BITS)
    weights = _extremes(model.WEIGHT_BITS)
    codes = range(1 << model.WEIGHT_BITS) if model.WEIGHT_BITS <= 8 else weights
    every = _triples(acts, codes, (0,))
    every[2] = rng.integers(0, 1 << model.PSUM_BITS, every.shape[1])
    return np.concatenate([_triples(acts, weights, psums), every], axis=1)


def _random_integers(model: MacModel, n: int, rng: np.random.Generator) -> Codes:
    widths = (model.ACTIVATION_BITS, model.WEIGHT_BITS, model.PSUM_BITS)
    return np.stack([rng.integers(0, 1 << bits, n) for bits in widths])


def _random_fp32(model: MacModel, n: int, rng: np.random.Generator) -> Codes:
    """Six kinds of triples in turn, see the comments."""
    act, wgt, psum = rng.integers(0, 1 << 32, (3, n))  # kind 0: any bits, so mostly huge exponent gaps
    kind = np.arange(n) % 6
    exponent_act, exponent_psum_step = rng.integers(97, 158, n), rng.integers(-30, 31, n)
    # Exponent of the product: anywhere near 1 (kinds 1-3), at the underflow (4), at the overflow limit (5).
    exponent_product = np.choose(kind, [0, 127, 127, 127, 1, 254]) + rng.integers(-2, 3, n)
    # Kind 2: significands of k and 26 - k bits, whose product ends at the rounding bits: ties, and just off ties.
    zeros = rng.integers(1, 23, n)
    short = np.stack([act >> zeros << zeros, wgt >> (22 - zeros) << (22 - zeros), psum >> 18 << 18])
    fractions = np.where(kind == 2, short, np.stack([act, wgt, psum])) & 0x7FFFFF
    act = np.where(kind == 0, act, _pack(act, exponent_act, fractions[0]))
    wgt = np.where(kind == 0, wgt, _pack(wgt, exponent_product + 127 - exponent_act, fractions[1]))
    psum = np.where(kind == 0, psum, _pack(psum, exponent_product + exponent_psum_step, fractions[2]))
    # Kind 3: psum = -product, off by at most a few units in the last place: cancellation.
    with np.errstate(all="ignore"):
        opposite = code_of(-(float_of(act) * float_of(wgt))) + rng.integers(-3, 4, n)
    return np.stack([act, wgt, np.where(kind == 3, opposite, psum)])


def _pack(sign_from: Codes, exponent: Codes, fraction: Codes) -> Codes:
    return (sign_from & 0x80000000) | (np.clip(exponent, 0, 254) << 23) | fraction


def _extremes(bits: int) -> tuple[int, ...]:
    """Codes of 0, 1, -1, the largest, the smallest and their neighbours."""
    half, full = 1 << (bits - 1), 1 << bits
    return 0, 1, full - 1, half - 1, half, half - 2, half + 1


def _triples(acts: Sequence[int], weights: Sequence[int], psums: Sequence[int]) -> Codes:
    return np.transpose(np.array(list(product(acts, weights, psums)), np.int64))


def _testbench(top: str, parameters: Mapping[str, int], inputs: Sequence[str], outputs: Mapping[str, int]) -> str:
    """A bench that reads one line of hex codes per cycle and writes one line of sampled outputs per cycle."""
    settings = ", ".join(f".{name}({value})" for name, value in parameters.items())
    ports = ", ".join(f".{name}({name})" for name in ("clk", *inputs, *outputs))
    return "\n".join(
        [
            "module bench;",
            "reg clk = 0; integer from, to;",
            *(f"reg [62:0] {name};" for name in inputs),  # a wider register is cut to its port
            *(f"wire [{bits - 1}:0] {name};" for name, bits in outputs.items()),
            f"{top} #({settings}) dut ({ports});" if settings else f"{top} dut ({ports});",
            'initial begin from = $fopen("inputs.hex", "r"); to = $fopen("outputs.hex", "w");',
            f'while ($fscanf(from, "{" ".join(["%h"] * len(inputs))}", {", ".join(inputs)}) == {len(inputs)}) begin',
            f'#1 $fdisplay(to, "{" ".join(["%h"] * len(outputs))}", {", ".join(outputs)});',
            "clk = 1; #1 clk = 0;",
            "end $finish; end",
            "endmodule",
            "",
        ]
    )


def _code(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:  # x or z digits
        return UNKNOWN


def _run(command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        raise RunError(f"`{command[0]}` was not found: install Icarus Verilog (apt-get install iverilog)")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
