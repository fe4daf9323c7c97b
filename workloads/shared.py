"""The layer shapes of several networks, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.layer import Layer, Workload


@dataclass(frozen=True)
class LayerCount:
    """A layer shape, and (index of the network, how often it has it)."""

    layer: Layer
    counts: list[tuple[int, int]]


def shared_layers(workloads: Sequence[Workload]) -> list[LayerCount]:
    """Each layer shape of the networks once."""
    found: dict[object, LayerCount] = {}
    for index, workload in enumerate(workloads):
        for layer in workload.unique_layers():
            found.setdefault(layer.shape, LayerCount(layer, [])).counts.append((index, layer.count))
    return list(found.values())


def count_table(layers: Sequence[LayerCount], networks: int) -> NDArray[np.int64]:
    """How often each network has each layer, (networks, layers)."""
    table = np.zeros((networks, len(layers)), np.int64)
    for column, each in enumerate(layers):
        for network, count in each.counts:
            table[network, column] = count
    return table
