"""The tree of choices of a dataflow: the values of its open parameters, and choices refined by them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dse.dataflow import Dataflow, Options
from dse.space import BoolArray, Designs
from dse.traffic import Mapping, OperandBits, Pins
from workloads.layer import Layer

Tree = dict[str, Options]  # of the open parameters, in the order in which they are chosen


def refinements(flow: Dataflow, layer: Layer, designs: Designs, pins: Pins) -> Tree:
    """The values of all open parameters."""
    g = flow.geometry(layer)
    return {name: flow.options(g, designs, name, pins) for name in flow.OPEN}


def refined(
    flow: Dataflow, layer: Layer, tree: Tree, choice: Mapping, pins: Pins, bits: OperandBits,
    designs_of: Callable[[Mapping], Designs],
) -> Mapping:  # fmt: skip
    """Each choice with the values of the next open parameter that are worth trying on its design, in order.

    The first value always is one of them.
    """
    name = next(name for name in tree if name not in choice)
    grown, first = _with_each(choice, name, tree[name])
    tried = first | flow.offered(flow.geometry(layer), designs_of(grown), bits, grown, pins)
    return {key: held[tried] for key, held in grown.items()}


def _with_each(choice: Mapping, name: str, options: Options) -> tuple[Mapping, BoolArray]:
    """Each choice with all values of a parameter, and which of them are the first of a choice."""
    count = length(choice)
    keys = choice[options.by] if options.by else np.zeros(count, np.int64)
    known = np.asarray(list(options.values))
    order = np.argsort(known)
    lists = [np.asarray(options.values[key], np.int64) for key in known[order].tolist()]
    index = np.searchsorted(known[order], keys)
    lengths = np.asarray([len(values) for values in lists])
    counts, starts = lengths[index], (np.cumsum(lengths) - lengths)[index]
    before = np.cumsum(counts) - counts
    place = np.arange(counts.sum()) + np.repeat(starts - before, counts)
    first = np.zeros(len(place), np.bool_)
    first[before] = True
    grown = {key: np.repeat(held, counts) for key, held in choice.items()}
    return grown | {name: np.concatenate(lists)[place]}, first


def length(choices: Mapping) -> int:
    """How many choices there are."""
    return len(next(iter(choices.values())))


def is_open(flow: Dataflow, choice: Mapping) -> bool:
    """Whether parameters are still to be chosen."""
    return any(name not in choice for name in flow.OPEN)
