"""Energy by part against the Eyeriss papers' own analysis, at their costs."""

from __future__ import annotations

from functools import cache

from dse.mapping import best_mapping
from dse.report.tables import Table
from dse.space import Designs
from dse.traffic import Mapping
from dse.validation import Check, Comparison, Figure, total, worst
from dse.validation._eyeriss import (
    BITS,
    PARAMETERS,
    WORD_BITS,
    chip_bench,
    chip_design,
    cost_list,
    traffic_of,
)
from dse.validation._reference import read_reference, source_of
from workloads.loader import load_workload

ORDER = 4
PARTS = {"alu": "mac", "dram": "dram", "spad": "spad"}  # part as listed -> part of the model
LABELS = {"alu": "ALU", "dram": "DRAM", "spad": "spads"}
SPAD_BYTES = 512
Energies = dict[str, float]


def compare() -> Comparison:
    """Energy of ALUs, DRAM and spads of AlexNet's layers, in 1e9 MAC energies."""
    figures = [
        Figure(row["layer"], LABELS[part], energy()[row["layer"]][1][own] / 1e9, float(row[part]))
        for part, own in PARTS.items()
        for row in read_reference("isca2016_alexnet")
    ]
    totals = [total(figures, label) for label in LABELS.values()]
    by_part = {label: [figure for figure in figures if figure.quantity == label] for label in LABELS.values()}
    return Comparison(
        name="energy",
        title="Energy by part, Eyeriss papers",
        source=source_of("isca2016_alexnet"),
        text=_text(),
        tables=(
            *(_table(label, [*by_part[label], sums]) for label, sums in zip(by_part, totals, strict=True)),
            _whole(),
        ),
        figures=(*figures, *totals),
        checks=(
            *(Check(f"energy of {sums.quantity}, total", sums.error_percent) for sums in totals[1:]),
            *(
                Check(f"energy of {label}, layer of largest error", worst(each).error_percent)
                for label, each in by_part.items()
                if label != LABELS["alu"]
            ),
        ),
    )


def design() -> Designs:
    """16 x 16 PEs, 128 KiB of GLB; of the spads, ifmaps and psums have the chip's depths, filters the rest."""
    chip = chip_design()
    rest = SPAD_BYTES * 8 // WORD_BITS - int(chip.ifmap_spad_words) - int(chip.psum_spad_words)
    return chip_design(rows=16, cols=16, filter_spad_words=rest, glb_kib=128, batch=16)


@cache
def energy() -> dict[str, tuple[Mapping, Energies]]:
    """Layer as listed -> the mapping of least energy and its energy by part of the model, in MAC energies."""
    bench = chip_bench(design())
    found = {}
    for row, layer in zip(read_reference("isca2016_alexnet"), load_workload("alexnet").layers, strict=True):
        mapping = best_mapping(bench, layer, "energy", {})
        parts = bench.costs.prices.access_pj(traffic_of(bench, layer, mapping))
        found[row["layer"]] = mapping, {name: float(value) for name, value in parts.items()}
    return found


def _table(label: str, figures: list[Figure]) -> Table:
    rows = [{"layer": figure.item, **figure.cells("model", "listed")} for figure in figures]
    return Table.of(f"energy_{label.lower()}", f"Energy of {label}, 1e9 MACs", rows)


def _whole() -> Table:
    """Where all energy goes, in percent, with the mapping."""
    rows = []
    for layer, (mapping, parts) in energy().items():
        whole = sum(parts.values())
        named = {"ALU": "mac", "spads": "spad", "between PEs": "noc", "GLB": "glb", "DRAM": "dram"}
        shares = {name: 100 * parts[part] / whole for name, part in named.items()}
        chosen = " ".join(str(int(mapping[name])) for name in PARAMETERS)
        rows.append({"layer": layer, "1e9 MACs": whole / 1e9, **shares, " ".join(PARAMETERS): chosen})
    return Table.of("energy_shares", "The model's energy and its shares, percent", rows)


def _text() -> str:
    on = design()
    return f"""
A cost table is data: here the model's counts are priced with the normalized costs of the papers per access to a
{BITS.activation}-bit word ({cost_list()}), without clock and leakage, on {int(on.rows)} x {int(on.cols)} PEs with
{SPAD_BYTES} B of spads each, {int(on.glb_kib)} KiB of GLB, batch {int(on.batch)}. Mappings are those of least
energy that the search finds.

The reference is partly uncertain: figure 10 of the paper has bars without numbers; the numbers are those that
another tool's test of the figure lists, its spads being exactly four accesses per MAC. How the {SPAD_BYTES} B are
divided is not published: here {int(on.ifmap_spad_words)}, {int(on.filter_spad_words)} and {int(on.psum_spad_words)}
words for ifmaps, filters and psums. The paper's mappings are not published either.

**Spads** are above the reference throughout: the model adds to the four accesses per MAC the words that fill the
spads and the psums that PEs of a column take in and hand on. **DRAM** is below it or, to the digits listed, at it:
the search may divide the GLB freely between ifmaps, filters and psums. GLB and network between PEs have no listed
numbers. Small numbers are listed to few digits: ALUs, a mere count of MACs, differ by that alone."""
