"""SCALE-Sim: systolic arrays, cycle by cycle, Georgia Tech."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

TITLE = "SCALE-Sim"
REQUIREMENTS = ("scalesim==3.0.0", "numpy<2", "pandas<3")  # it uses names that later versions took away
PYTHONS = ((3, 8), (3, 13))
IMPORTS = (
    "scalesim.scale_config", "scalesim.topology_utils", "scalesim.layout_utils", "scalesim.single_layer_sim",
)  # fmt: skip
VARIANTS = {
    "compute": "cycles of the array alone: its demand matrices, no memory",
    "full": "with its memories, the bandwidth that it estimates, no trace files",
}
COMPUTES = "cycles, utilization, SRAM and DRAM traffic; no energy, no area"
SEARCHES = "none: the array and its dataflow fix the mapping"
CONFIGURED = (
    "weight-stationary array of 12 x 14, 54 kB of SRAM in words of one byte for 108 KiB of 16-bit words; scalesim.cfg"
)
REMARK = "another dataflow: it has no row stationary, no spads and no energy, so only its time is comparable"


def evaluate(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Layer by layer through its own objects; from a topology file it would simulate equal layers again and again."""
    config = import_module("scalesim.scale_config").scale_config()
    config.read_conf_file(str(Path(job["configs"]) / "scalesim.cfg"))
    for layer in job["layers"]:
        simulation = _simulation(config, layer)
        cycles = _compute_cycles(simulation, config) if job["variant"] == "compute" else _all_cycles(simulation)
        yield {"shapes": 1, "cycles": cycles * layer["count"]}


def _simulation(config: Any, layer: dict[str, Any]) -> Any:
    topology = import_module("scalesim.topology_utils").topologies()
    sizes = [layer[key] for key in ("height", "width", "R", "S", "C", "M", "stride", "stride")]
    topology.load_layer_params_from_list(layer["name"], [layer["name"], *sizes, 1, 1])
    simulation = import_module("scalesim.single_layer_sim").single_layer_sim()
    layout = import_module("scalesim.layout_utils").layouts()
    simulation.set_params(0, config_obj=config, topology_obj=topology, layout_obj=layout, verbose=False)
    return simulation


def _all_cycles(simulation: Any) -> int:
    simulation.run()
    return int(simulation.get_compute_report_items()[0])


def _compute_cycles(simulation: Any, config: Any) -> int:
    """One row of a demand matrix is one cycle."""
    operands = simulation.op_mat_obj
    ifmap, filters, ofmap = (
        getattr(operands, f"get_{name}_matrix")()[1] for name in ("ifmap", "filter", "ofmap")
    )  # fmt: skip
    simulation.compute_system.set_params(
        config_obj=config, ifmap_op_mat=ifmap, filter_op_mat=filters, ofmap_op_mat=ofmap, sparsity_ratio_N=1,
        sparsity_ratio_M=1, ifmap_op_mat_original=operands.ifmap_addr_matrix_original,
        sparsity_filter_array=operands.sparse_filter_array,
    )  # fmt: skip
    return len(simulation.compute_system.get_demand_matrices()[0])
