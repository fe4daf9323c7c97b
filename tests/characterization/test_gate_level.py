"""The mapped netlists compute what the numpy models say: gate level = numpy, which equals the RTL (test_rtl.py)."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs the [characterize] extra")

from characterization.activity import TICK_NS, pack_inputs, simulate, unpack_outputs
from characterization.cells import Ints
from characterization.liberty import load_library
from characterization.library import nangate45
from characterization.netlist import Netlist, bind
from characterization.simulate_rtl import mac_vectors
from characterization.synthesis import PEPoint, pe_parts, synthesize, synthesize_pe
from characterization.timing import analyze
from pe_library.codes import load_mac_model
from tests.characterization import icarus

ALL_TYPES = ("fp32", "int16", "int8", "w4a8", "lightpe1", "lightpe2")
VECTORS, TIMED_VECTORS = 10_000, 300
SMALL = (12, 48, 8)


def mac_netlist(pe_type: str) -> Netlist:
    library = load_library(nangate45())
    return bind(synthesize(pe_parts(PEPoint(pe_type, *SMALL))["u_mac"], nangate45(), library), library)


def gate_level(netlist: Netlist, act: Ints, wgt: Ints, psum: Ints, zero_delay: bool) -> Ints:
    """psum_out of a MAC netlist for n triples; a flip-flop's clock gate needs one cycle, the product the next."""
    zeros = np.zeros(2, dtype=np.int64)
    ports = {
        "en": np.ones(len(act) + 2, dtype=np.int64),
        "act": np.concatenate([act, zeros]),
        "wgt": np.concatenate([wgt, zeros]),
        "psum_in": np.concatenate([zeros[:1], psum, zeros[:1]]),
    }
    phases = np.zeros(len(act) + 2, dtype=np.int64)
    activity = simulate(netlist, analyze(netlist), pack_inputs(netlist, ports), phases, zero_delay)
    return unpack_outputs(netlist, activity.outputs)["psum_out"][1 : len(act) + 1]


@pytest.mark.characterize
@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_mac_gates_equal_the_numpy_model_on_ten_thousand_vectors(pe_type: str) -> None:
    act, wgt, psum = mac_vectors(pe_type, VECTORS, seed=11)
    expected = load_mac_model(pe_type).mac(act, wgt, psum)
    netlist = mac_netlist(pe_type)
    assert np.array_equal(gate_level(netlist, act, wgt, psum, zero_delay=True), expected)
    few = slice(VECTORS - TIMED_VECTORS, None)
    timed = gate_level(netlist, act[few], wgt[few], psum[few], zero_delay=False)
    assert np.array_equal(timed, expected[few])


@pytest.mark.characterize
@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_pe_gates_compute_a_row_of_convolutions(pe_type: str) -> None:
    """Load the three spads, run one window over all filters, drain: with gate delays and clock gates."""
    model, random = load_mac_model(pe_type), np.random.default_rng(5)
    window, filters = 6, 8
    ifmap, weights, psums = (
        random.permutation(codes)[:count]
        for codes, count in zip(mac_vectors(pe_type, 2000, seed=3), (window, window * filters, filters), strict=True)
    )
    expected = psums.copy()
    for tap in range(window):
        expected = model.mac(np.full(filters, ifmap[tap]), weights[tap::window], expected)

    load, run, drain = window * filters, window * filters, filters
    total = 2 + load + run + 4 + drain
    ports = {name: np.zeros(total, dtype=np.int64) for name in ("ifmap_we", "ifmap_in", "filter_we", "filter_in")}
    ports |= {name: np.zeros(total, dtype=np.int64) for name in ("psum_we", "psum_in", "run", "psum_re", "rst_n")}
    ports |= {"cfg_window": np.full(total, window), "cfg_filters": np.full(total, filters)}
    ports |= {"cfg_slide": np.zeros(total, dtype=np.int64)}
    ports["rst_n"][1:] = 1
    for name, codes in (("ifmap", ifmap), ("filter", weights), ("psum", psums)):
        ports[f"{name}_we"][2 : 2 + len(codes)] = 1
        ports[f"{name}_in"][2 : 2 + len(codes)] = codes
    ports["run"][2 + load : 2 + load + run] = 1
    ports["psum_re"][total - drain :] = 1

    netlist = synthesize_pe(PEPoint(pe_type, *SMALL), nangate45(), load_library(nangate45()))
    activity = simulate(netlist, analyze(netlist), pack_inputs(netlist, ports), np.zeros(total, dtype=np.int64))
    outputs = unpack_outputs(netlist, activity.outputs)
    drained = outputs["psum_out"][outputs["psum_valid"] == 1]
    assert np.array_equal(drained, expected)


@pytest.mark.characterize
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog (apt-get install iverilog)")
@pytest.mark.parametrize("pe_type", ["int8", "lightpe2"])
def test_glitches_are_those_icarus_verilog_counts_with_the_same_delays(pe_type: str, tmp_path: Path) -> None:
    netlist = mac_netlist(pe_type)
    act, wgt, psum = (codes[-200:] for codes in mac_vectors(pe_type, VECTORS, seed=3))
    ports = {"en": np.ones(200, dtype=np.int64), "act": act, "wgt": wgt, "psum_in": psum}
    stimulus = pack_inputs(netlist, ports)
    ticks = icarus.spread_delays(len(netlist.output))
    timing = analyze(netlist)
    delays = np.broadcast_to((ticks * TICK_NS)[:, None, None, None], timing.delay_ns.shape)
    phases = np.zeros(200, dtype=np.int64)
    activity = simulate(netlist, dataclasses.replace(timing, delay_ns=delays), stimulus, phases)
    expected = icarus.count_toggles(netlist, ticks, stimulus, tmp_path)
    counted = activity.toggles[0].sum(axis=1)
    difference = sum(abs(int(counted[net]) - count) for net, count in expected.items())
    settled = simulate(netlist, timing, stimulus, phases, zero_delay=True).toggles.sum()
    assert difference <= 0.001 * sum(expected.values())
    assert sum(expected.values()) > 1.1 * settled
