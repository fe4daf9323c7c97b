"""The row-stationary dataflow against the measured Eyeriss chip, on the chip's own mapping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from dse.report.tables import Table, short
from dse.sparsity import Sparsity
from dse.traffic import Mapping
from dse.validation import Check, Comparison, Figure, total, worst
from dse.validation._eyeriss import (
    MIB_BITS,
    WORD_BITS,
    ChipLayer,
    chip_bench,
    chip_design,
    chip_layers,
    traffic_of,
)
from dse.validation._reference import source_of

ORDER = 1
PES, CYCLES, GLB, DRAM = "active PEs", "processing cycles", "GLB traffic, MiB", "DRAM traffic, MiB"
GLB_LIMIT = 5.0  # percent of error above which a layer counts as off
MISPRINT, LIKE = "CONV3", "CONV4"  # a layer whose GLB traffic does not follow from its mapping, but from that of LIKE
TWINS = ("CONV4", "CONV5")  # layers of one mapping and one shape of pass
SEGMENTED = "CONV2"  # its PE set is wider than the array
Row = dict[str, Any]


@dataclass(frozen=True)
class ChipResult:
    """A layer in the model on the chip's hardware: processing cycles by part; traffic of 16-bit words."""

    name: str
    passes: int
    active_pes: int
    compute: int
    glb_stall: int
    overhead: int
    glb_ifmap_mib: float
    glb_psum_mib: float
    dram_mib: float
    coded_dram_mib: float

    @property
    def cycles(self) -> int:
        """Processing cycles: without the wait for DRAM, as in the paper's processing latency."""
        return self.compute + self.glb_stall + self.overhead

    @property
    def glb_mib(self) -> float:
        """Reads and writes of ifmaps and psums; filters are not counted in the paper's figure."""
        return self.glb_ifmap_mib + self.glb_psum_mib


def compare() -> Comparison:
    """Active PEs, processing cycles, GLB and DRAM traffic of AlexNet CONV1 to CONV5."""
    results = {chip.name: on_chip(chip, chip.mapping) for chip in chip_layers()}
    figures = chip_figures()
    pes, cycles, glb, dram = ([f for f in figures if f.quantity == name] for name in (PES, CYCLES, GLB, DRAM))
    layers = list(results.values())
    off = [figure for figure in glb if abs(figure.error_percent) > GLB_LIMIT]
    return Comparison(
        name="eyeriss",
        title="Eyeriss chip, AlexNet",
        source=source_of("eyeriss_alexnet") + "; mapping: table III",
        text=_text(results, cycles, glb),
        tables=(_cycles(layers, pes, cycles), _ramp(results), _glb(layers, glb), _dram(layers, dram)),
        figures=(*figures, *(total(figures, name) for name in (CYCLES, GLB, DRAM))),
        checks=(
            Check("layers whose active PEs differ", sum(f.ours != f.theirs for f in pes), 0, f"of {len(pes)}"),
            Check("processing cycles, layer of largest error", worst(cycles).error_percent, 6),
            Check("processing cycles, total", total(figures, CYCLES).error_percent, 3),
            Check(f"layers with GLB traffic off by more than {GLB_LIMIT:g} %", len(off), 1, f"of {len(glb)}"),
            Check("DRAM traffic, total", total(figures, DRAM).error_percent, 30),
        ),
    )


@cache
def chip_figures() -> tuple[Figure, ...]:
    """Every number of a layer that the paper prints and the model has, layer by layer."""
    figures: list[Figure] = []
    for chip in chip_layers():
        found, measured = on_chip(chip, chip.mapping), chip.measured
        figures += [
            Figure(chip.name, PES, found.active_pes, int(measured["active_pes"])),
            Figure(chip.name, CYCLES, found.cycles, int(measured["processing_cycles"])),
            Figure(chip.name, GLB, found.glb_mib, float(measured["glb_accesses_mb"])),
            Figure(chip.name, DRAM, found.coded_dram_mib, float(measured["dram_accesses_mb"])),
        ]
    return tuple(figures)


def on_chip(chip: ChipLayer, mapping: Mapping) -> ChipResult:
    """A layer on the chip's hardware, under any mapping that fits it."""
    bench, coding = (chip_bench(chip_design(), code) for code in (Sparsity(), Sparsity(compression="rlc")))
    traffic = traffic_of(bench, chip.layer, mapping)
    cycles = bench.costs.prices.cycles(traffic)
    mib = WORD_BITS / MIB_BITS
    return ChipResult(
        name=chip.name,
        passes=int(traffic.passes),
        active_pes=int(traffic.active_pes),
        compute=int(cycles["compute"]),
        glb_stall=int(cycles["glb_stall"]),
        overhead=int(cycles["overhead"]),
        glb_ifmap_mib=float(traffic.glb_ifmap_reads + traffic.glb_ifmap_writes) * mib,
        glb_psum_mib=float(traffic.glb_psum_reads + traffic.glb_psum_writes) * mib,
        dram_mib=float(bench.costs.prices.dram_bits(traffic)) / MIB_BITS,
        coded_dram_mib=float(coding.costs.prices.dram_bits(traffic)) / MIB_BITS,
    )


def as_if_mapped_like(name: str, other: str) -> ChipResult:
    """A layer under the mapping of another one."""
    chips = {chip.name: chip for chip in chip_layers()}
    return on_chip(chips[name], chips[other].mapping)


def beyond_compute(chip: ChipLayer, found: ChipResult) -> float:
    """Cycles per pass that the chip spends beside those in which each active PE makes one MAC a cycle."""
    return (int(chip.measured["processing_cycles"]) - found.compute) / found.passes


def _cycles(layers: Sequence[ChipResult], pes: Sequence[Figure], cycles: Sequence[Figure]) -> Table:
    rows: list[Row] = []
    for found, active, figure in zip(layers, pes, cycles, strict=True):
        parts = {"compute": found.compute, "GLB stall": found.glb_stall, "overhead": found.overhead}
        rows.append({"layer": found.name, "PEs": active.ours, "PEs, chip": active.theirs, **parts,
                     **figure.cells("cycles", "cycles, chip")})  # fmt: skip
    sums = {name: sum(row[name] for row in rows) for name in ("compute", "GLB stall", "overhead")}
    both = total(cycles, CYCLES).cells("cycles", "cycles, chip")
    rows.append({"layer": "total", "PEs": None, "PEs, chip": None, **sums, **both})
    return Table.of("eyeriss_cycles", "Active PEs and processing cycles", rows)


def _ramp(results: dict[str, ChipResult]) -> Table:
    rows = []
    for chip in chip_layers():
        found = results[chip.name]
        model = (found.glb_stall + found.overhead) / found.passes
        rows.append({"layer": chip.name, "passes": found.passes, "model": model, "chip": beyond_compute(chip, found)})
    return Table.of("eyeriss_ramp", "Cycles beyond compute, per processing pass", rows)


def _glb(layers: Sequence[ChipResult], figures: Sequence[Figure]) -> Table:
    rows: list[Row] = []
    for found, figure in zip(layers, figures, strict=True):
        rows.append(_glb_row(figure.item, found, figure))
        if figure.item == MISPRINT:
            like = as_if_mapped_like(MISPRINT, LIKE)
            other = Figure(f"{MISPRINT} if mapped like {LIKE}", GLB, like.glb_mib, figure.theirs)
            rows.append(_glb_row(other.item, like, other))
    rows.append({"layer": "total", "ifmap": None, "psum": None, **total(figures, GLB).cells("sum", "chip")})
    return Table.of("eyeriss_glb", "GLB reads and writes of ifmaps and psums, MiB", rows)


def _glb_row(name: str, found: ChipResult, figure: Figure) -> Row:
    return {"layer": name, "ifmap": found.glb_ifmap_mib, "psum": found.glb_psum_mib, **figure.cells("sum", "chip")}


def _dram(layers: Sequence[ChipResult], figures: Sequence[Figure]) -> Table:
    rows: list[Row] = [
        {"layer": found.name, "uncoded": found.dram_mib, **figure.cells("coded", "chip")}
        for found, figure in zip(layers, figures, strict=True)
    ]
    uncoded = sum(found.dram_mib for found in layers)
    rows.append({"layer": "total", "uncoded": uncoded, **total(figures, DRAM).cells("coded", "chip")})
    return Table.of("eyeriss_dram", "DRAM traffic, MiB, feature maps run-length coded", rows)


def _text(results: dict[str, ChipResult], cycles: Sequence[Figure], glb: Sequence[Figure]) -> str:
    return f"""
Hardware, batch, operand and psum widths (16 bits) and the mapping of every layer are those of the chip, so neither
the search nor the PE library plays a part. No constant is fitted to these numbers; what a pass exposes follows the
paper's text on ramp-up, with the table in sight: it is a check of the mechanism, not a blind prediction.

**Cycles** are compute, GLB stall and overhead. The wait for DRAM is left out on both sides: the paper's processing
latency does not hold the time in which the chip only loads ifmaps or dumps ofmaps. {_twins(results)}
{_segmented(results)} Largest error: {worst(cycles).item}, {worst(cycles).error_percent:+.1f} %.

**GLB traffic** counts ifmaps and psums, not filters; the paper's MB are read as MiB. {_misprint(glb)}

**DRAM traffic** is run-length coded on both sides; zeros of the ifmaps are the measured ones, of the ofmaps what
follows from them ([sparsity](sparsity.md)).

Not covered: the chip's wait for DRAM, networks other than AlexNet; power is in the last section."""


def _twins(results: dict[str, ChipResult]) -> str:
    """What no model of a pass can do better in two layers that are made of the same passes."""
    first, second = (results[name] for name in TWINS)
    times = {c.name: int(c.measured["processing_cycles"]) for c in chip_layers()}
    expected, seen = first.passes / second.passes, times[first.name] / times[second.name]
    balanced = 100 * abs(seen / expected - 1) / (seen / expected + 1)
    return (
        f"{first.name} and {second.name} have one mapping and the same passes, {first.passes} and {second.passes} of "
        f"them: a ratio of {short(expected)}, where the chip took {short(seen)} times as long. No model that counts "
        f"passes comes closer than {balanced:.1f} % to both."
    )


def _segmented(results: dict[str, ChipResult]) -> str:
    """What a pass would take if the segments of its PE set were loaded one after another."""
    chip = next(chip for chip in chip_layers() if chip.name == SEGMENTED)
    found, layer, of = results[SEGMENTED], chip.layer, chip.mapping
    channels, bus_words = of["q"] * of["r"], chip_design().glb_bytes_per_cycle * 8 / WORD_BITS
    filters = of["p"] * of["t"] * channels * layer.R * layer.S / bus_words
    shared_rows = (layer.R - layer.stride) * channels * layer.S / (bus_words / 4)
    overhead = found.overhead / found.passes
    apart = overhead + float(filters + shared_rows)
    error = 100 * ((found.cycles + (apart - overhead) * found.passes) / int(chip.measured["processing_cycles"]) - 1)
    return (
        f"{SEGMENTED}'s PE set is wider than the array and cut in two segments. In the model one multicast serves "
        f"both, and a pass exposes {overhead:.0f} cycles where the chip took {beyond_compute(chip, found):.0f}; "
        f"loading one segment after the other would take {apart:.0f} ({error:+.1f} % in all), which would explain it "
        "but is not published."
    )


def _misprint(glb: Sequence[Figure]) -> str:
    printed = next(figure for figure in glb if figure.item == MISPRINT)
    like = as_if_mapped_like(MISPRINT, LIKE)
    chips = {chip.name: chip for chip in chip_layers()}
    cycles = 100 * (like.cycles / int(chips[MISPRINT].measured["processing_cycles"]) - 1)
    qr, other = (int(chips[name].mapping["q"] * chips[name].mapping["r"]) for name in (MISPRINT, LIKE))
    return (
        f"{MISPRINT}'s printed traffic does not follow from its printed mapping: q r = {qr} gives "
        f"{short(printed.ours)} MiB, q r = {other} as in {LIKE} would give {short(like.glb_mib)} (cycles then "
        f"{cycles:+.1f} % off), {short(printed.theirs)} is printed. Its row stays as the mapping says."
    )
