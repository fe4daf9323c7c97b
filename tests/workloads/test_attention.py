"""Attention as batched products: a matmul has other operands for every image, a gemm the same weights for all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.evaluate import Evaluation, evaluate
from dse.space import Designs
from dse.technology import Technology
from workloads.layer import Layer, Workload

HEADS, WIDTH, TOKENS = 4, 16, 24


def run(layer: Layer, batch: int | list[int]) -> Evaluation:
    designs = Designs.of("int8", "row_stationary", {"batch": batch, "clock_mhz": 100.0})
    return evaluate(designs, [Workload("test", (layer,))], Technology(), "energy")[0]


def product_of(kind: str, heads: int = HEADS) -> Layer:
    """Queries times keys of one block: (tokens x width) times (width x tokens), per head."""
    return Layer("qk", kind, heads * WIDTH, TOKENS, 1, heads * TOKENS, 1, 1, groups=heads)  # type: ignore[arg-type]


def test_the_shapes_of_multi_head_attention() -> None:
    """Vaswani et al., NeurIPS 2017, section 3.2: both products of a head take tokens^2 width MACs."""
    scores = product_of("matmul")
    context = Layer("av", "matmul", HEADS * TOKENS, TOKENS, 1, HEADS * WIDTH, 1, 1, groups=HEADS)
    assert scores.macs == context.macs == HEADS * TOKENS**2 * WIDTH
    assert (scores.ifmap_words, scores.weights, scores.ofmap_words) == (
        TOKENS * HEADS * WIDTH, HEADS * WIDTH * TOKENS, HEADS * TOKENS**2,
    )  # fmt: skip
    assert context.ofmap_words == scores.ifmap_words


def test_grouped_products_equal_einsum() -> None:
    """Groups are heads: head h multiplies channels h k to (h + 1) k by its own k x n operand."""
    rng = np.random.default_rng(0)
    queries, keys = (rng.integers(-9, 10, (HEADS, TOKENS, WIDTH)) for _ in range(2))
    layer, found = product_of("matmul"), np.zeros((HEADS * TOKENS, TOKENS), np.int64)
    ifmap = queries.transpose(0, 2, 1).reshape(layer.C, layer.H)
    filters = keys.reshape(layer.M, layer.C // layer.groups)
    for m in range(layer.M):
        head = m // (layer.M // layer.groups)
        found[m] = filters[m] @ ifmap[head * layer.reduction_length : (head + 1) * layer.reduction_length]
    assert np.array_equal(found.reshape(HEADS, TOKENS, TOKENS), np.einsum("hnk,hmk->hnm", keys, queries))


def test_of_one_image_a_matmul_costs_what_a_gemm_costs() -> None:
    matmul, gemm = run(product_of("matmul"), 1).totals, run(product_of("gemm"), 1).totals
    assert matmul.cycles == gemm.cycles
    assert matmul.energy_pj == gemm.energy_pj


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 8))
def test_a_batch_reuses_the_weights_of_a_gemm_and_no_operand_of_a_matmul(batch: int) -> None:
    one, several = run(product_of("matmul"), 1).totals, run(product_of("matmul"), batch).totals
    assert several.dram_bits == batch * one.dram_bits
    assert several.total_cycles == pytest.approx(batch * one.total_cycles, abs=batch)
    assert several.macs == batch * one.macs
    shared = run(product_of("gemm"), batch).totals
    assert shared.dram_bits < several.dram_bits
    assert shared.macs == several.macs


def test_a_batch_of_heads_is_as_many_heads() -> None:
    batched, heads = run(product_of("matmul"), 3).totals, run(product_of("matmul", 3 * HEADS), 1).totals
    assert batched.dram_bits == heads.dram_bits
    assert batched.total_cycles == pytest.approx(heads.total_cycles, rel=1e-3)


def test_batches_in_a_column_are_the_batches_alone() -> None:
    column = run(product_of("matmul"), [1, 2, 5]).totals
    for index, batch in enumerate((1, 2, 5)):
        assert column.total_cycles[index] == run(product_of("matmul"), batch).totals.total_cycles
        assert column.energy_mj[index] == run(product_of("matmul"), batch).totals.energy_mj


def test_counts_of_a_matmul_add_up() -> None:
    one = run(product_of("matmul"), 2).totals
    three = run(replace(product_of("matmul"), count=3), 2).totals
    assert three.total_cycles == 3 * one.total_cycles
