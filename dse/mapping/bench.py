"""What a mapping search works on: designs of one dataflow with their costs, and what a mapping costs on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dse.costs import Costs, costs
from dse.dataflow import Dataflow, load_dataflow
from dse.mapping.cells import Cells
from dse.prices import Prices
from dse.space import Designs
from dse.technology import Technology
from dse.traffic import Mapping, OperandBits, Traffic
from workloads.layer import Layer


@dataclass(frozen=True)
class Bench:
    """A set of designs with what every layer needs of them: their dataflow, their costs, and both as cells."""

    flow: Dataflow
    designs: Designs
    costs: Costs
    cells: Cells
    cell_designs: Designs
    cell_prices: Prices
    technology: Technology

    @classmethod
    def of(cls, designs: Designs, technology: Technology) -> Bench:
        flow = load_dataflow(designs.dataflow)
        designs = designs if flow.PE == "spads" else designs.without_spads()
        cells, hardware = Cells.of(designs), costs(designs, technology)
        return cls(flow, designs, hardware, cells, cells.flat(designs), cells.flat(hardware.prices), technology)


def layer_traffic(flow: Dataflow, layer: Layer, designs: Designs, bits: OperandBits, mapping: Mapping) -> Traffic:
    """What the dataflow reports for the whole batch, with the layer's shares of zeros."""
    return of_layer(layer, flow.traffic(flow.geometry(layer), mapped_together(layer, designs), bits, mapping), designs)


def of_layer(layer: Layer, traffic: Traffic, designs: Designs) -> Traffic:
    """Traffic of the whole batch, with the layer's shares of zeros.

    Both operands of a matmul belong to one image: images run one after another.
    """
    if layer.kind == "matmul":
        traffic = traffic.repeated(designs.batch)
    return replace(traffic, ifmap_zeros=layer.ifmap_zeros, ofmap_zeros=layer.ofmap_zeros)


def mapped_together(layer: Layer, designs: Designs) -> Designs:
    """The designs with the images that a mapping covers as their batch: all, or one in a matmul."""
    return replace(designs, batch=np.ones_like(designs.batch)) if layer.kind == "matmul" else designs


def objective_value(objective: str, prices: Prices, traffic: Traffic) -> Any:
    """Latency in cycles, energy in pJ, or their product."""
    cycles = prices.total_cycles(traffic)
    if objective == "latency":
        return cycles
    energy_pj = prices.total_energy_pj(traffic, cycles)
    return energy_pj if objective == "energy" else energy_pj * cycles


def keys_of(objective: str, prices: Prices, traffic: Traffic) -> list[Any]:
    """The value of the objective and what ties go by: equal latency to less DRAM traffic, then to less energy."""
    cost = objective_value(objective, prices, traffic)
    return (
        [cost, prices.dram_bits(traffic), prices.total_energy_pj(traffic, cost)] if objective == "latency" else [cost]
    )
