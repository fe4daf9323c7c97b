"""Choosing the mapping of a layer on every design: try each candidate, keep the cheapest. Deterministic.

A candidate's cost is the design's true objective, from the same formulas that report the result. Candidates stand on a
last axis behind the design axes, as many at a time as fit a small working set; ties go to the first candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dse.costs import Costs, costs
from dse.dataflow import Dataflow, load_dataflow
from dse.space import Designs, FloatArray
from dse.technology import Technology
from dse.traffic import Mapping, Pins, Traffic
from workloads.layer import Layer

WORKING_SET = 1 << 20  # (design, candidate) pairs priced at a time: 8 MiB per intermediate array


def objective_value(objective: str, costs: Costs, traffic: Traffic) -> Any:
    """Latency in cycles, energy in pJ, or their product; infinite where the mapping does not fit."""
    cycles = costs.total_cycles(traffic)
    if objective == "latency":
        return cycles
    energy_pj = costs.total_energy_pj(traffic, cycles)
    return energy_pj if objective == "energy" else energy_pj * cycles


@dataclass(frozen=True)
class Bench:
    """A set of designs with what every layer needs of them: their dataflow, and their costs with and without room
    for candidates on a last axis."""

    flow: Dataflow
    designs: Designs
    costs: Costs
    spread: Designs
    spread_costs: Costs

    @classmethod
    def of(cls, designs: Designs, technology: Technology) -> Bench:
        spread = designs.with_trailing_axis()
        flow = load_dataflow(designs.dataflow)
        return cls(flow, designs, costs(designs, technology), spread, costs(spread, technology))


def best_mapping(bench: Bench, layer: Layer, objective: str, pins: Pins) -> Mapping:
    """The cheapest mapping of a layer per design; arrays broadcast to the shape of the designs."""
    flow, shape, bits = bench.flow, bench.designs.shape, bench.costs.bits
    choices = flow.candidates(layer, bench.designs, pins)
    count = len(next(iter(choices.values())))
    step = max(1, WORKING_SET // max(1, int(np.prod(shape))))
    best_cost: FloatArray = np.full(shape, np.inf)
    best_index = np.full(shape, count - 1)  # where nothing fits: the smallest mapping
    for low in range(0, count, step):
        choice = {name: values[low : low + step] for name, values in choices.items()}
        mapping = flow.complete(layer, bench.spread, bits, choice, pins)
        cost = objective_value(objective, bench.spread_costs, flow.traffic(layer, bench.spread, bits, mapping))
        cost = np.broadcast_to(cost, (*shape, min(step, count - low)))
        winner = np.argmin(cost, axis=-1)
        winning_cost = np.take_along_axis(cost, winner[..., None], axis=-1)[..., 0]
        better = winning_cost < best_cost
        best_cost = np.where(better, winning_cost, best_cost)
        best_index = np.where(better, low + winner, best_index)
    choice = {name: values[best_index] for name, values in choices.items()}
    return flow.complete(layer, bench.designs, bits, choice, pins)
