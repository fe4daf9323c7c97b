"""The designs of a study in pieces: each of them once, in order, in pieces that do not grow with the space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.selection import Piece, Selection, slabs
from dse.space import NUMERIC_AXES, SPAD_AXES, Grid
from tests.studies import study_of

CONFIG = """
schema: 1
name: tiny
workloads: [resnet20-cifar10]
space:
  pe_type: [int16, lightpe1]
  dataflow: [weight_stationary, row_stationary]
  rows: [8, 12, 16]
  cols: [14, 16]
  filter_spad_words: [112, 224]
  glb_kib: [64, 108, 128, 256, 512]
"""
HUGE = CONFIG.replace("[8, 12, 16]", "{start: 1, stop: 1000, step: 1}").replace(
    "[14, 16]", "{start: 1, stop: 1000, step: 1}"
).replace("[112, 224]", "{start: 100, stop: 1099, step: 1}")  # fmt: skip


def grid_of(sizes: list[int]) -> Grid:
    """A grid with so many values of each axis, ids from 1000."""
    axes = {axis.name: tuple(range(1, size + 1)) for axis, size in zip(NUMERIC_AXES, sizes, strict=True)}
    return Grid("int16", "row_stationary", axes, 1000)


@given(st.lists(st.integers(1, 4), min_size=len(NUMERIC_AXES), max_size=len(NUMERIC_AXES)), st.integers(1, 300))
def test_slabs_have_the_designs_of_their_grid_in_order_and_no_more_each_than_asked(sizes: list[int], most: int) -> None:
    grid = grid_of([size if number % 2 else 1 for number, size in enumerate(sizes)])
    found = list(slabs(grid, most))
    assert all(slab.size <= most for slab in found)
    assert [slab.start for slab in found] == [grid.start + sum(s.size for s in found[:n]) for n in range(len(found))]
    assert sum(slab.size for slab in found) == grid.size
    whole = grid.decode(np.arange(grid.start, grid.start + grid.size))
    for axis in NUMERIC_AXES:
        parts = [s.decode(np.arange(s.start, s.start + s.size)).column(axis.name) for s in found]
        assert np.array_equal(np.concatenate(parts), whole.column(axis.name))


@pytest.mark.parametrize("most", [1, 4, 7, 30, 1000])
@pytest.mark.parametrize("sample", ["", "sample: {method: random, n: 61, seed: 1}\n"])
def test_blocks_are_the_designs_of_the_selection_each_once_and_in_order(sample: str, most: int, tmp_path: Path) -> None:
    study = study_of(tmp_path, CONFIG + sample)
    selection = Selection.of(study)
    blocks = list(selection.blocks(most))
    ids = np.concatenate([block.design_ids for block in blocks])
    assert len(ids) == selection.designs == study.designs == (61 if sample else study.space.size)
    assert (np.diff(ids) > 0).all()
    assert all(len(block.design_ids) <= most for block in blocks)
    for block in blocks:
        (same,) = study.space.select(block.design_ids, len(block.design_ids))
        assert (same.designs.pe_type, same.designs.dataflow) == (block.designs.pe_type, block.designs.dataflow)
        for axis in NUMERIC_AXES:
            if axis.name not in SPAD_AXES or block.designs.has(axis.name):
                assert np.array_equal(same.designs.column(axis.name), block.designs.column(axis.name))


def test_grids_without_a_design_of_the_sample_are_left_out(tmp_path: Path) -> None:
    study = study_of(tmp_path, CONFIG + "sample: {method: random, n: 1, seed: 0}\n")
    (piece,) = Selection.of(study).grids
    assert piece.designs == 1


def test_the_number_of_pieces_follows_their_size_whatever_the_axes(tmp_path: Path) -> None:
    selection = Selection.of(study_of(tmp_path, HUGE))
    assert selection.designs > 10**10
    most = selection.designs // 4096
    pieces = list(selection.pieces(most))
    assert 4096 <= len(pieces) <= 2 * 4096
    assert max(piece.designs for piece in pieces) <= most
    assert sum(piece.designs for piece in pieces) == selection.designs


def test_a_piece_is_cut_into_itself_where_it_is_small_enough() -> None:
    grid = grid_of([2] * len(NUMERIC_AXES))
    assert list(Piece(grid).pieces(grid.size)) == [Piece(grid)]


@pytest.mark.parametrize("most", [1, 7, 40, 1000])
@pytest.mark.parametrize("sample", ["", "sample: {method: random, n: 61, seed: 1}\n"])
def test_regions_have_small_grids_and_the_designs_of_the_selection(sample: str, most: int, tmp_path: Path) -> None:
    selection = Selection.of(study_of(tmp_path, CONFIG + sample))
    regions = list(selection.regions(most))
    assert all(region.grid.size <= most and region.designs for region in regions)
    ids = np.concatenate([block.design_ids for region in regions for block in region.blocks(10)])
    assert np.array_equal(ids, np.concatenate([block.design_ids for block in selection.blocks(10)]))
