"""Layers and workloads: the shapes that every dataflow maps.

Letters, after Eyeriss (Chen et al., ISCA 2016, table I):
  C, M    ifmap channels and filters (= ofmap channels); both are totals over all groups
  H, W    height and width of the ifmap, without padding
  R, S    height and width of a filter
  E, F    height and width of the ofmap
  stride, padding, dilation   the same in both directions; padding is added on every side
  groups  each group sees C / groups channels and makes M / groups ofmap channels
  count   how many layers of this shape the network has

Kinds, all of them loop nests over the same letters:
  conv       convolution, dense or grouped
  depthwise  convolution with one channel per group: groups = C, and M is a multiple of C
  fc         fully connected: the filter covers the whole ifmap (R = H, S = W), so E = F = 1.
             A flattened input of n values is C = n, H = W = 1
  gemm       (m x k) times (k x n): the m rows are H, the reduction k is C, the n columns are M;
             W = R = S = 1. The k x n operand plays the filters. `groups` > 1 is a batch of
             independent products (attention heads), C and M again being totals

A convolution with unequal padding is written with the padded ifmap as H, W and padding 0.
Every quantity is an exact Python integer; `MAX_WORK` keeps what follows from it inside int64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from dse.errors import InputError, Problem, did_you_mean

Kind = Literal["conv", "depthwise", "fc", "gemm"]
KINDS: tuple[str, ...] = get_args(Kind)
SIZES = ("C", "H", "W", "M", "R", "S", "stride", "padding", "dilation", "groups", "count")
"""The integer fields of a layer, in the order of the CSV columns."""

MAX_SIZE = 2**31 - 1
MAX_WORK = 2**50
"""Most MACs and ifmap words of a workload: leaves a factor 2^13 to int64 for batch times operand bits."""


@dataclass(frozen=True)
class Layer:
    """One layer shape; see the module text for the letters. Raises InputError when it is impossible."""

    name: str
    kind: Kind
    C: int
    H: int
    W: int
    M: int
    R: int
    S: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        problems = [*value_problems(vars(self))] or [*_relation_problems(self)] or [*_limit_problems(self)]
        if problems:
            raise InputError(problems)

    @property
    def E(self) -> int:
        """Ofmap height: floor((H + 2 padding - dilation (R - 1) - 1) / stride) + 1."""
        return (self.H + 2 * self.padding - self.dilation * (self.R - 1) - 1) // self.stride + 1

    @property
    def F(self) -> int:
        """Ofmap width: floor((W + 2 padding - dilation (S - 1) - 1) / stride) + 1."""
        return (self.W + 2 * self.padding - self.dilation * (self.S - 1) - 1) // self.stride + 1

    @property
    def reduction_length(self) -> int:
        """Products summed into one output: (C / groups) R S."""
        return self.C // self.groups * self.R * self.S

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one instance for one ifmap (batch 1), padded zeros counted as operands."""
        return self.E * self.F * self.M * self.reduction_length

    @property
    def weights(self) -> int:
        """Filter words of one instance, without bias."""
        return self.M * self.reduction_length

    @property
    def ifmap_words(self) -> int:
        """Words of one unpadded ifmap, all channels."""
        return self.C * self.H * self.W

    @property
    def ofmap_words(self) -> int:
        """Words of one ofmap, all channels."""
        return self.M * self.E * self.F

    @property
    def shape(self) -> tuple[str | int, ...]:
        """Everything but name and count: layers of equal shape cost the same."""
        return (self.kind, *(getattr(self, size) for size in SIZES if size != "count"))


@dataclass(frozen=True)
class Workload:
    """A network as a list of MAC layers, with where it comes from and what its published total is.

    `published_gap` is the number of MACs that the published total counts and this table does not
    (for instance because it was printed for a variant), with its reason. `outside` names what of the
    network is not modelled. Raises InputError without layers or above `MAX_WORK` MACs.
    """

    name: str
    layers: tuple[Layer, ...]
    description: str = ""
    source: str = ""
    input: str = ""
    published_macs: int | None = None
    published_macs_source: str = ""
    published_gap: int = 0
    published_gap_reason: str = ""
    outside: str = ""

    def __post_init__(self) -> None:
        if not self.layers:
            raise InputError(Problem(f"workload {self.name}", "must have at least one layer"))
        if self.macs > MAX_WORK:
            rule = "must have at most 2^50 MACs in total"
            raise InputError(Problem(f"workload {self.name}", rule, self.macs))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs * layer.count for layer in self.layers)

    @property
    def weights(self) -> int:
        """Filter words of the network, without biases and normalization."""
        return sum(layer.weights * layer.count for layer in self.layers)

    def unique_layers(self) -> tuple[Layer, ...]:
        """Layers of equal shape merged: counts added, name and place of the first kept."""
        merged: dict[tuple[str | int, ...], Layer] = {}
        for layer in self.layers:
            same = merged.get(layer.shape)
            merged[layer.shape] = layer if same is None else replace(same, count=same.count + layer.count)
        return tuple(merged.values())


def value_problems(fields: Mapping[str, object]) -> Iterator[Problem]:
    """What is wrong with each field on its own, for those that are given. `Problem.path` is the field's name."""
    if "kind" in fields and fields["kind"] not in KINDS:
        yield Problem("kind", "unknown kind of layer", fields["kind"], did_you_mean(fields["kind"], KINDS))
    for size in (size for size in SIZES if size in fields):
        value, least = fields[size], 0 if size == "padding" else 1
        if type(value) is not int:
            yield Problem(size, "must be an integer", value)
        elif not least <= value <= MAX_SIZE:
            rule = f"must be at least {least}" if value < least else f"must be at most {MAX_SIZE}"
            yield Problem(size, rule, value)


def _relation_problems(layer: Layer) -> Iterator[Problem]:
    """Fields against each other, for a layer whose single fields are sound."""
    for size in ("C", "M"):
        if getattr(layer, size) % layer.groups:
            yield Problem("groups", f"must divide {size} = {getattr(layer, size)}", layer.groups)
    for size, required in _fixed_sizes(layer).items():
        if getattr(layer, size) != required:
            yield Problem(size, f"must be {required} in this {layer.kind} layer", getattr(layer, size))
    for size, kernel, ifmap in (("R", layer.R, layer.H), ("S", layer.S, layer.W)):
        extent, padded = layer.dilation * (kernel - 1) + 1, ifmap + 2 * layer.padding
        if extent > padded:
            rule = f"filter spans {extent} (dilation {layer.dilation}) and must fit the padded ifmap of {padded}"
            yield Problem(size, rule, kernel)


def _fixed_sizes(layer: Layer) -> dict[str, int]:
    """The values that a kind of layer prescribes."""
    plain = {"stride": 1, "padding": 0, "dilation": 1}
    match layer.kind:
        case "depthwise":
            return {"groups": layer.C}
        case "fc":
            return {"R": layer.H, "S": layer.W, "groups": 1, **plain}
        case "gemm":
            return {"W": 1, "R": 1, "S": 1, **plain}
        case _:
            return {}


def _limit_problems(layer: Layer) -> Iterator[Problem]:
    for what, amount in (("MACs", layer.macs), ("ifmap words", layer.ifmap_words)):
        if amount * layer.count > MAX_WORK:
            yield Problem("count", f"{what} times count must be at most 2^50", amount * layer.count)
