"""What `dse list` shows: the PE types, networks, dataflows and metrics there are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dse.dataflow import list_dataflows, load_dataflow
from dse.metrics import METRICS
from dse.report.tables import Table
from pe_library.model import list_pe_types, load_pe_type
from workloads.families import FAMILIES
from workloads.loader import list_workloads, load_workload

Row = dict[str, Any]

LONG = ("source", "arithmetic")


def catalogue(what: str, *, brief: bool = False) -> Table:
    """The table of one of `CATALOGUES`; `brief` leaves out long texts."""
    rows, note = CATALOGUES[what]
    shown = [{key: value for key, value in row.items() if not (brief and key in LONG)} for row in rows()]
    return Table.of(what, "", shown, note)


def _pe_types() -> list[Row]:
    types = [load_pe_type(name) for name in list_pe_types()]
    return [
        {
            "name": pe.name,
            "activation_bits": pe.activation_bits,
            "weight_bits": pe.weight_bits,
            "psum_bits": pe.psum_bits,
            "description": pe.description,
            "arithmetic": pe.arithmetic,
        }
        for pe in types
    ]


def _workloads() -> list[Row]:
    networks = [load_workload(name) for name in list_workloads()]
    return [
        {
            "name": network.name,
            "layers": sum(layer.count for layer in network.layers),
            "gmacs": network.macs / 1e9,
            "mweights": network.weights / 1e6,
            "input": network.input,
            "source": network.source,
        }
        for network in networks
    ]


def _families() -> list[Row]:
    return [
        {
            "name": name,
            "axes": "; ".join(f"{axis} {', '.join(map(str, values))}" for axis, values in family.axes.items()),
            "networks": math.prod(map(len, family.axes.values())),
            "for instance": family.members({axis: values[-1:] for axis, values in family.axes.items()})[0].name,
        }
        for name, family in FAMILIES.items()
    ]


def _dataflows() -> list[Row]:
    flows = [(name, load_dataflow(name)) for name in list_dataflows()]
    return [
        {
            "name": name,
            "pe": flow.PE,
            "parameters": " ".join(flow.PARAMETERS),
            "description": _first_sentence(flow.__doc__ or ""),
        }
        for name, flow in flows
    ]


def _metrics() -> list[Row]:
    return [
        {
            "name": metric.name,
            "unit": metric.unit,
            "better": "higher" if metric.maximize else "lower",
            "formula": metric.formula,
            "column": metric.column,
        }
        for metric in METRICS.values()
    ]


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


CATALOGUES: dict[str, tuple[Callable[[], list[Row]], str]] = {
    "pe-types": (_pe_types, "Use them as `pe_type` of a config's space, or in `dse evaluate --design pe_type=...`."),
    "workloads": (
        _workloads,
        "gmacs: 1e9 MACs of one inference; mweights: 1e6 weights. Your own: a path to a layer table.",
    ),
    "families": (
        _families,
        "Networks that a study can search: `architectures: {family: NAME, axes: {AXIS: [..]}}`; docs/coexploration.md. "
        "axes: with the values taken where none are given; others may be. Single members are workloads by their name.",
    ),
    "dataflows": (
        _dataflows,
        "pe: what a PE keeps operands in; the spad axes apply to spads only. "
        "parameters: what `dse evaluate --mapping` can pin.",
    ),
    "metrics": (_metrics, "Use them in `objectives` and `constraints`, and with `dse pareto --metric`."),
}
