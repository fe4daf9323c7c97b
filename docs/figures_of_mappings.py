"""Draw how the dataflows map a layer on the array: docs/figures/mapping_<dataflow>.png.

    python docs/figures_of_mappings.py [DATAFLOW ...]

A figure has two panels: the matrix product of a layer with the part that a fold computes, and the array with what each
PE holds and what moves where. Another dataflow is another entry of `DRAWINGS`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

FIGURES = Path(__file__).parent / "figures"
IFMAP, FILTER, PSUM = "#0072b2", "#d55e00", "#009e73"  # of the palette of Okabe and Ito, safe for the color-blind
SIZE = 3  # PEs on a side in the drawing
PITCH, PE = 1.6, 1.0
STYLE: Any = {"font.size": 8, "font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans"}


@dataclass(frozen=True)
class Operand:
    """An operand in words and color; `symbol` of a word at row and column indices, `streams` over time."""

    name: str
    color: str
    symbol: Callable[[str, str], str]


@dataclass(frozen=True)
class Systolic:
    """What lies on the rows and columns of the array, what is time, and the operands on left, top and in the PEs."""

    rows: tuple[str, str]
    cols: tuple[str, str]
    time: tuple[str, str]
    left: Operand
    stationary: Operand
    down: Operand
    moves: str
    cycles: str


IFMAPS = Operand("ifmap", IFMAP, lambda pixel, product: rf"$a_{{{pixel}{product}}}$")
FILTERS = Operand("filter", FILTER, lambda product, filter_: rf"$w_{{{product}{filter_}}}$")
PSUMS = Operand("psum", PSUM, lambda pixel, filter_: rf"$s_{{{pixel}{filter_}}}$")
REDUCTION = "reduction  $(C/G)RS$", "k"
PIXELS = "pixels  $NEF$", "p"
FILTER_EXTENT = "filters  $M/G$", "m"

DRAWINGS = {
    "weight_stationary": Systolic(
        REDUCTION, FILTER_EXTENT, PIXELS, IFMAPS, FILTERS, PSUMS, "psums move down", r"$2u + v + T - 2$ cycles a fold"
    ),
    "output_stationary": Systolic(
        PIXELS, FILTER_EXTENT, REDUCTION, IFMAPS, PSUMS, FILTERS, "filters move down", r"$u + v + T - 2$ cycles a fold"
    ),
    "input_stationary": Systolic(
        REDUCTION, PIXELS, FILTER_EXTENT, FILTERS, IFMAPS, PSUMS, "psums move down", r"$2u + v + T - 2$ cycles a fold"
    ),
}


def main(names: list[str]) -> None:
    """Draw the named dataflows, or all."""
    FIGURES.mkdir(exist_ok=True)
    for name in names or list(DRAWINGS):
        with plt.rc_context(STYLE):
            figure = draw(DRAWINGS[name])
            figure.savefig(FIGURES / f"mapping_{name}.png", dpi=300)
            plt.close(figure)


def draw(flow: Systolic) -> Figure:
    """Both panels."""
    figure, (product, array) = plt.subplots(1, 2, figsize=(7.16, 3.3), width_ratios=[1, 1.35], layout="constrained")
    draw_product(product, flow)
    draw_array(array, flow)
    for axes, title in ((product, "(a) one fold of the layer"), (array, "(b) the fold on the array")):
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_aspect("equal")
        axes.axis("off")
    return figure


def draw_product(axes: Axes, flow: Systolic) -> None:
    """ifmaps (pixels x reduction) times filters (reduction x filters) is the ofmap; what a fold touches is dark."""
    extent = {"p": (3.0, 1.0), "k": (2.2, 0.8), "m": (2.4, 0.9)}  # length, and that of a fold
    size = {letter: length for letter, (length, _) in extent.items()}
    used = {letter: part for letter, (_, part) in extent.items()}
    used[flow.time[1]] = size[flow.time[1]]
    gap = 0.45
    places = {
        "ifmap": ((0.0, 0.0), "p", "k", IFMAP),
        "filter": ((size["k"] + gap, size["p"] + gap), "k", "m", FILTER),
        "psum": ((size["k"] + gap, 0.0), "p", "m", PSUM),
    }
    for name, ((x, y), down, across, color) in places.items():
        height, width = size[down], size[across]
        axes.add_patch(Rectangle((x, y), width, height, facecolor=color, alpha=0.13))
        top = y + height - used[down]
        axes.add_patch(Rectangle((x, top), used[across], used[down], facecolor=color, alpha=0.55))
        axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=color, linewidth=1))
        shown = "ofmap" if name == "psum" else name
        stays = "\nstays in\nthe PEs" if flow.stationary.name == name else ""
        light = used[across] if used[down] == height and used[across] < width else 0
        middle = x + (light + width) / 2
        axes.text(middle, y + 0.08, shown + stays, ha="center", va="bottom", color=color, fontweight="bold")
    label = {letter: text for text, letter in (flow.rows, flow.cols, flow.time)}
    sides = {flow.rows[1]: "$u$ rows", flow.cols[1]: "$v$ columns", flow.time[1]: "$T$ cycles"}
    text = {letter: f"{label[letter]}\n{sides[letter]}" for letter in label}
    axes.text(-0.15, size["p"] / 2, text["p"], rotation=90, ha="right", va="center")
    axes.text(size["k"] / 2, size["p"] + 0.1, text["k"], ha="center", va="bottom")
    axes.text(size["k"] + gap + size["m"] / 2, size["p"] + gap + size["k"] + 0.1, text["m"], ha="center", va="bottom")
    axes.set_xlim(-1.0, size["k"] + gap + size["m"] + 0.1)
    axes.set_ylim(-0.1, size["p"] + gap + size["k"] + 0.9)


def draw_array(axes: Axes, flow: Systolic) -> None:
    """PEs with the word they hold, words on their way in, skewed by a cycle per row and column, and what leaves."""
    row, col, time = flow.rows[1], flow.cols[1], flow.time[1]
    psums_move = flow.down.name == "psum"
    top = SIZE * PITCH
    for i in range(SIZE):
        for j in range(SIZE):
            x, y = j * PITCH, top - (i + 1) * PITCH
            axes.add_patch(Rectangle((x, y), PE, PE, facecolor="white", edgecolor="0.25", linewidth=1))
            axes.add_patch(Rectangle((x + 0.12, y + 0.3), PE - 0.24, 0.4, facecolor=flow.stationary.color, alpha=0.25))
            order = _ordered(flow.stationary.name, {row: str(i + 1), col: str(j + 1)})
            axes.text(x + PE / 2, y + PE / 2, flow.stationary.symbol(*order), ha="center", va="center")
            if j < SIZE - 1:
                _arrow(axes, (x + PE, y + 0.5), (x + PITCH, y + 0.5), flow.left.color)
            if i < SIZE - 1:
                _arrow(axes, (x + 0.5, y), (x + 0.5, y - (PITCH - PE)), flow.down.color)
    for i in range(SIZE):
        y = top - (i + 1) * PITCH + 0.5
        _arrow(axes, (-0.6, y), (0, y), flow.left.color)
        for cycle in range(i):
            _word(axes, (-0.95 - 0.68 * cycle, y), "·", flow.left.color)
        for step in range(SIZE):
            word = flow.left.symbol(*_ordered(flow.left.name, {row: str(i + 1), time: str(step + 1)}))
            _word(axes, (-0.95 - 0.68 * (i + step), y), word, flow.left.color)
    for j in range(SIZE):
        x, above = j * PITCH + 0.5, top - PITCH + PE
        _arrow(axes, (x, above + 0.6), (x, above), flow.down.color)
        below = top - SIZE * PITCH
        _arrow(axes, (x, below), (x, below - 0.6), PSUM)
        for cycle in range(0 if psums_move else j):
            _word(axes, (x, above + 0.85 + 0.5 * cycle), "·", flow.down.color)
        for step in range(0 if psums_move else SIZE):
            word = flow.down.symbol(*_ordered(flow.down.name, {col: str(j + 1), time: str(step + 1)}))
            _word(axes, (x, above + 0.85 + 0.5 * (j + step)), word, flow.down.color)
    _captions(axes, flow, top)


def _captions(axes: Axes, flow: Systolic, top: float) -> None:
    psums_move = flow.down.name == "psum"
    middle = SIZE * PITCH / 2 - 0.3
    leaving = "psums leave, to the GLB" if psums_move else "finished psums shift down while the next fold enters"
    axes.text(middle, top - SIZE * PITCH - 0.8, leaving, ha="center", va="top", color=PSUM)
    axes.text(middle, top - SIZE * PITCH - 1.3, flow.cycles, ha="center", va="top")
    axes.text(
        -0.6 - 0.68 * SIZE, top - 0.1, f"{flow.left.name} words,\na cycle later\nin each row", ha="center", va="bottom",
        color=flow.left.color,
    )  # fmt: skip
    if psums_move:
        axes.text(
            middle, top + 0.65, f"first: {flow.stationary.name} words shift in, $u$ cycles", ha="center", va="bottom",
            color=flow.stationary.color,
        )  # fmt: skip
        axes.text(middle, top + 0.1, "then: 0, or psums of the fold before", ha="center", va="bottom", color=PSUM)
    axes.set_xlim(-4.2, SIZE * PITCH)
    axes.set_ylim(top - SIZE * PITCH - 1.8, top + (1.4 if psums_move else 2.5))


def _ordered(operand: str, index: dict[str, str]) -> tuple[str, str]:
    """Indices of a word as its matrix has them."""
    first, second = {"ifmap": ("p", "k"), "filter": ("k", "m"), "psum": ("p", "m")}[operand]
    return index[first], index[second]


def _word(axes: Axes, place: tuple[float, float], text: str, color: str) -> None:
    axes.text(*place, text, ha="center", va="center", color=color)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, color=color, shrinkA=0, shrinkB=0))


if __name__ == "__main__":
    main(sys.argv[1:])
