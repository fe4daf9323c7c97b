"""Row stationary against a brute-force machine and against the laws of physics."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.laws import compulsory_ifmap_words
from dse.dataflow import row_stationary as rs
from dse.mapping.bench import layer_traffic
from dse.space import Designs
from dse.traffic import OperandBits, Traffic, ceil_div
from tests.dataflow.oracle import simulate, touched
from tests.workloads.strategies import layers
from workloads.layer import Layer

BITS = OperandBits(activation=8, weight=4, psum=30)
NOT_COUNTED = {"reason", "ifmap_zeros", "ofmap_zeros"}
LIMITS = {
    "rows": {"filter taller than the array (R > rows)", "PE sets do not fit the array"},
    "ifmap_spad_words": {"ifmap spad holds less than one filter row", "spads do not hold the mapping"},
    "filter_spad_words": {"filter spad holds less than one filter row", "spads do not hold the mapping"},
    "psum_spad_words": {"spads do not hold the mapping"},
    "glb_kib": {"GLB does not hold one pass"},
}
Mapping = dict[str, int]


@st.composite
def mappings(draw: st.DrawFn, layer: Layer, batch: int) -> Mapping:
    """Any values of all parameters, whether or not the search would try them."""
    filters, channels = layer.M // layer.groups, layer.C // layer.groups
    most = {"m": filters, "n": batch, "e": layer.E, "p": filters, "q": channels, "r": channels, "t": filters}
    return {name: draw(st.integers(1, limit)) for name, limit in most.items()}


def needed(layer: Layer, mapping: Mapping, cols: int) -> dict[str, int]:
    """The least of each resource that a mapping fits, on an array of `cols` columns; GLB in bits."""
    m, n, e, p, q, r, t = (mapping[name] for name in "mnepqrt")
    segments = ceil_div(e, cols)
    sets_in = (lambda bands: bands * (cols // e)) if segments == 1 else (lambda bands: bands // segments)
    bands = next(bands for bands in count(1) if sets_in(bands) >= r * t)
    rows = len(touched(range(e), layer.stride, layer.R, layer.dilation))
    words_wide = len(touched(range(layer.F), layer.stride, layer.S, layer.dilation))
    filters = min(p * t, layer.M // layer.groups)
    return {
        "rows": bands * layer.R,
        "cols": cols,
        "ifmap_spad_words": q * layer.S,
        "filter_spad_words": p * q * layer.S,
        "psum_spad_words": p,
        "glb_bits": n * q * r * rows * words_wide * BITS.activation
        + n * m * e * layer.F * BITS.psum
        + filters * q * r * layer.R * layer.S * BITS.weight,
    }


@st.composite
def cases(draw: st.DrawFn) -> tuple[Layer, Designs, Mapping]:
    """A layer of any kind, any mapping, and a design that the mapping fits, more or less closely."""
    layer, batch = draw(layers), draw(st.integers(1, 5))
    mapping = draw(mappings(layer, 1 if layer.kind == "matmul" else batch))
    least = needed(layer, mapping, draw(st.integers(1, 16)))
    glb_bits = least.pop("glb_bits")
    values = {name: words + draw(st.sampled_from([0, 0, 1, 5])) for name, words in least.items() if name != "cols"}
    values |= {"cols": least["cols"], "batch": batch, "glb_kib": ceil_div(glb_bits, 8192) + draw(st.integers(0, 2))}
    values["glb_bytes_per_cycle"] = draw(st.sampled_from([4, 8, 12, 64]))
    return layer, Designs.of("int8", "row_stationary", values), mapping


def counted(layer: Layer, design: Designs, mapping: Mapping) -> Traffic:
    arrays = {name: np.asarray(value) for name, value in mapping.items()}
    return layer_traffic(rs, layer, design, BITS, arrays)


def assert_equal_to_the_walk(layer: Layer, design: Designs, mapping: Mapping) -> None:
    traffic, batch, glb_bytes = counted(layer, design, mapping), int(design.batch), int(design.glb_bytes_per_cycle)
    assert rs.REASONS[int(traffic.reason)] == ""
    if layer.kind == "matmul":  # image by image
        seen = simulate(layer, 1, mapping, BITS, glb_bytes)
        seen = {name: value * (1 if name == "active_pes" else batch) for name, value in seen.items()}
    else:
        seen = simulate(layer, batch, mapping, BITS, glb_bytes)
    names = {field.name for field in fields(traffic)} - NOT_COUNTED
    assert {name: int(getattr(traffic, name)) for name in names} == seen


@settings(max_examples=200, deadline=None)
@given(cases())
def test_counts_equal_a_brute_force_walk_over_all_passes(case: tuple[Layer, Designs, Mapping]) -> None:
    assert_equal_to_the_walk(*case)


@pytest.mark.slow
@settings(max_examples=4000, deadline=None)
@given(cases())
def test_counts_equal_a_brute_force_walk_in_thousands_of_cases(case: tuple[Layer, Designs, Mapping]) -> None:
    assert_equal_to_the_walk(*case)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_no_count_is_negative_and_no_traffic_is_below_compulsory(case: tuple[Layer, Designs, Mapping]) -> None:
    layer, design, mapping = case
    traffic, batch = counted(layer, design, mapping), int(design.batch)
    images = batch if layer.kind == "matmul" else 1  # each has filters of its own
    assert all(int(getattr(traffic, field.name)) >= 0 for field in fields(traffic) if field.name not in NOT_COUNTED)
    assert int(traffic.macs) == batch * layer.macs
    assert int(traffic.compute_cycles) * int(traffic.active_pes) >= batch * layer.macs
    assert int(traffic.active_pes) <= int(design.rows * design.cols)
    assert int(traffic.dram_filter) >= images * layer.weights
    assert int(traffic.dram_ofmap) == batch * layer.ofmap_words
    assert int(traffic.dram_ifmap) >= batch * compulsory_ifmap_words(layer)
    assert int(traffic.glb_ifmap_reads) >= int(traffic.glb_ifmap_writes) == int(traffic.dram_ifmap)


@settings(max_examples=100, deadline=None)
@given(cases(), st.sampled_from(list(LIMITS)))
def test_one_less_than_a_mapping_needs_is_refused_with_the_limit_named(
    case: tuple[Layer, Designs, Mapping], axis: str
) -> None:
    layer, design, mapping = case
    least = needed(layer, mapping, int(design.cols))
    least["glb_kib"] = ceil_div(least.pop("glb_bits"), 8192)
    short = replace(design, **{axis: np.asarray(least[axis] - 1)})
    assert rs.REASONS[int(counted(layer, short, mapping).reason)] in LIMITS[axis]


@pytest.mark.parametrize("batch", [1, 4])
def test_a_word_that_is_loaded_before_a_pass_begins_does_not_stall_it(batch: int) -> None:
    layer = Layer(name="fc", kind="fc", C=64, H=5, W=7, M=4, R=5, S=7)  # a window is a whole ifmap row
    design = Designs.of("int8", "row_stationary", {"batch": batch, "psum_spad_words": 1})
    traffic = counted(layer, design, {"m": 4, "n": 1, "e": 1, "p": 1, "q": 1, "r": 4, "t": 4})
    assert rs.REASONS[int(traffic.reason)] == ""
    assert int(traffic.glb_cycles) == 0


@pytest.mark.parametrize(
    ("layer_row", "mapping", "active_pes"),
    [  # AlexNet on Eyeriss: mapping and active PEs of JSSC 2017, tables III and V
        ((3, 227, 96, 11, 4, 0, 1), dict(m=96, n=1, e=7, p=16, q=1, r=1, t=2), 154),
        ((96, 27, 256, 5, 1, 2, 2), dict(m=64, n=1, e=27, p=16, q=2, r=1, t=1), 135),
        ((256, 13, 384, 3, 1, 1, 1), dict(m=64, n=4, e=13, p=16, q=4, r=1, t=4), 156),
        ((384, 13, 384, 3, 1, 1, 2), dict(m=64, n=4, e=13, p=16, q=3, r=2, t=2), 156),
        ((384, 13, 256, 3, 1, 1, 2), dict(m=64, n=4, e=13, p=16, q=3, r=2, t=2), 156),
    ],
)
def test_the_eyeriss_mappings_of_alexnet_fit_eyeriss_and_use_the_published_number_of_pes(
    layer_row: tuple[int, ...], mapping: dict[str, int], active_pes: int
) -> None:
    C, H, M, R, stride, padding, groups = layer_row
    layer = Layer(
        name="conv", kind="conv", C=C, M=M, H=H, W=H, R=R, S=R, stride=stride, padding=padding, dilation=1,
        groups=groups, count=1,
    )  # fmt: skip
    eyeriss = Designs.of("int16", "row_stationary", {"batch": 4})
    bits = OperandBits(16, 16, 16)
    mapped = {name: np.asarray(value) for name, value in mapping.items()}
    traffic = rs.traffic(rs.geometry(layer), eyeriss, bits, mapped)
    assert rs.REASONS[int(traffic.reason)] == ""
    assert int(traffic.active_pes) == active_pes
