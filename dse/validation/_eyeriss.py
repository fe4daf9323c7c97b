"""The Eyeriss chip in the terms of the model: its hardware, layers and mappings, and its papers' energy costs.

Operands and psums have 16 bits, unlike the psums of the PE type INT16: hardware figures of the PE library are not used,
only the dataflow, the memories' counts and prices made of published costs.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from dse.mapping.bench import Bench, layer_traffic
from dse.prices import Prices
from dse.space import Designs
from dse.sparsity import Sparsity
from dse.technology import Technology
from dse.traffic import Mapping, OperandBits, Traffic
from dse.validation._reference import Row, read_reference
from workloads.layer import Layer
from workloads.loader import load_workload

WORD_BITS = 16
BITS = OperandBits(WORD_BITS, WORD_BITS, WORD_BITS)
BATCH = 4
MIB_BITS = 8 * 2**20
PARAMETERS = ("m", "n", "e", "p", "q", "r", "t")
CYCLE_COST = 1e-9  # MAC energies: next to nothing; the faster one of two mappings of equal energy
PE_TYPE, DATAFLOW = "int16", "row_stationary"


@dataclass(frozen=True)
class ChipLayer:
    """A layer as the chip ran it: the shape, the mapping, and the measured row of the paper."""

    name: str
    layer: Layer
    mapping: Mapping
    measured: Row


@cache
def chip_layers() -> tuple[ChipLayer, ...]:
    """CONV1 to CONV5 of AlexNet."""
    layers = {layer.name.upper(): layer for layer in load_workload("alexnet").layers}
    measured = {row["layer"]: row for row in read_reference("eyeriss_alexnet")}
    return tuple(
        ChipLayer(
            row["layer"],
            layers[row["layer"]],
            {name: np.asarray(int(row[name])) for name in PARAMETERS},
            measured[row["layer"]],
        )
        for row in read_reference("eyeriss_mapping")
    )


def chip_design(**changes: float) -> Designs:
    """The chip at its batch of 4, or with other values of some axes."""
    values: MappingType[str, float] = {row["name"]: float(row["value"]) for row in read_reference("eyeriss_hardware")}
    return Designs.of(PE_TYPE, DATAFLOW, {**values, "batch": BATCH, **changes})


def cost_list() -> str:
    """The energies of the papers, as a phrase."""
    return ", ".join(f"{row['event'].replace('_', '-')} {row['cost']}" for row in read_reference("isca2016_costs"))


def chip_bench(designs: Designs, sparsity: Sparsity | None = None) -> Bench:
    """The designs at the prices of the papers: for the search of mappings and for pricing them."""
    bench = Bench.of(designs, Technology(sparsity=sparsity or Sparsity()))
    costs = replace(bench.costs, prices=_normalized(bench.costs.prices))
    return replace(bench, costs=costs, cell_prices=_normalized(bench.cell_prices))


def traffic_of(bench: Bench, layer: Layer, mapping: Mapping) -> Traffic:
    """What the dataflow reports at 16 bits. Raises ValueError where the mapping does not fit."""
    traffic = layer_traffic(bench.flow, layer, bench.designs, BITS, mapping)
    if traffic.reason:
        raise ValueError(f"{layer.name}: {bench.flow.REASONS[int(traffic.reason)]}")
    return traffic


def _normalized(prices: Prices) -> Prices:
    """The same bandwidth, energies in those of a MAC. The way from the GLB to a PE is part of the cost of the GLB."""
    cost = {row["event"]: float(row["cost"]) for row in read_reference("isca2016_costs")}
    return replace(
        prices,
        bits=BITS,
        dram_pj_per_bit=cost["dram"] / WORD_BITS,
        clock_pj_per_cycle=CYCLE_COST,
        leakage_pj_per_cycle=0.0,
        cycle_pj=CYCLE_COST,
        mac_pj=cost["mac"],
        control_pj=0.0,
        spad_ifmap_read_pj=cost["spad"],
        spad_ifmap_write_pj=cost["spad"],
        spad_filter_read_pj=cost["spad"],
        spad_filter_write_pj=cost["spad"],
        spad_psum_read_pj=cost["spad"],
        spad_psum_write_pj=cost["spad"],
        noc_ifmap_pj=0.0,
        noc_filter_pj=0.0,
        noc_psum_pj=0.0,
        inter_pe_pj_per_bit=cost["inter_pe"] / WORD_BITS,
        glb_read_pj_per_bit=cost["glb"] / WORD_BITS,
        glb_write_pj_per_bit=cost["glb"] / WORD_BITS,
    )
