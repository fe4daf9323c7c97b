"""What a systolic array costs: its PEs as measured, its network, and energies that add up to a measured cycle."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest

import dse.costs
from dse.costs import Costs, costs
from dse.space import Designs
from dse.technology import Technology
from dse.traffic import Traffic
from pe_library.memory.noc import systolic_noc
from pe_library.model import list_pe_types, load_pe_type
from pe_library.registers import OPERANDS, STATIONARY, register_row

EVERY_PE = [(pe_type, dataflow) for pe_type in list_pe_types() for dataflow in STATIONARY]
ROWS, COLS = 16, 8


@pytest.fixture(autouse=True)
def _pes_with_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dse.costs, "load_dataflow", lambda name: SimpleNamespace(PE="registers"))


def systolic_costs(pe_type: str, dataflow: str, technology: Technology | None = None) -> Costs:
    designs = Designs.of(pe_type, dataflow, {"rows": ROWS, "cols": COLS}).without_spads()
    return costs(designs, technology or Technology())


def traffic_of(counts: dict[str, int]) -> Traffic:
    return Traffic(**({field.name: 0 for field in fields(Traffic)} | counts))


@pytest.mark.parametrize(("pe_type", "dataflow"), EVERY_PE)
def test_a_cycle_in_which_all_pes_multiply_costs_what_was_measured(pe_type: str, dataflow: str) -> None:
    hardware, stays = systolic_costs(pe_type, dataflow), STATIONARY[dataflow]
    written = [operand for operand in OPERANDS if operand != stays or stays == "psum"]
    pes = ROWS * COLS
    traffic = traffic_of({"macs": pes} | {f"spad_{operand}_writes": pes for operand in written})
    energy = hardware.prices.energy_pj(traffic, 1)
    on_chip = float(sum(energy[part] for part in ("mac", "spad", "clock")))
    assert on_chip == pytest.approx(pes * float(register_row(pe_type, dataflow)["run_pj"]), rel=1e-4)
    assert energy["noc"] == energy["glb"] == energy["dram"] == 0


@pytest.mark.parametrize(("pe_type", "dataflow"), EVERY_PE)
def test_area_clock_and_network_are_those_of_the_systolic_pe(pe_type: str, dataflow: str) -> None:
    hardware, kind, row = systolic_costs(pe_type, dataflow), load_pe_type(pe_type), register_row(pe_type, dataflow)
    left = "filter" if dataflow == "input_stationary" else "ifmap"
    network = systolic_noc(
        ROWS, COLS, float(row["area_um2"]), kind.activation_bits, kind.weight_bits, kind.psum_bits, 8,
        Technology().noc, left,  # type: ignore[arg-type]
    )  # fmt: skip
    assert hardware.area_mm2["pe"] == pytest.approx(ROWS * COLS * float(row["area_um2"]) * 1e-6)
    assert hardware.area_mm2["noc"] == network.area_mm2
    assert hardware.clock_mhz <= 1e3 / float(row["min_period_ns"])
    assert not hardware.reason.any()
    hop = hardware.prices.access_pj(traffic_of({"inter_pe_psum": 1}))["noc"]
    assert hop == pytest.approx(kind.psum_bits * network.inter_pe_pj_per_bit)


def test_dram_priced_in_macs_costs_the_same_on_all_dataflows() -> None:
    technology = replace(Technology(), dram_technology="eyeriss")
    prices = {float(systolic_costs("int8", dataflow, technology).prices.dram_pj_per_bit) for dataflow in STATIONARY}
    assert len(prices) == 1
    assert np.isfinite(prices.pop())
