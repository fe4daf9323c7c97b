"""This project, measured like the others."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TITLE = "dse"
REQUIREMENTS: tuple[str, ...] = ()
PYTHONS = ((3, 10), None)
IMPORTS = ("numpy", "dse.evaluate", "dse.layers", "workloads.loader")
VARIANTS = {
    "one_design": "one design alone, in a process that has loaded the package",
    "command": "one design alone, the command `dse evaluate`, start of Python included",
    "sweep": "a design within a sweep that keeps the front, every design mapped",
    "bounds": "a design within a sweep of finer steps, where bounds leave designs out",
}
COMPUTES = (
    "cycles by cause, energy by part from synthesized PEs, area, power, maximum clock, utilization, traffic by level"
)
SEARCHES = "row-stationary parameters m n e p q r t for energy times delay; no loop orders beyond them"
CONFIGURED = (
    "INT16, row stationary, 12 x 14 PEs, spads of 12, 224 and 24 words, 108 KiB of GLB with words of 64 bits, DRAM of "
    "4 GB/s, 200 MHz; the sweep varies rows, cols, spads, GLB, DRAM and clock around it"
)
REMARK = (
    "energies of its own PE library choose the mapping; the energy in MACs prices its traffic like that of the others"
)

DESIGN = {"clock_mhz": 200.0}  # the other axes have the values of the Eyeriss chip by default
PE_TYPE, DATAFLOW = "int16", "row_stationary"
COSTS = {"mac": 1, "dram": 200, "glb": 6, "inter_pe": 2, "spad": 1}
SPACE: dict[str, Any] = {
    "pe_type": [PE_TYPE], "dataflow": [DATAFLOW], "rows": [8, 12, 16, 24], "cols": [8, 14, 16, 32],
    "ifmap_spad_words": [12, 24], "filter_spad_words": [112, 224], "psum_spad_words": [16, 24],
    "glb_kib": [64, 108, 256], "glb_bytes_per_cycle": [4, 8, 16, 32], "dram_gb_s": [1, 2, 3, 4, 6, 8, 16, 32],
    "clock_mhz": [50, 100, 125, 150, 175, 200, 225, 250],
}  # fmt: skip
FINER: dict[str, Any] = {
    "rows": [6, 8, 10, 12, 14, 16, 20, 24, 28, 32], "cols": [6, 8, 10, 12, 14, 16, 20, 24, 28, 32],
    "ifmap_spad_words": [8, 12, 16, 20, 24], "filter_spad_words": [32, 48, 64, 112, 160, 224],
    "psum_spad_words": [8, 12, 16, 24], "glb_kib": [32, 48, 64, 96, 108, 192, 256, 512],
}  # fmt: skip


def evaluate(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The whole network at once; equal layers are mapped once."""
    if job["variant"] == "command":
        _command(job["network"], job["paths"][0])
        yield {"shapes": len(job["layers"])}
    elif job["variant"] in ("sweep", "bounds"):
        yield {"shapes": len(job["layers"]), "designs": sweep(job["network"], job["variant"] == "bounds")}
    else:
        yield from one_design(job["network"])


def sweep(network: str, prune: bool) -> int:
    """The front of a grid of designs around the chip's; returns how many designs the grid has."""
    from dse.config import load_study
    from dse.pruned.search import grid_points, mapped_points

    space = SPACE | FINER if prune else SPACE
    config = {"schema": 1, "name": "sweep", "workloads": [network], "space": space, "keep": "front",
              "objectives": ["perf_per_area", "energy"]}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweep.yaml"
        path.write_text(json.dumps(config))  # JSON is YAML
        study = load_study(path)
    (grid,) = study.space.grids
    points = grid_points(study, grid, None) if prune else mapped_points(study, grid, grid.blocks(1 << 16))[0]
    if not points.num_rows:
        raise RuntimeError("no design of the grid is feasible")
    return grid.size


def one_design(network: str) -> Iterator[dict[str, Any]]:
    """The chip's design: what is timed, then its results."""
    from dse.evaluate import evaluate as evaluate_designs
    from dse.layers import evaluate_design
    from dse.space import Designs
    from dse.technology import Technology
    from workloads.loader import load_workload

    design, workload, technology = Designs.of(PE_TYPE, DATAFLOW, DESIGN), load_workload(network), Technology()
    evaluate_designs(design, [workload], technology)
    yield {"shapes": len(workload.unique_layers())}
    totals, layers = evaluate_design(design, workload, technology, "edp", {})
    parts = ("compute", "glb_stall", "dram_stall", "overhead")
    yield {
        "untimed": True,
        "cycles": sum(totals[f"{part}_cycles"] for part in parts),
        "compute_cycles": totals["compute_cycles"],
        "energy_macs": sum(map(energy_macs, layers)),
        "energy_mj": totals["energy_mj"],
        "area_mm2": totals["area_mm2"],
    }


def energy_macs(layer: dict[str, Any]) -> float:
    """Energy of a row of `dse evaluate` in MAC energies, words of any width at the same cost."""
    words = {name: value for name, value in layer.items() if name.endswith("_words")}
    priced = ((level, value) for name, value in words.items() for level in COSTS if name.startswith(f"{level}_"))
    return float(layer["macs"] * COSTS["mac"] + sum(COSTS[level] * value for level, value in priced))


def _command(network: str, root: str) -> None:
    """`dse evaluate` as a process of its own, of the interpreter that runs this."""
    design = f"pe_type={PE_TYPE},dataflow={DATAFLOW},clock_mhz=200"
    start = f"import sys; sys.path.insert(0, {root!r}); from cli import main; main()"
    command = [sys.executable, "-c", start, "evaluate", "--workload", network, "--design", design]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
