"""Families of networks that a search draws from: named axes, and the network of each combination of their values.

Add a family by adding a row to FAMILIES. The accuracies of its members are in the tables of `workloads.accuracies`,
under the names of the networks. `resnet-cifar10-w16-32-64-d1-2-2` is a residual network for CIFAR-10 with 16, 32 and 64
channels and 1, 2 and 2 blocks of two 3 x 3 convolutions in its three stages; with widths 16-32-64 and 3 blocks each it
would be ResNet-20.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from dse.errors import InputError, Problem
from workloads.layer import Layer, Workload

RESNET_CIFAR10 = "resnet-cifar10"
MAX_VALUE = 4096
_NAME = re.compile(rf"{RESNET_CIFAR10}-w(\d+)-(\d+)-(\d+)-d(\d+)-(\d+)-(\d+)")

Three = tuple[int, int, int]


@dataclass(frozen=True)
class Family:
    """Axes with the values that are taken where none are given, and the network of one value each."""

    axes: Mapping[str, tuple[int, ...]]
    network: Callable[[Mapping[str, int]], Workload]

    def members(self, axes: Mapping[str, Sequence[int]]) -> list[Workload]:
        """The networks of all combinations, the last axis fastest; axes left out have their usual values."""
        values = [axes.get(name, usual) for name, usual in self.axes.items()]
        return [self.network(dict(zip(self.axes, chosen, strict=True))) for chosen in product(*values)]


def list_families() -> tuple[str, ...]:
    """Names of the families, sorted."""
    return tuple(sorted(FAMILIES))


def resnet_cifar10(widths: Sequence[int], blocks: Sequence[int]) -> tuple[Layer, ...]:
    """Layers of the member with so many channels and blocks per stage, equal shapes merged.

    Identity shortcuts have no weights (He et al., CVPR 2016, section 4.2, option A); the first block of stages after
    the first has stride 2. A row is named after the first layer of its shape.
    """
    layers = [Layer("conv1", "conv", 3, 32, 32, widths[0], 3, 3, 1, 1)]
    C, size = widths[0], 32
    for stage, (M, depth) in enumerate(zip(widths, blocks, strict=True), start=2):
        for number in range(1, depth + 1):
            stride = 2 if stage > 2 and number == 1 else 1
            name = f"conv{stage}_{number}_3x3"
            layers.append(Layer(f"{name}a", "conv", C, size, size, M, 3, 3, stride, 1))
            C, size = M, size // stride
            layers.append(Layer(f"{name}b", "conv", C, size, size, M, 3, 3, 1, 1))
    layers.append(Layer("fc", "fc", C, 1, 1, 10, 1, 1))
    return Workload(name_of(widths, blocks), tuple(layers)).unique_layers()


def _resnet(axes: Mapping[str, int]) -> Workload:
    widths, blocks = ([axes[f"{name}{stage}"] for stage in (1, 2, 3)] for name in ("width", "depth"))
    source = "He et al., CVPR 2016, section 4.2, other widths and depths"
    layers = resnet_cifar10(widths, blocks)
    return Workload(name_of(widths, blocks), layers, source=source, input="CIFAR-10, 3 x 32 x 32, 10 classes")


FAMILIES: dict[str, Family] = {
    RESNET_CIFAR10: Family(
        {
            "width1": (8, 12, 16), "width2": (16, 24, 32), "width3": (32, 48, 64),
            "depth1": (1, 2), "depth2": (1, 2), "depth3": (1, 2),
        },
        _resnet,
    )
}  # fmt: skip


@cache
def members() -> tuple[str, ...]:
    """Names of the 216 usual members of `resnet-cifar10`, narrow and shallow first."""
    return tuple(member.name for member in FAMILIES[RESNET_CIFAR10].members({}))


def name_of(widths: Sequence[int], blocks: Sequence[int]) -> str:
    """The name of a member of `resnet-cifar10`."""
    return f"{RESNET_CIFAR10}-w{'-'.join(map(str, widths))}-d{'-'.join(map(str, blocks))}"


def find_member(name: str) -> Workload | None:
    """The member of a family that has this name, its values usual or not; None where there is none."""
    found = _NAME.fullmatch(name)
    values = [int(text) for text in found.groups()] if found else [0]
    if not all(0 < value <= MAX_VALUE for value in values):
        return None
    axes = [f"{what}{stage}" for what in ("width", "depth") for stage in (1, 2, 3)]
    return _resnet(dict(zip(axes, values, strict=True)))


def parse_name(name: str) -> tuple[Three, Three]:
    """Widths and blocks of a usual member of `resnet-cifar10`. Raises InputError for any other name."""
    found = _NAME.fullmatch(name)
    numbers = tuple(int(text) for text in found.groups()) if found else ()
    if not numbers or name not in members():
        rule = f"must be a member of the family {RESNET_CIFAR10}"
        raise InputError(Problem("network", rule, name, f"for instance {members()[0]}"))
    return numbers[:3], numbers[3:]  # type: ignore[return-value]
