"""Choosing the mapping of a layer on every design: the best of all that its dataflow offers, found by branch and bound.

A mapping is a path of choices, coarse ones first. Coarse choices are priced by bounds: what no refinement undercuts.
Per cell of designs, the choice with the least bound is refined along least bounds to a full mapping, which gives a cost
to beat; choices whose bound is above it are dropped, the others refined. Costs are the design's true objective, from
the same formulas that report the result. So the answer is that of pricing every mapping, the same for a design alone
and among others; ties go to less DRAM traffic, then to the first in the order of the choices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dse.cells import Cells, columns, repeated, taken, with_choices_axis
from dse.costs import Costs, costs
from dse.dataflow import Dataflow, load_dataflow
from dse.prices import Prices
from dse.space import Designs, FloatArray, IntArray
from dse.technology import Technology
from dse.traffic import FEASIBLE, Mapping, OperandBits, Pins, Traffic
from workloads.layer import Layer

WORKING_SET = 1 << 18  # (design, choice) pairs priced at a time: 2 MiB per intermediate array
FIRST_CELLS = 32


def objective_value(objective: str, prices: Prices, traffic: Traffic) -> Any:
    """Latency in cycles, energy in pJ, or their product."""
    cycles = prices.total_cycles(traffic)
    if objective == "latency":
        return cycles
    energy_pj = prices.total_energy_pj(traffic, cycles)
    return energy_pj if objective == "energy" else energy_pj * cycles


@dataclass(frozen=True)
class Bench:
    """A set of designs with what every layer needs of them: their dataflow, their costs, and both as cells."""

    flow: Dataflow
    designs: Designs
    costs: Costs
    cells: Cells
    cell_prices: Prices

    @classmethod
    def of(cls, designs: Designs, technology: Technology) -> Bench:
        flow = load_dataflow(designs.dataflow)
        designs = designs if flow.PE == "spads" else designs.without_spads()
        cells = Cells.of(designs)
        return cls(flow, designs, costs(designs, technology), cells, costs(cells.designs, technology).prices)


def layer_traffic(flow: Dataflow, layer: Layer, designs: Designs, bits: OperandBits, mapping: Mapping) -> Traffic:
    """What the dataflow reports for the whole batch, with the layer's shares of zeros."""
    return of_layer(layer, flow.traffic(layer, mapped_together(layer, designs), bits, mapping), designs)


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


def best_mapping(bench: Bench, layer: Layer, objective: str, pins: Pins) -> Mapping:
    """The cheapest mapping of a layer per design; arrays of the shape of the designs."""
    cells, flow = bench.cells, bench.flow
    choices = flow.candidates(layer, mapped_together(layer, bench.designs), pins)
    most = max(1, WORKING_SET // (_length(choices) * math.prod(cells.inner_shape)))
    found: list[Mapping] = []
    known: Mapping = {}
    for part in _slices(cells.count, most):
        designs, prices = taken(cells.designs, part), taken(bench.cell_prices, part)
        search = Search(flow, layer, objective, pins, designs, prices, (*cells.inner_shape, part.stop - part.start))
        winners = search.best(choices, known)
        found.append(search.completed(winners))
        known = _distinct(known, winners)
    return {name: cells.restored(np.concatenate([part[name] for part in found], axis=-1)) for name in found[0]}


def _slices(count: int, most: int) -> Iterator[slice]:
    """A few cells first, whose mappings help to search the next, then more and more up to `most` at a time."""
    low, size = 0, min(FIRST_CELLS, most)
    while low < count:
        yield slice(low, min(low + size, count))
        low, size = low + size, min(2 * size, most)


def _distinct(known: Mapping, winners: Mapping) -> Mapping:
    """The known full choices and the winning ones of each design, each once."""
    rows = [np.stack([mapping[name].ravel() for name in winners]) for mapping in (known, winners) if mapping]
    return dict(zip(winners, np.unique(np.concatenate(rows, axis=1), axis=1), strict=True))


@dataclass(frozen=True)
class Search:
    """The search on a few cells. A pair is a choice for a cell; pairs are sorted by cell, every cell has one.

    Choices of pairs hold the number of the cell as `cell`; costs of pairs have the shape (*inner, pairs).
    """

    flow: Dataflow
    layer: Layer
    objective: str
    pins: Pins
    designs: Designs
    prices: Prices
    shape: tuple[int, ...]  # (*inner, cells)

    def best(self, choices: Mapping, known: Mapping) -> Mapping:
        """The full choices of the cheapest mapping of each design, arrays of shape (*inner, cells).

        `known` are full choices that may be good: they change how fast the search is, not what it finds.
        """
        count = _length(choices)
        cell = np.repeat(np.arange(self.shape[-1]), count)
        pairs = {"cell": cell} | {name: np.tile(values, self.shape[-1]) for name, values in choices.items()}
        cost, dram = (v.reshape(*self.shape[:-1], -1) for v in self._price(choices, per_cell=True))
        to_beat: FloatArray = np.full(self.shape, np.inf)
        if known and self._is_open(pairs):
            to_beat = self._price(known, per_cell=True)[0].min(axis=-1)
        while self._is_open(pairs):
            to_beat = np.minimum(to_beat, self._descent(pairs, cost))
            pairs = self._refined(pairs, cost, to_beat)
            cost, dram = self._price(pairs, per_cell=False)
        return self._winners(pairs, cost, dram)

    def completed(self, choices: Mapping) -> Mapping:
        """The mappings of full choices, one for each design."""
        designs = mapped_together(self.layer, self.designs)
        mapping = self.flow.complete(self.layer, designs, self.prices.bits, choices, self.pins)
        return {name: np.broadcast_to(values, self.shape) for name, values in mapping.items()}

    def _descent(self, pairs: Mapping, cost: FloatArray) -> FloatArray:
        """Cost of a full mapping per design, found by following the least bounds."""
        while self._is_open(pairs):
            pairs = self._refined(pairs, cost, _least_by_cell(cost, pairs["cell"]))
            cost, _ = self._price(pairs, per_cell=False)
        least: FloatArray = _least_by_cell(cost, pairs["cell"])
        return least

    def _refined(self, pairs: Mapping, cost: FloatArray, limit: FloatArray) -> Mapping:
        """Refinements of the pairs within the limit for any design of their cell; of the smallest mapping, always."""
        kept = cost <= np.repeat(np.minimum(limit, np.finfo(np.float64).max), self._counts(pairs), axis=-1)
        index = np.asarray(kept.reshape(-1, kept.shape[-1]).any(axis=0))
        index[_starts(pairs["cell"])] = True
        chosen = {name: values[index] for name, values in pairs.items()}
        designs = mapped_together(self.layer, columns(repeated(self.designs, self._counts(chosen)), _length(chosen)))
        return self.flow.refine(self.layer, designs, self.prices.bits, chosen, self.pins)

    def _is_open(self, choices: Mapping) -> bool:
        return any(name not in choices for name in self.flow.OPEN)

    def _price(self, choices: Mapping, per_cell: bool) -> tuple[FloatArray, FloatArray]:
        """Costs, or bounds where choices are open, and DRAM bits: of every choice on every cell, or of pairs."""
        if per_cell:
            designs, prices = with_choices_axis(self.designs), with_choices_axis(self.prices)
        else:
            counts = self._counts(choices)
            designs, prices = repeated(self.designs, counts), repeated(self.prices, counts)
        together, flow = mapped_together(self.layer, designs), self.flow
        if self._is_open(choices):
            traffic = flow.bound(self.layer, together, prices.bits, choices, self.pins)
        else:
            mapping = flow.complete(self.layer, together, prices.bits, choices, self.pins)
            traffic = flow.traffic(self.layer, together, prices.bits, mapping)
        traffic = of_layer(self.layer, traffic, designs)
        shape = (*(self.shape if per_cell else self.shape[:-1]), _length(choices))
        cost = np.where(traffic.reason == FEASIBLE, objective_value(self.objective, prices, traffic), np.inf)
        return np.broadcast_to(cost, shape), np.broadcast_to(prices.dram_bits(traffic), shape)

    def _winners(self, pairs: Mapping, cost: FloatArray, dram: FloatArray) -> Mapping:
        cell, counts = pairs["cell"], self._counts(pairs)
        dram = np.where(cost == np.repeat(_least_by_cell(cost, cell), counts, axis=-1), dram, np.inf)
        best = dram == np.repeat(_least_by_cell(dram, cell), counts, axis=-1)
        index = _least_by_cell(np.where(best, np.arange(len(cell)), len(cell)), cell)
        return {name: values[index] for name, values in pairs.items() if name != "cell"}

    def _counts(self, pairs: Mapping) -> IntArray:
        """Pairs of each cell."""
        return np.bincount(pairs["cell"], minlength=self.shape[-1])


def _length(choices: Mapping) -> int:
    return len(next(iter(choices.values())))


def _starts(cell: IntArray) -> IntArray:
    """Where each cell begins."""
    return np.flatnonzero(np.diff(cell, prepend=-1))


def _least_by_cell(values: Any, cell: IntArray) -> Any:
    return np.minimum.reduceat(values, _starts(cell), axis=-1)
