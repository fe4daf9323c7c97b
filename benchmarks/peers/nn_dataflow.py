"""nn_dataflow: row-stationary mapping and loop blocking, Stanford and Tsinghua."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

TITLE = "nn_dataflow"
REQUIREMENTS = ("nn-dataflow==2.1", "sympy<1.11")  # later versions of sympy refuse a comparison with None
PYTHONS = ((3, 8), (3, 14))
IMPORTS = ("nn_dataflow.core",)
VARIANTS = {
    "analytic": "loop blocking solved in closed form",
    "exhaustive": "every loop blocking tried",
}
COMPUTES = "cycles, energy by level in units of a MAC, traffic by level"
SEARCHES = "loop blocking and order for energy times delay; row-stationary mapping fixed by the layer"
CONFIGURED = (
    "12 x 14 PEs, 108 KiB of GLB, one register file of 260 words per PE (the three spads together), buses of 4 words, "
    "DRAM of 10 words per cycle, GLB bypass allowed; costs per word: MAC 1, register file 1, between PEs 2, GLB 6, "
    "DRAM 200"
)
REMARK = "its register file is one memory for all operands; its dependency `fastcache` is compiled when it is installed"

WORD_BYTES = 2
ROWS, COLS, GLB_BYTES, SPAD_WORDS, BUS_WORDS, DRAM_WORDS_PER_CYCLE = 12, 14, 108 * 1024, 12 + 224 + 24, 4, 10.0
COSTS = {"mac": 1, "dram": 200, "glb": 6, "inter_pe": 2, "spad": 1}


def evaluate(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All layer shapes in one network, each with an input of its own.

    Not one network per shape: a network of a single layer is taken to have its filters on the chip beforehand.
    """
    core = import_module("nn_dataflow.core")
    options = core.Option(
        sw_gbuf_bypass=(True, True, True), sw_solve_loopblocking=job["variant"] == "analytic", opt_goal="ed"
    )
    search = core.NNDataflow(_network(core, job["layers"]), 1, _hardware(core), _cost(core), core.MapStrategyEyeriss)
    best = search.schedule_search(options)[0][0]
    counts = {layer["name"]: layer["count"] for layer in job["layers"]}
    yield {
        "shapes": len(counts),
        "cycles": sum(best[name].total_time * count for name, count in counts.items()),
        "energy_macs": sum(best[name].total_cost * count for name, count in counts.items()),
    }


def _network(core: Any, layers: list[dict[str, Any]]) -> Any:
    network = core.Network("layers")
    inputs = [core.InputLayer(layer["C"], (layer["height"], layer["width"])) for layer in layers]
    network.set_input_layer(inputs[0])  # it asks for one; all layers read inputs of their own
    for layer, own_input in zip(layers, inputs):  # noqa: B905, Python 3.8 has no strict
        name, shape = layer["name"], ((layer["E"], layer["F"]), (layer["R"], layer["S"]), layer["stride"])
        network.add_ext(f"input of {name}", own_input)
        network.add(name, core.ConvLayer(layer["C"], layer["M"], *shape), prevs=(f"input of {name}",))
    return network


def _hardware(core: Any) -> Any:
    """One node, its DRAM beside it."""
    one = {"origin": core.PhyDim2(0, 0), "dim": core.PhyDim2(1, 1)}
    memory = core.NodeRegion(type=core.NodeRegion.DRAM, **one)
    return core.Resource(
        proc_region=core.NodeRegion(type=core.NodeRegion.PROC, **one), dram_region=memory, src_data_region=memory,
        dst_data_region=memory, dim_array=core.PhyDim2(ROWS, COLS), size_gbuf=GLB_BYTES // WORD_BYTES,
        size_regf=SPAD_WORDS, array_bus_width=BUS_WORDS, dram_bandwidth=DRAM_WORDS_PER_CYCLE, no_time_mux=False,
    )  # fmt: skip


def _cost(core: Any) -> Any:
    level = core.MemHierEnum
    costs = [0] * level.NUM
    places = {level.DRAM: "dram", level.GBUF: "glb", level.ITCN: "inter_pe", level.REGF: "spad"}
    for place, name in places.items():
        costs[place] = COSTS[name]
    return core.Cost(mac_op=COSTS["mac"], mem_hier=tuple(costs), noc_hop=0, idl_unit=0)
