"""The table of points: one row per design and workload, in the order and types of `points.parquet`.

An axis that does not apply to a design is null.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dse.evaluate import Evaluation
from dse.metrics import AREA_PARTS, CYCLE_PARTS, ENERGY_PARTS, METRICS, Totals
from dse.space import MAX_CLOCK, NUMERIC_AXES, Block, Designs
from workloads.layer import Accuracy, Workload

_EVIDENCE_TYPES = (pa.float64(), pa.string())
_TEXT = pa.dictionary(pa.int32(), pa.string())
_AXES = [axis for axis in NUMERIC_AXES if axis.name not in ("clock_mhz", "batch")]
CYCLE_COLUMNS = {f"{part}_cycles": part for part in CYCLE_PARTS}
AREA_COLUMNS = {f"area_{part}_mm2": part for part in AREA_PARTS}
ENERGY_COLUMNS = {f"energy_{part}_mj": part for part in ENERGY_PARTS}

SCHEMA = pa.schema([
    ("design_id", pa.int64()),
    ("workload", _TEXT),
    ("pe_type", _TEXT),
    ("dataflow", _TEXT),
    *((axis.name, pa.int64() if axis.integer else pa.float64()) for axis in _AXES),
    ("batch", pa.int64()),
    ("clock_setting", _TEXT),
    ("clock_mhz", pa.float64()),
    ("feasible", pa.bool_()),
    ("reason", _TEXT),
    *((metric.column, pa.float64()) for metric in METRICS.values()),
    *((name, pa.int64()) for name in CYCLE_COLUMNS),
    *((name, pa.float64()) for name in AREA_COLUMNS),
    *((name, pa.float64()) for name in ENERGY_COLUMNS),
    ("dram_mb", pa.float64()),
    ("glb_mb", pa.float64()),
    ("accuracy_error_percent", pa.float64()),
    ("accuracy_evidence", _TEXT),
])  # fmt: skip


def metric_columns(totals: Totals) -> dict[str, Any]:
    """Every metric and every part, by column name; arrays broadcast to the shape of the designs."""
    return {
        **{metric.column: metric.compute(totals) for metric in METRICS.values()},
        **{name: totals.cycles[part] for name, part in CYCLE_COLUMNS.items()},
        **{name: totals.area_mm2[part] for name, part in AREA_COLUMNS.items()},
        **{name: totals.part_mj(part) for name, part in ENERGY_COLUMNS.items()},
        "dram_mb": totals.dram_bits / 8e6 / totals.batch,
        "glb_mb": totals.glb_bits / 8e6 / totals.batch,
    }


def points_table(block: Block, workload: Workload, evaluation: Evaluation) -> pa.Table:
    """The rows of one block for one workload. Infeasible rows keep their axes; their metrics are null, counts 0.

    So is an accuracy that is not known.
    """
    designs, reason = block.designs, evaluation.reason.ravel()
    feasible = reason == 0
    columns: dict[str, Any] = {
        "design_id": block.design_ids,
        "workload": _constant(workload.name, len(reason)),
        "pe_type": _constant(designs.pe_type, len(reason)),
        "dataflow": _constant(designs.dataflow, len(reason)),
        **{axis.name: _axis(designs, axis.name, len(reason)) for axis in _AXES},
        "batch": designs.column("batch"),
        "clock_setting": _clock_settings(designs),
        "clock_mhz": np.broadcast_to(evaluation.totals.clock_mhz, designs.shape).ravel(),
        "feasible": feasible,
        "reason": pa.DictionaryArray.from_arrays(pa.array(reason, pa.int32()), list(evaluation.reasons)),
        **_evidence(workload.accuracy(designs.pe_type), feasible),
    }
    for name, value in metric_columns(evaluation.totals).items():
        flat = np.broadcast_to(value, designs.shape).ravel()
        if SCHEMA.field(name).type == pa.int64():
            columns[name] = np.where(feasible, flat, 0)
        else:
            columns[name] = pa.array(flat, pa.float64(), mask=~feasible | np.isnan(flat))
    return pa.table([pa.array(columns[f.name], f.type) if isinstance(columns[f.name], np.ndarray)
                     else columns[f.name] for f in SCHEMA], schema=SCHEMA)  # fmt: skip


def _evidence(known: Accuracy | None, feasible: NDArray[np.bool_]) -> dict[str, pa.Array]:
    """Standard error and level of evidence of an accuracy; null where there is none."""
    said = (None, None) if known is None else (known.error_percent, known.evidence)
    place = pa.array(np.zeros(len(feasible), np.int32), mask=~feasible)
    error, evidence = (pa.array([value], kind).take(place) for value, kind in zip(said, _EVIDENCE_TYPES, strict=True))
    return {"accuracy_error_percent": error, "accuracy_evidence": evidence.dictionary_encode()}


def _axis(designs: Designs, name: str, length: int) -> NDArray[Any] | pa.Array:
    return designs.column(name) if designs.has(name) else pa.nulls(length, SCHEMA.field(name).type)


def _constant(text: str, length: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(length, np.int32)), [text])


def clock_setting(clock_mhz: float) -> str:
    """How the clock axis is written: "max", or the number as given."""
    return "max" if clock_mhz == MAX_CLOCK else f"{clock_mhz:g}"


def _clock_settings(designs: Designs) -> pa.DictionaryArray:
    values, index = np.unique(designs.column("clock_mhz"), return_inverse=True)
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), [clock_setting(value) for value in values])
