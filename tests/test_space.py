"""Design spaces: numbering, blocks and columns agree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.config import Sample
from dse.sample import sampled_ids
from dse.space import NUMERIC_AXES, SPACE_AXES, SPAD_AXES, Block, Designs, DesignSpace
from dse.traffic import ceil_div

FLOWS = ("with_spads", "registers", "more_registers", "more_spads")
SPAD_FLOWS = ("with_spads", "more_spads")


@st.composite
def spaces(draw: st.DrawFn, flows: tuple[str, ...] = FLOWS) -> DesignSpace:
    chosen = tuple(draw(st.lists(st.sampled_from(flows), min_size=1, max_size=3, unique=True)))
    axes: dict[str, tuple[Any, ...]] = {
        "pe_type": tuple(draw(st.lists(st.sampled_from(["int8", "int16", "fp32"]), min_size=1, unique=True))),
        "dataflow": chosen,
        "spad_dataflows": tuple(name for name in chosen if name in SPAD_FLOWS),
    }
    for axis in NUMERIC_AXES:
        number = st.integers(1, 99) if axis.integer else st.sampled_from([0.5, 1.0, 200.0, math.inf])
        axes[axis.name] = tuple(draw(st.lists(number, min_size=1, max_size=2, unique=True)))
    return DesignSpace(**axes)


def a_space(**axes: tuple[Any, ...]) -> DesignSpace:
    """One design of one dataflow with spads, but for the given axes."""
    single = {axis.name: (int(axis.default) if axis.integer else 1.0,) for axis in NUMERIC_AXES}
    names = {"pe_type": ("int8",), "dataflow": ("with_spads",), "spad_dataflows": ("with_spads",)}
    return DesignSpace(**{**single, **names, **axes})


def rows(block: Block) -> list[tuple[Any, ...]]:
    """Id and axis values of each design, None where an axis does not apply."""
    designs, nothing = block.designs, [None] * len(block.design_ids)
    columns = [designs.column(axis.name).tolist() if designs.has(axis.name) else nothing for axis in NUMERIC_AXES]
    return [
        (design_id, designs.pe_type, designs.dataflow, *values)
        for design_id, *values in zip(block.design_ids.tolist(), *columns, strict=True)
    ]


def all_rows(space: DesignSpace) -> list[tuple[Any, ...]]:
    return [row for block in space.blocks(1 << 20) for row in rows(block)]


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
@given(spaces(), st.data())
def test_a_selection_gives_the_rows_of_the_space_with_these_ids(space: DesignSpace, data: st.DataObject) -> None:
    ids = np.array(sorted(data.draw(st.sets(st.integers(0, space.size - 1), max_size=40))), np.int64)
    everything = all_rows(space)
    assert [row for block in space.select(ids, 7) for row in rows(block)] == [everything[i] for i in ids]


@settings(max_examples=50, deadline=None)
@given(spaces())
def test_a_design_is_there_once_in_the_order_of_its_axes(space: DesignSpace) -> None:
    """The numbering by its definition: the full product of the axes, with what does not apply left out."""
    product = itertools.product(*(getattr(space, name) for name in SPACE_AXES))
    spads = slice(SPACE_AXES.index(SPAD_AXES[0]), SPACE_AXES.index(SPAD_AXES[-1]) + 1)
    nothing = (None,) * len(SPAD_AXES)
    applied = (
        point if point[1] in SPAD_FLOWS else (*point[: spads.start], *nothing, *point[spads.stop :])
        for point in product
    )
    assert [row[1:] for row in all_rows(space)] == list(dict.fromkeys(applied))


@settings(max_examples=50, deadline=None)
@given(spaces(SPAD_FLOWS))
def test_where_every_axis_applies_an_id_is_the_flat_index_in_the_product_of_the_axes(space: DesignSpace) -> None:
    axes = [getattr(space, name) for name in SPACE_AXES]
    assert space.size == math.prod(map(len, axes))
    for design_id, *values in all_rows(space)[:: max(1, space.size // 50)]:
        place = tuple(axis.index(value) for axis, value in zip(axes, values, strict=True))
        assert np.ravel_multi_index(place, tuple(map(len, axes))) == design_id


@settings(max_examples=50, deadline=None)
@given(spaces())
def test_ids_are_found_again_from_the_place_of_each_value(space: DesignSpace) -> None:
    everything = all_rows(space)
    places = {
        name: np.array(
            [0 if (value := row[1 + i]) is None else getattr(space, name).index(value) for row in everything]
        )
        for i, name in enumerate(SPACE_AXES)
    }
    assert np.array_equal(space.ids(places), np.arange(space.size))
    registers = np.array([row[2] not in SPAD_FLOWS for row in everything])
    places |= {name: np.where(registers, 99, places[name]) for name in SPAD_AXES}  # where it does not apply: no effect
    assert np.array_equal(space.ids(places), np.arange(space.size))


def test_a_mixed_space_counts_spad_combinations_for_row_stationary_only() -> None:
    space = a_space(
        pe_type=("int8", "int16"), dataflow=("with_spads", "registers"), rows=(8, 12, 16), filter_spad_words=(112, 224),
        psum_spad_words=(16, 24),
    )  # fmt: skip
    assert [grid.size for grid in space.grids] == [12, 3, 12, 3]
    assert [grid.start for grid in space.grids] == [0, 12, 15, 27]
    assert space.size == 30


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


@pytest.mark.parametrize("method", ["random", "lhs", "sobol"])
def test_a_sample_of_a_mixed_space_holds_designs_of_every_dataflow(method: str) -> None:
    many = tuple(range(1, 9))
    space = a_space(dataflow=("with_spads", "registers"), rows=many, cols=many, glb_kib=many, ifmap_spad_words=(8, 12))
    blocks = space.select(sampled_ids(space, Sample(method=method, n=100, seed=1)), 1000)
    counts = {block.designs.dataflow: len(block.design_ids) for block in blocks}
    assert min(counts["with_spads"], counts["registers"]) > 20


def test_a_random_sample_of_an_astronomical_space_is_drawn_without_listing_it() -> None:
    space = a_space(**{axis.name: tuple(range(1, 60)) for axis in NUMERIC_AXES})
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


def test_without_spads_the_other_axes_stay_and_broadcast() -> None:
    designs = Designs.of("int8", "registers", {"rows": [8, 12], "cols": [4, 6]})
    bare = designs.without_spads()
    assert bare.shape == (2,)
    assert {axis.name for axis in NUMERIC_AXES if not bare.has(axis.name)} == set(SPAD_AXES)
    assert bare.rows is designs.rows
    assert all(designs.has(axis.name) for axis in NUMERIC_AXES)


@pytest.mark.parametrize(
    "formula",
    [
        lambda spad: spad + 1, lambda spad: 3 - spad, lambda spad: 2 * spad, lambda spad: 7 // spad,
        lambda spad: spad < 3, lambda spad: ceil_div(spad, 2), lambda spad: np.minimum(spad, 3),
        lambda spad: np.maximum(3, spad), lambda spad: np.clip(spad, 1, 3), lambda spad: np.log2(spad),
        lambda spad: np.where(True, spad, 1) + 1, lambda spad: int(np.max(spad)),
        lambda spad: np.asarray(spad, np.float64), lambda spad: spad.astype(np.int64),
    ],
)  # fmt: skip
def test_a_spad_that_is_not_there_enters_no_formula(formula: Callable[[Any], Any]) -> None:
    design = Designs.of("int8", "registers", {}).without_spads()
    with pytest.raises(TypeError):
        formula(design.filter_spad_words)
