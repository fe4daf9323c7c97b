"""Draw how row stationary maps a layer: docs/figures/mapping_row_stationary.png.

    python docs/figure_of_row_stationary.py

Panel (a) is a PE set: what the PEs share. Panel (b) is an array with the sets of a mapping: AlexNet CONV5 on Eyeriss
(Chen et al., JSSC 2017, table III).
"""

from __future__ import annotations

import matplotlib.pyplot as plt
from figures_of_mappings import FIGURES, FILTER, IFMAP, PSUM, STYLE
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

SET_ROWS, SET_COLS = 3, 4  # R and e in panel (a)
ARRAY_ROWS, ARRAY_COLS = 12, 14
E, R, CHANNEL_GROUPS, FILTER_GROUPS = 13, 3, 2, 2  # e, R, r, t in panel (b)
GROUP_COLORS = ("#56b4e9", "#e69f00")


def main() -> None:
    """Draw both panels."""
    with plt.rc_context(STYLE):
        figure, (pe_set, array) = plt.subplots(1, 2, figsize=(7.16, 3.1), width_ratios=[1.15, 1], layout="constrained")
        draw_set(pe_set)
        draw_array(array)
        titles = ((pe_set, "(a) a PE set: R x e PEs make e ofmap rows"), (array, "(b) r x t sets on a 12 x 14 array"))
        for axes, title in titles:
            axes.set_title(title, fontsize=9, loc="left")
            axes.set_aspect("equal")
            axes.axis("off")
        figure.savefig(FIGURES / "mapping_row_stationary.png", dpi=300)
        plt.close(figure)


def draw_set(axes: Axes) -> None:
    """Filter rows along rows, ifmap rows along diagonals, psums up the columns."""
    pitch, size = 1.5, 1.0
    for i in range(SET_ROWS):
        for j in range(SET_COLS):
            x, y = j * pitch, -i * pitch
            axes.add_patch(Rectangle((x, y), size, size, facecolor="#f4f4f4", edgecolor="#444444", linewidth=0.8))
            axes.text(x + 0.5, y + 0.7, f"filter {i + 1}", ha="center", va="center", color=FILTER, fontsize=6.5)
            axes.text(x + 0.5, y + 0.3, f"ifmap {i + j + 1}", ha="center", va="center", color=IFMAP, fontsize=6.5)
            if i:
                _arrow(axes, (x + 0.5, y + size), (x + 0.5, y + pitch), PSUM)
    for i in range(SET_ROWS):
        y = -i * pitch + 0.5
        _arrow(axes, (-0.75, y), (-0.05, y), FILTER)
    for row in range(SET_ROWS + SET_COLS - 1):
        i, j = min(row, SET_ROWS - 1), max(0, row - SET_ROWS + 1)
        x, y = j * pitch, -i * pitch
        _arrow(axes, (x - 0.42, y - 0.42), (x - 0.02, y - 0.02), IFMAP)
    for j in range(SET_COLS):
        x = j * pitch + 0.5
        _arrow(axes, (x, size), (x, size + 0.5), PSUM)
        axes.text(x, size + 0.6, f"ofmap {j + 1}", ha="center", va="bottom", color=PSUM, fontsize=6.5)
    bottom = -(SET_ROWS - 1) * pitch - 0.6
    text = "a filter row is shared by a row of PEs,\nan ifmap row by a diagonal; psums add up a column"
    axes.text((SET_COLS - 1) * pitch / 2 + 0.5, bottom, text, ha="center", va="top")
    axes.set_xlim(-1.0, SET_COLS * pitch)
    axes.set_ylim(bottom - 1.1, size + 1.2)


def draw_array(axes: Axes) -> None:
    """The PEs that each set takes, and those that idle."""
    for row in range(ARRAY_ROWS):
        for col in range(ARRAY_COLS):
            group = row // R
            used = col < E and group < CHANNEL_GROUPS * FILTER_GROUPS
            color = GROUP_COLORS[group // CHANNEL_GROUPS] if used else "white"
            place = (col, -row - 1)
            shade = 0.9 if group % CHANNEL_GROUPS else 0.5
            axes.add_patch(Rectangle(place, 1, 1, facecolor=color, alpha=shade, linewidth=0))
            axes.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor="#999999", linewidth=0.4))
    for group in range(CHANNEL_GROUPS * FILTER_GROUPS):
        axes.add_patch(Rectangle((0, -(group + 1) * R), E, R, fill=False, edgecolor="black", linewidth=1.2))
        filters, channels = group // CHANNEL_GROUPS + 1, group % CHANNEL_GROUPS + 1
        label = f"filter group {filters} of t, channel group {channels} of r"
        axes.text(E / 2, -group * R - R / 2, label, ha="center", va="center")
    active = E * R * CHANNEL_GROUPS * FILTER_GROUPS
    text = f"e = {E}, R = {R}, r = {CHANNEL_GROUPS}, t = {FILTER_GROUPS}: {active} of {ARRAY_ROWS * ARRAY_COLS} PEs"
    axes.text(ARRAY_COLS / 2, -ARRAY_ROWS - 0.4, text, ha="center", va="top")
    axes.set_xlim(-0.3, ARRAY_COLS + 0.3)
    axes.set_ylim(-ARRAY_ROWS - 1.6, 0.4)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=7, color=color, shrinkA=0, shrinkB=0))


if __name__ == "__main__":
    main()
