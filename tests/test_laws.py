"""The laws of mapping on random pairs of designs, one with more of a resource: `benchmarks.laws` in small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.laws import DATAFLOWS, OBJECTIVES, Row, compared, merged, outcome, priced_as, rows_of, run
from benchmarks.random_pairs import ALL, COLUMN, LARGEST, random_case
from dse.evaluate import evaluate
from dse.mapping.bench import Bench
from dse.technology import Technology
from tests.dataflow.test_mapping_search import small_layer
from workloads.layer import Layer, Workload


def rows(dataflow: str, objective: str, seed: int, layers: int, small: bool) -> list[Row]:
    """All pairs of some random layers, if `small` of few channels and pixels."""
    rng = np.random.default_rng(seed)
    found: list[Row] = []
    for _ in range(layers):
        case = random_case(rng, dataflow, objective)
        found += rows_of(replace(case, layer=small_layer(rng, 16, 10)) if small else case, rng)
    return merged(found)


def assert_laws_hold(dataflow: str, objective: str, seed: int, layers: int, small: bool) -> None:
    """More of a resource costs nothing, nor DRAM traffic at equal cost, and no mapping breaks a law of counting."""
    found = rows(dataflow, objective, seed, layers, small)
    assert [row for row in found if row.broken] == []
    assert sum(row.pairs for row in found) > layers * COLUMN


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_more_of_a_resource_never_costs(dataflow: str, objective: str) -> None:
    assert_laws_hold(dataflow, objective, seed=1, layers=2, small=True)


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_more_of_a_resource_never_costs_on_layers_of_real_size(dataflow: str, objective: str) -> None:
    assert_laws_hold(dataflow, objective, seed=1000, layers=12, small=False)


@pytest.mark.slow
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_no_mapping_breaks_a_law_of_counting_over_ten_thousand_pairs(dataflow: str) -> None:
    found = rows(dataflow, "edp", seed=2000, layers=30, small=True)
    assert sum(row.pairs for row in found) > 10_000
    assert sum(row.counts_broken for row in found) == 0


def test_what_rises_from_a_smaller_to_a_larger_design_is_counted() -> None:
    """Read backwards, pairs break the laws: nothing is lost on the way to the record."""
    rng = np.random.default_rng(3)
    case = random_case(rng, "row_stationary", "latency")
    case = replace(case, layer=Layer("conv", "conv", 64, 28, 28, 64, 3, 3, padding=1))
    small = outcome(case, case.values)
    large = outcome(case, case.values | {"dram_gb_s": case.values["dram_gb_s"] * 100})
    forwards, backwards = compared(case, "dram_gb_s", small, large), compared(case, "dram_gb_s", large, small)
    assert forwards.broken == 0 < forwards.improved == backwards.cost_rises == backwards.broken
    assert backwards.worst_cost_rise_percent > 100


def test_costs_of_the_laws_are_those_of_an_evaluation() -> None:
    rng = np.random.default_rng(5)
    case = random_case(rng, "row_stationary", "energy")
    case = replace(case, layer=Layer("conv", "conv", 16, 32, 32, 16, 3, 3, padding=1))
    found = outcome(case, case.values)
    totals = evaluate(case.designs(case.values), [Workload("one", (case.layer,))], Technology(), "energy")[0].totals
    energy_pj = sum(totals.energy_pj.values())
    assert np.allclose(found.cost[found.runs], energy_pj[found.runs], rtol=1e-12, atol=0)
    assert np.array_equal(found.dram_bits[found.runs], totals.dram_bits[found.runs])


def test_a_larger_design_is_priced_as_the_smaller_one_but_for_its_dram_bandwidth() -> None:
    case = random_case(np.random.default_rng(6), "row_stationary", "energy")
    small = Bench.of(case.designs(case.values), Technology())
    faster = case.values | {name: case.values[name] * 2 for name in ("rows", "glb_kib", "dram_gb_s")}
    large = priced_as(Bench.of(case.designs(faster), Technology()), small, "energy")
    for less, more in ((small.costs.prices, large.costs.prices), (small.cell_prices, large.cell_prices)):
        assert np.array_equal(more.dram_cycles_per_bit, less.dram_cycles_per_bit / 2)
        assert replace(more, dram_cycles_per_bit=0) == replace(less, dram_cycles_per_bit=0)


def test_the_record_of_a_task_is_a_function_of_its_seed() -> None:
    assert case_of(3) == case_of(3) != case_of(4)


def case_of(seed: int) -> str:
    return repr(random_case(np.random.default_rng(seed), "row_stationary", "edp"))


@pytest.mark.slow
def test_a_run_is_a_function_of_seed_and_pairs_whatever_the_jobs() -> None:
    first, second = run(2000, seed=3, jobs=1), run(2000, seed=3, jobs=2)
    assert first == second
    assert sum(row.pairs for row in first) >= 2000
    assert {row.more_of for row in first} <= {*LARGEST, ALL}
