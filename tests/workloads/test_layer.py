"""Layer arithmetic against published shapes, a brute-force count, and the laws of the loop nest."""

from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError, replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given

from dse.errors import InputError
from tests.workloads.strategies import layers, workloads
from workloads.layer import MAX_SIZE, MAX_WORK, Layer, Workload


def conv(**changes: Any) -> Layer:
    sizes: dict[str, Any] = {"C": 4, "H": 8, "W": 8, "M": 6, "R": 3, "S": 3, "padding": 1}
    return Layer(**{"name": "conv", "kind": "conv", **sizes, **changes})


def problems_of(**changes: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        conv(**changes)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("sizes", "ofmap"),
    [
        # (H, R, stride, padding, dilation) -> E. AlexNet conv1 and conv2: Chen et al., JSSC 2017, table II.
        ((227, 11, 4, 0, 1), 55),
        ((27, 5, 1, 2, 1), 27),
        # ResNet conv1 and a stage's first 3x3: He et al., CVPR 2016, table 1.
        ((224, 7, 2, 3, 1), 112),
        ((56, 3, 2, 1, 1), 28),
        # A 3x3 filter with dilation 2 spans 5; DeepLab keeps the size with padding 2.
        ((65, 3, 1, 2, 2), 65),
        ((7, 7, 1, 0, 1), 1),
    ],
)
def test_ofmap_size_equals_the_published_one(sizes: tuple[int, ...], ofmap: int) -> None:
    H, R, stride, padding, dilation = sizes
    tall = conv(H=H, R=R, S=1, stride=stride, padding=padding, dilation=dilation)
    wide = conv(W=H, S=R, R=1, stride=stride, padding=padding, dilation=dilation)
    assert (tall.E, wide.F) == (ofmap, ofmap)


def brute_force(layer: Layer) -> Counter[str]:
    """MACs, distinct outputs and distinct weights of the loop nest, walked one by one."""
    padded_height = layer.padding + layer.H + layer.padding + layer.pad_bottom
    padded_width = layer.padding + layer.W + layer.padding + layer.pad_right
    reach_height, reach_width = layer.dilation * (layer.R - 1), layer.dilation * (layer.S - 1)
    tops = range(0, padded_height - reach_height, layer.stride)
    lefts = range(0, padded_width - reach_width, layer.stride)
    macs, outputs, weights = 0, set(), set()
    for group in range(layer.groups):
        filters = range(group * layer.M // layer.groups, (group + 1) * layer.M // layer.groups)
        channels = range(group * layer.C // layer.groups, (group + 1) * layer.C // layer.groups)
        for m, top, left, c, r, s in product(filters, tops, lefts, channels, range(layer.R), range(layer.S)):
            macs += 1
            outputs.add((m, top, left))
            weights.add((m, c, r, s))
    return Counter(macs=macs, ofmap_words=len(outputs), weights=len(weights))


@given(layers)
def test_counts_equal_a_brute_force_loop_nest(layer: Layer) -> None:
    expected = brute_force(layer)
    assert layer.macs == expected["macs"]
    assert layer.ofmap_words == expected["ofmap_words"]
    assert layer.weights == expected["weights"]


@given(layers)
def test_ofmap_is_positive_and_macs_are_outputs_times_reduction_length(layer: Layer) -> None:
    assert layer.E >= 1
    assert layer.F >= 1
    assert layer.macs == layer.E * layer.F * layer.M * layer.reduction_length
    assert layer.macs >= max(layer.ofmap_words, layer.weights)


@given(workloads)
def test_merging_equal_shapes_conserves_macs_weights_and_layer_number(workload: Workload) -> None:
    merged = replace(workload, layers=workload.unique_layers())
    assert (merged.macs, merged.weights) == (workload.macs, workload.weights)
    assert sum(layer.count for layer in merged.layers) == sum(layer.count for layer in workload.layers)
    shapes = [layer.shape for layer in merged.layers]
    assert shapes == list(dict.fromkeys(layer.shape for layer in workload.layers))


def test_shape_ignores_name_and_count_and_nothing_else() -> None:
    layer = conv(C=8, M=8, R=3, S=3)
    assert replace(layer, name="other", count=7).shape == layer.shape
    changes: list[dict[str, Any]] = [
        {"C": 4}, {"H": 9}, {"W": 9}, {"M": 4}, {"R": 1}, {"S": 1}, {"stride": 2}, {"padding": 2},
        {"dilation": 2}, {"groups": 2}, {"kind": "depthwise", "groups": 8}, {"pad_bottom": 1}, {"pad_right": 1},
        {"ifmap_zeros": 0.5}, {"ofmap_zeros": 0.5},
    ]  # fmt: skip
    assert len({layer.shape, *(replace(layer, **change).shape for change in changes)}) == len(changes) + 1


def test_gemm_is_m_rows_times_k_by_n() -> None:
    layer = Layer("qk", "gemm", C=64, H=128, W=1, M=100, R=1, S=1)
    assert layer.macs == 128 * 64 * 100
    assert (layer.ifmap_words, layer.weights, layer.ofmap_words) == (128 * 64, 64 * 100, 128 * 100)
    heads = Layer("qk", "gemm", C=12 * 64, H=128, W=1, M=12 * 100, R=1, S=1, groups=12)
    assert heads.macs == 12 * layer.macs
    assert heads.weights == 12 * layer.weights


def test_a_padding_at_one_edge_is_tensorflows_same_padding() -> None:
    """224 rows under a 3-row filter with stride 2 give 112 with one padding row at one edge and none at the other."""
    same = conv(H=224, W=224, stride=2, padding=0, pad_bottom=1, pad_right=1)
    assert (same.E, same.F) == (112, 112)
    assert same.ifmap_words == conv(H=224, W=224).ifmap_words


def test_the_operands_of_a_matmul_are_no_weights_of_the_network() -> None:
    keys = Layer("qk", "matmul", C=12 * 64, H=197, W=1, M=12 * 197, R=1, S=1, groups=12)
    assert (keys.macs, keys.weights) == (12 * 197 * 64 * 197, 12 * 64 * 197)
    projection = Layer("qkv", "gemm", C=768, H=197, W=1, M=2304, R=1, S=1)
    assert Workload("net", (keys, projection)).weights == projection.weights == 768 * 2304


def test_flattening_the_input_of_a_fully_connected_layer_changes_no_count() -> None:
    filter_form = Layer("fc6", "fc", C=512, H=7, W=7, M=4096, R=7, S=7)
    flat = Layer("fc6", "fc", C=25088, H=1, W=1, M=4096, R=1, S=1)
    for count in ("macs", "weights", "ifmap_words", "ofmap_words", "reduction_length"):
        assert getattr(filter_form, count) == getattr(flat, count)


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"C": 0}, ["C: must be at least 1, got 0"]),
        ({"M": -3}, ["M: must be at least 1, got -3"]),
        ({"padding": -1}, ["padding: must be at least 0, got -1"]),
        ({"stride": 1.0}, ["stride: must be an integer, got 1.0"]),
        ({"H": float("nan")}, ["H: must be an integer, got nan"]),
        ({"count": True}, ["count: must be an integer, got True"]),
        ({"W": MAX_SIZE + 1}, [f"W: must be at most {MAX_SIZE}, got {MAX_SIZE + 1}"]),
        ({"kind": "dense"}, ["kind: unknown kind of layer, got 'dense' (known: conv, depthwise, fc, gemm, matmul)"]),
        ({"kind": "cnv"}, ["kind: unknown kind of layer, got 'cnv' (did you mean `conv`?)"]),
        ({"kind": None}, ["kind: unknown kind of layer (known: conv, depthwise, fc, gemm, matmul)"]),
        ({"groups": 4}, ["groups: must divide M = 6, got 4"]),
        ({"groups": 5}, ["groups: must divide C = 4, got 5", "groups: must divide M = 6, got 5"]),
        ({"kind": "depthwise", "groups": 2}, ["groups: must be 4 in this depthwise layer, got 2"]),
        ({"R": 11}, ["R: filter spans 11 (dilation 1) and must fit the padded ifmap of 10, got 11"]),
        ({"S": 5, "dilation": 3}, ["S: filter spans 13 (dilation 3) and must fit the padded ifmap of 10, got 5"]),
        (
            {"kind": "fc", "R": 8, "S": 8, "stride": 2},
            ["stride: must be 1 in this fc layer, got 2", "padding: must be 0 in this fc layer, got 1"],
        ),
        (
            {"kind": "gemm", "padding": 0, "R": 1},
            ["W: must be 1 in this gemm layer, got 8", "S: must be 1 in this gemm layer, got 3"],
        ),
        (
            {"kind": "gemm", "padding": 0, "R": 1, "S": 1, "W": 1, "pad_right": 2},
            ["pad_right: must be 0 in this gemm layer, got 2"],
        ),
        ({"pad_bottom": -1}, ["pad_bottom: must be at least 0, got -1"]),
        ({"ifmap_zeros": 1.5}, ["ifmap_zeros: must be a share from 0 to 1, got 1.5"]),
        ({"ofmap_zeros": float("nan")}, ["ofmap_zeros: must be a share from 0 to 1, got nan"]),
        ({"C": 0, "kind": "?", "H": "8"}, ["kind: unknown", "C: must be at least 1", "H: must be an integer"]),
    ],
)
def test_an_impossible_layer_says_everything_that_is_wrong(changes: dict[str, Any], messages: list[str]) -> None:
    found = problems_of(**changes)
    assert len(found) == len(messages)
    for text, message in zip(found, messages, strict=True):
        assert text.startswith(message)


def test_work_beyond_the_limit_of_int64_arithmetic_is_refused() -> None:
    edge = conv(C=1, M=1, H=2**25, W=2**25, R=1, S=1, padding=0)
    assert edge.macs == MAX_WORK
    assert problems_of(C=1, M=1, H=2**25, W=2**25, R=1, S=1, padding=0, count=2) == [
        f"count: MACs times count must be at most 2^50, got {2**51}",
        f"count: ifmap words times count must be at most 2^50, got {2**51}",
    ]
    with pytest.raises(InputError, match="workload big: must have at most 2\\^50 MACs in total"):
        Workload("big", (edge, conv()))


def test_a_workload_without_layers_is_refused() -> None:
    with pytest.raises(InputError, match="workload empty: must have at least one layer"):
        Workload("empty", ())


def test_layers_are_frozen_and_hashable() -> None:
    layer = conv()
    assert hash(layer) == hash(conv())
    with pytest.raises(FrozenInstanceError):
        layer.C = 3  # type: ignore[misc]
