"""The interpolated GLB model against CACTI at grid points that it was built without."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dse.report.tables import Table
from dse.validation import Check, Comparison, Figure
from pe_library.memory.glb import QUANTITIES, fit_glb_model, list_glb_cells, read_grid

ORDER = 7
SOURCE = "CACTI 7, pe_library/memory/cacti_45nm.csv (settings and hash of the binary in its header)"
TEXT = """
Each inner size of the CACTI grid is left out in turn and predicted by a model built from the rest, all word widths
at once. Leaving a size out doubles the gap that is interpolated, so these are upper bounds for the error between
grid points; the large maxima are jumps of CACTI itself, which the model smooths ([memory](memory.md)). No limit was
set beforehand.

What this does not show: CACTI is a model of an SRAM, not a memory compiler, and one macro stands for what a chip
would build of many banks. Energy per bit of DRAM and constants of wires are cited values with nothing here to
compare them to."""


def compare() -> Comparison:
    """Area, energies, leakage and periods of macros at sizes left out."""
    found = {cell: tuple(_figures(cell)) for cell in list_glb_cells()}
    figures = tuple(figure for each in found.values() for figure in each)
    return Comparison(
        name="memory",
        title="CACTI at GLB sizes left out",
        source=SOURCE,
        text=TEXT,
        tables=(Table.of("memory", "Errors at sizes left out, mean (largest), percent", _rows(found)),),
        figures=figures,
        checks=tuple(
            Check(f"{name}, mean error", float(np.mean([abs(f.error_percent) for f in figures if f.quantity == name])))
            for name in ("area_mm2", "read_pj", "min_period_ns")
        ),
    )


def _figures(cell: str) -> Iterator[Figure]:
    sizes, widths, values = read_grid(cell)
    for out in range(1, len(sizes) - 1):
        model = fit_glb_model(cell, np.delete(sizes, out), widths, np.delete(values, out, axis=2))
        predicted = model.predict(sizes[out], widths)
        for index, quantity in enumerate(QUANTITIES):
            pairs = zip(widths, getattr(predicted, quantity), values[index, :, out], strict=True)
            for width, ours, theirs in pairs:
                yield Figure(f"{cell} {sizes[out]:g} KiB x {width:.0f} bit", quantity, float(ours), float(theirs))


def _rows(found: dict[str, tuple[Figure, ...]]) -> list[dict[str, str]]:
    rows = []
    for cell, figures in found.items():
        row = {"cell": cell}
        for quantity in QUANTITIES:
            errors = [abs(figure.error_percent) for figure in figures if figure.quantity == quantity]
            row[quantity] = f"{np.mean(errors):.1f} ({max(errors):.0f})"
        rows.append(row)
    return rows
