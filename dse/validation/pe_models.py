"""The fitted PE models against synthesis of points that they were not fitted to."""

from __future__ import annotations

from itertools import chain

from dse.report.full import QUANTITIES, heldout_rows
from dse.report.tables import Table
from dse.report.usable import pe_label
from dse.validation import Check, Comparison, Figure
from pe_library.heldout import column, heldout_pairs, read_points
from pe_library.model import INPUTS, PE_LIBRARY, list_pe_types

ORDER = 6
LIMITS = {"area_um2": ("area", 2), "leakage_uw": ("leakage", 3), "run_pj": ("energy per MAC cycle", 5),
          "min_period_ns": ("minimum period", 6)}  # fmt: skip
SOURCE = (
    "synthesis, gate-level timing and activity of this repository's RTL with NanGate 45 nm Open Cell Library; "
    "pe_library/*/heldout.csv, made by `dse characterize`"
)
TEXT = """
Eight points per PE type are synthesized like those of the fit, at other scratchpad depths drawn with another seed;
no fit reads them. The limits are for the mean error of each PE type. `dse validate pe_models --format csv` has
every point.

What this does not show: the points are synthesis without place and route, so wires inside a PE and the clock tree
are estimates on both sides of the comparison; how far synthesis is from silicon is not measured here."""


def compare() -> Comparison:
    """Area, leakage, energy of a MAC cycle and minimum period at every held-out point."""
    rows = heldout_rows()
    return Comparison(
        name="pe_models",
        title="Synthesis of PEs at held-out points",
        source=SOURCE,
        text=TEXT,
        tables=(heldout_table(),),
        figures=tuple(chain.from_iterable(map(_figures, list_pe_types()))),
        checks=tuple(
            Check(
                f"{LIMITS[name][0]}, largest mean error of a PE type", max(row[f"{name}_mape"] for row in rows), limit
            )
            for name, (_, limit) in LIMITS.items()
        ),
    )


def heldout_table() -> Table:
    """Errors of the models at points they were not fitted to: mean (largest), percent."""
    rows = []
    for row in heldout_rows():
        line = {"PE type": pe_label(row["pe_type"]), "points": row["points"]}
        for quantity in QUANTITIES:
            name, limit = LIMITS[quantity]
            line[f"{name} (limit {limit})"] = f"{row[f'{quantity}_mape']:.2f} ({row[f'{quantity}_max']:.2f})"
        rows.append(line)
    return Table.of("heldout", "Errors at held-out points, mean (largest), percent", rows)


def _figures(pe_type: str) -> list[Figure]:
    points = read_points(PE_LIBRARY / pe_type / "heldout.csv")
    depths = zip(*(column(points, name) for name in INPUTS), strict=True)
    items = [f"{pe_type} {'/'.join(f'{words:.0f}' for words in each)}" for each in depths]
    pairs = heldout_pairs(pe_type)
    return [
        Figure(item, quantity, float(pairs[quantity].predicted[index]), float(pairs[quantity].measured[index]))
        for quantity in QUANTITIES
        for index, item in enumerate(items)
    ]
