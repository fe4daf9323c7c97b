"""Predicted against synthesized, for the points no model was fitted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dse.errors import RunError
from dse.report.figures import SkipFigureError
from dse.report.figures._style import BAND, DOUBLE_IN, GREY, kind_legend, plain_log_ticks, type_style
from dse.report.run import Run
from dse.report.usable import Points
from pe_library.heldout import Pairs, heldout_pairs
from pe_library.model import FloatArray, list_pe_types

ORDER = 5
CAPTION = (
    "PE models against synthesis at held-out points: predicted over measured values (top; line: equal) and the "
    "relative error (bottom; band: within 5 %), per PE type."
)
# Quantity -> title, unit shown, and the factor from the quantity's own unit to it.
QUANTITIES = {
    "area_um2": ("PE area", "10\N{SUPERSCRIPT THREE} \N{GREEK SMALL LETTER MU}m\N{SUPERSCRIPT TWO}", 1e-3),
    "leakage_uw": ("Leakage", "\N{GREEK SMALL LETTER MU}W", 1.0),
    "run_pj": ("Energy of a MAC cycle", "pJ", 1.0),
    "min_period_ns": ("Minimum clock period", "ns", 1.0),
}
BAND_PERCENT = 5.0


def draw(run: Run, points: Points) -> Figure:
    """All PE types of the library that have held-out points, whatever the run holds."""
    pairs = available_pairs()
    if not pairs:
        raise SkipFigureError("no PE type has both a fitted model and held-out points")
    figure = Figure(figsize=(DOUBLE_IN, 3.3))
    axes = figure.subplots(2, len(QUANTITIES), sharex="col", sharey=False, height_ratios=(1.5, 1))
    for column, (quantity, (label, unit, factor)) in enumerate(QUANTITIES.items()):
        chosen = {name: _scaled(own[quantity], factor) for name, own in pairs.items()}
        _parity(axes[0, column], chosen)
        _errors(axes[1, column], chosen)
        axes[0, column].set_title(f"{label} ({unit})")
        axes[1, column].set_xlabel(f"synthesized ({unit})")
        axes[1, column].sharey(axes[1, 0])
    worst = max(np.abs(own[quantity].errors_percent).max() for own in pairs.values() for quantity in QUANTITIES)
    limit = max(6.0, 1.1 * float(worst))
    axes[1, 0].set_ylim(-limit, limit)
    axes[0, 0].set_ylabel("predicted")
    axes[1, 0].set_ylabel("error (%)")
    kind_legend(figure, [type_style(name) for name in pairs], lines=False)
    return figure


def available_pairs() -> dict[str, dict[str, Pairs]]:
    """Held-out pairs by PE type and quantity, of the types that have them."""
    pairs = {}
    for name in list_pe_types():
        try:
            pairs[name] = heldout_pairs(name)
        except RunError:
            continue  # not characterized yet: the table of errors says so
    return pairs


def _scaled(pairs: Pairs, factor: float) -> Pairs:
    return replace(pairs, measured=pairs.measured * factor, predicted=pairs.predicted * factor)


def _parity(axis: Axes, pairs: dict[str, Pairs]) -> None:
    everything = np.concatenate([np.r_[own.measured, own.predicted] for own in pairs.values()])
    limits = float(everything.min() / 1.15), float(everything.max() * 1.15)
    axis.plot(limits, limits, color=GREY, lw=0.5, zorder=1)
    for name, own in pairs.items():
        _dots(axis, name, own.measured, own.predicted)
    axis.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    plain_log_ticks(axis.xaxis, *limits)
    plain_log_ticks(axis.yaxis, *limits)


def _errors(axis: Axes, pairs: dict[str, Pairs]) -> None:
    axis.axhspan(-BAND_PERCENT, BAND_PERCENT, color=BAND, lw=0, zorder=0)
    axis.axhline(0, color=GREY, lw=0.5, zorder=1)
    for name, own in pairs.items():
        _dots(axis, name, own.measured, own.errors_percent)


def _dots(axis: Axes, pe_type: str, x: FloatArray, y: FloatArray) -> None:
    style = type_style(pe_type)
    axis.plot(x, y, style.marker, color=style.color, ms=3, mew=0.3, mec="white", zorder=3)
