"""Random layers, and random pairs of designs of which one has more of a resource than the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np

from dse.errors import InputError
from dse.space import SPAD_AXES, Designs, IntArray
from pe_library.model import list_pe_types
from workloads.layer import Kind, Layer
from workloads.loader import list_workloads, load_workload

LARGEST: dict[str, float] = {
    "rows": 48, "cols": 48, "ifmap_spad_words": 48, "filter_spad_words": 448, "psum_spad_words": 48, "glb_kib": 2048,
    "glb_bytes_per_cycle": 64, "dram_gb_s": 1e4,
}  # fmt: skip
ALL = "all of these"
COLUMN = 128  # designs mapped at once
Values = dict[str, Any]  # axis -> column


@dataclass(frozen=True)
class Case:
    """A layer, its objective, and a column of designs."""

    layer: Layer
    dataflow: str
    objective: str
    pe_type: str
    values: Values

    @property
    def axes(self) -> tuple[str, ...]:
        """Resources of the designs."""
        return tuple(axis for axis in LARGEST if self.dataflow == "row_stationary" or axis not in SPAD_AXES)

    def designs(self, values: Values) -> Designs:
        """A column of designs with these values."""
        return Designs.of(self.pe_type, self.dataflow, values)


def random_layer(rng: np.random.Generator) -> Layer:
    """A layer of the shipped networks, a random convolution (grouped, depthwise, fully connected) or matrix product."""
    kind = rng.random()
    if kind < 0.4:
        shipped = shipped_layers()
        return shipped[rng.integers(len(shipped))]
    if kind < 0.5:
        K, M, rows = (int(np.exp2(rng.uniform(0, 11))) for _ in range(3))
        product = cast(Kind, str(rng.choice(["gemm", "matmul"])))
        return Layer("product", product, K, int(rng.choice([1, rows])), 1, M, 1, 1)
    while True:
        R = int(rng.choice([1, 3, 3, 5, 7, 11]))
        S, groups = int(rng.choice([R, R, 1, 3])), int(rng.choice([1, 1, 1, 2, 32]))
        C, M = (groups * int(rng.integers(1, 300 // groups + 1)) for _ in range(2))
        H, W = (int(rng.integers(1, 120)) for _ in range(2))
        stride, padding, dilation = (int(rng.choice(some)) for some in ([1, 1, 2, 4], [0, R // 2], [1, 1, 2]))
        try:
            return Layer("random", "conv", C, H, W, M, R, S, stride, padding, dilation, groups)
        except InputError:  # the kernel is larger than the ifmap
            continue


@cache
def shipped_layers() -> tuple[Layer, ...]:
    """Every shape of the shipped networks once."""
    layers = (layer for name in list_workloads() for layer in load_workload(name).unique_layers())
    return tuple({layer.shape: layer for layer in layers}.values())


def random_case(rng: np.random.Generator, dataflow: str, objective: str) -> Case:
    """A random layer and a column of random designs."""

    def whole(low: int, high: int) -> IntArray:
        return np.exp(rng.uniform(np.log(low), np.log(high + 1), COLUMN)).astype(np.int64)

    values: Values = {
        "rows": whole(1, 32), "cols": whole(1, 32), "ifmap_spad_words": whole(8, 48),
        "filter_spad_words": whole(32, 448), "psum_spad_words": whole(8, 48), "glb_kib": whole(4, 1024),
        "glb_bytes_per_cycle": whole(4, 64), "dram_gb_s": np.exp(rng.uniform(-3, 4, COLUMN)),
        "clock_mhz": np.full(COLUMN, 100.0), "batch": rng.choice([1, 1, 1, 2, 3, 4, 8], COLUMN),
    }  # fmt: skip
    return Case(random_layer(rng), dataflow, objective, str(rng.choice(list_pe_types())), values)


def larger(case: Case, rng: np.random.Generator) -> dict[str, Values]:
    """The designs with more of each resource, and with as much more of all; some more by one, some up to 20 times."""
    grown = {}
    for axis in case.axes:
        had = case.values[axis]
        more = had * np.exp(rng.uniform(0, 3, COLUMN) * (rng.random(COLUMN) < 0.7)) + 1
        grown[axis] = np.maximum(np.minimum(more, LARGEST[axis]).astype(had.dtype), had)
    return {axis: case.values | {axis: values} for axis, values in grown.items()} | {ALL: case.values | grown}
