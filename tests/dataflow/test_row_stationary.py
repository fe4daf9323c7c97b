"""Row stationary against a brute-force machine and against the laws of physics."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dse.dataflow import row_stationary as rs
from dse.space import Designs
from dse.traffic import OperandBits, Traffic, ceil_div
from tests.dataflow.oracle import simulate
from tests.workloads.strategies import convolutions
from workloads.layer import Layer

BITS = OperandBits(activation=8, weight=8, psum=30)


@st.composite
def designs(draw: st.DrawFn) -> Designs:
    values = {
        "rows": draw(st.integers(1, 16)), "cols": draw(st.integers(1, 16)),
        "ifmap_spad_words": draw(st.integers(4, 48)), "filter_spad_words": draw(st.integers(4, 256)),
        "psum_spad_words": draw(st.integers(1, 48)), "glb_kib": draw(st.integers(1, 64)),
        "glb_bytes_per_cycle": draw(st.sampled_from([4, 8, 16])), "batch": draw(st.integers(1, 5)),
    }  # fmt: skip
    return Designs.of("int8", "row_stationary", values)


def random_traffic(draw: st.DataObject, layer: Layer, design: Designs) -> tuple[dict[str, int], Traffic]:
    """The layer under one of the mappings that the search would try."""
    choices = rs.candidates(layer, design, {})
    index = draw.draw(st.integers(0, len(choices["e"]) - 1))
    mapping = rs.complete(layer, design, BITS, {name: values[index] for name, values in choices.items()}, {})
    return {name: int(value) for name, value in mapping.items()}, rs.traffic(layer, design, BITS, mapping)


@settings(max_examples=300, deadline=None)
@given(convolutions(), designs(), st.data())
def test_counts_equal_a_brute_force_walk_over_all_passes(layer: Layer, design: Designs, data: st.DataObject) -> None:
    mapping, traffic = random_traffic(data, layer, design)
    assume(int(traffic.reason) == 0)
    seen = simulate(layer, int(design.batch), mapping)
    assert int(traffic.passes) == seen["passes"]
    assert int(traffic.macs) == seen["macs"]
    assert int(traffic.compute_cycles) == seen["compute_cycles"]
    assert int(traffic.glb_ifmap_reads) == seen["glb_ifmap_reads"]
    assert int(traffic.glb_psum_writes) == seen["glb_psum_writes"]
    assert int(traffic.dram_filter) == int(traffic.glb_filter_reads) == seen["filter_loads"]
    assert int(traffic.spad_filter_writes) == seen["spad_filter_writes"]
    assert int(traffic.spad_ifmap_writes) == seen["spad_ifmap_writes"]
    assert int(traffic.inter_pe_psum) == seen["inter_pe_psum"]
    assert int(traffic.spad_psum_writes) == seen["macs"] + seen["psum_hand_overs"]
    port_bits = 8 * int(design.glb_bytes_per_cycle)
    fed = ceil_div((seen["glb_ifmap_reads"] - seen["exposed_ifmap"]) * BITS.activation, port_bits // 4)
    drained = ceil_div((seen["glb_psum_writes"] - seen["exposed_psum"]) * BITS.psum, port_bits)
    assert int(traffic.glb_cycles) == max(fed, drained)


@settings(max_examples=300, deadline=None)
@given(convolutions(), designs(), st.data())
def test_no_count_is_negative_and_no_traffic_is_below_compulsory(
    layer: Layer, design: Designs, data: st.DataObject
) -> None:
    mapping, traffic = random_traffic(data, layer, design)
    assume(int(traffic.reason) == 0)
    batch = int(design.batch)
    assert all(int(getattr(traffic, field.name)) >= 0 for field in fields(traffic))
    assert int(traffic.macs) == batch * layer.macs
    assert int(traffic.compute_cycles) * int(design.rows * design.cols) >= batch * layer.macs
    assert int(traffic.compute_cycles) * int(traffic.active_pes) >= batch * layer.macs
    assert int(traffic.active_pes) <= int(design.rows * design.cols)
    assert int(traffic.dram_filter) >= layer.weights
    assert int(traffic.dram_ofmap) == batch * layer.ofmap_words
    assert int(traffic.glb_ifmap_reads) >= int(traffic.glb_ifmap_writes) == int(traffic.dram_ifmap)
    assert mapping["p"] <= int(design.psum_spad_words)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_word_that_is_loaded_before_a_pass_begins_does_not_stall_it(batch: int) -> None:
    layer = Layer(name="fc", kind="fc", C=64, H=5, W=7, M=4, R=5, S=7)  # a window is a whole ifmap row
    design = Designs.of("int8", "row_stationary", {"batch": batch, "psum_spad_words": 1})
    choices = rs.candidates(layer, design, {"n": 1})
    mapping = rs.complete(layer, design, BITS, choices, {"n": 1})
    assert not np.any(rs.traffic(layer, design, BITS, mapping).glb_cycles)


def compulsory_ifmap_words(layer: Layer) -> int:
    """Ifmap words that at least one window reads."""
    sizes = []
    for size, outputs, kernel in ((layer.H, layer.E, layer.R), (layer.W, layer.F, layer.S)):
        taps = {o * layer.stride + k * layer.dilation - layer.padding for o in range(outputs) for k in range(kernel)}
        sizes.append(len(taps & set(range(size))))
    return layer.C * sizes[0] * sizes[1]


@settings(max_examples=300, deadline=None)
@given(convolutions(), designs(), st.data())
def test_every_ifmap_word_that_a_window_reads_comes_from_dram(
    layer: Layer, design: Designs, data: st.DataObject
) -> None:
    _, traffic = random_traffic(data, layer, design)
    assume(int(traffic.reason) == 0)
    assert int(traffic.dram_ifmap) >= int(design.batch) * compulsory_ifmap_words(layer)


def test_a_mapping_that_breaks_a_limit_is_refused_with_the_limit_named() -> None:
    layer = Layer(
        name="conv", kind="conv", C=8, M=8, H=16, W=16, R=3, S=3, stride=1, padding=1, dilation=1, groups=1, count=1
    )
    base = {"m": 8, "n": 1, "e": 8, "p": 4, "q": 2, "r": 1, "t": 2}
    design = Designs.of("int8", "row_stationary", {"rows": 6, "cols": 8, "glb_kib": 64})
    cases = {
        "": {},
        "PE sets do not fit the array": {"t": 3},
        "spads do not hold the mapping": {"q": 5},
        "GLB does not hold one pass": {"n": 100},
    }
    for expected, change in cases.items():
        mapping = {name: np.asarray(value) for name, value in (base | change).items()}
        assert rs.REASONS[int(rs.traffic(layer, design, BITS, mapping).reason)] == expected


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
    traffic = rs.traffic(layer, eyeriss, bits, {name: np.asarray(value) for name, value in mapping.items()})
    assert rs.REASONS[int(traffic.reason)] == ""
    assert int(traffic.active_pes) == active_pes
