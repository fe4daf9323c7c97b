"""SCALE-Sim topologies (https://github.com/scalesim-project/SCALE-Sim) as layers.

Convolution topology: layer name, ifmap height, ifmap width, filter height, filter width, channels,
num filter, strides. Like SCALE-Sim, columns go by their place, not by their title. The ifmap is already
padded; there are no groups and no counts. Columns after the eighth are notes, but those that would
change the work (a sparsity N:M, a batch, another stride for the width) are refused instead of being lost.

SCALE-Sim rounds the output size up: E = ceil((ifmap - filter + stride) / stride) (its
`topology_utils.py`, `topo_calc_hyperparams`). `Layer` rounds down, so the ifmap is extended at its far
edge to the size that the last filter position needs, (E - 1) stride + filter: E, F, MACs and weights are
then SCALE-Sim's; the ifmap grows by less than one stride (AlexNet Conv1: 224 becomes 227).
A name that contains `DP` is depthwise there: every channel is run alone with `num filter` filters.

GEMM topology: layer, M, N, K for (M x K) times (K x N).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from dse.errors import InputError, Problem
from workloads.layer import Kind, Layer
from workloads.table import Row, Table, whole_number

CONV_COLUMNS = (
    "Layer name", "IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels", "Num Filter",
    "Strides",
)  # fmt: skip
GEMM_COLUMNS = ("Layer", "M", "N", "K")


def topology_columns(header: Row) -> tuple[str, ...] | None:
    """The columns of the topology that starts with this header; None when it is no SCALE-Sim topology."""
    titles = [title.lower() for title in header.cells]
    if titles[0] not in ("layer", "layer name"):
        return None
    if titles[1:4] == ["m", "n", "k"]:
        return GEMM_COLUMNS
    return CONV_COLUMNS if titles[1:2] and titles[1].startswith("ifmap") else None


def read_topology(table: Table, columns: tuple[str, ...]) -> tuple[tuple[Layer, ...], tuple[Problem, ...]]:
    """The layers of a topology and everything that is wrong with it.

    Names may repeat in a topology; the second `conv` is then called `conv#2`.
    """
    layers: list[Layer] = []
    problems: list[Problem] = []
    seen: Counter[str] = Counter()
    header, *rows = table.rows
    for row in rows:
        sizes, wrong = _sizes(table, row, columns)
        wrong += [] if wrong else _note_problems(table, header, row, len(columns))
        seen[row.cells[0]] += 1
        if wrong:
            problems += wrong
            continue
        name = row.cells[0] + (f"#{seen[row.cells[0]]}" if seen[row.cells[0]] > 1 else "")
        try:
            layers.append(_gemm(name, sizes) if columns == GEMM_COLUMNS else _conv(name, sizes))
        except InputError as error:
            problems += [Problem(table.at(row), p.rule, p.value, p.hint) for p in error.problems]
    return tuple(layers), tuple(problems)


def _sizes(table: Table, row: Row, columns: Sequence[str]) -> tuple[list[int], list[Problem]]:
    """The numbers after the name, each at least 1, and the filter within the ifmap."""
    if len(row.cells) < len(columns) or not row.cells[0]:
        found = sum(bool(cell) for cell in row.cells)
        rule = f"must have {len(columns)} values ({', '.join(columns)}), has {found}"
        return [], [Problem(table.at(row), rule)]
    places = [table.at(row, column) for column in columns[1:]]
    values = [whole_number(cell, place) for cell, place in zip(row.cells[1:], places, strict=False)]
    wrong = [value for value in values if isinstance(value, Problem)]
    sizes = [value for value in values if isinstance(value, int)]
    if not wrong:
        sized = zip(places, sizes, strict=True)
        wrong = [Problem(place, "must be at least 1", size) for place, size in sized if size < 1]
    if not wrong and columns == CONV_COLUMNS:
        fitted = zip(places[2:4], sizes[2:4], sizes[0:2], strict=True)
        wrong = [Problem(place, f"must fit the ifmap of {ifmap}", f) for place, f, ifmap in fitted if f > ifmap]
    return sizes, wrong


def _note_problems(table: Table, header: Row, row: Row, first: int) -> Iterator[Problem]:
    """Cells after the known columns that would change the work."""
    notes = zip_longest(header.cells[first:], row.cells[first:], fillvalue="")
    for title, cell in notes:
        if re.fullmatch("[0-9]+:[0-9]+", cell) and cell != "1:1":
            yield Problem(table.at(row, title), "sparsity is not supported", cell, "only 1:1")
        if "batch" in title.lower() and cell not in ("", "1"):
            yield Problem(table.at(row, title), "must be 1: the batch is an axis of the design space", cell)
        if title.lower().startswith("stride") and cell not in ("", row.cells[first - 1]):
            yield Problem(table.at(row, title), "must equal the other stride", cell)


def _conv(name: str, sizes: list[int]) -> Layer:
    ifmap_height, ifmap_width, R, S, C, M, stride = sizes
    if (ifmap_height, ifmap_width) == (R, S) and "DP" not in name:
        return Layer(name, "fc", C, R, S, M, R, S)
    H, W = _extended(ifmap_height, R, stride), _extended(ifmap_width, S, stride)
    if "DP" in name:
        return Layer(name, "depthwise", C, H, W, C * M, R, S, stride, groups=C)
    kind: Kind = "conv"
    return Layer(name, kind, C, H, W, M, R, S, stride)


def _gemm(name: str, sizes: list[int]) -> Layer:
    rows, columns, reduction = sizes
    return Layer(name, "gemm", C=reduction, H=rows, W=1, M=columns, R=1, S=1)


def _extended(ifmap: int, kernel: int, stride: int) -> int:
    """The smallest ifmap that holds ceil((ifmap - kernel) / stride) + 1 whole filter positions."""
    return -(-(ifmap - kernel) // stride) * stride + kernel
