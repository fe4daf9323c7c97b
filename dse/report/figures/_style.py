"""Common style of the figures: sizes, colours, markers, legends, ticks.

Colours and markers of PE types come from their pe.yaml (Okabe and Ito's colour-blind safe palette).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from dse.dataflow import list_dataflows
from dse.report.usable import pe_label
from pe_library.model import list_pe_types, load_pe_type

Kind = Literal["pe_type", "dataflow"]  # what a colour stands for
Share = bool | Literal["none", "all", "row", "col"]

SINGLE_IN, DOUBLE_IN = 3.5, 7.16  # widths of one and two columns of an IEEE page
# Ticks of a decade by the number of decades an axis spans: the first whose limit is above it.
LOG_TICKS = (
    (0.45, (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)),
    (0.6, (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)),
    (1.0, (1.0, 2.0, 3.0, 5.0)),
    (1.7, (1.0, 2.0, 5.0)),
    (2.6, (1.0, 3.0)),
    (np.inf, (1.0,)),
)
LEAST_RATIO = 2.0  # between the ends of a logarithmic axis: there is a tick, and a small difference looks small
GREY, BAND = "#666666", "#F1F1F1"
# Parts of a whole, not PE types: Paul Tol's "light" scheme, colour-blind safe and apart from the types' colours.
FLOW_COLORS = ("#0077BB", "#EE7733", "#009988", "#EE3377", "#33BBEE", "#CC3311")  # his "vibrant" scheme, for dataflows
FLOW_MARKERS = ("o", "s", "^", "D", "v", "P")
PART_COLORS = ("#77AADD", "#EE8866", "#EEDD88", "#FFAABB", "#AAAA00", "#44BB99", "#DDDDDD")

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same glyphs everywhere
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.5,
    "axes.titlepad": 3,
    "axes.labelpad": 2,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "grid.linewidth": 0.4,
    "grid.color": "#DDDDDD",
    "lines.linewidth": 1.0,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType: text stays text, as publishers ask
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


@dataclass(frozen=True)
class KindStyle:
    """How a PE type or a dataflow is drawn."""

    label: str
    color: str
    marker: str


def type_style(pe_type: str) -> KindStyle:
    """Style from pe.yaml; grey for a type the library no longer has."""
    if pe_type not in list_pe_types():
        return KindStyle(pe_label(pe_type), GREY, "x")
    known = load_pe_type(pe_type)
    return KindStyle(known.label, known.color, known.marker)


def flow_style(dataflow: str) -> KindStyle:
    """Style of a dataflow, the same in every run; colours and markers repeat after as many as there are."""
    place = list_dataflows().index(dataflow) if dataflow in list_dataflows() else -1
    label = dataflow.replace("_", " ")
    return KindStyle(label, FLOW_COLORS[place % len(FLOW_COLORS)], FLOW_MARKERS[place % len(FLOW_MARKERS)])


def kind_style(kind: Kind, name: str) -> KindStyle:
    """Style of a PE type or of a dataflow."""
    return type_style(name) if kind == "pe_type" else flow_style(name)


def grid(
    panels: int, width_in: float, panel_height_in: float, columns: int, *, sharex: Share = False, sharey: Share = False
) -> tuple[Figure, list[Axes]]:
    """A figure of `panels` equal panels in at most `columns` columns; surplus axes are switched off."""
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(width_in, panel_height_in * rows))
    axes = list(figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey).flat)
    for surplus in axes[panels:]:
        surplus.set_axis_off()
    return figure, axes[:panels]


def kind_legend(
    figure: Figure, styles: Sequence[KindStyle], extra: Sequence[Line2D] = (), *, lines: bool = True
) -> None:
    """One legend of PE types or dataflows for the whole figure, above the panels."""
    handles: list[Artist] = []
    for style in styles:
        line = "-" if lines else "none"
        handles.append(Line2D([], [], color=style.color, marker=style.marker, ms=4, mew=0, ls=line, label=style.label))
    legend_above(figure, [*handles, *extra], 1.6)


def legend_above(figure: Figure, handles: Sequence[Artist], handlelength: float = 1.0) -> None:
    """A legend above the panels: one line at two columns' width, two at one."""
    columns = len(handles) if figure.get_figwidth() > SINGLE_IN else -(-len(handles) // 2)
    figure.legend(
        handles=handles, loc="outside upper center", ncols=columns, handlelength=handlelength, columnspacing=1.2
    )


def linear_limits(low: float, high: float, least: float, margin: float = 0.06) -> tuple[float, float]:
    """Limits a little beyond the values `low` to `high`, at least `least` apart."""
    pad = max(margin * (high - low), (least - (high - low)) / 2)
    return float(low - pad), float(high + pad)


def log_limits(low: float, high: float, margin: float = 0.06) -> tuple[float, float]:
    """Limits of a logarithmic axis a little beyond the values, at least a factor of `LEAST_RATIO` apart."""
    pad = max((high / low) ** margin, 1.02, math.sqrt(LEAST_RATIO * low / high))
    return float(low / pad), float(high * pad)


def plain_log_ticks(axis: Any, low: float, high: float) -> None:
    """Ticks as plain numbers, the fewer per decade the more decades there are."""
    decades = np.log10(high / low)
    subs = next(subs for limit, subs in LOG_TICKS if decades < limit)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.9g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
