"""What `dse characterize` prints: a point beside its prediction, points measured again, errors at held-out points, and
systolic PEs beside what is shipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from characterization.dataset import SYSTOLIC_COLUMNS, Comparison, characterize, systolic_row, systolic_rows
from characterization.measure import measure_point
from characterization.publish import prepare, publish
from dse.report.tables import Table
from pe_library.heldout import QUANTITIES, SUMS, WHOLES, heldout_errors
from pe_library.model import INPUTS, PE_LIBRARY, PERIOD_PARTS, PEModel, load_pe_model
from pe_library.registers import register_row


def characterization_tables(
    pe_types: Sequence[str],
    points: int | None,
    depths: Mapping[str, int] | None,
    liberty: Path | None,
    out: Path | None,
    jobs: int,
    say: Callable[[str], None],
) -> tuple[list[Table], str]:
    """What `dse characterize` prints, and what failed ("" if nothing).

    With `depths` one point per PE type; with `points` so many shipped points again; else everything, and points and
    models are written to `out`, or replace the shipped ones. `say` is told of progress.
    """
    if depths is not None:
        return [point_table(name, depths, liberty, say) for name in pe_types], ""
    library = out or PE_LIBRARY
    if points is None:
        prepare(library, pe_types)
    compared = characterize(
        pe_types, points, jobs, liberty, lambda done, total, what: say(f"{done} of {total}: {what}")
    )
    if points is not None:
        different = sum(not one.equal for one in compared)
        failure = f"{different} of {len(compared)} points differ from what is shipped" if different else ""
        return [repeat_table(compared)], failure
    for name in pe_types:
        say(f"{name}: synthesizing and simulating its systolic PEs")
        systolic = systolic_rows(name, liberty)
        measured = [one.measured for one in compared if one.point.pe_type == name]
        say(f"wrote {publish(name, measured, systolic, library)}")
    return [heldout_table(pe_types, library)], ""


def point_table(
    pe_type: str, depths: Mapping[str, int], liberty: Path | None, say: Callable[[str], None] = lambda text: None
) -> Table:
    """Synthesize one PE of the given spad depths and put measured beside predicted; writes nothing.

    Raises RunError when a tool, the library or the model is missing, InputError when a spad is too small to measure.
    """
    model = load_pe_model(pe_type)  # before minutes of synthesis
    outside = [
        f"{name} {low} to {high}" for name, (low, high) in model.ranges.items() if not low <= depths[name] <= high
    ]
    say(f"{pe_type}: synthesizing and simulating one PE")
    measured = measure_point(pe_type, **depths, liberty=liberty)
    predicted = _predicted(model, depths)
    rows = [
        {
            "quantity": name,
            "measured": float(measured[name]),
            "predicted": predicted[name],
            "error_percent": 100 * (predicted[name] / float(measured[name]) - 1),
        }
        for name in QUANTITIES
    ]
    title = f"{pe_type} at {', '.join(f'{name} {words}' for name, words in depths.items())}"
    shipped = "" if liberty is None else " from the shipped cell library, not from yours"
    beyond = f"; an extrapolation, as the model was fitted to {', '.join(outside)}" if outside else ""
    return Table.of(pe_type, title, rows, f"predicted: the shipped model{shipped}{beyond}; unit: end of each name")


def systolic_tables(
    pe_types: Sequence[str], dataflow: str, liberty: Path | None, say: Callable[[str], None]
) -> tuple[list[Table], str]:
    """The PE of a systolic dataflow, measured again beside what is shipped, and what failed ("" if nothing).

    Writes nothing. Raises RunError when a tool, the library or the shipped row is missing.
    """
    tables, different = [], []
    for name in pe_types:
        shipped = register_row(name, dataflow)  # before the synthesis
        say(f"{name}: synthesizing and simulating one PE")
        measured = systolic_row(name, dataflow, liberty)
        rows = [
            {"quantity": column, "measured": measured[column], "shipped": shipped[column]}
            for column in SYSTOLIC_COLUMNS[1:]
        ]
        tables.append(Table.of(name, f"{name}, PE of {dataflow}", rows, "unit: end of each name"))
        different += [name] if measured != shipped else []
    failure = f"what is shipped differs for {', '.join(different)}" if different and liberty is None else ""
    return tables, failure


def repeat_table(compared: Sequence[Comparison]) -> Table:
    """Points measured again beside what is shipped."""
    rows = [
        {
            "pe_type": one.point.pe_type,
            "role": one.point.role,
            **dict(zip(INPUTS, one.point.depths, strict=True)),
            "equal": one.equal,
            "differences": "; ".join(f"{name} {shipped} -> {now}" for name, shipped, now in one.differences),
        }
        for one in compared
    ]
    return Table.of("repeated", "Shipped points measured again", rows)


def heldout_table(pe_types: Sequence[str], library: Path = PE_LIBRARY) -> Table:
    """Errors of the models in `library` at its held-out points, for the quantities that are measured as a whole."""
    rows: list[dict[str, Any]] = [
        {
            "pe_type": error.pe_type,
            "quantity": error.quantity,
            "mape_percent": error.mape_percent,
            "max_error_percent": error.max_error_percent,
            "points": error.points,
        }
        for pe_type in pe_types
        for error in heldout_errors(pe_type, library)
        if error.quantity in WHOLES
    ]
    return Table.of("heldout", "Models against held-out synthesis", rows, "mape: mean absolute percentage error")


def _predicted(model: PEModel, depths: Mapping[str, int]) -> dict[str, float]:
    """Every quantity of a measured row, as `pe_library.heldout` combines the fitted parts."""
    parts = {name: float(value) for name, value in model.parts(*(depths[name] for name in INPUTS)).items()}
    sums = {whole: float(np.sum([parts[part] for part in names])) for whole, names in SUMS.items()}
    return {**parts, **sums, "min_period_ns": max(parts[name] for name in PERIOD_PARTS)}
