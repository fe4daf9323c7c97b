"""The branch and bound of `dse.mapping.search` on one layer as a function over many cells.

Loops, outermost first: cells; choices; the values of each open parameter. At each of these levels all values
are priced first, in loops that the processor runs on several values at once: what they cost on the chip, then by GLB
width, then by DRAM bandwidth and clock. A value is left where its bound is above the best that every design of the cell
has so far; the others are refined one by one. Before the choices, full ones that were best in other cells are priced,
so that there is something to beat; the first in the order of the choices that costs no more takes their place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import count
from typing import Any

from dse.dataflow import Dataflow, load_dataflow
from dse.mapping.bench import keys_of, of_layer
from dse.mapping.cells import INNER_AXES
from dse.mapping.compiled.graph import Graph, Symbol
from dse.mapping.compiled.loops import DOUBLE, INDEX, INNER, LoopNest, Token, Value
from dse.prices import Prices
from dse.space import NUMERIC_AXES, Designs
from dse.traffic import FEASIBLE, Traffic
from workloads.layer import Layer

CELL, CHOICE = 1, 2  # levels of loops
ARRAYS = (
    "margin", "layer", "cells", "widths", "cell_prices", "width_prices", "design_prices", "choices", "pool", "tables",
    "starts", "values", "firsts", "scratch", "best", "found", "won", "kept",
)  # fmt: skip
SIZES = ("n_cells", "n_choices", "n_pool", "n_widths", "n_designs")
KEPT = ("cycles", "energy_pj")  # of the best mapping
SCRATCH_ROWS = 96
MASK_BITS = 64  # most designs of a cell that are searched together
FITS, ALIVE = 0, 1  # rows of the scratch; behind ALIVE one for each level


@dataclass(frozen=True)
class Form:
    """On what the function depends. Forms of layers that differ in their numbers alone are equal."""

    dataflow: str
    objective: str
    value_only: bool  # find the least cost, not the mapping that is the first to have it
    coarse: tuple[str, ...]  # parameters of a choice
    open: tuple[str, ...]  # those behind them
    prefixes: tuple[str, ...]  # open ones whose values that are worth trying come first
    axes: tuple[str, ...]  # of a cell
    prices: tuple[tuple[str, ...], ...]  # those that vary with the cell; with the GLB width, too; with the rest, too
    structure: Any  # of the geometry
    repeated: bool  # the images of a batch run one after another
    longest: int  # list of choices or values
    layer: Layer = field(compare=False)
    designs: Designs = field(compare=False)
    one_price: Prices = field(compare=False)

    @property
    def keys(self) -> int:
        """How many costs are compared."""
        return 3 if self.objective == "latency" and not self.value_only else 1

    @property
    def names(self) -> tuple[str, ...]:
        """All parameters of a full choice."""
        return self.coarse + self.open


def cell_axes(designs: Designs) -> tuple[str, ...]:
    """Axes of which each cell has one value, in the order of the array `cells`."""
    return tuple(axis.name for axis in NUMERIC_AXES if axis.name not in INNER_AXES and designs.has(axis.name))


def structure(value: Any) -> Any:
    """A dataclass of integers as nested tuples without the integers."""
    if is_dataclass(value):
        return tuple(structure(getattr(value, field.name)) for field in fields(value))
    return tuple(structure(each) for each in value) if isinstance(value, tuple) else None


def layer_numbers(value: Any) -> list[int]:
    """All integers in a dataclass, in the order of the array `layer`."""
    if is_dataclass(value):
        return [number for field in fields(value) for number in layer_numbers(getattr(value, field.name))]
    return [number for each in value for number in layer_numbers(each)] if isinstance(value, tuple) else [value]


@dataclass(frozen=True)
class Formulas:
    """The formulas of a form, called with symbols."""

    form: Form
    flow: Dataflow
    graph: Graph
    g: Any
    designs: Designs
    prices: Prices
    times: Any  # that the layer runs for a batch; behind the axes of the cell

    @classmethod
    def of(cls, form: Form) -> Formulas:
        """Symbols in place of the numbers of a layer, of designs and of prices."""
        graph, flow, place = Graph(), load_dataflow(form.dataflow), count()
        of_layer = form.one_price.bits, flow.geometry(form.layer)
        bits, g = _with_symbols(of_layer, lambda: graph.input("int", 0, "layer", next(place)))
        axes: dict[str, Any] = {name: graph.input("int", CELL, "cells", "c", i) for i, name in enumerate(form.axes)}
        axes["glb_bytes_per_cycle"] = graph.input("int", INNER, "widths", "c", "w")
        found: dict[str, Any] = {"bits": bits}
        for array, level, index, names in zip(
            ("cell_prices", "width_prices", "design_prices"), (CELL, INNER, INNER + 1), ((), ("w",), ("w", "d")),
            form.prices, strict=True,
        ):  # fmt: skip
            found |= {name: graph.input("float", level, array, "c", i, *index) for i, name in enumerate(names)}
        times = graph.input("int", CELL, "cells", "c", len(form.axes))
        return cls(form, flow, graph, g, replace(form.designs, **axes), replace(form.one_price, **found), times)

    def parameters(self, names: tuple[str, ...], array: str) -> dict[str, Any]:
        """Parameters of a choice as elements of the rows of an array."""
        return {name: self.graph.input("int", CHOICE, array, row, f"i{CHOICE}") for row, name in enumerate(names)}

    def offered(self, choice: dict[str, Any]) -> Symbol:
        """Whether the last value chosen is worth trying."""
        return self.graph.lift(self.flow.offered(self.g, self.designs, self.prices.bits, choice, {}))

    def keys(self, choice: dict[str, Any]) -> tuple[Symbol, list[Symbol]]:
        """Whether a choice fits, and its costs: bounds while parameters are open."""
        traffic = self._traffic(choice)
        costs = keys_of(self.form.objective, self.prices, traffic)
        return self.graph.lift(traffic.reason) == FEASIBLE, [self.graph.lift(cost) for cost in costs[: self.form.keys]]

    def kept(self, choice: dict[str, Any]) -> list[Symbol]:
        """What is kept of a full choice: KEPT."""
        traffic = self._traffic(choice)
        cycles = self.prices.total_cycles(traffic)
        return [self.graph.lift(cycles), self.graph.lift(self.prices.total_energy_pj(traffic, cycles))]

    def _traffic(self, choice: dict[str, Any]) -> Traffic:
        known = self.g, self.designs, self.prices.bits
        if any(name not in choice for name in self.form.names):
            traffic = self.flow.bound(*known, choice, {})
        else:
            traffic = self.flow.traffic(*known, self.flow.complete(*known, choice, {}))
        return of_layer(self.form.layer, traffic, replace(self.designs, batch=self.times))


def _with_symbols(value: Any, symbol: Callable[[], Symbol]) -> Any:
    """A dataclass with a symbol for each integer in it."""
    if is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: _with_symbols(getattr(value, field.name), symbol) for field in fields(value)}
        return replace(value, **changed)
    return tuple(_with_symbols(each, symbol) for each in value) if isinstance(value, tuple) else symbol()


def assembly(formulas: Formulas) -> str:
    """The function `search` in LLVM assembly. Its arguments are pointers to ARRAYS, all of doubles, and SIZES."""
    form = formulas.form
    designs: tuple[Token, ...] = ("n_widths", "n_designs")
    extents: dict[str, tuple[Token, ...]] = {
        "cells": ("n_cells", len(form.axes) + 1), "widths": ("n_cells", "n_widths"),
        "cell_prices": ("n_cells", len(form.prices[0])), "width_prices": ("n_cells", len(form.prices[1]), "n_widths"),
        "design_prices": ("n_cells", len(form.prices[2]), *designs), "choices": (0, "n_choices"), "pool": (0, "n_pool"),
        "tables": (0, "n_choices"), "scratch": (SCRATCH_ROWS, form.longest),
        "best": ("n_cells", form.keys, *designs), "found": ("n_cells", *designs),
        "won": ("n_cells", len(form.names), *designs), "kept": ("n_cells", len(KEPT), *designs),
    }  # fmt: skip
    nest = LoopNest(formulas.graph, "search", {name: extents.get(name, (0,)) for name in ARRAYS}, SIZES)
    nest.named["margin"] = nest.here.load(nest.named["margin"])
    nest.open("c", INDEX(0), nest.whole("n_cells"))
    pooled = formulas.parameters(form.names, "pool")
    _price_pool(nest, formulas, pooled)
    chosen = formulas.parameters(form.coarse, "choices")
    _search_level(nest, formulas, {}, chosen, INDEX(0), nest.whole("n_choices"), INDEX(-1))
    nest.close()
    return nest.finish()


def _price_pool(nest: LoopNest, formulas: Formulas, choice: dict[str, Any]) -> None:
    """What choices that were best elsewhere cost here."""
    fits, costs = formulas.keys(choice)
    start, end = INDEX(0), nest.whole("n_pool")

    def keep_least() -> None:
        values = [nest.number(cost) for cost in costs]
        is_fit = nest.is_set(FITS, f"i{CHOICE}")
        less = nest.here.and_(is_fit, _before(nest, values, or_equal=False))
        nest.do_if(less, lambda: _store(nest, "best", values))

    nest.store_rows(CHOICE, start, end, {FITS: fits}, costs, ALIVE + 1 + len(formulas.form.open))
    nest.for_each_design(CHOICE, start, end, costs, keep_least, INDEX(-1), at_once=False)


def _search_level(
    nest: LoopNest, formulas: Formulas, before: dict[str, Any], chosen: dict[str, Any], start: Value, end: Value,
    mask: Value,
) -> None:  # fmt: skip
    """Branch and bound over choices or values of an open parameter, and for each that is alive over the next one."""
    choice, open_names = before | chosen, formulas.form.open
    depth = sum(name in choice for name in open_names)
    level, alive = CHOICE + depth, ALIVE + depth
    counter = f"i{level}"
    fits, costs = formulas.keys(choice)
    if before:
        fits = fits & (formulas.offered(choice) | (formulas.graph.input("int", level, "firsts", counter) == 1))
    rows = {FITS: fits, alive: formulas.graph.lift(False)}
    nest.store_rows(level, start, end, rows, costs, ALIVE + 1 + len(open_names))

    def mark() -> None:
        first, *ties = (nest.number(cost) for cost in costs)
        hit = _before(nest, [nest.here.fmul(first, nest.named["margin"]), *ties], or_equal=not formulas.form.value_only)
        nest.add_if(nest.here.and_(hit, nest.is_set(FITS, counter)), nest.bit_of_design(), alive, counter)

    nest.for_each_design(level, start, end, costs, mark, mask, at_once=True)
    nest.open(counter, start, end)
    mask = nest.here.load(nest.mask_at(alive, counter))
    nest.next_if(nest.is_none(mask, INDEX(-1)))
    if depth < len(open_names):
        name = open_names[depth]
        row = _index(nest, "tables", depth, f"i{CHOICE}")
        nest.named["row"], nest.named["next_row"] = row, nest.here.add(row, INDEX(1))
        low, high = _index(nest, "starts", "row"), _index(nest, "starts", "next_row")
        chosen = {name: formulas.graph.input("int", level + 1, "values", f"i{level + 1}")}
        if name in formulas.form.prefixes:
            high = nest.first_unset(level + 1, low, high, formulas.offered(choice | chosen))
        _search_level(nest, formulas, choice, chosen, low, high, mask)
    else:
        kept = formulas.kept(choice)
        _keep_best(nest, costs, kept, list(choice.values()), mask, formulas.form.value_only)
    nest.close()


def _keep_best(
    nest: LoopNest, costs: list[Symbol], kept: list[Symbol], parameters: list[Any], mask: Value, value_only: bool
) -> None:
    """Remember a full choice for the designs of a mask for which it is the best so far, or the first of the best."""
    chosen = [nest.number(parameter) for parameter in parameters]
    nest.inner = len(nest.loops)
    nest.open("w", INDEX(0), nest.whole("n_widths"))
    nest.next_if(nest.is_none(mask, nest.bits_of_width()))
    nest.open("d", INDEX(0), nest.whole("n_designs"))
    nest.next_if(nest.is_none(mask, nest.bit_of_design()))
    values, totals = [nest.number(cost) for cost in costs], [nest.number(total) for total in kept]
    is_new = nest.here.fcmp_ordered("==", nest.here.load(nest.address("found", "c", "w", "d")), DOUBLE(0))
    better = _before(nest, values, or_equal=False)
    equal = nest.here.and_(is_new, _before(nest, values, or_equal=True))

    def keep() -> None:
        _store(nest, "best", values)
        _store(nest, "won", chosen)
        _store(nest, "kept", totals)
        nest.here.store(DOUBLE(1), nest.address("found", "c", "w", "d"))

    nest.do_if(better if value_only else nest.here.or_(better, equal), keep)
    nest.close()
    nest.close()


def _index(nest: LoopNest, array: str, *index: Token) -> Value:
    return nest.here.fptosi(nest.here.load(nest.address(array, *index)), INDEX)


def _before(nest: LoopNest, values: list[Value], or_equal: bool) -> Value:
    """Whether costs come before the best ones of the design, compared like words."""
    at = nest.here
    best = [at.load(nest.address("best", "c", key, "w", "d")) for key in range(len(values))]
    found = at.fcmp_ordered("<=" if or_equal else "<", values[-1], best[-1])
    for value, least in zip(values[-2::-1], best[-2::-1], strict=True):
        equal = at.and_(at.fcmp_ordered("==", value, least), found)
        found = at.or_(at.fcmp_ordered("<", value, least), equal)
    return found


def _store(nest: LoopNest, array: str, values: list[Value]) -> None:
    """Values of the design, one for each number of the second index."""
    for index, value in enumerate(values):
        nest.here.store(value, nest.address(array, "c", index, "w", "d"))
