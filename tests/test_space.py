"""Design spaces: numbering, blocks and columns agree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.config import Sample
from dse.sample import sampled_ids
from dse.space import NUMERIC_AXES, SPACE_AXES, Block, Designs, DesignSpace


@st.composite
def spaces(draw: st.DrawFn) -> DesignSpace:
    axes: dict[str, tuple[Any, ...]] = {
        "pe_type": tuple(draw(st.lists(st.sampled_from(["int8", "int16", "fp32"]), min_size=1, unique=True))),
        "dataflow": ("row_stationary", "other")[: draw(st.integers(1, 2))],
    }
    for axis in NUMERIC_AXES:
        number = st.integers(1, 99) if axis.integer else st.sampled_from([0.5, 1.0, 200.0, math.inf])
        axes[axis.name] = tuple(draw(st.lists(number, min_size=1, max_size=2, unique=True)))
    return DesignSpace(**axes)


def rows(block: Block) -> list[tuple[Any, ...]]:
    columns = [block.designs.column(axis.name).tolist() for axis in NUMERIC_AXES]
    return [
        (design_id, block.designs.pe_type, block.designs.dataflow, *values)
        for design_id, *values in zip(block.design_ids.tolist(), *columns, strict=True)
    ]


@settings(max_examples=50, deadline=None)
@given(spaces(), st.integers(20, 500))
def test_mesh_blocks_cover_the_space_once_in_order_and_equal_the_decoded_columns(
    space: DesignSpace, limit: int
) -> None:
    meshes = list(space.blocks(limit))
    assert np.array_equal(np.concatenate([block.design_ids for block in meshes]), np.arange(space.size))
    assert all(len(block.design_ids) == math.prod(block.designs.shape) <= limit for block in meshes)
    columns = space.select(np.arange(space.size), limit)
    assert [row for block in meshes for row in rows(block)] == [row for block in columns for row in rows(block)]


@settings(max_examples=50, deadline=None)
@given(spaces(), st.sampled_from(["random", "lhs", "sobol"]), st.integers(1, 200), st.integers(0, 9))
def test_samples_are_sorted_distinct_ids_of_the_space_and_repeat_with_the_seed(
    space: DesignSpace, method: str, n: int, seed: int
) -> None:
    sample = Sample(method=method, n=n, seed=seed)
    ids = sampled_ids(space, sample)
    assert np.array_equal(ids, np.unique(ids))
    assert 0 < len(ids) <= min(n, space.size)
    assert 0 <= ids[0] <= ids[-1] < space.size
    assert np.array_equal(ids, sampled_ids(space, sample))
    if method == "random":
        assert len(ids) == min(n, space.size)


def test_a_random_sample_of_an_astronomical_space_is_drawn_without_listing_it() -> None:
    axes: dict[str, tuple[Any, ...]] = {axis.name: tuple(range(1, 60)) for axis in NUMERIC_AXES}
    space = DesignSpace(pe_type=("int8",), dataflow=("row_stationary",), **axes)
    assert space.size > 5e17
    assert len(sampled_ids(space, Sample(method="random", n=1000, seed=1))) == 1000


def test_axes_left_out_take_their_documented_default() -> None:
    design = Designs.of("int8", "row_stationary", {"rows": 3})
    assert [int(design.rows), int(design.cols), int(design.glb_kib)] == [3, 14, 108]
    assert np.isinf(design.clock_mhz)
    assert SPACE_AXES[:2] == ("pe_type", "dataflow")


def test_a_design_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Designs.of("int8", "row_stationary", {}).rows = np.asarray(1)  # type: ignore[misc]
