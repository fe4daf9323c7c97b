"""One synthesized PE, measured: area, leakage, minimum period, and energy in parts that add up.

Per scenario the energy above that of the same number of idle cycles is divided by the number of events (writes or
MACs); quiet cycles after it belong to it, so an operation is charged for all its pipeline stages.
- `clock_pj`: a cycle in which nothing is enabled. `ifmap_write_pj`, `filter_write_pj`: a write, its pointer included.
- While the loop runs, by the part that spends it: `ifmap_read_pj`, `filter_read_pj` (mux and read register),
  `psum_read_pj` (mux), `psum_write_pj` (write data, clock gates, flip-flops), `mac_pj` and `control_pj` (the rest).
  With `clock_pj` they add up to `run_pj`, the energy of a cycle with one MAC.
- `all_pj` is a cycle with a MAC, an ifmap and a filter write. It checks that parts measured apart may be added:
  `all_residual_pct` is by how much their sum differs from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from characterization.activity import pack_inputs, simulate
from characterization.cells import Floats, Ints, Library
from characterization.liberty import load_library
from characterization.library import resolve_liberty
from characterization.netlist import PARTS, Netlist
from characterization.power import energy_pj
from characterization.stimulus import PHASES, SEED, SMALLEST, STIMULUS, Stimulus, pe_stimulus
from characterization.synthesis import PEPoint, rtl_sha256, synthesize_pe, yosys_version
from characterization.timing import Timing, analyze
from dse.errors import InputError, Problem

Row = Mapping[str, float | int | str]
DEPTHS = ("ifmap_spad_words", "filter_spad_words", "psum_spad_words")
# Parts of the PE as the tables show them, from the finer ones of a netlist.
GROUPS = {name: (name,) for name in ("ifmap", "filter", "mac", "control")} | {"psum": ("psum_read", "psum_write")}
AREA_ORDER = ("ifmap", "filter", "psum", "mac", "control")


def measure_point(
    pe_type: str,
    ifmap_spad_words: int,
    filter_spad_words: int,
    psum_spad_words: int,
    liberty: Path | None = None,
) -> Row:
    """Synthesize and measure one PE; the columns of `synthesis.csv` but `role`.

    `liberty` replaces the NanGate45 library. Raises InputError if a spad is too small for the stimulus, RunError if a
    tool or the library is missing or fails.
    """
    depths = dict(zip(DEPTHS, (ifmap_spad_words, filter_spad_words, psum_spad_words), strict=True))
    _check_depths(depths)
    path = resolve_liberty(liberty)
    library = load_library(path)
    point = PEPoint(pe_type, ifmap_spad_words, filter_spad_words, psum_spad_words)
    netlist = synthesize_pe(point, path, library)
    stimulus = pe_stimulus(pe_type, *depths.values())
    return {**depths, **measure_netlist(netlist, stimulus), **provenance(library, rtl_sha256(pe_type))}


def _check_depths(depths: Mapping[str, int]) -> None:
    limits = dict(zip(DEPTHS, SMALLEST, strict=True))
    small = [name for name, words in depths.items() if words < limits[name]]
    if small:
        raise InputError([Problem(name, f"must be at least {limits[name]} words", depths[name]) for name in small])


def measure_netlist(netlist: Netlist, stimulus: Stimulus) -> dict[str, float]:
    """Area [um2], leakage [uW], periods [ns] and energies [pJ] of a PE netlist under `stimulus`."""
    timing = analyze(netlist)
    activity = simulate(netlist, timing, pack_inputs(netlist, stimulus.ports), stimulus.phase)
    per_cycle = energy_pj(netlist, timing, activity)
    return {**static_figures(netlist, timing), **_energies(per_cycle, activity.cycles, stimulus.events)}


def static_figures(netlist: Netlist, timing: Timing) -> dict[str, float]:
    """Area [um2], leakage [uW] and periods [ns] of a PE netlist: what depends on no stimulus."""
    area = _grouped(netlist.area_um2)
    return {
        "area_um2": sum(area.values()),
        **{f"area_{name}_um2": area[name] for name in AREA_ORDER},
        "leakage_uw": float(netlist.leakage_uw.sum()),
        **_periods(timing),
    }


def _grouped(values: Floats) -> dict[str, float]:
    return {name: float(sum(values[PARTS.index(part)] for part in GROUPS[name])) for name in AREA_ORDER}


def _periods(timing: Timing) -> dict[str, float]:
    by_part = {name: float(max(timing.period_ns[PARTS.index(part)] for part in GROUPS[name])) for name in AREA_ORDER}
    return {"min_period_ns": max(by_part.values()), **{f"period_{name}_ns": by_part[name] for name in AREA_ORDER}}


def _energies(per_cycle: Floats, cycles: Ints, events: Mapping[str, int]) -> dict[str, float]:
    """Split the energy per cycle of each phase and part into energies per operation, pJ."""
    idle = per_cycle[PHASES.index("idle")]

    def above_idle(phase: str) -> Floats:
        k = PHASES.index(phase)
        return np.asarray((per_cycle[k] - idle) * cycles[k] / events[phase], dtype=np.float64)

    clock = float(idle.sum())
    run = dict(zip(PARTS, above_idle("run").tolist(), strict=True))
    ifmap_write, filter_write = (float(above_idle(f"load_{name}").sum()) for name in ("ifmap", "filter"))
    run_pj, all_pj = clock + sum(run.values()), clock + float(above_idle("all").sum())
    return {
        "clock_pj": clock,
        "control_pj": run["control"],
        "mac_pj": run["mac"],
        "ifmap_read_pj": run["ifmap"],
        "ifmap_write_pj": ifmap_write,
        "filter_read_pj": run["filter"],
        "filter_write_pj": filter_write,
        "psum_read_pj": run["psum_read"],
        "psum_write_pj": run["psum_write"],
        "run_pj": run_pj,
        "all_pj": all_pj,
        "all_residual_pct": (run_pj + ifmap_write + filter_write - all_pj) / all_pj * 100.0,
    }


def provenance(library: Library, rtl_sha256: str) -> dict[str, float | int | str]:
    """What the figures of a PE come from: stimulus, tools, the hash of its Verilog, corner of the library."""
    return {
        "seed": SEED,
        "stimulus": STIMULUS,
        "yosys": yosys_version(),
        "liberty_sha256": library.sha256,
        "rtl_sha256": rtl_sha256,
        "voltage_v": library.voltage_v,
        "temperature_c": library.temperature_c,
        "source": f"synthesis with {library.name}, no layout",
    }
