"""Every shipped network: provenance, and totals against published figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from workloads.layer import MAX_SIZE, Workload
from workloads.loader import list_workloads, load_workload

SHIPPED = list_workloads()
LONGEST_REDUCTION = 25088  # VGG-16 fc6; the psum widths of the PE library are chosen for it


def rounded(value: int, printed: int) -> int:
    """`value` with as many significant digits as `printed` has (its trailing zeros are not significant)."""
    unit = 1
    while printed % (10 * unit) == 0:
        unit *= 10
    return (value + unit // 2) // unit * unit


def macs_of(workload: Workload, *kinds: str) -> int:
    return sum(layer.macs * layer.count for layer in workload.layers if layer.kind in kinds)


def weights_of(workload: Workload, *kinds: str) -> int:
    return sum(layer.weights * layer.count for layer in workload.layers if layer.kind in kinds)


def channels_of(workload: Workload, *kinds: str) -> int:
    """Ofmap channels of all layers: one bias, or one scale and one shift, each."""
    return sum(layer.M * layer.count for layer in workload.layers if layer.kind in kinds)


def test_the_networks_of_the_studies_are_shipped() -> None:
    assert set(SHIPPED) >= {
        "alexnet", "vgg16", "resnet34", "resnet50", "mobilenetv2", "resnet20-cifar10", "resnet56-cifar10",
        "vgg16-cifar10", "fsrcnn-x2", "vit-b16",
    }  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_every_network_states_source_input_published_total_and_what_is_outside(name: str) -> None:
    workload = load_workload(name)
    assert workload.name == name
    for text in ("description", "source", "input", "published_macs_source", "outside"):
        assert getattr(workload, text), text
    assert workload.published_macs
    assert bool(workload.published_gap) == bool(workload.published_gap_reason)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_total_rounds_to_the_published_one(name: str) -> None:
    """To all printed digits, after adding the stated gap between the published variant and the table."""
    workload = load_workload(name)
    assert workload.published_macs is not None
    assert rounded(workload.macs + workload.published_gap, workload.published_macs) == workload.published_macs


@pytest.mark.parametrize("name", SHIPPED)
def test_every_layer_fits_the_psum_width_and_no_shape_is_there_twice(name: str) -> None:
    workload = load_workload(name)
    assert all(1 <= layer.count <= MAX_SIZE for layer in workload.layers)
    assert all(layer.reduction_length <= LONGEST_REDUCTION for layer in workload.layers)
    assert workload.unique_layers() == workload.layers


def test_the_longest_reduction_is_that_of_vgg16_fc6() -> None:
    lengths = {(name, layer.name): layer.reduction_length for name in SHIPPED for layer in load_workload(name).layers}
    assert max(lengths.values()) == lengths["vgg16", "fc6"] == LONGEST_REDUCTION


@pytest.mark.parametrize(
    ("name", "macs", "layer_number"),
    [
        # Exact totals. ResNet-50: shape inference over the model light_resnet50 of the onnx package 1.23.
        # All: forward hooks over torchvision 0.29 (VGG-16, ResNet-34, ResNet-50, MobileNetV2) and over the
        # CIFAR networks of the papers in PyTorch 2.15; layer by layer the shapes are equal as well.
        ("vgg16", 15_470_264_320, 16),
        ("resnet34", 3_663_761_408, 37),
        ("resnet50", 4_089_184_256, 54),
        ("mobilenetv2", 300_774_272, 53),
        ("resnet20-cifar10", 40_551_040, 20),
        ("resnet56-cifar10", 125_485_696, 56),
        ("vgg16-cifar10", 313_201_664, 14),
        # FSRCNN, as its authors count: 25 d + s d + 9 m s^2 + d s + 81 d MACs per pixel of the small image, with
        # d, s, m = 56, 12, 4. The transposed convolution is 4 of the layers.
        ("fsrcnn-x2", (25 * 56 + 12 * 56 + 9 * 4 * 12**2 + 56 * 12 + 81 * 56) * 360 * 640, 11),
        # ViT, with N = 197 tokens of width D = 768: 12 (12 N D^2 + 2 N^2 D), patches and head.
        ("vit-b16", 12 * (12 * 197 * 768**2 + 2 * 197**2 * 768) + 196 * 768**2 + 768 * 1000, 74),
    ],
)
def test_totals_equal_an_independent_count_exactly(name: str, macs: int, layer_number: int) -> None:
    workload = load_workload(name)
    assert workload.macs == macs
    assert sum(layer.count for layer in workload.layers) == layer_number


@pytest.mark.parametrize(
    ("name", "published", "biased", "normalized"),
    [
        # Parameters = weights + one bias per channel of the `biased` kinds + scale and shift per channel of the
        # `normalized` kinds. torchvision 0.29 model metadata, field num_params:
        ("vgg16", 138_357_544, ("conv", "fc"), ()),
        ("resnet34", 21_797_672, ("fc",), ("conv",)),
        ("resnet50", 25_557_032, ("fc",), ("conv",)),
        ("mobilenetv2", 3_504_872, ("fc",), ("conv", "depthwise")),
        # Caffe's bvlc_alexnet, all parameters; its weights alone are those of light_bvlc_alexnet of the onnx package.
        ("alexnet", 60_965_224, ("conv", "fc"), ()),
        # He et al., CVPR 2016, table 6, print 0.27M and 0.85M; counted in PyTorch 2.15.
        ("resnet20-cifar10", 269_722, ("fc",), ("conv",)),
        ("resnet56-cifar10", 853_018, ("fc",), ("conv",)),
        # kuangliu/pytorch-cifar VGG16, whose convolutions have both; counted in PyTorch 2.15.
        ("vgg16-cifar10", 14_728_266, ("conv", "fc"), ("conv",)),
    ],
)
def test_weights_biases_and_normalization_add_up_to_the_published_parameters(
    name: str, published: int, biased: tuple[str, ...], normalized: tuple[str, ...]
) -> None:
    workload = load_workload(name)
    assert workload.weights + channels_of(workload, *biased) + 2 * channels_of(workload, *normalized) == published


def test_convolutions_of_alexnet_and_vgg16_are_those_printed_for_the_eyeriss_chip() -> None:
    # Chen et al., ISSCC 2016: 2.3 M weights and 666 M MACs per 227 x 227 image; VGG-16: 14.7 M and 15.3 G.
    alexnet, vgg16 = load_workload("alexnet"), load_workload("vgg16")
    assert round(macs_of(alexnet, "conv") / 1e6) == 666
    assert round(weights_of(alexnet, "conv") / 1e6, 1) == 2.3
    assert round(macs_of(vgg16, "conv") / 1e9, 1) == 15.3
    assert round(weights_of(vgg16, "conv") / 1e6, 1) == 14.7


def test_each_alexnet_convolution_has_the_macs_of_the_eyeriss_measurement() -> None:
    # Chen et al., JSSC 2017, table V: GMACs at batch 4.
    printed = {"conv1": 0.42, "conv2": 0.90, "conv3": 0.60, "conv4": 0.45, "conv5": 0.30}
    layers = {layer.name: layer for layer in load_workload("alexnet").layers}
    assert {name: round(4 * layers[name].macs / 1e9, 2) for name in printed} == printed


def test_the_published_total_with_projection_shortcuts_follows_from_the_stated_difference() -> None:
    # chenyaofo/pytorch-cifar-models, README: ResNet-56 with two projection shortcuts, 125.75 M MAdds.
    assert rounded(load_workload("resnet56-cifar10").macs + 262_144, 125_750_000) == 125_750_000


def test_the_table_of_the_documentation_is_that_of_the_shipped_files() -> None:
    text = (Path(__file__).parents[2] / "docs" / "workloads.md").read_text()
    rows = [
        f"| `{name}` | {workload.input} | {sum(layer.count for layer in workload.layers)} "
        f"| {len(workload.layers)} | {workload.macs / 1e9:.4f} | {workload.weights / 1e6:.3f} "
        f"| {workload.published_macs_source} |"
        for name, workload in ((name, load_workload(name)) for name in SHIPPED)
    ]
    table = "\n".join(rows)
    assert table in text, f"docs/workloads.md is out of date; its table rows are\n{table}"


def test_fsrcnn_has_the_published_number_of_weights() -> None:
    """Dong et al., ECCV 2016, table 1: 12464 for FSRCNN(56,12,4); the phases share out the filter, tap by tap."""
    assert load_workload("fsrcnn-x2").weights == 12_464


def test_vit_has_the_published_number_of_parameters() -> None:
    """torchvision model metadata, field num_params: 86567656. The operands of its matmuls are no parameters."""
    workload, width, tokens = load_workload("vit-b16"), 768, 197
    normalizations = 2 * 12 + 1
    embeddings = (tokens + 1) * width  # of positions, and the class token
    found = workload.weights + channels_of(workload, "gemm", "fc") + normalizations * 2 * width + embeddings
    assert found == 86_567_656


def test_alexnet_states_the_published_zeros_and_no_more_than_what_follows_from_them() -> None:
    """JSSC 2017, table V. Past 3 x 3 pooling of stride 2 a zero stands for at least 4 zeros that are its own."""
    conv = {layer.name: layer for layer in load_workload("alexnet").layers}
    published = {"conv1": 0.0001, "conv2": 0.387, "conv3": 0.725, "conv4": 0.793, "conv5": 0.776}
    assert {name: conv[name].ifmap_zeros for name in published} == published
    assert conv["conv3"].ofmap_zeros == conv["conv4"].ifmap_zeros
    assert conv["conv4"].ofmap_zeros == conv["conv5"].ifmap_zeros
    for name, reader in (("conv1", "conv2"), ("conv2", "conv3")):
        pooled, written = conv[reader].H * conv[reader].W, conv[name].E * conv[name].F
        bound = 4 * pooled / written * conv[reader].ifmap_zeros
        assert bound - 1e-3 < conv[name].ofmap_zeros <= bound
    assert conv["conv5"].ofmap_zeros == 0
