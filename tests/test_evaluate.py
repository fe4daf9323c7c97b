"""Laws of evaluation that hold for every design and workload, whatever the models' coefficients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.evaluate import evaluate
from dse.layers import evaluate_design
from dse.metrics import AREA_PARTS, ENERGY_PARTS, METRICS, Totals
from dse.points import SCHEMA, points_table
from dse.space import NUMERIC_AXES, Block, Designs, DesignSpace
from dse.technology import OBJECTIVES, Technology
from pe_library.model import list_pe_types
from tests.workloads.strategies import convolutions
from workloads.layer import Layer, Workload
from workloads.loader import list_workloads, load_workload

RESNET20 = load_workload("resnet20-cifar10")
FLOWS = ("row_stationary",)
SMALL_SPACE: dict[str, tuple[Any, ...]] = {
    "rows": (8, 12), "cols": (14,), "ifmap_spad_words": (12, 24), "filter_spad_words": (64, 224),
    "psum_spad_words": (16,), "glb_kib": (64, 108), "glb_bytes_per_cycle": (8, 32), "dram_gb_s": (1.0,),
    "clock_mhz": (math.inf, 200.0, 5000.0), "batch": (1, 3),
}  # fmt: skip


def a_workload(*layers: Layer) -> Workload:
    return Workload("test", layers)


@st.composite
def design_values(draw: st.DrawFn) -> dict[str, float]:
    return {
        "rows": draw(st.integers(6, 32)), "cols": draw(st.integers(1, 32)),
        "ifmap_spad_words": draw(st.integers(8, 48)), "filter_spad_words": draw(st.integers(32, 448)),
        "psum_spad_words": draw(st.integers(8, 48)), "glb_kib": draw(st.integers(4, 512)),
        "glb_bytes_per_cycle": draw(st.integers(4, 64)), "dram_gb_s": draw(st.sampled_from([0.1, 1.0, 4.0, 50.0])),
        "clock_mhz": 100.0, "batch": draw(st.integers(1, 4)),
    }  # fmt: skip


def table_of(space: DesignSpace, blocks: list[Block]) -> dict[str, list[Any]]:
    tables = [points_table(block, RESNET20, evaluate(block.designs, [RESNET20], Technology())[0]) for block in blocks]
    return {name: [value for table in tables for value in table[name].to_pylist()] for name in SCHEMA.names}


@pytest.mark.parametrize("pe_type", ["int8", "lightpe1"])
def test_scalar_column_and_mesh_give_identical_rows(pe_type: str) -> None:
    space = DesignSpace(pe_type=(pe_type,), dataflow=FLOWS, spad_dataflows=FLOWS, **SMALL_SPACE)
    mesh = table_of(space, list(space.blocks(10_000)))
    assert table_of(space, list(space.blocks(30))) == mesh
    assert table_of(space, list(space.select(np.arange(space.size), 100))) == mesh
    for design_id in (0, 17, space.size - 1):
        column = next(space.select(np.asarray([design_id]), 1)).designs
        scalar = Designs.of(pe_type, "row_stationary", {a.name: column.column(a.name)[0] for a in NUMERIC_AXES})
        row = table_of(space, [Block(np.asarray([design_id]), scalar)])
        assert all(row[name][0] == mesh[name][design_id] for name in SCHEMA.names)


@settings(max_examples=30, deadline=None)
@given(st.lists(design_values(), min_size=2, max_size=8), st.integers(0, 2**32 - 1), st.sampled_from(OBJECTIVES))
def test_a_design_has_the_same_result_alone_and_among_any_others(
    values: list[dict[str, float]], seed: int, objective: str
) -> None:
    draw = np.random.default_rng(seed)
    C, M, H, R = (int(draw.integers(1, high)) for high in (100, 100, 40, 6))
    workload = a_workload(Layer(name="conv", kind="conv", C=C, M=M, H=H, W=H, R=min(R, H), S=min(R, H)))
    columns = {name: [some[name] for some in values] for name in values[0]}
    columns["batch"] = draw.integers(1, 20, len(values)).tolist()
    together = evaluate(Designs.of("int8", "row_stationary", columns), [workload], Technology(), objective)[0]
    for index in range(len(values)):
        design = Designs.of("int8", "row_stationary", {name: column[index] for name, column in columns.items()})
        alone = evaluate(design, [workload], Technology(), objective)[0]
        assert int(alone.reason) == together.reason[index]
        assert alone.totals.energy_mj == np.broadcast_to(together.totals.energy_mj, len(values))[index]
        assert alone.totals.total_cycles == np.broadcast_to(together.totals.total_cycles, len(values))[index]


def test_infeasible_designs_are_flagged_with_a_reason_and_carry_no_metric() -> None:
    space = DesignSpace(pe_type=("int8",), dataflow=FLOWS, spad_dataflows=FLOWS, **SMALL_SPACE)
    table = table_of(space, list(space.blocks(10_000)))
    for index, feasible in enumerate(table["feasible"]):
        assert feasible == (table["reason"][index] == "")
        for metric in (metric for metric in METRICS.values() if not metric.of_network):
            value = table[metric.column][index]
            assert (value is not None and math.isfinite(value) and value > 0) if feasible else value is None
    assert "clock above the maximum of PE and GLB" in table["reason"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"clock_mhz": 1e5}, "clock above the maximum of PE and GLB"),
        ({"filter_spad_words": 10_000}, "spad depth outside the characterized range of the PE type"),
        ({"glb_kib": 1_000_000}, "GLB outside the range of the memory model"),
        ({"rows": 2}, "filter taller than the array (R > rows)"),
        ({"glb_kib": 4, "batch": 1, "cols": 14}, ""),
    ],
)
def test_each_way_to_be_infeasible_is_named(change: dict[str, float], expected: str) -> None:
    design = Designs.of("int8", "row_stationary", change)
    evaluation = evaluate(design, [RESNET20], Technology())[0]
    assert evaluation.reasons[int(evaluation.reason)] == expected


def test_where_nothing_fits_the_reason_is_the_limit_of_the_smallest_mapping() -> None:
    layer = Layer(name="conv", kind="conv", C=3, M=8, H=224, W=1000, R=7, S=7)  # 7 rows of the ifmap are 28 KB
    evaluation = evaluate(Designs.of("fp32", "row_stationary", {"glb_kib": 16}), [a_workload(layer)], Technology())[0]
    assert evaluation.reasons[int(evaluation.reason)] == "GLB does not hold one pass"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("pe_type", list_pe_types())
@pytest.mark.parametrize("clock_mhz", [math.inf, 1e5])
def test_outside_the_characterized_range_there_are_finite_numbers_and_the_range_is_the_reason(
    pe_type: str, clock_mhz: float
) -> None:
    for axis in ("ifmap_spad_words", "filter_spad_words", "psum_spad_words"):
        designs = Designs.of(pe_type, "row_stationary", {axis: [1, 7, 449, 65_536], "clock_mhz": clock_mhz})
        evaluation = evaluate(designs, [RESNET20], Technology())[0]
        assert {evaluation.reasons[index] for index in evaluation.reason} == {
            "spad depth outside the characterized range of the PE type"
        }
        assert np.all(np.isfinite(evaluation.totals.energy_mj))


def test_a_reduction_that_could_overflow_the_psum_is_flagged() -> None:
    layer = Layer(name="fc", kind="fc", C=30_000, H=1, W=1, M=2, R=1, S=1)
    for pe_type, expected in (("int8", "reduction longer than the psum width allows"), ("fp32", "")):
        evaluation = evaluate(Designs.of(pe_type, "row_stationary", {}), [a_workload(layer)], Technology())[0]
        assert evaluation.reasons[int(evaluation.reason)] == expected


@settings(max_examples=60, deadline=None)
@given(convolutions(), design_values(), st.sampled_from(list_pe_types()), st.sampled_from(OBJECTIVES))
def test_macs_are_conserved_and_parts_add_up_to_totals(
    layer: Layer, values: dict[str, float], pe_type: str, objective: str
) -> None:
    design = Designs.of(pe_type, "row_stationary", values)
    totals = evaluate(design, [a_workload(layer)], Technology(), objective)[0].totals
    assert int(totals.macs) == layer.macs * layer.count * values["batch"]
    assert 0 < METRICS["utilization"].compute(totals) <= 1
    assert totals.energy_mj == pytest.approx(sum(totals.part_mj(part) for part in ENERGY_PARTS), rel=1e-12)
    assert totals.energy_mj - totals.energy_no_dram_mj == pytest.approx(totals.part_mj("dram"), rel=1e-9)
    assert totals.total_area_mm2 == pytest.approx(sum(totals.area_mm2[part] for part in AREA_PARTS), rel=1e-12)
    power_w, time_s = METRICS["power"].compute(totals) * 1e-3, totals.latency_ms * 1e-3
    assert power_w * time_s == pytest.approx(totals.energy_no_dram_mj * values["batch"] * 1e-3, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    convolutions(),
    design_values(),
    st.sampled_from(["rows", "cols", "ifmap_spad_words", "filter_spad_words", "psum_spad_words", "glb_kib",
                     "glb_bytes_per_cycle", "dram_gb_s"]),
    st.integers(1, 64),
)  # fmt: skip
def test_more_of_a_resource_never_costs_cycles_for_the_fastest_mapping(
    layer: Layer, values: dict[str, float], axis: str, more: int
) -> None:
    in_range = {
        "ifmap_spad_words": 48, "filter_spad_words": 448, "psum_spad_words": 48,
        "glb_kib": 2048, "glb_bytes_per_cycle": 64,
    }  # fmt: skip
    most = in_range.get(axis, 10_000)
    larger = values | {axis: min(values[axis] + more, most)}
    before, after = (
        evaluate(Designs.of("int8", "row_stationary", v), [a_workload(layer)], Technology(), "latency")[0]
        for v in (values, larger)
    )
    if before.reason == 0:
        assert after.reason == 0
        assert after.totals.total_cycles <= before.totals.total_cycles


@settings(max_examples=40, deadline=None)
@given(convolutions(), design_values(), st.integers(2, 5))
def test_counts_scale_the_work_and_shared_layers_are_counted_for_each_workload(
    layer: Layer, values: dict[str, float], count: int
) -> None:
    design = Designs.of("w4a8", "row_stationary", values)
    single = Layer(**{**layer.__dict__, "count": 1})
    many = Layer(**{**layer.__dict__, "count": count})
    one, several = evaluate(design, [a_workload(single), a_workload(many)], Technology())
    assert several.totals.total_cycles == count * one.totals.total_cycles
    assert several.totals.energy_mj == pytest.approx(count * one.totals.energy_mj, rel=1e-12)
    assert np.array_equal(one.reason, several.reason)


def test_every_axis_changes_some_metric() -> None:
    base = {axis.name: 200.0 if axis.name == "clock_mhz" else axis.default for axis in NUMERIC_AXES}
    base |= {"dram_gb_s": 0.2, "glb_kib": 64, "filter_spad_words": 64}
    reference = metrics_of(Designs.of("int8", "row_stationary", base))
    for axis in NUMERIC_AXES:
        changed = base | {axis.name: base[axis.name] * 2}
        if axis.name == "clock_mhz":
            changed = base | {"clock_mhz": 100.0}
        assert metrics_of(Designs.of("int8", "row_stationary", changed)) != reference, axis.name
    for pe_type in set(list_pe_types()) - {"int8"}:
        assert metrics_of(Designs.of(pe_type, "row_stationary", base)) != reference


def metrics_of(design: Designs) -> list[float]:
    totals: Totals = evaluate(design, [RESNET20], Technology())[0].totals
    of_design = (metric for metric in METRICS.values() if not metric.of_network)  # NaN differs from itself
    return [float(metric.compute(totals)) for metric in of_design]


@pytest.mark.parametrize("name", list_workloads())
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_mapping_for_an_objective_is_best_at_it(name: str, objective: str) -> None:
    design = Designs.of("int16", "row_stationary", {"glb_bytes_per_cycle": 16, "ifmap_spad_words": 12})
    values = {
        chosen: METRICS[objective].compute(evaluate(design, [load_workload(name)], Technology(), chosen)[0].totals)
        for chosen in OBJECTIVES
    }
    if objective != "edp":  # a sum over layers: the product of sums is not the sum of products
        assert values[objective] <= min(values.values()) * (1 + 1e-9)


def test_pins_fix_mapping_parameters_and_never_beat_the_free_search() -> None:
    design = Designs.of("int8", "row_stationary", {})
    pins = {"p": 4, "q": 1, "e": 8, "r": 1, "t": 2, "m": 8, "n": 1}
    free, _ = evaluate_design(design, RESNET20, Technology(), "energy", {})
    pinned, layers = evaluate_design(design, RESNET20, Technology(), "energy", pins)
    assert all(layer[name] == value for layer in layers for name, value in pins.items())
    assert pinned["energy_mj"] > free["energy_mj"]


def test_energy_scale_moves_on_chip_energy_only() -> None:
    design = Designs.of("int8", "row_stationary", {})
    pins = {"m": 16, "n": 1, "e": 8, "p": 8, "q": 1, "r": 1, "t": 2}
    one, half = (
        evaluate(design, [RESNET20], Technology(energy_scale=scale), "energy", pins)[0].totals for scale in (1.0, 0.5)
    )
    assert half.energy_no_dram_mj == pytest.approx(one.energy_no_dram_mj / 2)
    assert half.part_mj("dram") == pytest.approx(one.part_mj("dram"))
