"""The layer shapes of several networks, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
