"""The compiled search against the one with numpy: the same mappings, ties included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.laws import DATAFLOWS
from benchmarks.random_pairs import random_layer
from dse.mapping import MOST_MACS, best_mapping
from dse.mapping.bench import Bench
from dse.mapping.compiled.kernel import compiled_mapping
from dse.mapping.search import searched_mapping
from dse.space import Designs
from dse.technology import OBJECTIVES, Technology
from pe_library.model import list_pe_types
from tests.dataflow.test_mapping_search import MESH_AXES, small_layer, values_of
from workloads.layer import Layer
from workloads.loader import load_workload


def assert_equal_mappings(bench: Bench, layer: Layer, objective: str) -> None:
    found, expected = compiled_mapping(bench, layer, objective), searched_mapping(bench, layer, objective, {})
    for name, values in expected.items():
        assert np.array_equal(found[name], np.broadcast_to(values, found[name].shape)), (name, layer, objective)


def bench_of(rng: np.random.Generator, dataflow: str, values: dict[str, Any]) -> Bench:
    return Bench.of(Designs.of(str(rng.choice(list_pe_types())), dataflow, values), Technology())


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_columns_are_mapped_as_by_the_search_with_numpy(dataflow: str) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        layer, objective = small_layer(rng), str(rng.choice(OBJECTIVES))
        assert_equal_mappings(bench_of(rng, dataflow, values_of(rng, (10,))), layer, objective)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_meshes_are_mapped_as_by_the_search_with_numpy(dataflow: str) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        layer, objective = small_layer(rng), OBJECTIVES[seed % len(OBJECTIVES)]
        axes = [np.sort(values_of(rng, (2,))[axis]) for axis in MESH_AXES]
        mesh = dict(zip(MESH_AXES, np.ix_(*axes), strict=True))
        assert_equal_mappings(bench_of(rng, dataflow, values_of(rng) | mesh), layer, objective)


@pytest.mark.parametrize("network", ["resnet50", "mobilenetv2", "vit-b16", "fsrcnn-x2"])
def test_layers_of_networks_are_mapped_as_by_the_search_with_numpy(network: str) -> None:
    rng = np.random.default_rng(0)
    layers = load_workload(network).unique_layers()
    for index in rng.permutation(len(layers))[:3]:
        for objective in OBJECTIVES:
            values = values_of(rng, (4,)) | {"dram_gb_s": rng.choice([0.5, 4.0, 64.0], 4)}
            assert_equal_mappings(bench_of(rng, "row_stationary", values), layers[index], objective)


@pytest.mark.slow
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_both_searches_agree_in_many_cases(dataflow: str) -> None:
    for seed in range(1000, 1150):
        rng = np.random.default_rng(seed)
        layer = random_layer(rng) if seed % 2 else small_layer(rng)
        if layer.macs <= MOST_MACS // 4:
            assert_equal_mappings(bench_of(rng, dataflow, values_of(rng, (8,))), layer, OBJECTIVES[seed % 3])


def test_few_designs_large_layers_and_pins_are_left_to_the_search_with_numpy() -> None:
    """What the compiled one cannot count exactly, and what it would not be worth compiling for."""
    rng = np.random.default_rng(0)
    huge = Layer("fc", "fc", 2**22, 1, 1, 2**22, 1, 1)
    bench = bench_of(rng, "weight_stationary", values_of(rng, (20,)))
    assert huge.macs > MOST_MACS
    for layer, pins in ((huge, {}), (Layer("fc", "fc", 64, 1, 1, 64, 1, 1), {"keep": 1})):
        found, expected = best_mapping(bench, layer, "edp", pins), searched_mapping(bench, layer, "edp", pins)
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
