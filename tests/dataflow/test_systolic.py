"""The systolic dataflows against SCALE-Sim, against an array of registers, and against the laws of physics."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.laws import compulsory_ifmap_words
from dse.dataflow import Dataflow, load_dataflow
from dse.dataflow._systolic import FILL_ARRAY, FILL_USED
from dse.dataflow._tiles import KEEP_FILTERS, KEEP_IFMAP, Parts, Window
from dse.errors import InputError
from dse.evaluate import evaluate_layer
from dse.mapping import best_mapping
from dse.mapping.bench import Bench, layer_traffic, objective_value
from dse.mapping.cells import with_choices_axis
from dse.mapping.choices import refined, refinements
from dse.space import Designs
from dse.technology import OBJECTIVES, Technology
from dse.traffic import Mapping, OperandBits, Traffic
from dse.validation.scalesim import DATAFLOWS, cases
from tests.dataflow.systolic_oracle import lines, parts, simulate
from tests.workloads.strategies import layers
from workloads.layer import Layer

ONE_TILE = ("batch_parts", "row_parts", "col_parts", "filter_parts", "keep")
BITS = OperandBits(activation=8, weight=4, psum=30)


def design(dataflow: str, **values: int) -> Designs:
    return Designs.of("int8", dataflow, values).without_spads()


def whole_layer(layer: Layer, on: Designs, **pins: int) -> Traffic:
    """The layer as one tile, or in as many as pinned."""
    flow: Dataflow = load_dataflow(on.dataflow)
    choice = {name: np.asarray([pins.get(name, 1)]) for name in ONE_TILE}
    return flow.traffic(flow.geometry(layer), on, BITS, flow.complete(flow.geometry(layer), on, BITS, choice, pins))


def test_cycles_and_utilization_equal_scale_sim_in_every_row() -> None:
    assert {case.row["dataflow"] for case in cases()} == set(DATAFLOWS)
    for case in cases():
        row, array = case.row, case.designs
        traffic = whole_layer(case.layer, array, fill=FILL_ARRAY)
        cycles = int(traffic.compute_cycles[0] + traffic.overhead_cycles[0])
        assert cycles == int(row["compute_cycles"]), row
        pes = int(array.rows * array.cols)
        assert 100 * int(traffic.macs) / (int(traffic.compute_cycles[0]) * pes) == pytest.approx(
            float(row["mapping_eff_pct"])
        )
        # SCALE-Sim's utilization takes a fold of these two for cols - 1 cycles longer than its own demand matrices
        longer = 0 if row["dataflow"] == "os" else int(traffic.passes[0]) * (int(array.cols) - 1)
        assert 100 * int(traffic.macs) / ((cycles + longer) * pes) == pytest.approx(float(row["compute_util_pct"]))


def test_filling_only_the_used_pes_never_costs_more_than_filling_the_array() -> None:
    for case in cases():
        used, filled = (whole_layer(case.layer, case.designs, fill=fill) for fill in (FILL_USED, FILL_ARRAY))
        assert np.all(used.compute_cycles == filled.compute_cycles)
        assert np.all(used.overhead_cycles <= filled.overhead_cycles)


OF_ONE_WORD = {
    "passes": "folds", "compute_cycles": "streaming", "dram_ifmap": "dram_ifmap", "dram_filter": "dram_filter",
    "glb_ifmap_reads": "ifmap_words", "glb_filter_reads": "filter_words", "noc_ifmap": "ifmap_words",
    "noc_filter": "filter_words", "noc_psum": "psum_words", "inter_pe_ifmap": "ifmap_hops",
    "inter_pe_filter": "filter_hops", "inter_pe_psum": "psum_hops", "spad_ifmap_writes": "ifmap_writes",
    "spad_filter_writes": "filter_writes", "spad_psum_writes": "psum_writes",
}  # fmt: skip


def random_mapping(rng: np.random.Generator) -> dict[str, int]:
    names = ("batch_parts", "row_parts", "col_parts", "filter_parts")
    mapping = {name: int(rng.choice([1, 1, 2, 3, 5])) for name in names}
    return mapping | {"keep": int(rng.integers(1, 3)), "fill": int(rng.integers(1, 3))}


def random_small_layer(rng: np.random.Generator) -> Layer:
    """A layer of any kind with at most a few thousand MACs."""

    def upto(most: int) -> int:
        return int(rng.integers(1, most + 1))

    kind = rng.choice(["conv", "conv", "depthwise", "fc", "gemm"])
    if kind == "fc":
        R, S = upto(2), upto(3)
        return Layer("fc", "fc", upto(4), R, S, upto(5), R, S)
    if kind == "gemm":
        heads = upto(2)
        return Layer("gemm", "gemm", heads * upto(5), upto(6), 1, heads * upto(5), 1, 1, groups=heads)
    groups, R, S, dilation, padding = upto(2), upto(3), upto(3), upto(2), upto(3) - 1
    least = [max(1, dilation * (k - 1) + 1 - 2 * padding) for k in (R, S)]
    channels = 1 if kind == "depthwise" else upto(3)
    size = [smallest + upto(4) - 1 for smallest in least]
    return Layer(
        "conv", "depthwise" if kind == "depthwise" else "conv", groups * channels, *size, groups * upto(4), R, S,
        upto(3), padding, dilation, groups, pad_bottom=upto(2) - 1, pad_right=upto(2) - 1,
    )  # fmt: skip


def assert_equal_to_the_registers(dataflow: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    layer, mapping = random_small_layer(rng), random_mapping(rng)
    batch, rows, cols = (int(rng.integers(1, most)) for most in (4, 6, 6))
    seen = simulate(dataflow, layer, batch, rows, cols, mapping, seed)
    on = design(dataflow, rows=rows, cols=cols, batch=batch)
    flow = load_dataflow(dataflow)
    choice = {name: np.asarray(value) for name, value in mapping.items()}
    traffic = flow.traffic(
        flow.geometry(layer), on, BITS, flow.complete(flow.geometry(layer), on, BITS, choice, mapping)
    )
    counted = {name: int(getattr(traffic, name)) for name in OF_ONE_WORD}
    assert counted == {name: seen[counter] for name, counter in OF_ONE_WORD.items()}, (layer, mapping, rows, cols)
    assert int(traffic.compute_cycles + traffic.overhead_cycles) == seen["cycles"]
    assert int(traffic.macs) == seen["psum_writes"] - (seen["psum_hops"] if dataflow == "output_stationary" else 0)
    assert seen["drained_after"] <= rows


@pytest.mark.parametrize("dataflow", DATAFLOWS.values())
def test_counts_equal_those_of_an_array_of_registers_that_computes_the_layer(dataflow: str) -> None:
    for seed in range(120):
        assert_equal_to_the_registers(dataflow, seed)


@pytest.mark.slow
@pytest.mark.parametrize("dataflow", DATAFLOWS.values())
def test_counts_equal_those_of_an_array_of_registers_in_thousands_of_cases(dataflow: str) -> None:
    for seed in range(1000, 3500):
        assert_equal_to_the_registers(dataflow, seed)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 4), st.data())
def test_lines_from_dram_are_those_between_the_taps_of_each_part(
    outputs: int, stride: int, kernel: int, dilation: int, padding: int, data: st.DataObject
) -> None:
    span = (kernel - 1) * dilation + 1
    size = (outputs - 1) * stride + span - 2 * padding - data.draw(st.integers(0, 3)) + data.draw(st.integers(0, 3))
    assume(size > 0)
    count = data.draw(st.integers(1, outputs))
    expected = sum(lines(part, stride, kernel, dilation, padding, size) for part in parts(outputs, count))
    assert int(Window.of(outputs, stride, span, padding, size).lines(Parts.of(outputs, count))) == expected


@st.composite
def arrays(draw: st.DrawFn) -> dict[str, int]:
    return {
        "rows": draw(st.integers(1, 40)), "cols": draw(st.integers(1, 40)), "glb_kib": draw(st.integers(1, 16)),
        "glb_bytes_per_cycle": draw(st.sampled_from([1, 2, 8, 64])), "batch": draw(st.integers(1, 9)),
    }  # fmt: skip


def all_choices(flow: Dataflow, layer: Layer, on: Designs) -> Mapping:
    coarse, tree = flow.candidates(flow.geometry(layer), on, {}), refinements(flow, layer, on, {})
    return refined(flow, layer, tree, coarse, {}, BITS, lambda _: on)


def all_mappings(layer: Layer, on: Designs) -> Traffic:
    """Every mapping that is tried on a design."""
    flow, on = load_dataflow(on.dataflow), on.without_spads()
    choices = all_choices(flow, layer, on)
    return flow.traffic(flow.geometry(layer), on, BITS, flow.complete(flow.geometry(layer), on, BITS, choices, {}))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(DATAFLOWS.values())), layers, arrays())
def test_no_traffic_is_below_compulsory_and_no_pe_does_more_than_a_mac_a_cycle(
    dataflow: str, layer: Layer, array: dict[str, int]
) -> None:
    traffic, batch = all_mappings(layer, Designs.of("int8", dataflow, array)), array["batch"]
    assert all(np.all(np.asarray(getattr(traffic, field.name)) >= 0) for field in fields(traffic))
    assert np.all(traffic.macs == batch * layer.macs)
    assert np.all(traffic.compute_cycles * traffic.active_pes >= batch * layer.macs)
    assert np.all(traffic.active_pes <= array["rows"] * array["cols"])
    assert np.all(traffic.dram_filter >= layer.weights)
    assert np.all(traffic.dram_ofmap == batch * layer.ofmap_words)
    assert np.all(traffic.dram_ifmap >= batch * compulsory_ifmap_words(layer))
    assert np.all(traffic.glb_filter_reads >= layer.weights)
    assert np.all(traffic.glb_psum_writes >= traffic.dram_ofmap)


NEVER_MORE = tuple(
    field.name for field in fields(Traffic) if field.name.startswith(("passes", "compute", "dram", "glb_", "noc"))
    and field.name != "glb_cycles"
)  # fmt: skip


def total_cycles(traffic: Traffic) -> np.ndarray:
    return np.asarray(np.maximum(traffic.compute_cycles, traffic.glb_cycles) + traffic.overhead_cycles)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(DATAFLOWS.values())), layers, arrays(), arrays(), st.data())
def test_a_mapping_never_costs_more_on_a_larger_design(
    dataflow: str, layer: Layer, array: dict[str, int], more: dict[str, int], data: st.DataObject
) -> None:
    """Each count by itself, but for hops, of which each of the operand from the left saves a word of the GLB."""
    grown = {name: size + data.draw(st.sampled_from([0, more[name]])) for name, size in array.items()}
    limits = {
        "batch_parts": array["batch"],
        "row_parts": layer.E,
        "col_parts": layer.F,
        "filter_parts": layer.M,
        "keep": 2,
    }
    mapping = {name: data.draw(st.integers(1, most)) for name, most in limits.items()}
    before, after = (
        whole_layer(layer, design(dataflow, **(axes | {"batch": array["batch"]})), **mapping) for axes in (array, grown)
    )
    assert np.all(after.reason <= before.reason)
    assert np.all(total_cycles(after) <= total_cycles(before))
    assert np.all(after.compute_cycles + after.overhead_cycles <= before.compute_cycles + before.overhead_cycles)
    for name in NEVER_MORE:
        assert np.all(getattr(after, name) <= getattr(before, name)), name
    left = "filter" if dataflow == "input_stationary" else "ifmap"
    moves = [getattr(t, f"noc_{left}") + getattr(t, f"inter_pe_{left}") for t in (before, after)]
    assert np.all(moves[0] == moves[1])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(DATAFLOWS.values())), layers, arrays())
def test_no_refinement_undercuts_the_bound_of_its_choice(dataflow: str, layer: Layer, array: dict[str, int]) -> None:
    """Whatever the parts of the filters, those that are left out included."""
    flow, on = load_dataflow(dataflow), design(dataflow, **array)
    open_choices = flow.candidates(flow.geometry(layer), on, {})
    bound = flow.bound(flow.geometry(layer), on, BITS, open_choices, {})
    for filter_parts in range(1, layer.M // layer.groups + 1):
        choices = open_choices | {"filter_parts": np.full_like(open_choices["keep"], filter_parts)}
        found = flow.traffic(flow.geometry(layer), on, BITS, flow.complete(flow.geometry(layer), on, BITS, choices, {}))
        fits = np.broadcast_to(found.reason == 0, open_choices["keep"].shape)
        assert np.all((bound.reason <= found.reason) | ~fits)
        assert np.all((total_cycles(bound) <= total_cycles(found)) | ~fits)
        for name in (*NEVER_MORE, "inter_pe_ifmap", "inter_pe_filter", "inter_pe_psum", "spad_ifmap_writes",
                     "spad_filter_writes", "spad_psum_writes"):  # fmt: skip
            assert np.all((getattr(bound, name) <= getattr(found, name)) | ~fits), name


@pytest.mark.parametrize("dataflow", DATAFLOWS.values())
def test_no_parts_of_any_number_are_better_than_what_the_search_finds(dataflow: str) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        layer, objective = random_small_layer(rng), OBJECTIVES[seed % len(OBJECTIVES)]
        axes = {name: rng.integers(1, 9, 30) for name in ("rows", "cols", "glb_bytes_per_cycle")}
        axes |= {"glb_kib": np.ones(30, int), "dram_gb_s": np.exp(rng.uniform(-4, 2, 30)), "batch": np.full(30, 3)}
        wide = replace(layer, C=64 * layer.C, M=8 * layer.M) if layer.kind in ("conv", "fc", "gemm") else layer
        bench = Bench.of(Designs.of("int8", dataflow, axes | {"clock_mhz": 100.0}), Technology())
        ranges = [range(1, most + 1) for most in (3, wide.E, wide.F, wide.M // wide.groups, 2)]
        every = dict(zip(ONE_TILE, np.asarray(list(product(*ranges))).T, strict=True))
        least = cost(bench, wide, objective, every).min(axis=-1)
        found = cost(bench, wide, objective, best_mapping(bench, wide, objective, {}))
        assert np.all(found == least), (seed, wide)


def cost(bench: Bench, layer: Layer, objective: str, mapping: Mapping) -> np.ndarray:
    """Of one mapping for each design, or of each of many mappings, on a last axis."""
    designs, prices = bench.designs, bench.costs.prices
    if len(mapping["keep"]) != len(designs.rows):
        designs, prices = with_choices_axis(designs), with_choices_axis(prices)
    full = bench.flow.complete(bench.flow.geometry(layer), designs, prices.bits, mapping, {})
    traffic = layer_traffic(bench.flow, layer, designs, prices.bits, full)
    return np.asarray(np.where(traffic.reason == 0, objective_value(objective, prices, traffic), np.inf))


def pairs_of_designs(rng: np.random.Generator, pairs: int, axes: tuple[str, ...]) -> list[dict[str, np.ndarray]]:
    """Designs, and larger ones: about half of these axes grow, to twice their size at most."""
    most = {"rows": 64, "cols": 64, "glb_kib": 512, "glb_bytes_per_cycle": 64, "dram_gb_s": 64}
    small = {name: np.exp2(rng.uniform(0, np.log2(limit), pairs)).astype(int) for name, limit in most.items()}
    grows = {name: (rng.random(pairs) < 0.5) & (name in axes) for name in most}
    large = {name: low + np.where(grows[name], rng.integers(1, low + 1), 0) for name, low in small.items()}
    batch = rng.choice([1, 1, 3, 8], pairs)
    return [sizes | {"batch": batch, "clock_mhz": np.full(pairs, 100.0)} for sizes in (small, large)]


def assert_more_never_costs_cycles(dataflow: str, seed: int, pairs: int) -> tuple[int, int]:
    """Also how many pairs there are that both run the layer, and how many have more DRAM traffic on the larger one."""
    rng = np.random.default_rng(seed)
    layer, found = random_layer(rng), list[tuple[np.ndarray, np.ndarray]]()
    for axes in pairs_of_designs(rng, pairs, ("rows", "cols", "glb_kib", "glb_bytes_per_cycle", "dram_gb_s")):
        bench = Bench.of(Designs.of("int8", dataflow, axes), Technology())
        result = evaluate_layer(bench, layer, "latency", {})
        cycles = np.where(result.traffic.reason == 0, result.totals.total_cycles, np.inf)
        found.append((cycles, result.totals.dram_bits))
    (before, dram_before), (after, dram_after) = found
    runs = np.isfinite(before)
    assert np.all(after <= before), (dataflow, seed, layer)
    assert np.all((dram_after <= dram_before)[runs & (after == before)]), (dataflow, seed, layer)
    return int(runs.sum()), int((runs & (dram_after > dram_before)).sum())


def assert_more_never_costs_edp(dataflow: str, seed: int, pairs: int) -> None:
    """At the prices of the smaller design, but for the rate of DRAM."""
    rng = np.random.default_rng(seed)
    layer, found = random_layer(rng), list[np.ndarray]()
    for axes in pairs_of_designs(rng, pairs, ("cols", "glb_kib", "glb_bytes_per_cycle", "dram_gb_s")):
        bench = Bench.of(Designs.of("int8", dataflow, axes), Technology())
        if not found:
            prices = bench.costs.prices
        prices = replace(prices, dram_cycles_per_bit=bench.costs.prices.dram_cycles_per_bit)
        bench = replace(bench, costs=replace(bench.costs, prices=prices), cell_prices=prices)
        found.append(cost(bench, layer, "edp", best_mapping(bench, layer, "edp", {})))
    assert np.all(found[1] <= found[0] * (1 + 1e-12)), (dataflow, seed, layer)


def random_layer(rng: np.random.Generator) -> Layer:
    """A layer of real size; half of them matrix products."""
    if rng.random() < 0.3:
        K, M, rows = (int(np.exp2(rng.uniform(0, 12))) for _ in range(3))
        return Layer("gemm", "gemm", K, int(rng.choice([1, rows])), 1, M, 1, 1)
    groups, R, dilation = int(rng.choice([1, 1, 1, 2, 32])), int(rng.choice([1, 3, 5, 7])), int(rng.choice([1, 1, 2]))
    C, M = (groups * int(rng.integers(1, 300 // groups + 1)) for _ in range(2))
    span = (R - 1) * dilation + 1
    H, W = (int(rng.integers(span, 120)) for _ in range(2))
    return Layer(
        "conv", "conv", C, H, W, M, R, R, int(rng.choice([1, 1, 2, 4])), int(rng.choice([0, R // 2])), dilation, groups
    )


@pytest.mark.parametrize("dataflow", DATAFLOWS.values())
def test_more_of_a_resource_never_costs_cycles_and_at_equal_cycles_no_dram_traffic(dataflow: str) -> None:
    for seed in range(6):
        assert_more_never_costs_cycles(dataflow, seed, pairs=30)


@pytest.mark.parametrize("dataflow", DATAFLOWS.values())
def test_more_columns_memory_or_bandwidth_never_cost_edp_at_the_same_prices(dataflow: str) -> None:
    for seed in range(4):
        assert_more_never_costs_edp(dataflow, seed, pairs=30)


@pytest.mark.slow
@pytest.mark.parametrize("dataflow", DATAFLOWS.values())
def test_more_of_a_resource_never_costs_over_thousands_of_pairs(dataflow: str) -> None:
    counts = [assert_more_never_costs_cycles(dataflow, seed, pairs=300) for seed in range(1000, 1006)]
    for seed in range(1000, 1003):
        assert_more_never_costs_edp(dataflow, seed, pairs=300)
    runs, more_dram = map(sum, zip(*counts, strict=True))
    print(f"{dataflow}: faster with more DRAM traffic in {more_dram} of {runs} pairs, {100 * more_dram / runs:.2f} %")


@pytest.mark.parametrize(("dataflow", "keep"), [*product(DATAFLOWS.values(), (KEEP_IFMAP, KEEP_FILTERS))])
def test_a_kept_operand_is_read_from_dram_once(dataflow: str, keep: int) -> None:
    layer = Layer("conv", "conv", C=8, H=16, W=16, M=12, R=1, S=1)
    pins = {"row_parts": 4, "filter_parts": 3, "keep": keep}
    traffic = whole_layer(layer, design(dataflow), **pins)
    read = int(traffic.dram_ifmap[0]) // layer.ifmap_words, int(traffic.dram_filter[0]) // layer.weights
    assert read == ((1, 4) if keep == KEEP_IFMAP else (3, 1))


@pytest.mark.parametrize("pin", ["keep", "fill"])
def test_a_choice_that_there_is_not_is_refused(pin: str) -> None:
    on = design("weight_stationary")
    flow, layer = load_dataflow(on.dataflow), Layer("fc", "fc", 4, 1, 1, 4, 1, 1)
    with pytest.raises(InputError, match=f"{pin}.*must be 1"):
        flow.candidates(flow.geometry(layer), on, {pin: 3})


def test_a_glb_that_holds_no_tile_is_refused_with_the_reason() -> None:
    layer = Layer("fc", "fc", C=65536, H=1, W=1, M=4, R=1, S=1)
    for dataflow in DATAFLOWS.values():
        small, large = (all_mappings(layer, Designs.of("int8", dataflow, {"glb_kib": k})) for k in (63, 66))
        assert np.all(small.reason == 1)
        assert np.any(large.reason == 0)
