"""Searchable families of networks: named axes, and the network of each combination of their values.

Add a family by adding a row to FAMILIES. The accuracies of its members are in the tables of `workloads.accuracies`,
under the names of the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from workloads.families import BLOCKS, RESNET_CIFAR10, WIDTHS, name_of, resnet_cifar10
from workloads.layer import Workload

MAX_VALUE = 4096


@dataclass(frozen=True)
class Family:
    """Axes with the values that are taken where none are given, and the network of one value each."""

    axes: Mapping[str, tuple[int, ...]]
    network: Callable[[Mapping[str, int]], Workload]

    def members(self, axes: Mapping[str, Sequence[int]]) -> list[Workload]:
        """The networks of all combinations, the last axis fastest; axes left out have their usual values."""
        values = [axes.get(name, usual) for name, usual in self.axes.items()]
        return [self.network(dict(zip(self.axes, chosen, strict=True))) for chosen in product(*values)]


def _resnet(axes: Mapping[str, int]) -> Workload:
    widths, blocks = ([axes[f"{name}{stage}"] for stage in (1, 2, 3)] for name in ("width", "depth"))
    source = "He et al., CVPR 2016, section 4.2, other widths and depths"
    return Workload(name_of(widths, blocks), resnet_cifar10(widths, blocks), source=source, input="3 x 32 x 32")


FAMILIES: dict[str, Family] = {
    RESNET_CIFAR10: Family(
        {f"width{stage}": values for stage, values in enumerate(WIDTHS, 1)}
        | {f"depth{stage}": BLOCKS for stage in (1, 2, 3)},
        _resnet,
    )
}


def list_families() -> tuple[str, ...]:
    """Names of the families, sorted."""
    return tuple(sorted(FAMILIES))
