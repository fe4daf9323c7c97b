"""AccelForge: mappings proven best for an architecture, MIT."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

TITLE = "AccelForge"
REQUIREMENTS = ("accelforge==1.0.467",)
PYTHONS = ((3, 12), (3, 13))  # it states 3.8, but its code needs 3.12
IMPORTS = ("accelforge",)
VARIANTS = {"best": "the mapping of least energy times delay, proven best"}
COMPUTES = "latency, energy in units of a MAC, the mapping"
SEARCHES = "all mappings of the architecture for energy times delay, in one process"
CONFIGURED = (
    "12 x 14 PEs, spads of 12, 224 and 24 words, 108 KiB of GLB of 4 words per cycle, DRAM of 10 words per cycle; "
    "costs per word: MAC 1, spads 1, GLB 6, DRAM 200; accelforge_eyeriss.yaml"
)
REMARK = "filters are shared along rows and psums along columns, nothing else of row stationary is imposed"

CLOCK_HZ = 200e6
WORKLOAD = """
renames:
  einsums:
  - name: default
    tensor_accesses:
    - {{name: input, source: Inputs & Intermediates, expected_count: 1}}
    - {{name: output, source: Outputs, expected_count: 1}}
    - {{name: weight, source: ~(input | output), expected_count: 1}}
workload:
  bits_per_value: {{All: 16}}
  rank_sizes: {{}}
  einsums:
  - einsum: "Out[e, f, m] = In[c, H: {rows} + r, W: {columns} + s] * Filter[r, s, c, m]"
    iteration_space_shape: [0 <= e < {E}, 0 <= f < {F}, 0 <= c < {C}, 0 <= m < {M}, 0 <= r < {R}, 0 <= s < {S}]
    renames: {{output: Out, input: In, weight: Filter}}
"""


def evaluate(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One layer shape after the other, in this process only, so that its processor time is seen."""
    tool = import_module("accelforge")
    tool.set_n_parallel_jobs(1)
    for layer in job["layers"]:
        path = Path(job["scratch"]) / f"{layer['name']}.yaml"
        path.write_text(_workload(layer), encoding="utf-8")
        spec = tool.Spec.from_yaml(str(Path(job["configs"]) / "accelforge_eyeriss.yaml"), str(path))
        spec.mapper.metrics = tool.Metrics.ENERGY_DELAY_PRODUCT
        found = spec.map_workload_to_arch(print_progress=False)
        count = layer["count"]
        cycles = float(found.latency()) * CLOCK_HZ
        yield {"shapes": 1, "cycles": cycles * count, "energy_macs": float(found.energy()) * count}


def _workload(layer: dict[str, Any]) -> str:
    stride = "" if layer["stride"] == 1 else f" * {layer['stride']}"
    return WORKLOAD.format(rows=f"e{stride}", columns=f"f{stride}", **layer)
