"""One design on one workload, layer by layer: the rows behind `dse evaluate`."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from dse.evaluate import Evaluation, LayerResult, evaluate_layer, extended, layer_reason, reason_texts
from dse.mapping.bench import Bench
from dse.metrics import METRICS, Totals
from dse.points import SCHEMA, clock_setting, metric_columns
from dse.space import NUMERIC_AXES, Designs
from dse.technology import Technology
from dse.traffic import Pins, Traffic
from workloads.layer import Workload

Row = dict[str, Any]
ACCESSES = tuple(
    field.name
    for field in fields(Traffic)
    if field.name.startswith(("dram", "glb", "noc", "inter", "spad")) and not field.name.endswith("cycles")
)


def evaluate_design(
    designs: Designs, workload: Workload, technology: Technology, objective: str, pins: Pins
) -> tuple[Row, list[Row]]:
    """The totals row and one row per layer (in network order) of a scalar design.

    Axes that do not apply to the design are None. A layer row is for all its `count` instances together; access columns
    are in words of the operand. Where the design is infeasible, `reason` says why and the metrics are None.
    """
    bench = Bench.of(designs, technology)
    results, whole = {}, None
    for layer in workload.unique_layers():
        results[layer.shape] = evaluate_layer(bench, layer, objective, pins)
        whole = extended(whole, bench, results[layer.shape], layer.count)
    assert whole is not None  # a workload has at least one layer
    whole = whole.with_accuracy(workload, designs.pe_type)
    feasible = int(whole.reason) == 0
    known = workload.accuracy(designs.pe_type) if feasible else None
    totals = {**_axes(designs, workload), **_outcome(whole), **_metrics(whole.totals, feasible)}
    totals["accuracy_error_percent"] = known.error_percent if known else None
    totals["accuracy_evidence"] = known.evidence if known else None
    rows = []
    for layer in workload.layers:
        result = results[layer.shape]
        row = _layer_row(result, layer.count, reason_texts(bench.flow)[int(layer_reason(bench, result))])
        rows.append({"layer": layer.name, "kind": layer.kind, "count": layer.count, **row})
    return totals, rows


def _axes(designs: Designs, workload: Workload) -> Row:
    names = [axis.name for axis in NUMERIC_AXES if axis.name != "clock_mhz"]
    axes = {name: getattr(designs, name).item() if designs.has(name) else None for name in names}
    return {
        "workload": workload.name,
        "pe_type": designs.pe_type,
        "dataflow": designs.dataflow,
        **axes,
        "clock_setting": clock_setting(designs.clock_mhz.item()),
    }


def _outcome(evaluation: Evaluation) -> Row:
    reason = evaluation.reasons[int(evaluation.reason)]
    return {"clock_mhz": float(evaluation.totals.clock_mhz), "feasible": not reason, "reason": reason}


def _metrics(totals: Totals, feasible: bool) -> Row:
    """Metric and part columns as Python numbers; None (counts 0) where infeasible, None where not known."""
    row: Row = {}
    for name, value in metric_columns(totals).items():
        if str(SCHEMA.field(name).type) == "int64":
            row[name] = int(value) if feasible else 0
        else:
            row[name] = float(value) if feasible and not math.isnan(value) else None
    return row


def _layer_row(result: LayerResult, count: int, reason: str) -> Row:
    traffic = result.traffic
    row: Row = {"feasible": not reason, "reason": reason}
    row |= {name: int(value) for name, value in result.mapping.items()}
    row |= {
        "active_pes": int(traffic.active_pes),
        "passes": int(traffic.passes) * count,
        "macs": int(traffic.macs) * count,
    }
    row |= _metrics(result.totals.repeated(count), not reason)
    for metric in METRICS.values():
        if metric.of_network:  # a layer has none
            del row[metric.column]
    row |= {f"{name}_words": int(getattr(traffic, name)) * count for name in ACCESSES}
    return row
