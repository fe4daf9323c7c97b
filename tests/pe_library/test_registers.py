"""PEs of systolic dataflows as shipped: complete, plausible beside PEs with spads, and read as measured."""

from __future__ import annotations

import csv
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from dse.errors import InputError, RunError
from pe_library.heldout import read_points
from pe_library.model import PE_LIBRARY, PEPrediction, list_pe_types, load_pe_model
from pe_library.registers import (
    MEASURED,
    OPERANDS,
    STATIONARY,
    load_register_pe,
    register_pe_sha256,
    register_row,
)

EVERY_PE = [(pe_type, dataflow) for pe_type in list_pe_types() for dataflow in STATIONARY]
RUN = ("clock_pj", "control_pj", "mac_pj")


def measured(pe_type: str, dataflow: str) -> dict[str, float]:
    row = register_row(pe_type, dataflow)
    return {name: float(text) for name, text in row.items() if name.endswith(("_um2", "_ns", "_pj", "_uw", "_pct"))}


def library_with(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "int8"
    folder.mkdir()
    shutil.copyfile(PE_LIBRARY / "int8" / "pe.yaml", folder / "pe.yaml")
    (folder / "systolic.csv").write_text(text)
    return tmp_path


@pytest.mark.parametrize(("pe_type", "dataflow"), EVERY_PE)
def test_a_prediction_is_the_measured_row_with_free_reads(pe_type: str, dataflow: str) -> None:
    pe, row = load_register_pe(pe_type, dataflow), measured(pe_type, dataflow)
    for name in MEASURED:
        assert getattr(pe, name) == row[name]
    assert pe.ifmap_read_pj == pe.filter_read_pj == pe.psum_read_pj == 0
    assert pe.in_range
    assert all(getattr(pe, field.name).shape == () for field in fields(PEPrediction))


@pytest.mark.parametrize(("pe_type", "dataflow"), EVERY_PE)
def test_what_a_mac_is_charged_is_the_energy_of_a_measured_cycle(pe_type: str, dataflow: str) -> None:
    """A MAC cycle writes every register but that of a stationary ifmap or filter."""
    row, stays = measured(pe_type, dataflow), STATIONARY[dataflow]
    written = [f"{operand}_write_pj" for operand in OPERANDS if operand != stays or stays == "psum"]
    assert sum(row[name] for name in (*RUN, *written)) == pytest.approx(row["run_pj"], rel=1e-4)
    assert abs(row["all_residual_pct"]) < 8


@pytest.mark.parametrize(("pe_type", "dataflow"), EVERY_PE)
def test_area_parts_add_up_and_the_slowest_part_sets_the_period(pe_type: str, dataflow: str) -> None:
    row, parts = measured(pe_type, dataflow), ("ifmap", "filter", "psum", "mac", "control")
    assert sum(row[f"area_{part}_um2"] for part in parts) == pytest.approx(row["area_um2"], rel=1e-4)
    assert max(row[f"period_{part}_ns"] for part in parts) == row["min_period_ns"]


@pytest.mark.parametrize(("pe_type", "dataflow"), EVERY_PE)
def test_registers_are_smaller_no_slower_and_cheaper_than_the_smallest_spads_around_the_same_mac(
    pe_type: str, dataflow: str
) -> None:
    points = read_points(PE_LIBRARY / pe_type / "synthesis.csv")
    spads = min(points, key=lambda row: float(row["area_um2"]))
    row = measured(pe_type, dataflow)
    assert row["area_mac_um2"] == float(spads["area_mac_um2"])
    for name in ("area_um2", "leakage_uw", "run_pj", "clock_pj"):
        assert row[name] < float(spads[name])
    assert row["min_period_ns"] < 1.01 * float(spads["min_period_ns"])  # INT16: its multiplier sets both


@pytest.mark.parametrize("pe_type", list_pe_types())
def test_weight_and_input_stationary_pes_are_the_same_hardware_and_psums_in_place_need_a_multiplexer(
    pe_type: str,
) -> None:
    weight, ifmap, psum = (measured(pe_type, f"{name}_stationary") for name in ("weight", "input", "output"))
    assert weight["area_um2"] == ifmap["area_um2"] < psum["area_um2"]
    assert weight["min_period_ns"] == pytest.approx(ifmap["min_period_ns"])


@pytest.mark.parametrize("pe_type", list_pe_types())
def test_a_mac_with_a_resting_operand_costs_no_more_than_one_with_both_streaming(pe_type: str) -> None:
    macs = {dataflow: float(load_register_pe(pe_type, dataflow).mac_pj) for dataflow in STATIONARY}
    assert macs["weight_stationary"] == min(macs.values())


def test_every_pe_has_a_hash_of_its_own_that_changes_with_its_data(tmp_path: Path) -> None:
    hashes = {register_pe_sha256(*pe) for pe in EVERY_PE} | {load_pe_model(name).sha256 for name in list_pe_types()}
    assert len(hashes) == len(EVERY_PE) + len(list_pe_types())
    shipped = (PE_LIBRARY / "int8" / "systolic.csv").read_text()
    changed = library_with(tmp_path, shipped.replace("weight_stationary,8", "weight_stationary,9"))
    for dataflow in STATIONARY:
        same = register_pe_sha256("int8", dataflow, changed) == register_pe_sha256("int8", dataflow)
        assert same == (dataflow != "weight_stationary")


def test_a_library_without_usable_rows_says_what_is_wrong_and_how_to_build_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a PE type, got 'int7'"):
        load_register_pe("int7", "weight_stationary")
    with pytest.raises(RunError, match=r"no row for the dataflow `row_stationary`; run `dse characterize int8`"):
        load_register_pe("int8", "row_stationary")
    header = ("dataflow", *MEASURED)
    for name, value, message in (("mac_pj", "x", "mac_pj is no number"), ("area_um2", "-1", "must be positive")):
        folder = tmp_path / name
        folder.mkdir()
        row = {"dataflow": "output_stationary", **dict.fromkeys(MEASURED, "1"), name: value}
        text = "\n".join([",".join(header), ",".join(row[column] for column in header)])
        with pytest.raises(RunError, match=message):
            load_register_pe("int8", "output_stationary", library_with(folder, text))
    (tmp_path / "mac_pj" / "int8" / "systolic.csv").unlink()
    register_row.cache_clear()
    with pytest.raises(RunError, match=r"systolic.csv is missing; run `dse characterize int8`"):
        load_register_pe("int8", "output_stationary", tmp_path / "mac_pj")


@pytest.mark.parametrize("pe_type", list_pe_types())
def test_shipped_rows_share_library_stimulus_and_tools_with_the_points_of_the_type(pe_type: str) -> None:
    with (PE_LIBRARY / pe_type / "systolic.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    point = read_points(PE_LIBRARY / pe_type / "synthesis.csv")[0]
    assert [row["dataflow"] for row in rows] == list(STATIONARY)
    assert len({row["rtl_sha256"] for row in rows}) == 1
    for name in ("seed", "stimulus", "yosys", "liberty_sha256", "voltage_v", "temperature_c", "source"):
        assert {row[name] for row in rows} == {point[name]}
    assert np.isfinite([measured(pe_type, row["dataflow"])["shift_pj"] for row in rows]).all()


@pytest.mark.parametrize(
    ("column", "shown", "digits"),
    [
        ("area_um2", ("weight", "output"), ",.0f"),
        ("min_period_ns", ("weight", "output"), ".2f"),
        ("run_pj", ("weight", "input", "output"), ".2f"),
    ],
)
def test_the_documented_comparison_with_the_smallest_spads_is_the_shipped_data(
    column: str, shown: tuple[str, ...], digits: str
) -> None:
    cells = []
    for pe_type in list_pe_types():
        spads = min(read_points(PE_LIBRARY / pe_type / "synthesis.csv"), key=lambda row: float(row["area_um2"]))
        values = [float(spads[column]), *(measured(pe_type, f"{name}_stationary")[column] for name in shown)]
        cells.append(" / ".join(format(value, digits) for value in values))
    assert f"| {' | '.join(cells)} |" in (PE_LIBRARY.parent / "docs" / "characterization.md").read_text()
