"""Area and power of a design of the PE library beside those of the Eyeriss chip."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from dse.mapping.bench import Bench
from dse.metrics import AREA_PARTS
from dse.prices import Prices
from dse.report.tables import Table
from dse.sparsity import Sparsity
from dse.technology import Technology
from dse.validation import Check, Comparison, Figure, worst
from dse.validation._eyeriss import BITS, PE_TYPE, chip_design, chip_layers, traffic_of
from dse.validation._reference import read_reference, source_of
from pe_library.model import INPUTS, load_pe_model, load_pe_type

ORDER = 8
POWER = "power, mW"
SPADS = ("area_ifmap_um2", "area_filter_um2", "area_psum_um2")


def compare() -> Comparison:
    """Power per layer on the chip's mapping, and what shares of the area are."""
    power = [
        Figure(chip.name, POWER, _power_mw()[chip.name], float(chip.measured["power_mw"])) for chip in chip_layers()
    ]
    area = [
        Figure(row["what"], "area", _area()[row["what"]], float(row["value"])) for row in read_reference("eyeriss_area")
    ]
    return Comparison(
        name="library",
        title="Eyeriss chip's area and power, other hardware",
        source=source_of("eyeriss_alexnet") + " (power)",
        text=_text(),
        tables=(
            Table.of("library_power", "Power without DRAM, mW",
                     [{"layer": figure.item, **figure.cells("INT16, 45 nm", "chip, 65 nm")} for figure in power]),
            Table.of("library_area", "Area",
                     [{"share": figure.item, **figure.cells("INT16, 45 nm", "chip, 65 nm")} for figure in area]),
        ),
        figures=(*power, *area),
        checks=(
            Check("power, layer of largest difference", worst(power).error_percent),
            Check("share of multipliers and adders in the area, difference", area[0].error_percent),
        ),
    )  # fmt: skip


@cache
def _bench() -> Bench:
    """INT16 PEs on the chip's axes, gating zeros as the chip does, words of 16 bits outside the PE."""
    bench = Bench.of(chip_design(), Technology(sparsity=Sparsity(zero_gating=True)))
    return replace(bench, costs=replace(bench.costs, prices=_narrow(bench.costs.prices)))


def _narrow(prices: Prices) -> Prices:
    noc_psum_pj = prices.noc_psum_pj * (BITS.psum / prices.bits.psum)
    return replace(prices, bits=BITS, noc_psum_pj=noc_psum_pj)


def _power_mw() -> dict[str, float]:
    bench = _bench()
    prices, clock_mhz = bench.costs.prices, float(bench.costs.clock_mhz)
    found = {}
    for chip in chip_layers():
        traffic = traffic_of(bench, chip.layer, chip.mapping)
        cycles = sum(prices.cycles(traffic).values())
        parts = prices.energy_pj(traffic, cycles)
        on_chip_pj = sum(float(value) for part, value in parts.items() if part != "dram")
        found[chip.name] = on_chip_pj / float(cycles) * clock_mhz * 1e-3
    return found


def _area() -> dict[str, float]:
    """The quantities of the reference, in its order."""
    costs, design = _bench().costs, chip_design()
    parts = load_pe_model(PE_TYPE).parts(*(getattr(design, name) for name in INPUTS))
    pes = float(costs.pes) * 1e-6
    spads, arithmetic = pes * sum(float(parts[name]) for name in SPADS), pes * float(parts["area_mac_um2"])
    glb, core = float(costs.area_mm2["glb"]), sum(float(costs.area_mm2[part]) for part in AREA_PARTS)
    values = (100 * arithmetic / core, 100 * (spads + glb) / core, spads / glb)
    return dict(zip((row["what"] for row in read_reference("eyeriss_area")), values, strict=True))


def _text() -> str:
    return f"""
This one is here to show where not to believe. The library's INT16 design with the chip's axes and mappings is other
hardware: 45 nm at 1.1 V instead of 65 nm at 1 V, spads of flip-flops where the chip's filter spad is an SRAM, psums
of {load_pe_type(PE_TYPE).psum_bits} bits in the PE where those of the chip have {BITS.psum}, one large GLB macro
instead of 27 small banks, logic without placement. Words outside the PEs have {BITS.activation} bits in this table
and zeros are gated, as on the chip.

So flip-flop spads dominate the area far beyond the chip's share, and power is higher. What the library supports is
the comparison of PE types with each other, all made by the same flow; it is no prediction of the chip, nor of any
other layout."""
