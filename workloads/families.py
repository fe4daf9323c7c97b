"""Families of networks that a search draws from: members by name, and their layers as formulas of widths and depths.

`resnet-cifar10-w16-32-64-d1-2-2` is a residual network for CIFAR-10 with 16, 32 and 64 channels and 1, 2 and 2 blocks
of two 3 x 3 convolutions in its three stages; with widths 16-32-64 and 3 blocks each it would be ResNet-20.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from dse.errors import InputError, Problem
from workloads.layer import Layer, Workload

RESNET_CIFAR10 = "resnet-cifar10"
WIDTHS = ((8, 12, 16), (16, 24, 32), (32, 48, 64))
"""Channels to choose from, per stage."""
BLOCKS = (1, 2)
"""Blocks to choose from, in any stage."""
_NAME = re.compile(rf"{RESNET_CIFAR10}-w(\d+)-(\d+)-(\d+)-d(\d+)-(\d+)-(\d+)")

Three = tuple[int, int, int]


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


def members() -> tuple[str, ...]:
    """Names of all 216 members, narrow and shallow first."""
    widths, blocks = itertools.product(*WIDTHS), [*itertools.product(BLOCKS, repeat=len(WIDTHS))]
    return tuple(name_of(each, depths) for each in widths for depths in blocks)


def name_of(widths: Sequence[int], blocks: Sequence[int]) -> str:
    """The name of a member."""
    return f"{RESNET_CIFAR10}-w{'-'.join(map(str, widths))}-d{'-'.join(map(str, blocks))}"


def parse_name(name: str) -> tuple[Three, Three]:
    """Widths and blocks of a member of the family. Raises InputError for any other name."""
    found = _NAME.fullmatch(name)
    numbers = tuple(int(text) for text in found.groups()) if found else ()
    if not numbers or name not in members():
        rule = f"must be a member of the family {RESNET_CIFAR10}"
        raise InputError(Problem("network", rule, name, f"for instance {members()[0]}"))
    return numbers[:3], numbers[3:]  # type: ignore[return-value]
