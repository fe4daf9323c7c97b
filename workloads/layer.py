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
             independent products, C and M again being totals
  matmul     as gemm, but both operands are activations (attention: queries times keys, scores
             times values): the k x n operand is another one for every image of a batch and
             does not belong to the weights of the network

A transposed convolution is several convolutions: `workloads.transposed`.
`pad_bottom` and `pad_right` are padding beyond `padding` at one edge; no count depends on which.
`ifmap_zeros`, `ofmap_zeros`: share of zeros among the words of a feature map, 0 where unknown.
Every quantity is an exact Python integer; `MAX_WORK` keeps what follows from it inside int64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from dse.errors import InputError, Problem, did_you_mean

Kind = Literal["conv", "depthwise", "fc", "gemm", "matmul"]
KINDS: tuple[str, ...] = get_args(Kind)
SIZES = ("C", "H", "W", "M", "R", "S", "stride", "padding", "dilation", "groups", "count")
"""The integer fields of a layer, in the order of the CSV columns."""
EDGES = ("pad_bottom", "pad_right")
SHARES = ("ifmap_zeros", "ofmap_zeros")
OPTIONS = (*EDGES, *SHARES)
"""Fields that may be left out; they are then 0."""
_MAY_BE_ZERO = ("padding", "output_padding", *EDGES)

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
    pad_bottom: int = 0
    pad_right: int = 0
    ifmap_zeros: float = 0.0
    ofmap_zeros: float = 0.0

    def __post_init__(self) -> None:
        problems = [*value_problems(vars(self))] or [*_relation_problems(self)] or [*_limit_problems(self)]
        if problems:
            raise InputError(problems)

    @property
    def E(self) -> int:
        """Ofmap height: floor((padded height - dilation (R - 1) - 1) / stride) + 1."""
        return (self.padded_height - self.dilation * (self.R - 1) - 1) // self.stride + 1

    @property
    def F(self) -> int:
        """Ofmap width: floor((padded width - dilation (S - 1) - 1) / stride) + 1."""
        return (self.padded_width - self.dilation * (self.S - 1) - 1) // self.stride + 1

    @property
    def padded_height(self) -> int:
        """Rows of the padded ifmap: H + 2 padding + pad_bottom."""
        return self.H + 2 * self.padding + self.pad_bottom

    @property
    def padded_width(self) -> int:
        """Columns of the padded ifmap: W + 2 padding + pad_right."""
        return self.W + 2 * self.padding + self.pad_right

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
        """Filter words of one instance, without bias; in a matmul those of the k x n operand."""
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
    def shape(self) -> tuple[str | int | float, ...]:
        """Everything but name and count: layers of equal shape cost the same."""
        return (self.kind, *(getattr(self, name) for name in (*SIZES, *OPTIONS) if name != "count"))


@dataclass(frozen=True)
class Accuracy:
    """Top-1 accuracy of a network with the operands of a PE type, percent, and its standard error where it is known.

    `evidence` and `source` say where it comes from (`workloads.accuracies`), those of one `origin` compare; it is the
    mean of `runs` trainings.
    `drop_percent`: below FP32's of the same network and evidence, negative where above; with measured values over the
    seeds that both have, so that its error is that of a paired difference.
    """

    pe_type: str
    dataset: str
    percent: float
    error_percent: float | None
    evidence: str
    source: str
    runs: int = 1
    drop_percent: float | None = None
    drop_error_percent: float | None = None
    origin: str = ""


@dataclass(frozen=True)
class Workload:
    """A network as a list of MAC layers, with where it comes from and what its published total is.

    `published_gap` is the number of MACs that the published total counts and this table does not
    (for instance because it was printed for a variant), with its reason. `outside` names what of the
    network is not modelled. `accuracies` has one value per PE type at most. Raises InputError without layers
    or above `MAX_WORK` MACs.
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
    accuracies: tuple[Accuracy, ...] = ()

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
        """Weights of the network, without biases and normalization."""
        return sum(layer.weights * layer.count for layer in self.layers if layer.kind != "matmul")

    @property
    def states_zeros(self) -> bool:
        """Whether any layer has a share of zeros."""
        return any(layer.ifmap_zeros or layer.ofmap_zeros for layer in self.layers)

    def accuracy(self, pe_type: str) -> Accuracy | None:
        """Its accuracy with the operands of a PE type, None where that is not known."""
        return next((each for each in self.accuracies if each.pe_type == pe_type), None)

    def accuracy_and_drop(self, pe_type: str) -> tuple[float, float]:
        """Its accuracy with the operands of a PE type, and how far that is below FP32's, percent; NaN if not known."""
        known = self.accuracy(pe_type)
        values = (None, None) if known is None else (known.percent, known.drop_percent)
        return (math.nan if values[0] is None else values[0], math.nan if values[1] is None else values[1])

    @property
    def dataset(self) -> str:
        """What all its accuracies were measured on; accuracies on different data do not compare."""
        return self.accuracies[0].dataset if self.accuracies else ""

    def only(self, names: Sequence[str]) -> Workload:
        """The named layers alone; what was published of the whole network is left out. Raises InputError."""
        known = [layer.name for layer in self.layers]
        unknown = [name for name in names if name not in known]
        if unknown:
            rule = f"must be a layer of {self.name}"
            raise InputError([Problem("--layer", rule, name, did_you_mean(name, known)) for name in unknown])
        layers = tuple(layer for layer in self.layers if layer.name in names)
        name = f"{self.name} ({', '.join(layer.name for layer in layers)})"
        unpublished = replace(self, published_macs=None, published_gap=0, published_gap_reason="", accuracies=())
        return replace(unpublished, name=name, layers=layers)

    def unique_layers(self) -> tuple[Layer, ...]:
        """Layers of equal shape merged: counts added, name and place of the first kept."""
        merged: dict[tuple[str | int | float, ...], Layer] = {}
        for layer in self.layers:
            same = merged.get(layer.shape)
            merged[layer.shape] = layer if same is None else replace(same, count=same.count + layer.count)
        return tuple(merged.values())


def value_problems(fields: Mapping[str, object], kinds: tuple[str, ...] = KINDS) -> Iterator[Problem]:
    """What is wrong with each field on its own, for those that are given. `Problem.path` is the field's name."""
    if "kind" in fields and fields["kind"] not in kinds:
        yield Problem("kind", "unknown kind of layer", fields["kind"], did_you_mean(fields["kind"], kinds))
    for size in (size for size in (*SIZES, "output_padding", *EDGES) if size in fields):
        value, least = fields[size], 0 if size in _MAY_BE_ZERO else 1
        if type(value) is not int:
            yield Problem(size, "must be an integer", value)
        elif not least <= value <= MAX_SIZE:
            rule = f"must be at least {least}" if value < least else f"must be at most {MAX_SIZE}"
            yield Problem(size, rule, value)
    for name in (name for name in SHARES if name in fields):
        share = fields[name]
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            yield Problem(name, "must be a share from 0 to 1", share)


def group_problems(C: int, M: int, groups: int) -> Iterator[Problem]:
    """Channels and filters must be shared out evenly."""
    for size, total in (("C", C), ("M", M)):
        if total % groups:
            yield Problem("groups", f"must divide {size} = {total}", groups)


def _relation_problems(layer: Layer) -> Iterator[Problem]:
    """Fields against each other, for a layer whose single fields are sound."""
    yield from group_problems(layer.C, layer.M, layer.groups)
    for size, required in _fixed_sizes(layer).items():
        if getattr(layer, size) != required:
            yield Problem(size, f"must be {required} in this {layer.kind} layer", getattr(layer, size))
    for size, kernel, padded in (("R", layer.R, layer.padded_height), ("S", layer.S, layer.padded_width)):
        extent = layer.dilation * (kernel - 1) + 1
        if extent > padded:
            rule = f"filter spans {extent} (dilation {layer.dilation}) and must fit the padded ifmap of {padded}"
            yield Problem(size, rule, kernel)


def _fixed_sizes(layer: Layer) -> dict[str, int]:
    """The values that a kind of layer prescribes."""
    plain = {"stride": 1, "padding": 0, "dilation": 1, "pad_bottom": 0, "pad_right": 0}
    match layer.kind:
        case "depthwise":
            return {"groups": layer.C}
        case "fc":
            return {"R": layer.H, "S": layer.W, "groups": 1, **plain}
        case "gemm" | "matmul":
            return {"W": 1, "R": 1, "S": 1, **plain}
        case _:
            return {}


def _limit_problems(layer: Layer) -> Iterator[Problem]:
    for what, amount in (("MACs", layer.macs), ("ifmap words", layer.ifmap_words)):
        if amount * layer.count > MAX_WORK:
            yield Problem("count", f"{what} times count must be at most 2^50", amount * layer.count)
