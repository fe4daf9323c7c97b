"""Monotonicity on many random (layer, design) pairs at once: slow, but wide."""

from __future__ import annotations

import numpy as np
import pytest

from dse.errors import InputError
from dse.evaluate import Evaluation, evaluate
from dse.space import Designs, IntArray
from dse.technology import Technology
from pe_library.model import list_pe_types
from workloads.layer import Layer, Workload

LARGEST = {
    "ifmap_spad_words": 48, "filter_spad_words": 448, "psum_spad_words": 48, "glb_kib": 2048,
    "glb_bytes_per_cycle": 64, "dram_gb_s": 1e4,
}  # fmt: skip
COLUMN = 150  # designs evaluated at once
ROUNDS = 60  # layers


def random_layer(rng: np.random.Generator) -> Layer:
    """A convolution, grouped, depthwise or fully connected layer of real size."""
    while True:
        R = int(rng.choice([1, 3, 3, 5, 7, 11]))
        S = int(rng.choice([R, R, 1, 3]))
        groups = int(rng.choice([1, 1, 1, 2, 32]))
        C, M = (groups * int(rng.integers(1, 300 // groups + 1)) for _ in range(2))
        H, W = (int(rng.integers(1, 120)) for _ in range(2))
        stride, padding, dilation = (
            int(rng.choice([1, 1, 2, 4])),
            int(rng.choice([0, R // 2])),
            int(rng.choice([1, 1, 2])),
        )
        try:
            return Layer("layer", "conv", C, H, W, M, R, S, stride, padding, dilation, groups)
        except InputError:  # the kernel is larger than the ifmap
            continue


def random_designs(rng: np.random.Generator) -> dict[str, np.ndarray]:
    def whole(low: int, high: int) -> IntArray:
        return np.exp(rng.uniform(np.log(low), np.log(high + 1), COLUMN)).astype(np.int64)

    return {
        "rows": whole(1, 32), "cols": whole(1, 32), "ifmap_spad_words": whole(8, 48),
        "filter_spad_words": whole(32, 448), "psum_spad_words": whole(8, 48), "glb_kib": whole(4, 1024),
        "glb_bytes_per_cycle": whole(4, 64), "dram_gb_s": np.exp(rng.uniform(-3, 4, COLUMN)),
        "clock_mhz": np.full(COLUMN, 100.0), "batch": whole(1, 8),
    }  # fmt: skip


def evaluated(values: dict[str, np.ndarray], layer: Layer, pe_type: str) -> Evaluation:
    designs = Designs.of(pe_type, "row_stationary", values)
    return evaluate(designs, [Workload("test", (layer,))], Technology(), "latency")[0]


@pytest.mark.slow
@pytest.mark.parametrize("axis", LARGEST)
def test_more_of_a_resource_never_costs_cycles_over_thousands_of_random_pairs(axis: str) -> None:
    rng = np.random.default_rng(7)
    compared = 0
    for _ in range(ROUNDS):
        layer, values, pe_type = random_layer(rng), random_designs(rng), str(rng.choice(list_pe_types()))
        more = values[axis] * np.exp(rng.uniform(0, 3, COLUMN)) + 1
        larger = values | {axis: np.minimum(more, LARGEST[axis]).astype(values[axis].dtype)}
        before, after = evaluated(values, layer, pe_type), evaluated(larger, layer, pe_type)
        ran = before.reason == 0
        assert np.all(after.reason[ran] == 0)
        assert np.all(after.totals.total_cycles[ran] <= before.totals.total_cycles[ran]), (layer, pe_type)
        compared += int(ran.sum())
    assert compared > ROUNDS * COLUMN / 4
