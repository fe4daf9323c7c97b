"""The systolic dataflows against SCALE-Sim, against an array of registers, and against the laws of physics."""

from __future__ import annotations

from dataclasses import fields
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dse.dataflow import Dataflow, load_dataflow
from dse.dataflow._systolic import FILL_ARRAY, FILL_USED
from dse.dataflow._tiles import KEEP_FILTERS, KEEP_IFMAP, Parts, Window
from dse.errors import InputError
from dse.space import Designs
from dse.traffic import OperandBits, Traffic
from dse.validation.scalesim import DATAFLOWS, cases
from tests.dataflow.systolic_oracle import lines, parts, simulate
from tests.workloads.strategies import layers
from workloads.layer import Layer

BITS = OperandBits(activation=8, weight=4, psum=30)


def design(dataflow: str, **values: int) -> Designs:
    return Designs.of("int8", dataflow, values).without_spads()


def whole_layer(layer: Layer, on: Designs, **pins: int) -> Traffic:
    """The layer as one tile."""
    flow: Dataflow = load_dataflow(on.dataflow)
    first = {name: values[:1] for name, values in flow.candidates(layer, on, pins).items()}
    return flow.traffic(layer, on, BITS, flow.complete(layer, on, BITS, first, pins))


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
    traffic = flow.traffic(layer, on, BITS, flow.complete(layer, on, BITS, choice, mapping))
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
    assert int(Window(outputs, stride, span, padding, size).lines(Parts.of(outputs, count))) == expected


@st.composite
def arrays(draw: st.DrawFn) -> dict[str, int]:
    return {
        "rows": draw(st.integers(1, 40)), "cols": draw(st.integers(1, 40)), "glb_kib": draw(st.integers(1, 16)),
        "glb_bytes_per_cycle": draw(st.sampled_from([1, 2, 8, 64])), "batch": draw(st.integers(1, 9)),
    }  # fmt: skip


def compulsory_ifmap_words(layer: Layer) -> int:
    """Ifmap words that at least one window reads."""
    sizes = []
    for size, outputs, kernel in ((layer.H, layer.E, layer.R), (layer.W, layer.F, layer.S)):
        taps = {o * layer.stride + k * layer.dilation - layer.padding for o in range(outputs) for k in range(kernel)}
        sizes.append(len(taps & set(range(size))))
    return layer.C * sizes[0] * sizes[1]


def all_mappings(layer: Layer, on: Designs) -> Traffic:
    """Every candidate, on a last axis behind those of the designs."""
    flow = load_dataflow(on.dataflow)
    spread = on.with_trailing_axis().without_spads()
    mapping = flow.complete(layer, spread, BITS, flow.candidates(layer, on, {}), {})
    return flow.traffic(layer, spread, BITS, mapping)


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


def best(layer: Layer, on: Designs, dram_bits_per_cycle: float = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cycles and DRAM bits of the mapping with the least cycles, ties to less DRAM; and whether any fits."""
    t = all_mappings(layer, on)
    dram = (t.dram_ifmap + t.dram_ofmap) * BITS.activation + t.dram_filter * BITS.weight
    on_chip = np.maximum(t.compute_cycles, t.glb_cycles) + t.overhead_cycles
    cycles = np.where(t.reason == 0, np.maximum(on_chip, dram / dram_bits_per_cycle), np.inf)
    least = cycles.min(axis=-1)
    dram = np.where((cycles == least[..., None]), dram, np.inf).min(axis=-1)
    return least, dram, np.isfinite(least)


def assert_more_never_costs(dataflow: str, seed: int, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    layer = random_layer(rng)
    most = {"rows": 64, "cols": 64, "glb_kib": 512, "glb_bytes_per_cycle": 64}
    small = {name: np.exp2(rng.uniform(0, np.log2(limit), pairs)).astype(int) for name, limit in most.items()}
    grown = {name: rng.random(pairs) < 0.5 for name in most}
    large = {name: low + np.where(grown[name], rng.integers(1, low + 1), 0) for name, low in small.items()}
    batch = {"batch": rng.choice([1, 1, 3, 8], pairs)}
    bandwidth = float(rng.choice([1, 16, 256]))
    before, after = (best(layer, Designs.of("int8", dataflow, axes | batch), bandwidth) for axes in (small, large))
    faster = best(layer, Designs.of("int8", dataflow, large | batch), 4 * bandwidth)
    for worse, better in ((before, after), (after, faster)):
        assert np.all(better[0] <= worse[0]), (dataflow, seed, layer)
        assert np.all(better[1][worse[2]] <= worse[1][worse[2]]), (dataflow, seed, layer)


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
def test_more_of_a_resource_never_costs_cycles_or_dram_traffic(dataflow: str) -> None:
    for seed in range(25):
        assert_more_never_costs(dataflow, seed, pairs=250)


@pytest.mark.slow
@pytest.mark.parametrize("dataflow", DATAFLOWS.values())
def test_more_of_a_resource_never_costs_over_a_million_pairs(dataflow: str) -> None:
    for seed in range(1000, 1350):
        assert_more_never_costs(dataflow, seed, pairs=1000)


@pytest.mark.parametrize("dataflow", DATAFLOWS.values())
def test_candidates_are_refinements_each_with_at_least_the_cost_of_the_one_before(dataflow: str) -> None:
    sides = np.asarray([1, 3, 7, 8, 12, 14, 16, 31, 32, 100])
    mesh = {"rows": sides[:, None], "cols": sides, "batch": 6, "glb_bytes_per_cycle": 1}
    for seed in range(40):
        t = all_mappings(random_layer(np.random.default_rng(seed)), Designs.of("int8", dataflow, mesh))
        for count in (t.compute_cycles, np.maximum(t.compute_cycles, t.glb_cycles) + t.overhead_cycles,
                      t.dram_ifmap, t.dram_filter, t.glb_ifmap_reads, t.glb_filter_reads, t.passes):  # fmt: skip
            assert np.all(np.diff(count, axis=-1) >= 0)


@pytest.mark.parametrize(("dataflow", "keep"), [*product(DATAFLOWS.values(), (KEEP_IFMAP, KEEP_FILTERS))])
def test_a_kept_operand_is_read_from_dram_once(dataflow: str, keep: int) -> None:
    layer = Layer("conv", "conv", C=8, H=16, W=16, M=12, R=1, S=1)
    pins = {"row_parts": 4, "filter_parts": 3, "keep": keep}
    traffic = whole_layer(layer, design(dataflow), **pins)
    read = int(traffic.dram_ifmap[0]) // layer.ifmap_words, int(traffic.dram_filter[0]) // layer.weights
    assert read == ((1, 4) if keep == KEEP_IFMAP else (3, 1))


@pytest.mark.parametrize("pin", ["keep", "fill"])
def test_a_choice_that_there_is_not_is_refused(pin: str) -> None:
    with pytest.raises(InputError, match=f"{pin}.*must be 1"):
        whole_layer(Layer("fc", "fc", 4, 1, 1, 4, 1, 1), design("weight_stationary"), **{pin: 3})


def test_a_glb_that_holds_no_tile_is_refused_with_the_reason() -> None:
    layer = Layer("fc", "fc", C=65536, H=1, W=1, M=4, R=1, S=1)
    for dataflow in DATAFLOWS.values():
        small, large = (all_mappings(layer, Designs.of("int8", dataflow, {"glb_kib": k})) for k in (63, 66))
        assert np.all(small.reason == 1)
        assert np.any(large.reason == 0)
