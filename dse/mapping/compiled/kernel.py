"""The compiled search on the designs of a bench: arrays in, mappings out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from dse.costs import costs
from dse.dataflow import load_dataflow
from dse.mapping.bench import Bench, mapped_together
from dse.mapping.choices import Tree, length, refinements
from dse.mapping.compiled.arrays import CellArrays
from dse.mapping.compiled.machine import compiled
from dse.mapping.compiled.nest import (
    ARRAYS,
    MASK_BITS,
    SCRATCH_ROWS,
    SIZES,
    Form,
    Formulas,
    assembly,
    cell_axes,
    layer_numbers,
    structure,
)
from dse.space import Designs, FloatArray, IntArray
from dse.technology import Technology
from dse.traffic import Mapping
from workloads.layer import Layer

CELLS_PER_CALL = 16  # what was best in some cells helps to search the next ones
POOL = 256  # choices that are remembered
SHORTEST = 1024  # room for a list of choices or values, at least
MARGINS = (2.0, 1.3, 1.1, 1.03, 1.0)  # the first cell is searched for what is that much better, then for the best


def compiled_mapping(bench: Bench, layer: Layer, objective: str) -> Mapping:
    """The cheapest mapping of a layer per design; arrays of the shape of the designs."""
    flow, cells = bench.flow, bench.cells
    g, together = flow.geometry(layer), mapped_together(layer, bench.designs)
    choices = flow.candidates(g, together, {})
    tree = refinements(flow, layer, together, {})
    search = _Search.of(bench, layer, objective, choices, tree)
    won = search.best_choices()
    smallest = _smallest(choices, tree)
    won = np.where(won[:, :1] < 0, smallest[:, None, None], won).astype(np.int64)
    full = {name: search.arrays.restored(won[:, index]) for index, name in enumerate(search.form.names)}
    mapping = flow.complete(g, mapped_together(layer, bench.cell_designs), bench.cell_prices.bits, full, {})
    shape = (*cells.inner_shape, cells.count)
    return {name: cells.restored(np.broadcast_to(values, shape)) for name, values in mapping.items()}


@dataclass(frozen=True)
class _Search:
    """A compiled search with the arrays it reads; see `nest`."""

    form: Form
    arrays: CellArrays
    of_layer: FloatArray
    of_cells: dict[str, FloatArray]
    of_choices: dict[str, FloatArray]

    @classmethod
    def of(cls, bench: Bench, layer: Layer, objective: str, choices: Mapping, tree: Tree) -> _Search:
        designs, g, arrays = bench.cell_designs, bench.flow.geometry(layer), CellArrays.of(bench)
        tables, longest = _tables(choices, tree), SHORTEST
        while longest < max(length(choices), len(tables["firsts"])):
            longest *= 2
        form = Form(
            designs.dataflow, objective, (tuple(choices), *(tuple(group) for group in tree)),
            tuple(tuple(group) for group in tree if next(iter(group.values())).prefix), cell_axes(designs),
            price_levels(designs.pe_type, designs.dataflow, bench.technology), structure(g), layer.kind == "matmul",
            longest, layer, designs, bench.cell_prices,
        )  # fmt: skip
        of_cells = {"cells": arrays.axes(mapped_together(layer, designs), form.axes), "widths": arrays.widths()}
        of_layer = np.asarray(layer_numbers((bench.cell_prices.bits, g)), np.float64)
        return cls(form, arrays, of_layer, of_cells | arrays.prices(form.prices), tables)

    def best_choices(self) -> FloatArray:
        """Of each cell, the full choices of its designs, -1 where none fits: (cells, names, widths, others)."""
        widths, others = self.arrays.inner
        won = np.empty((self.arrays.cells, len(self.form.names), widths, others))
        width_step = min(widths, MASK_BITS)
        other_step = MASK_BITS // width_step
        for w, d in product(range(0, widths, width_step), range(0, others, other_step)):
            some, rest = slice(w, w + width_step), slice(d, d + other_step)
            won[:, :, some, rest] = self._best_of(some, rest)
        return won

    def _best_of(self, widths: slice, others: slice) -> FloatArray:
        """The same for some designs of every cell, as many as a mask has bits."""
        arrays = self.of_cells | {
            "widths": self.of_cells["widths"][:, widths], "width_prices": self.of_cells["width_prices"][..., widths],
            "design_prices": self.of_cells["design_prices"][..., widths, others],
        }  # fmt: skip
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        pool = np.empty((0, len(self.form.names)))
        for margin in MARGINS[:-1]:
            pool = _remembered(self._searched(arrays, slice(0, 1), pool, margin), pool)
        won = []
        for low in range(0, self.arrays.cells, CELLS_PER_CALL):
            part = slice(low, min(low + CELLS_PER_CALL, self.arrays.cells))
            won.append(self._searched(arrays, part, pool, MARGINS[-1]))
            pool = _remembered(won[-1], pool)
        return np.concatenate(won)

    def _searched(self, of_cells: dict[str, FloatArray], part: slice, pool: FloatArray, margin: float) -> FloatArray:
        size, inner, names = part.stop - part.start, of_cells["design_prices"].shape[-2:], len(self.form.names)
        won = np.full((size, names, *inner), -1.0)
        arrays = {
            "margin": np.asarray([margin]), "layer": self.of_layer, "pool": np.ascontiguousarray(pool.T),
            "scratch": np.empty((SCRATCH_ROWS, self.form.longest)), **self.of_choices,
            **{name: array[part] for name, array in of_cells.items()},
            "best": np.full((size, self.form.keys, *inner), np.inf), "found": np.zeros((size, *inner)), "won": won,
        }  # fmt: skip
        lengths = (self.of_choices[name].shape[1] for name in ("choices", "values"))
        _function(self.form)(*(arrays[name].ctypes.data for name in ARRAYS), size, *lengths, len(pool), *inner)
        return won


@cache
def _function(form: Form) -> Callable[..., None]:
    return compiled(assembly(Formulas.of(form)), "search", len(ARRAYS), len(SIZES))


def _remembered(won: FloatArray, pool: FloatArray) -> FloatArray:
    """The choices that were best most often, then those that were before, each once."""
    winners = won.transpose(0, 2, 3, 1).reshape(-1, won.shape[1])
    winners = winners[winners[:, 0] >= 0]
    _, index, counts = np.unique(_hash(winners), return_index=True, return_counts=True)
    ordered = np.concatenate([winners[index[np.argsort(-counts, kind="stable")]], pool])
    first = np.unique(_hash(ordered), return_index=True)[1]
    return ordered[np.sort(first)[:POOL]]


def _hash(choices: FloatArray) -> FloatArray:
    """A number for each choice; should two choices share one, the search finds the same more slowly."""
    hashes: FloatArray = choices @ np.sqrt(np.arange(2, 2 + choices.shape[1]))
    return hashes


def _smallest(choices: Mapping, tree: Tree) -> IntArray:
    """The first choice with the first value of each open parameter."""
    first = {name: int(values[0]) for name, values in choices.items()}
    for name, options in ((name, options) for group in tree for name, options in group.items()):
        first[name] = options.values[first[options.by] if options.by else 0][0]
    return np.asarray(list(first.values()))


def _tables(choices: Mapping, tree: Tree) -> dict[str, FloatArray]:
    """The choices; the values of all groups, each parameter in a row; where each list of them starts; which are the
    first of one; and the lists of each choice."""
    rows, of_choices = max(map(len, tree)), []
    lists: list[list[tuple[int, ...]]] = []
    for group in tree:
        by = next((options.by for options in group.values() if options.by), None)
        keys = choices[by].tolist() if by else [0] * length(choices)
        numbers = {key: len(lists) + index for index, key in enumerate(dict.fromkeys(keys))}
        for key in numbers:
            every = product(*(options.values[key if options.by else 0] for options in group.values()))
            lists.append([(*values, *[0] * (rows - len(values))) for values in every])
        of_choices.append([numbers[key] for key in keys])
    starts = np.cumsum([0, *map(len, lists)])
    firsts = np.zeros(starts[-1])
    firsts[starts[:-1]] = 1
    arrays = {
        "choices": np.stack(list(choices.values())), "values": np.concatenate(lists).T, "starts": starts,
        "firsts": firsts, "tables": np.asarray(of_choices),
    }  # fmt: skip
    return {name: np.ascontiguousarray(array, np.float64) for name, array in arrays.items()}


@cache
def price_levels(pe_type: str, dataflow: str, technology: Technology) -> tuple[tuple[str, ...], ...]:
    """Names of the prices that vary between cells only, with the GLB width, too, and with bandwidth or clock, too."""
    mesh = np.ix_([8, 16], [1.0, 2.0], [100.0, 200.0])
    axes = dict(zip(("glb_bytes_per_cycle", "dram_gb_s", "clock_mhz"), mesh, strict=True))
    designs = Designs.of(pe_type, dataflow, axes)
    designs = designs if load_dataflow(dataflow).PE == "spads" else designs.without_spads()
    levels: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name, value in vars(costs(designs, technology).prices).items():
        if name not in ("bits", "sparsity"):
            shape = (1, 1, 1, *np.shape(value))[-3:]
            levels[2 if max(shape[1:]) > 1 else 1 if shape[0] > 1 else 0].append(name)
    return tuple(tuple(names) for names in levels)
