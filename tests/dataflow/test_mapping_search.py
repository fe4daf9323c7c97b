"""The mapping search against pricing every mapping: of the tree that it searches, and of all there are."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, islice
from typing import Any

import numpy as np
import pytest

from benchmarks.laws import DATAFLOWS
from benchmarks.random_pairs import random_layer, shipped_layers
from dse.dataflow import Dataflow
from dse.errors import InputError
from dse.mapping import best_mapping
from dse.mapping.bench import Bench, layer_traffic, mapped_together, objective_value, of_layer
from dse.mapping.choices import refined, refinements
from dse.space import Designs, FloatArray
from dse.technology import OBJECTIVES, Technology
from dse.traffic import FEASIBLE, Mapping, Pins, Traffic
from pe_library.model import list_pe_types
from tests.dataflow.brute_force import best_costs, count_mappings
from workloads.layer import Layer

MESH_AXES = ("rows", "cols", "ifmap_spad_words", "filter_spad_words", "glb_kib", "glb_bytes_per_cycle", "dram_gb_s")
NO_PINS: Pins = {}
MOST_MAPPINGS = 10_000_000  # that one brute-force search prices
Values = dict[str, Any]


def reduced(layer: Layer, channels: int, size: int) -> Layer:
    """The layer with fewer channels, filters and pixels, all else being equal."""
    C, M = (max(1, min(total // layer.groups, channels)) for total in (layer.C, layer.M))
    groups = min(layer.groups, 8)
    if layer.kind == "fc":
        return replace(layer, C=C, M=M)
    H, W = (min(pixels, size) for pixels in (layer.H, layer.W))
    return replace(layer, C=C * groups, M=M * groups, groups=groups, H=H, W=W)


def small_layer(rng: np.random.Generator, channels: int = 24, size: int = 12) -> Layer:
    """A shipped or random layer, reduced."""
    while True:
        shipped = shipped_layers()
        layer = shipped[rng.integers(len(shipped))] if rng.random() < 0.6 else random_layer(rng)
        try:
            return reduced(layer, channels, size + layer.R)
        except InputError:  # the kernel is larger than the reduced ifmap
            continue


def values_of(rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Values:
    """Random designs."""

    def whole(low: int, high: int) -> Any:
        return np.exp(rng.uniform(np.log(low), np.log(high + 1), shape)).astype(np.int64)

    return {
        "rows": whole(3, 20), "cols": whole(3, 20), "ifmap_spad_words": whole(8, 48),
        "filter_spad_words": whole(32, 448), "psum_spad_words": whole(8, 48), "glb_kib": whole(4, 256),
        "glb_bytes_per_cycle": rng.choice([4, 8, 16, 32], shape), "dram_gb_s": np.exp(rng.uniform(-2, 3, shape)),
        "clock_mhz": 100.0, "batch": rng.choice([1, 1, 2, 3], shape),
    }  # fmt: skip


def bench_of(rng: np.random.Generator, values: Values, dataflow: str = "row_stationary") -> Bench:
    return Bench.of(Designs.of(str(rng.choice(list_pe_types())), dataflow, values), Technology())


def all_refined(bench: Bench, layer: Layer, choice: Mapping, pins: Pins = NO_PINS) -> Mapping:
    """All refinements of choices on a scalar design."""
    designs = mapped_together(layer, bench.designs)
    tree = refinements(bench.flow, layer, designs, pins)
    return refined(bench.flow, layer, tree, choice, pins, bench.costs.prices.bits, lambda _: designs)


def is_open(flow: Dataflow, choice: Mapping) -> bool:
    return any(name not in choice for name in flow.OPEN)


def levels(bench: Bench, layer: Layer, pins: Pins = NO_PINS) -> list[Mapping]:
    """The tree of choices of a scalar design, from coarse ones to full ones."""
    found = [bench.flow.candidates(bench.flow.geometry(layer), mapped_together(layer, bench.designs), pins)]
    while is_open(bench.flow, found[-1]):
        found.append(all_refined(bench, layer, found[-1], pins))
    return found


def completed(bench: Bench, layer: Layer, full: Mapping, pins: Pins = NO_PINS) -> Mapping:
    designs = mapped_together(layer, bench.designs)
    return bench.flow.complete(bench.flow.geometry(layer), designs, bench.costs.prices.bits, full, pins)


def price(bench: Bench, objective: str, traffic: Traffic, shape: tuple[int, ...]) -> FloatArray:
    cost = objective_value(objective, bench.costs.prices, traffic)
    return np.broadcast_to(np.where(traffic.reason == FEASIBLE, cost, np.inf), shape)


def cheapest(bench: Bench, layer: Layer, objective: str) -> tuple[float, dict[str, int]]:
    """Cost and mapping of the best full choice of a scalar design; ties in latency go to less DRAM traffic, then less
    energy; other ties to the first."""
    mapping = completed(bench, layer, levels(bench, layer)[-1])
    traffic = layer_traffic(bench.flow, layer, bench.designs, bench.costs.prices.bits, mapping)
    shape = np.broadcast_shapes(*(values.shape for values in mapping.values()))
    cost = price(bench, objective, traffic, shape)
    prices = bench.costs.prices
    ties = [prices.dram_bits(traffic), prices.total_energy_pj(traffic, cost)] if objective == "latency" else []
    best = np.lexsort([np.broadcast_to(tie, shape) for tie in reversed(ties)] + [cost])[0]
    return float(cost[best]), {name: int(np.broadcast_to(values, shape)[best]) for name, values in mapping.items()}


def at(values: Values, index: int) -> Values:
    return {name: np.asarray(column).ravel()[index] if np.ndim(column) else column for name, column in values.items()}


def assert_the_search_finds_the_cheapest(dataflow: str, seed: int) -> None:
    """For a column of designs and for each of them alone."""
    rng = np.random.default_rng(seed)
    layer, objective, values = small_layer(rng), str(rng.choice(OBJECTIVES)), values_of(rng, (6,))
    bench = bench_of(rng, values, dataflow)
    together = best_mapping(bench, layer, objective, {})
    for index in range(6):
        alone = Bench.of(Designs.of(bench.designs.pe_type, dataflow, at(values, index)), Technology())
        cost, mapping = cheapest(alone, layer, objective)
        if np.isfinite(cost):
            found = best_mapping(alone, layer, objective, {})
            assert {name: int(value) for name, value in found.items()} == mapping, (layer, at(values, index))
            assert {name: int(value[index]) for name, value in together.items()} == mapping, (layer, at(values, index))


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_the_search_finds_what_pricing_every_mapping_finds(dataflow: str) -> None:
    for seed in range(12):
        assert_the_search_finds_the_cheapest(dataflow, seed)


@pytest.mark.slow
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_the_search_finds_what_pricing_every_mapping_finds_in_hundreds_of_cases(dataflow: str) -> None:
    for seed in range(1000, 1300):
        assert_the_search_finds_the_cheapest(dataflow, seed)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_a_mesh_of_designs_is_mapped_as_each_design_alone(dataflow: str, objective: str) -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        layer, base = small_layer(rng), values_of(rng)
        axes = [np.sort(values_of(rng, (2,))[axis]) for axis in MESH_AXES]
        bench = bench_of(rng, base | dict(zip(MESH_AXES, np.ix_(*axes), strict=True)), dataflow)
        mesh = best_mapping(bench, layer, objective, {})
        for place in (tuple(rng.integers(2, size=len(axes))) for _ in range(6)):
            chosen = {axis: values[i] for axis, values, i in zip(MESH_AXES, axes, place, strict=True)}
            alone = Bench.of(Designs.of(bench.designs.pe_type, dataflow, base | chosen), Technology())
            cost, mapping = cheapest(alone, layer, objective)
            if np.isfinite(cost):
                assert {n: int(np.broadcast_to(v, mesh_shape(axes))[place]) for n, v in mesh.items()} == mapping


def random_pins(rng: np.random.Generator, names: tuple[str, ...]) -> dict[str, int]:
    """Some parameters pinned, often beyond what the layer has."""
    most = {"keep": 2, "fill": 2, "p": 40, "m": 40}
    return {name: int(rng.integers(1, most.get(name, 6) + 1)) for name in names if rng.random() < 0.35}


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_what_is_left_open_beside_pins_is_searched_as_well_as_without(dataflow: str) -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        layer, bench, objective = small_layer(rng), bench_of(rng, values_of(rng), dataflow), str(rng.choice(OBJECTIVES))
        pins = random_pins(rng, bench.flow.PARAMETERS)
        found = best_mapping(bench, layer, objective, pins)
        every = completed(bench, layer, levels(bench, layer, pins)[-1], pins)
        bits = bench.costs.prices.bits
        costs = [
            price(bench, objective, layer_traffic(bench.flow, layer, bench.designs, bits, mapping), shape)
            for mapping, shape in ((found, ()), (every, np.broadcast_shapes(*(v.shape for v in every.values()))))
        ]
        assert costs[0] == costs[1].min(), (layer, pins)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_a_batch_is_mapped_the_same_beside_other_batches(dataflow: str) -> None:
    batches = np.asarray([60, 64, 49, 7])
    layer = Layer("layer", "conv", 16, 4, 4, 24, 3, 3, padding=1)
    rng = np.random.default_rng(0)
    values = {"rows": 8, "cols": 6, "glb_kib": 36, "dram_gb_s": 1.0, "clock_mhz": 100.0}
    together = bench_of(rng, values | {"batch": batches}, dataflow)
    for objective in OBJECTIVES:
        mapping = best_mapping(together, layer, objective, {})
        traffic = layer_traffic(together.flow, layer, together.designs, together.costs.prices.bits, mapping)
        costs = price(together, objective, traffic, batches.shape)
        for index, batch in enumerate(batches.tolist()):
            designs = Designs.of(together.designs.pe_type, dataflow, values | {"batch": batch})
            alone = Bench.of(designs, Technology())
            own = layer_traffic(
                alone.flow, layer, alone.designs, alone.costs.prices.bits, best_mapping(alone, layer, objective, {})
            )
            assert price(alone, objective, own, ()) == costs[index]


def mesh_shape(axes: list[Any]) -> tuple[int, ...]:
    return tuple(len(axis) for axis in axes)


def assert_bounds_hold(seed: int) -> None:
    """No mapping costs less than the bound of any choice that it refines."""
    rng = np.random.default_rng(seed)
    layer, bench = small_layer(rng, 32, 14), bench_of(rng, values_of(rng))
    designs, prices, flow = mapped_together(layer, bench.designs), bench.costs.prices, bench.flow
    *coarse, full = levels(bench, layer)
    traffic = layer_traffic(flow, layer, bench.designs, prices.bits, completed(bench, layer, full))
    shape = full["e"].shape
    for choice in coarse:
        names = list(choice)
        both = np.concatenate([np.stack([some[name] for name in names], axis=1) for some in (choice, full)])
        group = np.unique(both, axis=0, return_inverse=True)[1].ravel()
        of_choice, of_full = group[: len(choice["e"])], group[len(choice["e"]) :]
        bound = of_layer(layer, flow.bound(flow.geometry(layer), designs, prices.bits, choice, {}), bench.designs)
        for objective in OBJECTIVES:
            least = np.full(group.max() + 1, np.inf)
            np.minimum.at(least, of_full, price(bench, objective, traffic, shape))
            bounds = price(bench, objective, bound, choice["e"].shape)
            assert np.all(bounds <= least[of_choice]), (layer, names, objective, seed)


def test_no_mapping_costs_less_than_the_bounds_of_the_choices_it_refines() -> None:
    for seed in range(30):
        assert_bounds_hold(seed)


@pytest.mark.slow
def test_no_mapping_costs_less_than_the_bounds_in_a_thousand_cases() -> None:
    for seed in range(1000, 2000):
        assert_bounds_hold(seed)


def test_more_filters_per_pe_never_cost() -> None:
    """The lemma that spares the brute force all p but the largest."""
    for seed in range(25):
        rng = np.random.default_rng(seed)
        layer, bench = small_layer(rng, 5, 5), bench_of(rng, values_of(rng))
        largest, every = (best_costs(bench, layer, every_p) for every_p in (False, True))
        assert {name: cost for name, (cost, _) in largest.items()} == {name: cost for name, (cost, _) in every.items()}


def gaps(seed: int, channels: int, size: int) -> dict[str, tuple[float, str]] | None:
    """Objective -> by how much the search's mapping costs more than the best there is, and the case in words."""
    rng = np.random.default_rng(seed)
    layer, bench = small_layer(rng, channels, size), bench_of(rng, values_of(rng))
    if count_mappings(layer, bench.designs) > MOST_MAPPINGS:
        return None
    best = best_costs(bench, layer)
    if not np.isfinite(best["edp"][0]):
        return None
    found = {}
    for objective, (least, optimum) in best.items():
        mapping = best_mapping(bench, layer, objective, {})
        traffic = layer_traffic(bench.flow, layer, bench.designs, bench.costs.prices.bits, mapping)
        gap = float(price(bench, objective, traffic, ())) / least - 1
        chosen, ideal = ({name: int(some[name]) for name in "mnepqrt"} for some in (mapping, optimum))
        found[objective] = gap, f"seed {seed}: {layer}, {bench.designs}: {chosen}, best {ideal}"
    return found


def assert_gaps_are_small(first_seed: int, pairs: int, channels: int, size: int, limit: float) -> None:
    each = (gaps(seed, channels, size) for seed in count(first_seed))
    found = list(islice((gap for gap in each if gap is not None), pairs))
    for objective in OBJECTIVES:
        values = np.asarray([gap[objective][0] for gap in found])
        worst = max(gap[objective] for gap in found)
        print(
            f"{objective}: {len(values)} pairs, worst {values.max():.3%}, mean {values.mean():.4%}, "
            f"99th percentile {np.percentile(values, 99):.3%}, {np.mean(values < 1e-12):.1%} exact; {worst[1]}"
        )
        assert np.all(values > -1e-12)
        assert np.median(values) < 1e-12
        assert values.max() <= limit, worst


def test_the_best_mapping_of_all_is_at_most_2_percent_better() -> None:
    assert_gaps_are_small(0, 12, 64, 28, limit=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("pairs", "channels", "size", "limit"), [(500, 64, 28, 0.02), (100, 256, 56, 0.02)])
def test_the_best_mapping_of_all_is_little_better(pairs: int, channels: int, size: int, limit: float) -> None:
    """Layers with up to so many channels and filters, and pixels on a side."""
    assert_gaps_are_small(1000, pairs, channels, size, limit)
