"""Dataflows: one file each, found by file name.

A dataflow module defines
    PE                              "spads" or "registers": which PE of the library its array is made of; the spad axes
                                    apply to "spads" only
    PARAMETERS                      names of its mapping parameters
    REASONS                         index -> why a design cannot run a layer ("" at 0)
    OPEN                            those that candidates leave open, in the order in which they are chosen
    geometry(layer) -> G                                  what the formulas need of a layer: a frozen dataclass of ints
    candidates(g, designs, pins) -> Mapping               choices to try, arrays of shape (k,), the smallest first
    options(g, designs, name, pins) -> Options            all values of an open parameter, the smallest first
    offered(g, designs, bits, choice, pins) -> bool       whether the last value chosen is worth trying on the design
    complete(g, designs, bits, choice, pins) -> Mapping   of full choices, the other parameters in closed form
    traffic(g, designs, bits, mapping) -> Traffic         cycles and accesses
    bound(g, designs, bits, choice, pins) -> Traffic      the same for open choices: what no refinement undercuts
The last four are element-wise. Choices depend on the layer alone, but for those that fit no design, and no count of a
full choice rises with a resource, so a larger design is never mapped worse; but that hops between PEs of registers may
rise with rows and columns (docs/laws.md).

Element-wise means `+ - * //`, `numpy.minimum/maximum/where/clip` and `ceil_div` only, so that scalars, columns and open
meshes go through the same formulas.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from dse.space import Designs
from dse.traffic import Count, Mapping, OperandBits, Pins, Traffic
from workloads.layer import Layer

PEKind = Literal["spads", "registers"]


@dataclass(frozen=True)
class Options:
    """Values of a parameter in the order in which they are tried, by the value of an earlier one that `by` names, or 0.

    `prefix`: what is worth trying on a design is a beginning of each list.
    """

    values: MappingType[int, Sequence[int]]
    by: str | None = None
    prefix: bool = True


class Dataflow(Protocol):
    """What a dataflow module provides; see the package docstring."""

    PE: PEKind
    PARAMETERS: tuple[str, ...]
    OPEN: tuple[str, ...]
    REASONS: tuple[str, ...]

    def geometry(self, layer: Layer) -> Any: ...

    def candidates(self, g: Any, designs: Designs, pins: Pins) -> Mapping: ...

    def options(self, g: Any, designs: Designs, name: str, pins: Pins) -> Options: ...

    def offered(self, g: Any, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Count: ...

    def bound(self, g: Any, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Traffic: ...

    def complete(self, g: Any, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Mapping: ...

    def traffic(self, g: Any, designs: Designs, bits: OperandBits, mapping: Mapping) -> Traffic: ...


@cache
def list_dataflows() -> tuple[str, ...]:
    """Names of the dataflows that exist, one per file of this package."""
    files = Path(__file__).parent.glob("*.py")
    return tuple(sorted(file.stem for file in files if not file.stem.startswith("_")))


@cache
def load_dataflow(name: str) -> Dataflow:
    """The dataflow module of that name."""
    return cast(Dataflow, import_module(f"dse.dataflow.{name}"))
