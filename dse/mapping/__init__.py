"""Mappings: how a layer is cut and laid out on each design, the best of all that its dataflow offers.

`search` finds them with numpy, at once; `compiled` finds the same ones, many times faster once it is compiled.
"""

from __future__ import annotations

from dse.mapping.bench import Bench
from dse.mapping.search import searched_mapping
from dse.technology import Technology
from dse.traffic import Mapping, Pins
from workloads.layer import Layer

FEW_CELLS = 4  # that are mapped before a search is compiled
MOST_MACS = 2**42  # of a layer for a batch: leaves 2^11 to what doubles count exactly


def best_mapping(bench: Bench, layer: Layer, objective: str, pins: Pins) -> Mapping:
    """The cheapest mapping of a layer per design; arrays of the shape of the designs."""
    if pins or bench.cells.count < FEW_CELLS or not is_compilable(layer, bench.designs.batch.max(), bench.technology):
        return searched_mapping(bench, layer, objective, pins)
    from dse.mapping.compiled.kernel import compiled_mapping

    return compiled_mapping(bench, layer, objective)


def is_compilable(layer: Layer, batch: int, technology: Technology) -> bool:
    """Whether the compiled search counts a layer exactly; shares of zeros are none of its numbers."""
    return not technology.sparsity.in_use and layer.macs * int(batch) <= MOST_MACS
