"""Area and energy of the best design of each PE type, by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dse.report.breakdowns import breakdowns
from dse.report.figures._style import DOUBLE_IN, PART_COLORS, SINGLE_IN, legend_above, type_style
from dse.report.run import Run
from dse.report.usable import MAX, Points, short_flow

Row = dict[str, Any]

ORDER = 4
CAPTION = (
    "Area (top) and energy per inference (bottom) of the design with the highest performance per area of each PE type, "
    "at its own maximum clock, by part; relative to the total of the INT16 design (without one, of the PE type that "
    "the axis names), so bar heights are ratios of totals. "
    "Above the bars: PE rows and columns and, in a run of several dataflows, what stays in the PEs: each best design "
    "chooses for itself."
)
REFERENCE = "int16"
# Legend name -> column of the area and of the energy in that part.
PARTS: Mapping[str, tuple[str | None, str | None]] = {
    "MAC": ("area_arithmetic_mm2", "energy_mac_mj"),
    "PE storage": ("area_storage_mm2", "energy_spad_mj"),
    "PE control, clock": ("area_control_mm2", "energy_clock_mj"),
    "GLB": ("area_buffer_mm2", "energy_glb_mj"),
    "NoC": ("area_wires_mm2", "energy_noc_mj"),
    "DRAM": (None, "energy_dram_mj"),
    "leakage": (None, "energy_leakage_mj"),
}
TOTALS = ("area_mm2", "energy_mj")
LABELS = ("Area", "Energy")
# Height of the figure, share of the bars of area in it (those of energy: 1.4), and how far their axis reaches above the
# highest bar, for the text on it: without and with dataflows.
ROOM = {False: (3.9, 1.0, 1.42), True: (4.5, 1.4, 1.75)}


def draw(run: Run, points: Points) -> Figure:
    """Two rows of panels, one column per network; the bars of a panel are PE types."""
    rows = breakdowns(run, points)
    clock = MAX if any(row["clock_setting"] == MAX for row in rows) else rows[0]["clock_setting"]
    rows = [row for row in rows if row["clock_setting"] == clock]
    networks = list(dict.fromkeys(row["workload"] for row in rows))
    flows = len(points.names["dataflow"]) > 1
    height, share, room = ROOM[flows]
    figure = Figure(figsize=(SINGLE_IN if len(networks) < 3 else DOUBLE_IN, height))
    axes = figure.subplots(2, len(networks), squeeze=False, sharex="col", sharey="row", height_ratios=(share, 1.4))
    for column, network in enumerate(networks):
        own = [row for row in rows if row["workload"] == network]
        for quantity in range(2):
            _bars(axes[quantity, column], own, quantity)
        _write_designs(axes[0, column], own, flows)
        axes[0, column].set_title(network)
        axes[1, column].set_xticks(range(len(own)), [type_style(row["pe_type"]).label for row in own], rotation=90)
    highest = max(row[TOTALS[0]] / _scale(rows, row["workload"], 0) for row in rows)
    axes[0, 0].set_ylim(0, highest * room)
    for quantity, label in enumerate(LABELS):
        axes[quantity, 0].set_ylabel(f"{label}, relative to {_reference(rows)['pe_type'].upper()}")
    handles = [Patch(color=color, label=name) for name, color in zip(PARTS, PART_COLORS, strict=True)]
    legend_above(figure, handles)
    return figure


def _scale(rows: Sequence[Row], network: str, quantity: int) -> float:
    """The total that the bars of a network are relative to."""
    return float(_reference([row for row in rows if row["workload"] == network])[TOTALS[quantity]])


def _reference(rows: Sequence[Row]) -> Row:
    """The design that bars are relative to: INT16's, or the first type's where there is no INT16."""
    return next((row for row in rows if row["pe_type"] == REFERENCE), rows[0])


def _bars(axis: Axes, rows: Sequence[Row], quantity: int) -> None:
    scale = _scale(rows, rows[0]["workload"], quantity)
    bottom = np.zeros(len(rows))
    for columns, color in zip(PARTS.values(), PART_COLORS, strict=True):
        column = columns[quantity]
        if column is not None:
            height = np.array([row[column] for row in rows]) / scale
            axis.bar(range(len(rows)), height, 0.75, bottom, color=color)
            bottom += height
    axis.tick_params(axis="x", length=0)


def _write_designs(axis: Axes, rows: Sequence[Row], flows: bool) -> None:
    """Array, and dataflow if asked for, above each bar of area."""
    for place, row in enumerate(rows):
        flow = f" {short_flow(row['dataflow'])}" if flows else ""
        text = f" {row['rows']}\N{MULTIPLICATION SIGN}{row['cols']}{flow}"
        axis.text(place, row[TOTALS[0]] / _scale(rows, row["workload"], 0), text, rotation=90, ha="center", va="bottom")
