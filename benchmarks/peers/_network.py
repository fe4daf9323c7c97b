"""Networks as plain layers that every peer can take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.ours import COSTS
from dse.errors import InputError, Problem
from workloads.layer import Layer, Workload
from workloads.loader import list_workloads

CONFIGS = Path(__file__).parent / "configs"
KINDS = ("conv", "depthwise", "fc")


def network_path(name: str) -> str:
    """What `dse` takes for a network: the path of one that is kept here, else the name itself."""
    own = CONFIGS / f"{name}.csv"
    return str(own) if own.exists() else name


def list_networks() -> tuple[str, ...]:
    """Networks kept here, then those shipped."""
    return (*sorted(path.stem for path in CONFIGS.glob("*.csv") if path.stem != "published"), *list_workloads())


def plain_layers(workload: Workload) -> list[dict[str, Any]]:
    """Each layer shape once, fewest MACs first, with the number of such layers; a group is a layer of its own.

    Letters as in `workloads.layer`; `height` and `width` are those of the padded ifmap that the outputs read. Raises
    InputError for kinds of layers that not all peers know.
    """
    unknown = [layer for layer in workload.layers if layer.kind not in KINDS or layer.dilation > 1]
    if unknown:
        rule = f"the peers know layers of kind {', '.join(KINDS)} without dilation"
        raise InputError(Problem(workload.name, rule, unknown[0].name))
    return [
        {
            "name": layer.name, "count": layer.count * layer.groups, "stride": layer.stride,
            "C": layer.C // layer.groups, "M": layer.M // layer.groups, "R": layer.R, "S": layer.S,
            "E": layer.E, "F": layer.F, "macs": layer.macs // layer.groups,
            "height": (layer.E - 1) * layer.stride + layer.R, "width": (layer.F - 1) * layer.stride + layer.S,
        }
        for layer in sorted(workload.unique_layers(), key=lambda layer: layer.macs)
    ]  # fmt: skip


def least(workload: Workload, pes: int) -> dict[str, float]:
    """What no accelerator goes below: every PE busy in each cycle; each word once through DRAM.

    Energy in MAC energies at the costs of `ours.COSTS`; of ifmaps the words that any output reads, without padding.
    """
    words = sum(layer.count * (layer.weights + layer.ofmap_words + _read_words(layer)) for layer in workload.layers)
    return {"cycles": workload.macs / pes, "energy_macs": workload.macs * COSTS["mac"] + words * COSTS["dram"]}


def _read_words(layer: Layer) -> int:
    return layer.C * min(layer.H, layer.E * layer.R) * min(layer.W, layer.F * layer.S)
