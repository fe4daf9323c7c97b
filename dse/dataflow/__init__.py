"""Dataflows: one file each, found by file name.

A dataflow module defines
    PE                              "spads" or "registers": which PE of the library its array is made of; the spad axes
                                    apply to "spads" only
    PARAMETERS                      names of its mapping parameters
    REASONS                         index -> why a design cannot run a layer ("" at 0)
    OPEN                            those that candidates leave open, in the order in which they are chosen
    candidates(layer, designs, pins) -> Mapping              choices to try, arrays of shape (k,), the smallest first
    refine(layer, designs, bits, choice, pins) -> Mapping    each choice with every value of its next open parameter
                                                             that may fit its design (columns, one a choice), in order
    complete(layer, designs, bits, choice, pins) -> Mapping  of full choices, the other parameters in closed form
    traffic(layer, designs, bits, mapping) -> Traffic        cycles and accesses
    bound(layer, designs, bits, choice, pins) -> Traffic     the same for open choices: what no refinement undercuts
The last three are element-wise. Choices depend on the layer alone, but for those that fit no design, and no count of a
full choice rises with a resource: so a larger design is never mapped worse.

Element-wise means `+ - * //`, `numpy.minimum/maximum/where/clip` and `ceil_div` only, so that scalars, columns and open
meshes go through the same formulas.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol, cast

from dse.space import Designs
from dse.traffic import Mapping, OperandBits, Pins, Traffic
from workloads.layer import Layer

PEKind = Literal["spads", "registers"]


class Dataflow(Protocol):
    """What a dataflow module provides; see the package docstring."""

    PE: PEKind
    PARAMETERS: tuple[str, ...]
    OPEN: tuple[str, ...]
    REASONS: tuple[str, ...]

    def candidates(self, layer: Layer, designs: Designs, pins: Pins) -> Mapping: ...

    def refine(self, layer: Layer, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Mapping: ...

    def bound(self, layer: Layer, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Traffic: ...

    def complete(self, layer: Layer, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Mapping: ...

    def traffic(self, layer: Layer, designs: Designs, bits: OperandBits, mapping: Mapping) -> Traffic: ...


@cache
def list_dataflows() -> tuple[str, ...]:
    """Names of the dataflows that exist, one per file of this package."""
    files = Path(__file__).parent.glob("*.py")
    return tuple(sorted(file.stem for file in files if not file.stem.startswith("_")))


@cache
def load_dataflow(name: str) -> Dataflow:
    """The dataflow module of that name."""
    return cast(Dataflow, import_module(f"dse.dataflow.{name}"))
