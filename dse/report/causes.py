"""Where a gain in performance per area over INT16 comes from: storage, arithmetic, clock, and the rest.

Terms. PE area is the sum of parts read from synthesis: *storage* (the three spads or registers), *arithmetic* (the MAC)
and *control*. A design adds *buffer* (GLB) and *wires* (NoC).

Area ratio. With total areas A (INT16) and B (the other type) and parts a_i, b_i, the factor of part i is

    F_i = exp((a_i - b_i) / L),    L = (A - B) / ln(A / B),    L = A where A = B

so each part counts by the area it saves, and the factors multiply to A / B exactly whatever the order of the parts
(logarithmic mean Divisia decomposition; B. W. Ang, Energy Policy 33(7), 2005, doi 10.1016/j.enpol.2003.10.010).

Gain. Performance per area is clock / (cycles x area), hence for one design with the PE type alone exchanged

    gain = F_storage x F_arithmetic x F_control x F_buffer x F_wires x (clock ratio) x (cycle ratio)

and the best design of the other type, which may have another dataflow, gains the further factor *resizing* over it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dse.config import design_space
from dse.metrics import CYCLE_PARTS, METRICS
from dse.report.gains import MEAN, best_positions, geometric_mean
from dse.report.run import Run
from dse.report.usable import Points
from dse.space import SPAD_AXES
from pe_library.model import list_pe_types, load_pe_model
from pe_library.registers import register_row

Row = dict[str, Any]

PE_PARTS = {
    "storage": ("area_ifmap_um2", "area_filter_um2", "area_psum_um2"),
    "arithmetic": ("area_mac_um2",),
    "control": ("area_control_um2",),
}
DESIGN_PARTS = (*PE_PARTS, "buffer", "wires")
EYERISS_SPADS = (12, 224, 24)  # words; Chen et al., JSSC 52(1), 2017
BASELINE = "int16"
METRIC = "perf_per_area"


def pe_area_parts(pe_type: str, spads: Sequence[float]) -> dict[str, float]:
    """Modelled area of one PE by part, um2, at the given spad depths in words (ifmap, filter, psum)."""
    parts = load_pe_model(pe_type).parts(*spads)
    return {name: float(sum(parts[column] for column in columns)) for name, columns in PE_PARTS.items()}


def area_factors(reference: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Factors of the area ratio reference / other, one per part; see the formula above."""
    a, b = sum(reference.values()), sum(other.values())
    mean = a if math.isclose(a, b, rel_tol=1e-12) else (a - b) / math.log(a / b)
    return {part: math.exp((reference[part] - other[part]) / mean) for part in reference}


def pe_causes(pe_types: Sequence[str], spads: Sequence[int] = EYERISS_SPADS) -> list[Row]:
    """Performance per area of a lone PE over an INT16 PE with the same spads, by cause."""
    if BASELINE not in list_pe_types():
        return []
    reference = pe_area_parts(BASELINE, spads)
    base_period = _period_ns(BASELINE, spads)
    rows = []
    for pe_type in pe_types:
        area, period = pe_area_parts(pe_type, spads), _period_ns(pe_type, spads)
        factors = {**area_factors(reference, area), "clock": base_period / period}
        sizes = {f"{part}_um2": value for part, value in area.items()}
        row: Row = {"pe_type": pe_type, **dict(zip(SPAD_AXES, spads, strict=True)), **sizes}
        rows.append({**row, "min_period_ns": period, **factors, "gain": math.prod(factors.values())})
    return rows


def design_causes(run: Run, points: Points) -> list[Row]:
    """Gain of each type's best design over the best INT16 design, by cause, per workload and clock setting.

    A type whose exchange into the best INT16 design is not among the usable points has its total gain only.
    """
    best = best_positions(points, (METRIC, "energy"))
    bases = {labels[:2]: position for labels, position in best.items() if labels[2] == BASELINE}
    chosen = [
        (labels, bases[labels[:2]], position)
        for labels, position in best.items()
        if labels[2] != BASELINE and labels[:2] in bases
    ]
    exchanged = _exchanged(run, points, [(labels, base) for labels, base, _ in chosen])
    wanted = sorted({i for _, base, own in chosen for i in (base, own)} | set(exchanged.values()))
    rows = dict(zip(wanted, run.rows(points.row[np.asarray(wanted, np.int64)]).to_pylist(), strict=True))
    return [
        _split(labels, rows[base], rows[own], rows[exchanged[labels]] if labels in exchanged else None)
        for labels, base, own in chosen
    ]


def mean_causes(rows: Sequence[Row]) -> list[Row]:
    """Geometric means over the workloads of `design_causes`, factor by factor: they multiply to the mean gain."""
    means = []
    for clock, pe_type in dict.fromkeys((row["clock_setting"], row["pe_type"]) for row in rows):
        own = [row for row in rows if (row["clock_setting"], row["pe_type"]) == (clock, pe_type)]
        split = [row for row in own if row["resizing"] is not None]  # the same networks for every factor
        mean: Row = {"clock_setting": clock, "workload": MEAN, "pe_type": pe_type}
        means.append(mean | {name: geometric_mean([row[name] for row in split]) for name in own[0] if name not in mean})
    return means


def _exchanged(run: Run, points: Points, wanted: Sequence[tuple[tuple[str, ...], int]]) -> dict[tuple[str, ...], int]:
    """Position of each INT16 design with its PE type exchanged, where it is usable.

    Design ids run through the PE types in turn, so ids of exchanged designs are offsets.
    """
    pe_types = list(run.config["space"]["pe_type"])
    stride = design_space(run.config["space"]).size // len(pe_types)
    ids = run.table(["design_id"])["design_id"].to_numpy()[points.row]
    groups = dict(points.groups("workload", "pe_type"))
    found = {}
    for labels, base in wanted:
        offset = pe_types.index(labels[2]) - pe_types.index(BASELINE)
        group = groups[labels[0], labels[2]]
        hits = group[ids[group] == ids[base] + offset * stride]
        if len(hits):
            found[labels] = int(hits[0])
    return found


def _split(labels: tuple[str, ...], base: Row, own: Row, exchanged: Row | None) -> Row:
    column = METRICS[METRIC].column
    row: Row = {"clock_setting": labels[1], "workload": labels[0], "pe_type": labels[2]}
    factors: dict[str, float | None] = dict.fromkeys((*DESIGN_PARTS, "clock", "cycles", "resizing"))
    if exchanged is not None:
        factors = {
            **area_factors(design_area_parts(base), design_area_parts(exchanged)),
            "clock": exchanged["clock_mhz"] / base["clock_mhz"],
            "cycles": _cycles(base) / _cycles(exchanged),
            "resizing": own[column] / exchanged[column],
        }
    return {**row, **factors, "gain": own[column] / base[column]}


def design_area_parts(row: Row) -> dict[str, float]:
    """Area of a design by part, mm2: its PE area shared out as the model of the PE says, GLB and NoC."""
    pe = (
        _measured_area_parts(row)
        if row[SPAD_AXES[0]] is None
        else pe_area_parts(row["pe_type"], [row[name] for name in SPAD_AXES])
    )
    scale = row["area_pe_mm2"] / sum(pe.values())
    shares = {part: value * scale for part, value in pe.items()}
    return {**shares, "buffer": row["area_glb_mm2"], "wires": row["area_noc_mm2"]}


def _measured_area_parts(row: Row) -> dict[str, float]:
    """Area by part, um2, of a PE with registers, whose storage they are."""
    measured = register_row(row["pe_type"], row["dataflow"])
    return {name: sum(float(measured[column]) for column in columns) for name, columns in PE_PARTS.items()}


def _cycles(row: Row) -> int:
    return sum(int(row[f"{part}_cycles"]) for part in CYCLE_PARTS)


def _period_ns(pe_type: str, spads: Sequence[float]) -> float:
    return float(load_pe_model(pe_type).predict(*spads).min_period_ns)
