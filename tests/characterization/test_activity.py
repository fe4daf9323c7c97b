"""Event-driven simulation: glitches, clock gating, agreement with zero-delay evaluation, and energy by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="needs the [characterize] extra")

from characterization.activity import Activity, pack_inputs, simulate, unpack_outputs
from characterization.liberty import read_library
from characterization.netlist import PARTS, Netlist, bind
from characterization.power import energy_pj
from characterization.timing import Timing, analyze
from tests.characterization import tiny

LIBRARY = read_library(tiny.liberty_text())
CONTROL = PARTS.index("control")


def run(module: dict[str, Any], zero_delay: bool = False, **ports: list[int]) -> tuple[Netlist, Timing, Activity]:
    netlist = bind(module, LIBRARY)
    timing = analyze(netlist)
    values = {name: np.array(codes, dtype=np.int64) for name, codes in ports.items()}
    inputs = pack_inputs(netlist, values)
    phases = np.zeros(len(inputs), dtype=np.int64)
    return netlist, timing, simulate(netlist, timing, inputs, phases, zero_delay)


def hazard(stages: int) -> dict[str, Any]:
    """y = NAND(a, a inverted by an odd number of stages): steady 1, with a dip when a rises."""
    cells = {f"i{k}": ("INV", {"A": 10 + k if k else 3, "Y": 11 + k}) for k in range(stages)}
    cells["nand"] = ("NAND2", {"A": 3, "B": 10 + stages, "Y": 4})
    return tiny.module({"a": ("input", 3), "y": ("output", 4)}, cells)


def test_static_hazard_glitches_once_per_rising_edge() -> None:
    netlist, _, activity = run(hazard(3), a=[0, 1, 0, 1, 0])
    y = netlist.ports_out["y"][0]
    assert activity.toggles[0, y].tolist() == [2, 2]
    assert activity.outputs[:, 0].tolist() == [1] * 5
    _, _, settled = run(hazard(3), zero_delay=True, a=[0, 1, 0, 1, 0])
    assert settled.toggles[0, y].tolist() == [0, 0]


def test_a_pulse_shorter_than_the_gate_delay_is_swallowed() -> None:
    netlist, timing, activity = run(hazard(1), a=[0, 1, 0, 1, 0])
    kinds = {netlist.kinds[k].cell.name: g for g, k in enumerate(netlist.kind)}
    pulse, nand = timing.delay_ns[kinds["INV"], 0, 1, 0], timing.delay_ns[kinds["NAND2"], 0, 1, 0]
    assert pulse < nand
    assert activity.toggles[0, netlist.ports_out["y"][0]].sum() == 0


def gated_register() -> dict[str, Any]:
    cells = {
        "gate": ("ICG", {"CK": 2, "E": 5, "GCK": 12}),
        "register": ("DFF", {"D": 3, "CK": 12, "Q": 4}),
    }
    ports = {"clk": ("input", 2), "d": ("input", 3), "en": ("input", 5), "q": ("output", 4)}
    return tiny.module(ports, cells)


def test_gated_flip_flop_takes_data_only_when_enabled_the_cycle_before() -> None:
    d, en = [1, 1, 0, 0, 1, 0], [0, 1, 0, 1, 0, 0]
    netlist, _, activity = run(gated_register(), d=d, en=en)
    q, expected = 0, []
    for cycle in range(len(d)):
        q = d[cycle - 1] if cycle and en[cycle - 1] else q
        expected.append(q)
    assert unpack_outputs(netlist, activity.outputs)["q"].tolist() == expected
    assert activity.clocked[0].tolist() == [2, 2]  # edges through the gate, edges at the flip-flop


def test_energy_of_a_gated_register_by_hand() -> None:
    netlist, timing, activity = run(gated_register(), d=[1, 1, 1, 1], en=[1, 0, 0, 0])
    energy = energy_pj(netlist, timing, activity)[0] * 4 * 1e3  # fJ in four cycles
    half = 0.5 * tiny.VOLTAGE**2
    pin, wire = tiny.PIN_FF, tiny.wire_ff(1)
    nets = (
        half * (pin + wire)  # d rises
        + 2 * half * (pin + wire)  # en rises, falls
        + 8 * half * (tiny.CLOCK_PIN_FF + wire)  # clk, four cycles
        + 2 * half * (tiny.CLOCK_PIN_FF + wire)  # gated clock, one pulse
        + half * wire  # q rises: the port counts as a sink without capacitance
    )
    register = tiny.ENERGY_FJ["DFF"] + tiny.DATA_FJ + 0.0 + tiny.CLOCK_FALL_FJ
    gate = 2 * tiny.GATE_OPEN_FJ + 3 * 2 * tiny.GATE_CLOSED_FJ
    assert energy[CONTROL] == pytest.approx(nets + register + gate)
    assert energy.sum() == pytest.approx(energy[CONTROL])


def test_energy_of_an_inverter_is_cv2_and_its_table() -> None:
    cells = {"u_mac.i": ("INV", {"A": 3, "Y": 10}), "load": ("INV", {"A": 10, "Y": 4})}
    netlist, timing, activity = run(tiny.module({"a": ("input", 3), "y": ("output", 4)}, cells), a=[1, 0, 1, 0])
    energy = energy_pj(netlist, timing, activity)[0] * 4 * 1e3
    half = 0.5 * tiny.VOLTAGE**2
    inner = half * (tiny.PIN_FF + tiny.wire_ff(1))
    mac = 4 * (2 * inner + tiny.ENERGY_FJ["INV"])  # its own input net, driven from outside, and its output
    control = 4 * (half * tiny.wire_ff(1) + tiny.ENERGY_FJ["INV"])
    assert energy[PARTS.index("mac")] == pytest.approx(mac)
    assert energy[CONTROL] == pytest.approx(control)


@st.composite
def circuits(draw: st.DrawFn) -> dict[str, Any]:
    """Random netlists: 3 inputs, 3 registers, and gates that read any earlier net; some registers are gated."""
    sources = [3, 4, 5, 20, 21, 22]
    cells: dict[str, tuple[str, dict[str, int | str]]] = {}
    for k in range(draw(st.integers(1, 25))):
        kind = draw(st.sampled_from(["INV", "NAND2", "XOR2"]))
        pins = {pin: draw(st.sampled_from(sources)) for pin in ("A", "B")[: 1 if kind == "INV" else 2]}
        cells[f"g{k}"] = (kind, {**pins, "Y": 100 + k})
        sources.append(100 + k)
    cells["gate"] = ("ICG", {"CK": 2, "E": draw(st.sampled_from(sources)), "GCK": 12})
    for k in range(3):
        clock = draw(st.sampled_from([2, 12]))
        cells[f"r{k}"] = ("DFF", {"D": draw(st.sampled_from(sources)), "CK": clock, "Q": 20 + k})
    ports = {"clk": ("input", 2), "a": ("input", 3), "b": ("input", 4), "c": ("input", 5)}
    ports |= {f"q{k}": ("output", net) for k, net in enumerate(sources[3:])}
    return tiny.module(ports, cells)


@settings(max_examples=60, deadline=None)
@given(circuits(), st.integers(0, 2**32 - 1))
def test_every_cycle_ends_in_the_zero_delay_state_and_glitches_come_in_pairs(module: dict[str, Any], seed: int) -> None:
    random = np.random.default_rng(seed)
    ports = {name: random.integers(0, 2, 40).tolist() for name in "abc"}
    netlist, timing, timed = run(module, **ports)
    _, _, settled = run(module, zero_delay=True, **ports)
    assert np.array_equal(timed.outputs, settled.outputs)
    assert np.array_equal(timed.clocked, settled.clocked)
    extra = timed.toggles - settled.toggles
    assert (extra >= 0).all()
    assert np.array_equal(extra[..., 0], extra[..., 1])
    parts = energy_pj(netlist, timing, timed)
    assert (parts >= 0).all()


def test_phases_split_counts_and_do_not_change_them() -> None:
    netlist = bind(gated_register(), LIBRARY)
    timing = analyze(netlist)
    random = np.random.default_rng(7)
    inputs = random.integers(0, 2, (50, 2)).astype(np.uint8)
    whole = simulate(netlist, timing, inputs, np.zeros(50, dtype=np.int64))
    split = simulate(netlist, timing, inputs, np.arange(50) // 10)
    assert np.array_equal(split.toggles.sum(axis=0), whole.toggles[0])
    assert split.cycles.tolist() == [10] * 5
    total = energy_pj(netlist, timing, split).sum(axis=0) * 10
    assert total == pytest.approx(energy_pj(netlist, timing, whole)[0] * 50)
