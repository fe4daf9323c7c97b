"""A compiled search of one layer, ready to run on any cells: machine code, and the choices it searches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from dse.mapping.bench import Bench, mapped_together
from dse.mapping.choices import Tree, length, refinements
from dse.mapping.compiled.machine import compiled
from dse.mapping.compiled.nest import (
    ARRAYS,
    KEPT,
    SCRATCH_ROWS,
    SIZES,
    Form,
    Formulas,
    assembly,
    cell_axes,
    layer_numbers,
    structure,
)  # fmt: skip
from dse.space import Designs, FloatArray
from dse.technology import Technology
from dse.traffic import Mapping
from workloads.layer import Layer

MARGINS = (2.0, 1.3, 1.1, 1.03)  # by which a choice must be better, in searches that only prepare others
CELLS_PER_CALL = 32
POOL = 256  # choices that are remembered
SHORTEST = 1024  # room for a list of choices or values, at least
Arrays = dict[str, FloatArray]


@dataclass(frozen=True)
class Program:
    """The search of a layer among the choices that the largest of some designs have."""

    form: Form
    of_layer: FloatArray
    of_choices: Arrays

    @classmethod
    def of(cls, bench: Bench, layer: Layer, objective: str, value_only: bool) -> Program:
        """For the designs of a bench, and any others that are not larger. With `value_only` it finds least costs."""
        flow, designs, together = bench.flow, bench.cell_designs, mapped_together(layer, bench.designs)
        g = flow.geometry(layer)
        choices, tree = flow.candidates(g, together, {}), refinements(flow, layer, together, {})
        tables, longest = _tables(choices, tree), SHORTEST
        while longest < max(length(choices), len(tables["firsts"])):
            longest *= 2
        form = Form(
            designs.dataflow, objective, value_only, tuple(choices), tuple(tree),
            tuple(name for name, options in tree.items() if options.prefix), cell_axes(designs),
            price_levels(designs.pe_type, designs.dataflow, bench.technology), structure(g), layer.kind == "matmul",
            longest, layer, designs, bench.cell_prices,
        )  # fmt: skip
        return cls(form, np.asarray(layer_numbers((bench.cell_prices.bits, g)), np.float64), tables)

    @property
    def smallest(self) -> FloatArray:
        """The first choice, with the first value of each open parameter."""
        choices, values, starts, tables = (self.of_choices[name] for name in ("choices", "values", "starts", "tables"))
        first_lists = starts[tables[:, 0].astype(np.int64)].astype(np.int64)
        return np.concatenate([choices[:, 0], values[first_lists]])

    def run(self, of_cells: Arrays, pool: FloatArray, margin: float = 1.0) -> Arrays:
        """Search; what it writes, for (cells, ..., widths, others): `won`, the full choice of each design, -1 where
        none fits; `best`, its costs; `kept`, its cycles and energy in pJ. Choices not better by `margin` may be left
        out. `pool`: choices that may be good; they change how fast the search is, not what it finds."""
        size, inner = len(of_cells["cells"]), of_cells["design_prices"].shape[-2:]
        arrays = {
            "margin": np.asarray([margin]), "layer": self.of_layer, "pool": pool.T,
            "scratch": np.empty((SCRATCH_ROWS, self.form.longest)), **self.of_choices, **of_cells,
            "best": np.full((size, self.form.keys, *inner), np.inf), "found": np.zeros((size, *inner)),
            "won": np.full((size, len(self.form.names), *inner), -1.0),
            "kept": np.full((size, len(KEPT), *inner), np.inf),
        }  # fmt: skip
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        choices = self.of_choices["choices"].shape[1]
        _function(self.form)(*(arrays[name].ctypes.data for name in ARRAYS), size, choices, len(pool), *inner)
        return arrays


def in_parts(program: Program, of_cells: Arrays, pool: FloatArray | None, margin: float = 1.0) -> Iterator[Arrays]:
    """What `run` writes for CELLS_PER_CALL cells at a time; what is best in some helps to search the next ones.

    Each part has the choices to begin another search with as `pool`.
    """
    pool = first_pool(program, of_cells) if pool is None else pool
    for low in range(0, len(of_cells["cells"]), CELLS_PER_CALL):
        part = {name: array[low : low + CELLS_PER_CALL] for name, array in of_cells.items()}
        written = program.run(part, pool, margin)
        pool = remembered(written, pool)
        yield written | {"pool": pool}


def first_pool(program: Program, of_cells: Arrays) -> FloatArray:
    """Choices that are good for the first cell, found in ever closer searches."""
    pool, first = np.empty((0, len(program.form.names))), {name: array[:1] for name, array in of_cells.items()}
    for margin in MARGINS:
        pool = remembered(program.run(first, pool, margin), pool)
    return pool


@cache
def _function(form: Form) -> Callable[..., None]:
    return compiled(assembly(Formulas.of(form)), "search", len(ARRAYS), len(SIZES))


def remembered(written: Arrays, pool: FloatArray) -> FloatArray:
    """The choices that were best most often, then those that were before, each once."""
    won = written["won"]
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


def _tables(choices: Mapping, tree: Tree) -> Arrays:
    """The choices; all values of the open parameters; where each list of them starts; which are the first of one; and
    the lists of each choice."""
    lists: list[Sequence[int]] = []
    of_choices = []
    for options in tree.values():
        numbers = {key: len(lists) + index for index, key in enumerate(options.values)}
        lists += options.values.values()
        keys = choices[options.by].tolist() if options.by else [0] * length(choices)
        of_choices.append([numbers[key] for key in keys])
    starts = np.cumsum([0, *map(len, lists)])
    firsts = np.zeros(starts[-1])
    firsts[starts[:-1]] = 1
    arrays = {
        "choices": np.stack(list(choices.values())), "values": np.concatenate([np.asarray(each) for each in lists]),
        "starts": starts, "firsts": firsts, "tables": np.asarray(of_choices),
    }  # fmt: skip
    return {name: np.ascontiguousarray(array, np.float64) for name, array in arrays.items()}


@cache
def price_levels(pe_type: str, dataflow: str, technology: Technology) -> tuple[tuple[str, ...], ...]:
    """Names of the prices that vary between cells only, with the GLB width, too, and with bandwidth or clock, too."""
    mesh = np.ix_([8, 16], [1.0, 2.0], [100.0, 200.0])
    axes = dict(zip(("glb_bytes_per_cycle", "dram_gb_s", "clock_mhz"), mesh, strict=True))
    prices = Bench.of(Designs.of(pe_type, dataflow, axes), technology).costs.prices
    levels: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name, value in vars(prices).items():
        if name not in ("bits", "sparsity"):
            shape = (1, 1, 1, *np.shape(value))[-3:]
            levels[2 if max(shape[1:]) > 1 else 1 if shape[0] > 1 else 0].append(name)
    return tuple(tuple(names) for names in levels)
