"""The search for mappings against the mapping that the chip's designers chose."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import Any

from dse.mapping import best_mapping
from dse.report.tables import Table
from dse.space import NUMERIC_AXES
from dse.traffic import Mapping, Traffic
from dse.validation import Check, Comparison, Figure, total
from dse.validation._eyeriss import PARAMETERS, chip_bench, chip_design, chip_layers, cost_list, traffic_of
from dse.validation._reference import source_of

ORDER = 2
CYCLES, ENERGY = "cycles with DRAM", "energy, 1e9 MACs"
OBJECTIVES = {"latency": CYCLES, "energy": ENERGY}
Found = dict[str, tuple[Mapping, tuple[Figure, Figure]]]
ROUNDING = 1e-12  # relative; sums in another order


def compare() -> Comparison:
    """Per layer and objective, cycles and energy of the search's mapping and of the chip's, both in the model."""
    found = {objective: _by_layer(objective) for objective in OBJECTIVES}
    figures = tuple(figure for rows in found.values() for _, pair in rows.values() for figure in pair)
    aims = [
        [figure for _, pair in found[objective].values() for figure in pair if figure.quantity == aim]
        for objective, aim in OBJECTIVES.items()
    ]
    slower, costlier = (sum(f.ours > f.theirs * (1 + ROUNDING) for f in aim) for aim in aims)
    return Comparison(
        name="mapper",
        title="Search for mappings against the chip's own",
        source=source_of("eyeriss_mapping") + "; costs: " + source_of("isca2016_costs"),
        text=_text(),
        tables=(*(_table(objective, rows) for objective, rows in found.items()), _mappings(found)),
        figures=figures,
        checks=(
            Check("searched for latency, layers slower than on the chip's mapping", slower, 0, f"of {len(aims[0])}"),
            Check("searched for energy, layers that cost more", costlier, 0, f"of {len(aims[1])}"),
        ),
    )


def _by_layer(objective: str) -> Found:
    """Layer name -> the search's mapping, and its cycles and energy beside those of the chip's mapping."""
    bench = chip_bench(chip_design())
    prices = bench.costs.prices

    def value(traffic: Traffic) -> tuple[float, float]:
        cycles = sum(prices.cycles(traffic).values())
        return int(cycles), float(sum(prices.access_pj(traffic).values())) / 1e9

    rows: Found = {}
    for chip in chip_layers():
        mapping = best_mapping(bench, chip.layer, objective, {})
        ours, theirs = (value(traffic_of(bench, chip.layer, each)) for each in (mapping, chip.mapping))
        item = f"{chip.name} for {objective}"
        rows[chip.name] = mapping, (Figure(item, CYCLES, ours[0], theirs[0]), Figure(item, ENERGY, ours[1], theirs[1]))
    return rows


def _table(objective: str, rows: Found) -> Table:
    lines: list[dict[str, Any]] = [
        {"layer": name, **_cells(cycles, energy)} for name, (_, (cycles, energy)) in rows.items()
    ]
    figures = [figure for _, pair in rows.values() for figure in pair]
    lines.append({"layer": "total", **_cells(total(figures, CYCLES), total(figures, ENERGY))})
    return Table.of(f"mapper_{objective}", f"Searched for {objective}", lines)


def _cells(cycles: Figure, energy: Figure) -> dict[str, float]:
    return {**cycles.cells("cycles", "cycles, chip's", "more %"), **energy.cells("energy", "energy, chip's", "more, %")}


def _mappings(found: MappingType[str, Found]) -> Table:
    rows = [
        {"layer": chip.name, "chip": _shown(chip.mapping),
         **{f"for {objective}": _shown(rows[chip.name][0]) for objective, rows in found.items()}}
        for chip in chip_layers()
    ]  # fmt: skip
    return Table.of("mapper_mappings", f"Mappings: {' '.join(PARAMETERS)}", rows)


def _shown(mapping: Mapping) -> str:
    return " ".join(str(int(mapping[name])) for name in PARAMETERS)


def _text() -> str:
    dram_gb_s = next(axis.default for axis in NUMERIC_AXES if axis.name == "dram_gb_s")
    return f"""
The same layers on the same hardware, mapped by `dse.mapping` for latency and for energy; both mappings are priced by
the model. Cycles hold the wait for DRAM, at {dram_gb_s:g} GB/s; energy is in those of a MAC, at the costs per
16-bit word that the chip's designers give ({cost_list()}), without clock and leakage. The search must never be
slower for latency, nor cost more for energy. Time is free at these costs, so what is searched for energy may leave
PEs idle.

A mapping of the search uses the whole GLB; the chip keeps 8 of its 108 KiB for filters and gives whole banks to
ifmaps and psums, and its designers optimized all of the energy, so gains here are partly room that the chip does
not have."""
