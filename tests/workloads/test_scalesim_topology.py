"""SCALE-Sim topologies are read as SCALE-Sim reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.errors import InputError
from workloads.layer import Layer
from workloads.loader import load_workload, parse_workload

HEADER = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"
# The first rows of SCALE-Sim's own conv_nets/alexnet.csv and Resnet18.csv, with their commas and blanks.
ALEXNET = f"""{HEADER}
Conv1     ,224         ,224        ,11           ,11          ,3       ,96        ,4      ,
Conv2     ,27         ,27        ,5            ,5           ,96      ,256       ,1      ,
"""
RESNET18 = f"""{HEADER},, Target
Conv1,224,224,7,7,3,64,2, NPU
Conv3_s,56,56,1,1,64,128,2, NPU
FC,1,1,1,1,512,1000,1, NPU
"""


def layers_of(text: str) -> tuple[Layer, ...]:
    return parse_workload(text, "net", "net.csv").layers


def messages(*rows: str, header: str = HEADER) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_workload("\n".join((header, *rows)), "net", "net.csv")
    return [str(problem) for problem in caught.value.problems]


def folds(size: int, lanes: int) -> int:
    return -(-size // lanes)


def test_output_size_is_rounded_up_as_in_scalesim() -> None:
    conv1, conv2 = layers_of(ALEXNET)
    assert (conv1.E, conv1.F, conv1.reduction_length, conv1.M) == (55, 55, 363, 96)
    assert (conv2.E, conv2.F, conv2.reduction_length, conv2.M) == (23, 23, 2400, 256)
    assert (conv1.H, conv1.W, conv1.padding) == (227, 227, 0)
    assert (conv2.H, conv2.W) == (27, 27)


def test_shapes_give_the_cycles_that_scalesim_counts() -> None:
    # Compute cycles that SCALE-Sim 3.0.0 counts on a 12 x 14 array, first output then weight stationary. A fold
    # takes its stream of operands plus the skew over rows and columns, and 12 cycles to load stationary weights.
    for layer, cycles in zip(layers_of(ALEXNET), (685_377, 2_072_520), strict=True):
        outputs = layer.E * layer.F
        assert folds(outputs, 12) * folds(layer.M, 14) * (layer.reduction_length + 12 + 14 - 2) == cycles
    for layer, cycles in zip(layers_of(RESNET18), (788_840, 52_620, 114_552), strict=True):
        stream = layer.E * layer.F + 12 + 12 + 14 - 2
        assert folds(layer.reduction_length, 12) * folds(layer.M, 14) * stream == cycles


def test_notes_after_the_eighth_column_are_left_alone_and_a_covered_ifmap_is_fully_connected() -> None:
    conv1, shortcut, fc = layers_of(RESNET18)
    assert (conv1.E, shortcut.E, fc.E) == (110, 29, 1)
    assert [layer.kind for layer in (conv1, shortcut, fc)] == ["conv", "conv", "fc"]
    assert fc.macs == 512_000


sizes = st.integers(1, 300)


@given(sizes, sizes, st.integers(1, 11), st.integers(1, 11), sizes, sizes, st.integers(1, 12))
def test_outputs_macs_and_weights_are_those_of_scalesim(
    height: int, width: int, R: int, S: int, C: int, M: int, stride: int
) -> None:
    height, width = max(height, R), max(width, S)
    (layer,) = layers_of(f"{HEADER}\nlayer,{height},{width},{R},{S},{C},{M},{stride},")
    E = -(-(height - R + stride) // stride)
    F = -(-(width - S + stride) // stride)
    assert (layer.E, layer.F) == (E, F)
    assert layer.macs == E * F * R * S * C * M
    assert layer.weights == R * S * C * M
    assert 0 <= layer.H - height < stride
    assert 0 <= layer.W - width < stride


def test_a_depthwise_layer_is_marked_by_its_name() -> None:
    (layer,) = layers_of(f"{HEADER}\nConv2DP,112,112,3,3,32,1,1,")
    assert (layer.kind, layer.groups, layer.C, layer.M) == ("depthwise", 32, 32, 32)
    assert layer.macs == 110 * 110 * 9 * 32


def test_gemm_topology_is_read() -> None:
    # The first row of SCALE-Sim's GEMM_mnk/vit_s.csv.
    (layer,) = layers_of("Layer,M,N,K,\nL0,196,192,384,\n")
    assert (layer.kind, layer.H, layer.M, layer.C) == ("gemm", 196, 192, 384)
    assert layer.macs == 196 * 192 * 384


def test_repeated_names_are_numbered() -> None:
    rows = "\n".join(["a,9,9,3,3,1,1,1,"] * 3)
    assert [layer.name for layer in layers_of(f"{HEADER}\n{rows}")] == ["a", "a#2", "a#3"]


def test_a_file_is_recognized_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "alexnet_topology.csv"
    path.write_text(ALEXNET)
    workload = load_workload(path)
    assert (workload.name, workload.source, len(workload.layers)) == ("alexnet_topology", "SCALE-Sim topology", 2)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["a,9,9,3,3,0,1,1,"], ["net.csv:2 column Channels: must be at least 1, got 0"]),
        (["a,9,9,3,3,1,1,0,"], ["net.csv:2 column Strides: must be at least 1, got 0"]),
        (["a,9,9,3,3.5,1,1,1,"], ["net.csv:2 column Filter Width: must be a whole number, got '3.5'"]),
        (["a,9,9,11,3,1,1,1,"], ["net.csv:2 column Filter Height: must fit the ifmap of 9, got 11"]),
        (["a,9,9,3,3,1"], ["net.csv:2: must have 8 values (Layer name, IFMAP Height"]),
        (["Transformer,"], ["net.csv:2: must have 8 values"]),
        ([",9,9,3,3,1,1,1,"], ["net.csv:2: must have 8 values"]),
        (["a,9,9,3,3,1,1,1,2:4,"], ["net.csv:2: sparsity is not supported, got '2:4' (only 1:1)"]),
        (
            ["a,99999,99999,1,1,999999,99999,1,"],
            [
                "net.csv:2: MACs times count must be at most 2^50",
                "net.csv:2: ifmap words times count must be at most 2^50",
            ],
        ),
        (
            ["a,x,9,3,3,1,1,1,", "b,9,9,3,3,1,-1,1,"],
            ["net.csv:2 column IFMAP Height: must be a whole", "net.csv:3 column Num Filter: must be at least 1"],
        ),
        ([], ["net.csv: has a header and no layers"]),
    ],
)
def test_a_bad_topology_is_described_at_once(rows: list[str], expected: list[str]) -> None:
    found = messages(*rows)
    assert len(found) == len(expected)
    for message, start in zip(found, expected, strict=True):
        assert message.startswith(start)


def test_a_batch_or_a_second_stride_is_refused_instead_of_lost() -> None:
    assert messages("a,9,9,3,3,1,1,1,4,", header=HEADER + " Batch Size,") == [
        "net.csv:2 column Batch Size: must be 1: the batch is an axis of the design space, got '4'"
    ]
    assert messages("a,9,9,3,3,1,1,1,2,", header=HEADER.replace("Strides", "Stride height") + "Stride width,") == [
        "net.csv:2 column Stride width: must equal the other stride, got '2'"
    ]
