"""Netlist binding and static timing, on circuits small enough to compute by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs the [characterize] extra")

from characterization.cells import Library
from characterization.liberty import load_library, read_library
from characterization.library import nangate45
from characterization.netlist import PARTS, bind, part_of
from characterization.synthesis import link
from characterization.timing import CLOCK_SLEW_NS, analyze
from dse.errors import RunError
from tests.characterization import tiny

CONTROL = PARTS.index("control")


@pytest.fixture(scope="module")
def library() -> Library:
    return read_library(tiny.liberty_text())


def chain(length: int, inverter: str, flip_flop: str, pins: tuple[str, str]) -> dict[str, object]:
    """Flip-flop, `length` inverters, flip-flop."""
    source, target = pins
    cells = {f"i{k}": (inverter, {source: 10 + k, target: 11 + k}) for k in range(length)}
    cells["launch"] = (flip_flop, {"D": 3, "CK": 2, "Q": 10})
    cells["capture"] = (flip_flop, {"D": 10 + length, "CK": 2, "Q": 4})
    return tiny.module({"clk": ("input", 2), "d": ("input", 3), "q": ("output", 4)}, cells)


@pytest.mark.parametrize("length", [1, 4, 7])
def test_inverter_chain_arrives_when_the_formula_says(library: Library, length: int) -> None:
    timing = analyze(bind(chain(length, "INV", "DFF", ("A", "Y")), library))
    load = tiny.PIN_FF + tiny.wire_ff(1)
    slew = 2 * tiny.PER_FF * load
    launch = tiny.BASE["DFF"] + tiny.PER_FF * load + tiny.PER_NS * CLOCK_SLEW_NS
    stage = tiny.BASE["INV"] + tiny.PER_FF * load + tiny.PER_NS * slew
    assert timing.min_period_ns == pytest.approx(launch + length * stage + tiny.SETUP_NS)


@pytest.mark.characterize
def test_inverter_chain_of_nangate45_follows_its_tables() -> None:
    library = load_library(nangate45())
    timing = analyze(bind(chain(3, "INV_X1", "DFF_X1", ("A", "ZN")), library))
    flip_flop, inverter = library.cells["DFF_X1"], library.cells["INV_X1"]
    wire = 0.1774 * 1.746  # fF per length unit, length at fan-out 1
    loads = [1.70023 + wire] * 3 + [1.14029 + wire]
    q = next(o for o in flip_flop.outputs if o.pin == "Q")
    worst = 0.0
    for first in (0, 1):  # edges alternate along the chain
        edges = [first, 1 - first, first, 1 - first]
        arrival = q.delay["CK", 1, first].at(CLOCK_SLEW_NS, loads[0])
        slew = q.slew["CK", 1, first].at(CLOCK_SLEW_NS, loads[0])
        for (before, after), load in zip(pairwise(edges), loads[1:], strict=True):
            arrival += inverter.outputs[0].delay["A", before, after].at(slew, load)
            slew = inverter.outputs[0].slew["A", before, after].at(slew, load)
        assert flip_flop.sequential is not None
        worst = max(worst, arrival + flip_flop.sequential.setup[edges[-1]].at(slew, CLOCK_SLEW_NS))
    assert analyze(bind(chain(3, "INV_X1", "DFF_X1", ("A", "ZN")), library)).min_period_ns == pytest.approx(worst)
    assert 0.1 < timing.min_period_ns < 0.3


def test_clock_gate_enables_are_end_points(library: Library) -> None:
    cells = {
        "launch": ("DFF", {"D": 3, "CK": 2, "Q": 10}),
        "slow": ("INV", {"A": 10, "Y": 11}),
        "gate": ("ICG", {"CK": 2, "E": 11, "GCK": 12}),
        "gated": ("DFF", {"D": 10, "CK": 12, "Q": 4}),
    }
    netlist = bind(tiny.module({"clk": ("input", 2), "d": ("input", 3), "q": ("output", 4)}, cells), library)
    timing = analyze(netlist)
    enable = netlist.data[np.flatnonzero(netlist.is_gate)[0]]
    assert timing.min_period_ns == pytest.approx(timing.arrival_ns[enable].max() + tiny.SETUP_NS)


def test_load_is_pins_and_wire_at_the_fanout(library: Library) -> None:
    cells = {f"i{k}": ("INV", {"A": 3, "Y": 10 + k}) for k in range(4)}
    netlist = bind(tiny.module({"a": ("input", 3)}, cells), library)
    assert netlist.net_cap_ff()[netlist.ports_in["a"][0]] == pytest.approx(4 * tiny.PIN_FF + tiny.wire_ff(4))


def test_area_and_leakage_belong_to_the_part_in_the_name(library: Library) -> None:
    names = {"u_ifmap.x": "ifmap", "u_filter.x": "filter", "u_mac.x": "mac", "x": "control", "u_psum.x": "psum_read"}
    cells = {name: ("INV", {"A": 3, "Y": 10 + k}) for k, name in enumerate(names)}
    netlist = bind(tiny.module({"a": ("input", 3)}, cells), library)
    assert {name: PARTS[part_of(name)] for name in names} == names
    expected = [tiny.AREA["INV"] if part in names.values() else 0.0 for part in PARTS]
    assert netlist.area_um2 == pytest.approx(expected)
    assert netlist.leakage_uw.sum() == pytest.approx(len(names) * tiny.LEAKAGE_NW["INV"] * 1e-3)


def test_what_feeds_a_psum_word_is_write_and_the_mux_is_read(library: Library) -> None:
    cells = {
        "u_psum.word": ("DFF", {"D": 10, "CK": 2, "Q": 11}),
        "u_psum.data": ("INV", {"A": 3, "Y": 10}),
        "u_psum.mux": ("INV", {"A": 11, "Y": 4}),
    }
    netlist = bind(tiny.module({"clk": ("input", 2), "d": ("input", 3), "q": ("output", 4)}, cells), library)
    area = dict(zip(PARTS, netlist.area_um2, strict=True))
    assert area["psum_read"] == tiny.AREA["INV"]
    assert area["psum_write"] == tiny.AREA["INV"] + tiny.AREA["DFF"]


def test_linking_parts_gives_the_flat_circuit(library: Library) -> None:
    inverter = tiny.module({"a": ("input", 2), "y": ("output", 3)}, {"i": ("INV", {"A": 2, "Y": 3})})
    wire = tiny.module({"a": ("input", 2), "y": ("output", 2), "z": ("output", 5)}, {})
    wire["ports"]["z"]["bits"] = ["0"]
    top = tiny.module(
        {"a": ("input", 7), "y": ("output", 9), "z": ("output", 8)},
        {"u_mac": ("inverter", {"a": 7, "y": 6}), "u_psum": ("wire", {"a": 6, "y": 9, "z": 8})},
    )
    netlist = bind(link(top, {"u_mac": inverter, "u_psum": wire}), library)
    assert netlist.ports_out["y"][0] == netlist.output[netlist.part == PARTS.index("mac")][0]
    assert netlist.ports_out["z"] == (0,)


def test_a_loop_an_unknown_cell_and_a_foreign_clock_are_refused(library: Library) -> None:
    loop = {"a": ("INV", {"A": 3, "Y": 4}), "b": ("INV", {"A": 4, "Y": 3})}
    with pytest.raises(RunError, match="combinational loop"):
        bind(tiny.module({}, loop), library)
    with pytest.raises(RunError, match="MAGIC"):
        bind(tiny.module({}, {"a": ("MAGIC", {"A": 3})}), library)
    foreign = {"r": ("DFF", {"D": 3, "CK": 4, "Q": 5})}
    with pytest.raises(RunError, match="neither `clk`"):
        bind(tiny.module({"clk": ("input", 2), "other": ("input", 4), "q": ("output", 5)}, foreign), library)
