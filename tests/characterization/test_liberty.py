"""The Liberty reader: on a library written by hand, and on facts of NanGate45 read off its file."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from characterization.cells import Library, Table
from characterization.liberty import load_library, read_library
from characterization.library import nangate45, resolve_liberty
from characterization.syntax import parse_boolean
from characterization.synthesis import run_yosys
from dse.errors import RunError
from tests.characterization import tiny


@pytest.fixture(scope="module")
def library() -> Library:
    return read_library(tiny.liberty_text())


@pytest.fixture(scope="module")
def nangate() -> Library:
    return load_library(nangate45())


def test_units_of_the_file_become_ns_ff_and_nw(library: Library) -> None:
    inverter = library.cells["INV"]
    delay = inverter.outputs[0].delay["A", 1, 0]
    assert inverter.pin_cap_ff["A"] == pytest.approx(tiny.PIN_FF)
    assert inverter.leakage_nw == tiny.LEAKAGE_NW["INV"]
    assert delay.at(0.05, 3.0) == pytest.approx(tiny.BASE["INV"] + 3.0 * tiny.PER_FF + 0.05 * tiny.PER_NS)
    assert inverter.outputs[0].energy["A", 1].at(0.05, 3.0) == pytest.approx(tiny.ENERGY_FJ["INV"])
    assert inverter.outputs[0].max_load_ff == pytest.approx(60.0)


def test_unateness_gives_the_edges_of_each_arc(library: Library) -> None:
    assert set(library.cells["INV"].outputs[0].delay) == {("A", 0, 1), ("A", 1, 0)}
    both = set(itertools.product("AB", (0, 1), (0, 1)))
    assert set(library.cells["XOR2"].outputs[0].delay) == both
    assert set(library.cells["DFF"].outputs[0].delay) == {("CK", 1, 0), ("CK", 1, 1)}


def test_truth_tables_have_input_k_as_bit_k(library: Library) -> None:
    assert library.cells["INV"].outputs[0].truth == 0b01
    assert library.cells["NAND2"].outputs[0].truth == 0b0111
    assert library.cells["XOR2"].outputs[0].truth == 0b0110


def test_clock_energies_depend_on_what_the_flip_flop_does(library: Library) -> None:
    state = library.cells["DFF"].sequential
    assert state is not None
    assert not state.is_clock_gate
    energies = {name: table.at(0.02, 0.0) for name, table in state.clock_energy.items()}
    assert energies == pytest.approx({"rise_hold": tiny.CLOCK_HOLD_FJ, "rise_change": 0.0, "fall": tiny.CLOCK_FALL_FJ})
    assert state.data_energy[1].at(0.02, 0.0) == pytest.approx(tiny.DATA_FJ)
    gate = library.cells["ICG"].sequential
    assert gate is not None
    assert gate.is_clock_gate
    assert gate.clock_energy["rise_hold"].at(0.02, 0.0) == pytest.approx(tiny.GATE_CLOSED_FJ)


def test_wire_load_model_continues_along_its_slope(library: Library) -> None:
    expected = [0.0, *(tiny.wire_ff(n) for n in range(1, 8))]
    assert library.wire_cap(np.arange(8)) == pytest.approx(expected)


@given(st.floats(-1, 3), st.floats(-5, 30), st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2))
def test_lookup_of_a_bilinear_function_is_exact_inside_and_outside(
    row: float, column: float, a: float, b: float, c: float
) -> None:
    rows, columns = np.array([0.0, 0.5, 2.0]), np.array([1.0, 4.0, 9.0, 20.0])
    table = Table(rows, columns, a * rows[:, None] + b * columns + c * rows[:, None] * columns)
    assert table.at(row, column) == pytest.approx(a * row + b * column + c * row * column, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A & B | C", lambda a, b, c: a & b | c),
        ("!A * (B + C)", lambda a, b, c: ~a & (b | c)),
        ("A B' ^ C", lambda a, b, c: (a & ~b) ^ c),
        ("!(!(!((A | B) & C)))", lambda a, b, c: ~((a | b) & c)),
        ("(A & 1) | (C & 0)", lambda a, b, c: a),
    ],
)
def test_boolean_expressions_follow_liberty_precedence(text: str, expected) -> None:  # type: ignore[no-untyped-def]
    a, b, c = (np.arange(8) >> k & 1 == 1 for k in range(3))
    assert np.array_equal(parse_boolean(text)({"A": a, "B": b, "C": c}), expected(a, b, c))


@pytest.mark.parametrize("text", ["", "module m; endmodule", "library (x) { cell (a) {"])
def test_a_file_that_is_no_complete_library_is_refused(text: str) -> None:
    with pytest.raises(RunError, match="not a Liberty file"):
        read_library(text)


LIBRARY_HEAD = "library (x) { capacitive_load_unit (1, pf);"
JUNK = [
    "junk",
    "library (x) { cell (a) { } }",
    f"{LIBRARY_HEAD} foo (",
    f'{LIBRARY_HEAD} time_unit : "lots"; }}',
    f"{LIBRARY_HEAD} cell () {{ }} }}",
    f'{LIBRARY_HEAD} cell (a) {{ pin (b) {{ direction : output; function : "c"; }} }} }}',
    f"{LIBRARY_HEAD} cell (a) {{ area : big; }} }}",
]


@pytest.mark.parametrize("text", JUNK)
def test_a_file_that_is_not_understood_is_named_and_not_cached(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "junk.lib").write_text(text)
    with pytest.raises(RunError, match=r"junk\.lib: "):
        load_library(tmp_path / "junk.lib")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_missing_liberty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none\.lib"):
        resolve_liberty(tmp_path / "none.lib")


@pytest.mark.characterize
def test_nangate45_has_its_135_cells_at_1v1_and_25c(nangate: Library) -> None:
    assert len(nangate.cells) == 135
    assert (nangate.voltage_v, nangate.temperature_c) == (1.1, 25.0)
    assert {"DLH_X1", "TBUF_X1", "DFFR_X1", "CLKGATETST_X1"} <= {c.name for c in nangate.cells.values() if c.problem}


@pytest.mark.characterize
def test_nangate45_inverter_reads_as_printed_in_the_file(nangate: Library) -> None:
    inverter = nangate.cells["INV_X1"]
    output = inverter.outputs[0]
    assert (inverter.area_um2, inverter.leakage_nw, inverter.pin_cap_ff) == (0.532, 14.353185, {"A": 1.70023})
    assert output.delay["A", 1, 0].at(0.0171859, 7.59125) == pytest.approx(0.0192072)
    assert output.delay["A", 0, 1].at(0.0780596, 3.79562) == pytest.approx(0.0422113)
    assert output.slew["A", 0, 1].at(0.198535, 60.73) == pytest.approx(0.149253)
    assert output.energy["A", 1].at(0.00117378, 0.365616) == pytest.approx(1.846618)


@pytest.mark.characterize
def test_nangate45_flip_flop_and_clock_gate_are_understood(nangate: Library) -> None:
    flip_flop, gate = nangate.cells["DFF_X1"].sequential, nangate.cells["CLKGATE_X1"].sequential
    assert flip_flop is not None
    assert gate is not None
    assert (flip_flop.clock, flip_flop.data, gate.clock, gate.data) == ("CK", "D", "CK", "E")
    # The file lists setup over (data slew, clock slew).
    assert flip_flop.setup[0].at(0.00117378, 0.00117378) == pytest.approx(0.036831)
    assert flip_flop.setup[0].at(0.00117378, 0.198535) == pytest.approx(0.015916)
    assert gate.setup[1].at(0.0449324, 0.00117378) == pytest.approx(0.058192)


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path))
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="no such host")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(RunError, match=r"no such host.*--liberty"):
        nangate45()
    assert list(tmp_path.iterdir()) == []


def test_a_tampered_library_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path))
    (tmp_path / "nangate45.lib").write_text("library (x) { }")
    with pytest.raises(RunError, match="not the expected cell library"):
        nangate45()


def test_synthesis_without_yosys_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"pip install 'dse\[characterize\]'"):
        run_yosys(["-V"], tmp_path)
