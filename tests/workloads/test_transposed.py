"""A transposed convolution and the convolutions that it becomes compute the same values with the same products."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from dse.errors import InputError
from tests.workloads.strategies import transposed_convolutions
from workloads.transposed import Phase, TransposedConvolution

Ints = NDArray[np.int64]


def values_of(layer: TransposedConvolution) -> tuple[Ints, Ints]:
    """An ifmap (C, H, W) and filters (C, M / groups, R, S), laid out as in PyTorch."""
    rng = np.random.default_rng(0)
    filters = rng.integers(-9, 10, (layer.C, layer.M // layer.groups, layer.R, layer.S))
    return rng.integers(-9, 10, (layer.C, layer.H, layer.W)), filters


def scattered(layer: TransposedConvolution, ifmap: Ints, filters: Ints) -> Ints:
    """The definition: every ifmap value times the whole filter, added where it lands inside the ofmap."""
    ofmap = np.zeros((layer.M, layer.E, layer.F), np.int64)
    for c, i, j, r, s in np.ndindex(layer.C, layer.H, layer.W, layer.R, layer.S):
        row = i * layer.stride + r * layer.dilation - layer.padding
        column = j * layer.stride + s * layer.dilation - layer.padding
        first = c // (layer.C // layer.groups) * (layer.M // layer.groups)
        if 0 <= row < layer.E and 0 <= column < layer.F:
            ofmap[first : first + layer.M // layer.groups, row, column] += ifmap[c, i, j] * filters[c, :, r, s]
    return ofmap


def convolved(layer: TransposedConvolution, ifmap: Ints, filters: Ints, rows: Phase, columns: Phase) -> Ints:
    """A phase as the plain convolution that it claims to be: crop, pad, slide the flipped part of the filters."""
    part = ifmap[:, rows.first_row :, columns.first_row :][:, : rows.rows, : columns.rows]
    padded = np.pad(part, ((0, 0), (rows.before, rows.after), (columns.before, columns.after)))
    kernel = filters[:, :, rows.first_tap :: rows.tap_step, columns.first_tap :: columns.tap_step][:, :, ::-1, ::-1]
    ofmap = np.zeros((layer.M, rows.outputs, columns.outputs), np.int64)
    group_c, group_m = layer.C // layer.groups, layer.M // layer.groups
    for m, c, r, s in np.ndindex(layer.M, group_c, rows.taps, columns.taps):
        channel = m // group_m * group_c + c
        window = padded[channel, r * rows.dilation :, s * columns.dilation :]
        ofmap[m] += window[: rows.outputs, : columns.outputs] * kernel[channel, m % group_m, r, s]
    return ofmap


@settings(max_examples=300)
@given(transposed_convolutions())
def test_the_phases_interleaved_are_the_transposed_convolution(layer: TransposedConvolution) -> None:
    ifmap, filters = values_of(layer)
    ofmap = np.zeros((layer.M, layer.E, layer.F), np.int64)
    for rows, columns in product(layer.row_phases(), layer.column_phases()):
        ofmap[:, rows.start :: layer.stride, columns.start :: layer.stride] = convolved(
            layer, ifmap, filters, rows, columns
        )
    assert np.array_equal(ofmap, scattered(layer, ifmap, filters))


def taps_per_output(ifmap: int, kernel: int, layer: TransposedConvolution, outputs: int) -> int:
    """(Output, tap) pairs of one direction: the tap meets an ifmap position or a zero beyond its edges, no inserted
    zero; phases that meet no ifmap position at all are left out."""
    pairs = 0
    for start in range(min(layer.stride, outputs)):
        met = [
            (output + layer.padding - tap * layer.dilation) // layer.stride
            for output in range(start, outputs, layer.stride)
            for tap in range(kernel)
            if (output + layer.padding - tap * layer.dilation) % layer.stride == 0
        ]
        pairs += len(met) if met and max(met) >= 0 and min(met) < ifmap else 0
    return pairs


@settings(max_examples=300)
@given(transposed_convolutions())
def test_macs_are_the_output_and_tap_pairs_counted_one_by_one(layer: TransposedConvolution) -> None:
    rows = taps_per_output(layer.H, layer.R, layer, layer.E)
    columns = taps_per_output(layer.W, layer.S, layer, layer.F)
    macs = layer.count * layer.M * (layer.C // layer.groups) * rows * columns
    assert sum(part.macs * part.count for part in layer.layers()) == macs


@settings(max_examples=300)
@given(transposed_convolutions())
def test_the_layers_have_the_sizes_of_the_phases(layer: TransposedConvolution) -> None:
    parts = layer.layers()
    pairs = [*product(layer.row_phases(), layer.column_phases())]
    assert sum(part.count for part in parts) == layer.count * len(pairs)
    assert sum(part.ofmap_words * part.count for part in parts) == layer.count * layer.M * sum(
        rows.outputs * columns.outputs for rows, columns in pairs
    )
    assert all(part.H <= layer.H and part.W <= layer.W for part in parts)
    assert len({part.shape for part in parts}) == len({part.name for part in parts}) == len(parts)


@pytest.mark.parametrize(
    ("sizes", "ofmap", "shapes"),
    [
        # (H, R, stride, padding, output padding) -> E, and (taps, outputs, ifmap rows, padding) of distinct phases.
        # DCGAN (Radford et al., ICLR 2016) as in PyTorch's tutorial: 4 x 4 filters, stride 2, padding 1.
        ((4, 4, 2, 1, 0), 8, {(2, 4, 4, 1)}),
        # FSRCNN (Dong et al., ECCV 2016): 9 x 9, stride 2, "same" size.
        ((360, 9, 2, 4, 1), 720, {(5, 360, 360, 4), (4, 360, 360, 3)}),
        # U-Net's up-convolution (Ronneberger et al., MICCAI 2015): 2 x 2, stride 2, no overlap.
        ((28, 2, 2, 0, 0), 56, {(1, 28, 28, 0)}),
        # A filter that the stride does not divide: 3 x 3 at stride 2.
        ((7, 3, 2, 1, 1), 14, {(1, 7, 7, 0), (2, 7, 7, 1)}),
    ],
)
def test_published_layers_have_the_published_size_and_short_filters(
    sizes: tuple[int, ...], ofmap: int, shapes: set[tuple[int, ...]]
) -> None:
    H, R, stride, padding, output_padding = sizes
    layer = TransposedConvolution("up", 8, H, H, 4, R, R, stride, padding, output_padding=output_padding)
    assert (layer.E, layer.F) == (ofmap, ofmap)
    found = {(phase.taps, phase.outputs, phase.rows, phase.before + phase.after) for phase in layer.row_phases()}
    assert found == shapes
    assert len(layer.layers()) <= 4


def test_a_filter_that_the_stride_divides_costs_what_the_usual_formula_says() -> None:
    """H W C M R S MACs: every ifmap value times the whole filter, as where the ofmap is cropped as much as padded."""
    layer = TransposedConvolution("up", 1024, 4, 4, 512, 4, 4, stride=2, padding=1)
    (part,) = layer.layers()
    assert (part.count, part.count * part.macs) == (4, 4 * 4 * 1024 * 512 * 4 * 4)


def test_stride_one_is_a_convolution_with_the_filter_turned() -> None:
    (part,) = TransposedConvolution("up", 3, 9, 9, 5, 3, 3, padding=1, dilation=2).layers()
    assert (part.E, part.F, part.R, part.dilation, part.padding, part.count) == (11, 11, 3, 2, 3, 1)


def test_inserted_positions_that_no_tap_meets_have_no_layer() -> None:
    """Stride 2 and dilation 2: only the even outputs of an even crop get anything."""
    layer = TransposedConvolution("up", 1, 4, 4, 1, 3, 3, stride=2, dilation=2)
    assert [(phase.start, phase.dilation, phase.taps) for phase in layer.row_phases()] == [(0, 1, 3)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"padding": 4}, "padding: leaves an ofmap of 0 x 0, got 4"),
        ({"output_padding": 2}, "output_padding: must be smaller than stride 2 or dilation 1, got 2"),
        ({"groups": 3}, "groups: must divide C = 4, got 3"),
        ({"stride": 65}, "stride: must be at most 64 in a transposed layer, got 65"),
        ({"H": 1, "W": 1, "R": 1, "S": 1, "stride": 3, "padding": 1, "output_padding": 2},
         "padding: leaves outputs only that no ifmap value reaches, got 1"),
    ],
)  # fmt: skip
def test_an_impossible_transposed_convolution_says_what_is_wrong(changes: dict[str, int], message: str) -> None:
    sizes = {"C": 4, "H": 3, "W": 3, "M": 6, "R": 4, "S": 4, "stride": 2, **changes}
    with pytest.raises(InputError) as caught:
        TransposedConvolution("up", **sizes)
    assert [str(problem) for problem in caught.value.problems] == [message]
