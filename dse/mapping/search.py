"""Choosing the mapping of a layer on every design: the best of all that its dataflow offers, found by branch and bound.

A mapping is a path of choices, coarse ones first. Coarse choices are priced by bounds: what no refinement undercuts.
Per cell of designs, the choice with the least bound is refined along least bounds to a full mapping, which gives a cost
to beat; choices whose bound is above it are dropped, the others refined. Costs are the design's true objective, from
the same formulas that report the result. So the answer is that of pricing every mapping, the same for a design alone
and among others; ties go to the first in the order of the choices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dse.dataflow import Dataflow
from dse.mapping.bench import Bench, keys_of, mapped_together, of_layer
from dse.mapping.cells import columns, repeated, taken, with_choices_axis
from dse.mapping.choices import Tree, is_open, length, refined, refinements
from dse.prices import Prices
from dse.space import BoolArray, Designs, FloatArray, IntArray
from dse.traffic import FEASIBLE, Mapping, Pins
from workloads.layer import Layer

WORKING_SET = 1 << 20  # (design, choice) pairs priced at a time, about: 8 MiB per intermediate array
FIRST_CELLS = 4
MOST = np.finfo(np.float64).max  # a limit that everything keeps but what does not fit
Keys = list[FloatArray]


def searched_mapping(bench: Bench, layer: Layer, objective: str, pins: Pins) -> Mapping:
    """The cheapest mapping of a layer per design; arrays of the shape of the designs."""
    cells, flow = bench.cells, bench.flow
    together = mapped_together(layer, bench.designs)
    choices = flow.candidates(flow.geometry(layer), together, pins)
    tree = refinements(flow, layer, together, pins)
    found: list[Mapping] = []
    known: Mapping = {}
    low, step = 0, FIRST_CELLS
    while low < cells.count:
        part = slice(low, min(low + step, cells.count))
        designs, prices = taken(bench.cell_designs, part), taken(bench.cell_prices, part)
        search = Search(flow, layer, objective, pins, tree, designs, prices, (*cells.inner_shape, part.stop - low))
        winners, pairs = search.best(choices, known)
        found.append(search.completed(winners))
        known = _distinct(known, winners)  # they help to search the next cells, more at a time
        priced_per_cell = pairs * math.prod(cells.inner_shape) // (part.stop - low)
        low, step = part.stop, max(1, min(2 * step, WORKING_SET // max(1, priced_per_cell)))
    return {name: cells.restored(np.concatenate([part[name] for part in found], axis=-1)) for name in found[0]}


def _distinct(known: Mapping, winners: Mapping) -> Mapping:
    """The known full choices and the winning ones of each design, each once."""
    rows = [np.stack([mapping[name].ravel() for name in winners]) for mapping in (known, winners) if mapping]
    return dict(zip(winners, np.unique(np.concatenate(rows, axis=1), axis=1), strict=True))


@dataclass(frozen=True)
class Search:
    """The search on a few cells. A pair is a choice for a cell; pairs are sorted by cell, every cell has one.

    Choices of pairs hold the number of the cell as `cell`; keys, the costs by which pairs are compared, have the shape
    (*inner, pairs).
    """

    flow: Dataflow
    layer: Layer
    objective: str
    pins: Pins
    tree: Tree
    designs: Designs
    prices: Prices
    shape: tuple[int, ...]  # (*inner, cells)

    def best(self, choices: Mapping, known: Mapping) -> tuple[Mapping, int]:
        """The full choices of the cheapest mapping of each design, shape (*inner, cells); the most pairs at a time.

        `known` are full choices that may be good: they change how fast the search is, not what it finds.
        """
        pairs = self._paired(choices)
        keys, most = self._keys(choices, per_cell=True), length(pairs)
        to_beat: Keys = [np.full(self.shape, np.inf) for _ in keys]
        if known and is_open(self.flow, choices):
            to_beat = _least_by_cell(self._keys(known, per_cell=True), self._every_cell(known))
        while is_open(self.flow, pairs):
            to_beat = _lesser(to_beat, self._descent(pairs, keys))
            pairs = self._refined(pairs, self._within(pairs, keys, to_beat))
            keys, most = self._keys(pairs, per_cell=False), max(most, length(pairs))
        least = self._repeated(_least_by_cell(keys, pairs["cell"]), pairs)
        best = np.logical_and.reduce([key == value for key, value in zip(keys, least, strict=True)])
        place = np.where(best, np.arange(length(pairs)), length(pairs))
        index = np.minimum.reduceat(place, _starts(pairs["cell"]), axis=-1)
        return {name: values[index] for name, values in pairs.items() if name != "cell"}, most

    def completed(self, choices: Mapping) -> Mapping:
        """The mappings of full choices, one for each design."""
        designs = mapped_together(self.layer, self.designs)
        mapping = self.flow.complete(self.flow.geometry(self.layer), designs, self.prices.bits, choices, self.pins)
        return {name: np.broadcast_to(values, self.shape) for name, values in mapping.items()}

    def _paired(self, choices: Mapping) -> Mapping:
        """Every choice for every cell."""
        tiled = {name: np.tile(values, self.shape[-1]) for name, values in choices.items()}
        return {"cell": self._every_cell(choices)} | tiled

    def _every_cell(self, choices: Mapping) -> IntArray:
        """The number of each cell, once for every choice."""
        return np.repeat(np.arange(self.shape[-1]), length(choices))

    def _descent(self, pairs: Mapping, keys: Keys) -> Keys:
        """Keys of a full mapping per design, found by following the least bounds of each cell."""
        while is_open(self.flow, pairs):
            least = _least_by_cell(keys, pairs["cell"])
            pairs = self._refined(pairs, self._within(pairs, keys, least))
            keys = self._keys(pairs, per_cell=False)
        return _least_by_cell(keys, pairs["cell"])

    def _within(self, pairs: Mapping, keys: Keys, limit: Keys) -> BoolArray:
        """The pairs that may be no worse than the limit for a design of their cell."""
        *first, last = zip(keys, self._repeated([np.minimum(limit[0], MOST), *limit[1:]], pairs), strict=True)
        within = last[0] <= last[1]
        for key, value in reversed(first):
            within = (key < value) | ((key == value) & within)
        return np.asarray(within.reshape(-1, within.shape[-1]).any(axis=0))

    def _refined(self, pairs: Mapping, kept: BoolArray) -> Mapping:
        """Refinements of the pairs that are kept, and always of the smallest mapping of a cell."""
        kept[_starts(pairs["cell"])] = True
        chosen = {name: values[kept] for name, values in pairs.items()}
        return refined(self.flow, self.layer, self.tree, chosen, self.pins, self.prices.bits, self._designs_of)

    def _designs_of(self, pairs: Mapping) -> Designs:
        """The designs of pairs, as columns."""
        together = mapped_together(self.layer, self.designs)
        return columns(repeated(together, self._counts(pairs)), length(pairs))

    def _keys(self, choices: Mapping, per_cell: bool) -> Keys:
        """Costs, or bounds where choices are open, of every choice on every cell or of pairs, and what ties go by.

        The first is infinite where a mapping does not fit.
        """
        if per_cell:
            designs, prices = with_choices_axis(self.designs), with_choices_axis(self.prices)
        else:
            counts = self._counts(choices)
            designs, prices = repeated(self.designs, counts), repeated(self.prices, counts)
        together, flow = mapped_together(self.layer, designs), self.flow
        g = flow.geometry(self.layer)
        if is_open(self.flow, choices):
            traffic = flow.bound(g, together, prices.bits, choices, self.pins)
        else:
            mapping = flow.complete(g, together, prices.bits, choices, self.pins)
            traffic = flow.traffic(g, together, prices.bits, mapping)
        traffic = of_layer(self.layer, traffic, designs)
        cost, *ties = keys_of(self.objective, prices, traffic)
        values = [np.where(traffic.reason == FEASIBLE, cost, np.inf), *ties]
        shape = (*(self.shape if per_cell else self.shape[:-1]), length(choices))
        return [np.broadcast_to(value, shape).reshape(*self.shape[:-1], -1) for value in values]

    def _counts(self, pairs: Mapping) -> IntArray:
        """Pairs of each cell."""
        return np.bincount(pairs["cell"], minlength=self.shape[-1])

    def _repeated(self, values: Keys, pairs: Mapping) -> Keys:
        """Values of cells at each of their pairs."""
        counts = self._counts(pairs)
        return [np.repeat(value, counts, axis=-1) for value in values]


def _lesser(one: Keys, other: Keys) -> Keys:
    """Of each design the keys that come first, compared like words."""
    less, equal = np.zeros(one[0].shape, np.bool_), np.ones(one[0].shape, np.bool_)
    for a, b in zip(one, other, strict=True):
        less, equal = less | (equal & (a < b)), equal & (a == b)
    return [np.where(less, a, b) for a, b in zip(one, other, strict=True)]


def _least_by_cell(keys: Keys, cell: IntArray) -> Keys:
    """The keys of each cell that come first, compared like words."""
    starts = _starts(cell)
    counts = np.diff(starts, append=len(cell))
    least: Keys = []
    for key in keys:
        for before, value in zip(keys, least, strict=False):
            key = np.where(before == np.repeat(value, counts, axis=-1), key, np.inf)
        least.append(np.minimum.reduceat(key, starts, axis=-1))
    return least


def _starts(cell: IntArray) -> IntArray:
    """Where each cell begins."""
    return np.flatnonzero(np.diff(cell, prepend=-1))
