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
from functools import cache, cached_property
from itertools import product

from dse.errors import InputError, Problem
from workloads.layer import Layer, Workload

RESNET_CIFAR10 = "resnet-cifar10"
MAX_VALUE = 4096

Three = tuple[int, int, int]


@dataclass(frozen=True)
class Family:
    """Networks of one value for each axis.

    `member` is the name of a network, with axes in braces; it begins with the name of the family and a `-`. `axes` has
    the values that are taken where none are given.
    """

    member: str
    axes: Mapping[str, tuple[int, ...]]
    layers: Callable[[Mapping[str, int]], tuple[Layer, ...]]
    source: str
    input: str

    def network(self, values: Mapping[str, int]) -> Workload:
        """The network of one value of each axis."""
        return Workload(self.member.format(**values), self.layers(values), source=self.source, input=self.input)

    def members(self, axes: Mapping[str, Sequence[int]]) -> list[Workload]:
        """The networks of all combinations, the last axis fastest; axes left out have their usual values."""
        values = [axes.get(name, usual) for name, usual in self.axes.items()]
        return [self.network(dict(zip(self.axes, chosen, strict=True))) for chosen in product(*values)]

    def values_of(self, name: str) -> dict[str, int] | None:
        """The value of each axis, usual or not, that gives a network this name; None where none do."""
        found = self._pattern.fullmatch(name)
        values = {axis: int(digits) for axis, digits in found.groupdict().items()} if found else {}
        return values if values and max(values.values()) <= MAX_VALUE else None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[1-9][0-9]{0,3})", re.escape(self.member)))


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
    return Workload(RESNET_CIFAR10, tuple(layers)).unique_layers()


def _stages(values: Mapping[str, int]) -> tuple[Three, Three]:
    widths, blocks = ((values[f"{name}1"], values[f"{name}2"], values[f"{name}3"]) for name in ("width", "depth"))
    return widths, blocks


FAMILIES: dict[str, Family] = {
    RESNET_CIFAR10: Family(
        member=f"{RESNET_CIFAR10}-w{{width1}}-{{width2}}-{{width3}}-d{{depth1}}-{{depth2}}-{{depth3}}",
        axes={
            "width1": (8, 12, 16), "width2": (16, 24, 32), "width3": (32, 48, 64),
            "depth1": (1, 2), "depth2": (1, 2), "depth3": (1, 2),
        },
        layers=lambda values: resnet_cifar10(*_stages(values)),
        source="He et al., CVPR 2016, section 4.2, other widths and depths",
        input="CIFAR-10, 3 x 32 x 32, 10 classes",
    )
}  # fmt: skip


def find_member(name: str) -> Workload | None:
    """The member of a family that has this name, its values usual or not; None where there is none."""
    found = ((family, family.values_of(name)) for family in FAMILIES.values())
    return next((family.network(values) for family, values in found if values), None)


def near_member(name: str) -> str:
    """A hint for a name that begins like those of a family: how its members are named; "" for any other name."""
    near = (family.member for beginning, family in FAMILIES.items() if name.startswith(beginning))
    return next((f"networks of the family are named {member}" for member in near), "")


@cache
def members() -> tuple[str, ...]:
    """Names of the 216 usual members of `resnet-cifar10`, narrow and shallow first."""
    return tuple(member.name for member in FAMILIES[RESNET_CIFAR10].members({}))


def parse_name(name: str) -> tuple[Three, Three]:
    """Widths and blocks of a usual member of `resnet-cifar10`. Raises InputError for any other name."""
    values = FAMILIES[RESNET_CIFAR10].values_of(name) if name in members() else None
    if values is None:
        rule = f"must be a member of the family {RESNET_CIFAR10}"
        raise InputError(Problem("network", rule, name, f"for instance {members()[0]}"))
    return _stages(values)
