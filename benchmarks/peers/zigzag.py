"""ZigZag: temporal and spatial mapping search with an analytic cost model, KU Leuven."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

TITLE = "ZigZag"
REQUIREMENTS = ("zigzag-dse==3.9.1", "six")  # it imports six without asking for it
PYTHONS = ((3, 11), None)
IMPORTS = ("zigzag.api",)
VARIANTS = {
    "default": "its default search: 3 spatial mappings, loop orders of 6 prime factors",
    "one_spatial": "the same with 1 spatial mapping instead of 3",
}
SPATIAL_MAPPINGS = {"default": 3, "one_spatial": 1}
COMPUTES = "cycles with stalls, energy by memory in units of a MAC"
SEARCHES = "loop orders and spatial mappings for energy times delay"
CONFIGURED = (
    "12 x 14 PEs, spads of 12, 224 and 24 words, 108 KiB of GLB for all operands with one port of 64 bits, DRAM port "
    "of 160 bits per cycle; costs per 16-bit word: MAC 1, spads 1, GLB 6, DRAM 200; zigzag_accelerator.yaml, "
    "zigzag_mapping.yaml"
)
REMARK = "any spatial mapping, not row stationary; GLB and spads exchange words without a cost of the way between them"

BITS = 16
EQUATION = "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]"


def evaluate(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One call per layer shape: it would map equal layers again and again."""
    run = import_module("zigzag.api").get_hardware_performance_zigzag
    logging.disable(logging.CRITICAL)
    configs, scratch = Path(job["configs"]), Path(job["scratch"])
    for layer in job["layers"]:
        energy, cycles, _ = run(
            [_workload(layer)], str(configs / "zigzag_accelerator.yaml"), str(configs / "zigzag_mapping.yaml"),
            opt="EDP", dump_folder=str(scratch / layer["name"]), loma_show_progress_bar=False,
            nb_spatial_mappings_generated=SPATIAL_MAPPINGS[job["variant"]],
        )  # fmt: skip
        count = layer["count"]
        yield {"shapes": 1, "cycles": float(cycles) * count, "energy_macs": float(energy) * count}


def _workload(layer: dict[str, Any]) -> dict[str, Any]:
    """A layer in its format; padding is part of the ifmap."""
    sizes = {
        "B": 1, "K": layer["M"], "G": 1, "OX": layer["F"], "OY": layer["E"],
        "C": layer["C"], "FX": layer["S"], "FY": layer["R"],
    }  # fmt: skip
    return {
        "id": 0, "name": layer["name"], "operator_type": "Conv", "equation": EQUATION,
        "loop_dims": list(sizes), "loop_sizes": list(sizes.values()),
        "dimension_relations": [f"ix={layer['stride']}*ox+1*fx", f"iy={layer['stride']}*oy+1*fy"],
        "operand_precision": {"W": BITS, "I": BITS, "O": BITS, "O_final": BITS},
        "operand_source": {"W": 0, "I": 0},
    }  # fmt: skip
