"""A systolic array at register level: words move one PE a cycle, PEs multiply small integers, everything is counted.

It knows the wiring and the order of tiles and folds, and no closed form. A layer is really computed; what leaves the
array is compared with a convolution by the book.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from workloads.layer import Layer

Matrix = NDArray[np.int64]
WHOLE_ARRAY, KEEP_FILTERS = 2, 2  # values of `fill` and `keep`


@dataclass
class Array:
    """rows x cols PEs; `fold` runs one fold and adds what happens to `count`."""

    rows: int
    cols: int
    whole: bool
    count: Counter[str] = field(default_factory=Counter)
    free: dict[tuple[int, int], int] = field(default_factory=dict)  # cycle from which a PE may be used again

    def wave(self, u: int, v: int, length: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Cycle by cycle, the u x v PEs that a wavefront of `length` keeps busy until it has left the filled part."""
        filled = np.zeros((self.rows, self.cols) if self.whole else (u, v), np.bool_)
        cycle = 0
        while cycle < length or filled.any():
            moved = np.zeros_like(filled)
            moved[:, 1:] |= filled[:, :-1]
            moved[1:, :] |= filled[:-1, :]
            moved[0, 0] = cycle < length
            filled = moved
            if filled.any():
                yield cycle, filled[:u, :v]
                cycle += 1

    def load(self, name: str, words: Matrix) -> Matrix:
        """Shift a word for every PE in from the top, the lowest row's first."""
        u, v = words.shape
        registers, valid = np.zeros((u, v), np.int64), np.zeros((u, v), np.bool_)
        for row in reversed(range(u)):
            self.count[f"{name}_hops"] += int(valid[:-1].sum())
            registers = np.vstack([words[row], registers[:-1]])
            valid = np.vstack([np.ones(v, np.bool_), valid[:-1]])
            self.count[f"{name}_writes"] += int(valid.sum())
            self.count[f"{name}_words"] += v
            self.count["cycles"] += 1
        self.count["cycles"] += self.rows - u if self.whole else 0
        return registers

    def stream(self, name: str, left: Matrix, stationary: Matrix, psums: Matrix | None) -> Matrix:
        """Stream `left` (time x u) past stationary words (u x v); psums (time x v) go down, from above if given."""
        (length, u), v = left.shape, stationary.shape[1]
        words, sums = np.zeros((u, v), np.int64), np.zeros((u, v), np.int64)
        result = np.zeros((length, v), np.int64)
        for cycle, busy in self.wave(u, v, length):
            entering = [left[cycle - i, i] if busy[i, 0] else 0 for i in range(u)]
            above = [psums[cycle - j, j] if busy[0, j] and psums is not None else 0 for j in range(v)]
            words = np.column_stack([np.asarray(entering), words[:, :-1]])
            sums = np.where(busy, np.vstack([above, sums[:-1]]) + words * stationary, sums)
            for j in np.flatnonzero(busy[-1]):
                result[cycle - (u - 1) - j, j] = sums[-1, j]
            self._moved(name, "left", busy)
            self._moved("psum", "top", busy, counted=psums is not None)
            self.count["psum_words"] += int(busy[-1].sum())
            self.count["cycles"] += 1
        self.count["streaming"] += length
        return result

    def accumulate(self, left: Matrix, top: Matrix) -> Matrix:
        """Sum left (time x u) times top (time x v) in every PE, then shift the sums down while the next fold enters."""
        (length, u), v = left.shape, top.shape[1]
        ifmaps, filters, sums = (np.zeros((u, v), np.int64) for _ in range(3))
        start = self.count["cycles"]
        fresh = np.ones((u, v), np.bool_)
        for cycle, busy in self.wave(u, v, length):
            for pe in np.argwhere(busy & fresh).tolist():
                assert self.free.get(tuple(pe), 0) <= start + cycle, "a psum is overwritten before it is drained"
            ifmaps = np.column_stack([[left[cycle - i, i] if busy[i, 0] else 0 for i in range(u)], ifmaps[:, :-1]])
            filters = np.vstack([[top[cycle - j, j] if busy[0, j] else 0 for j in range(v)], filters[:-1]])
            sums += np.where(busy, ifmaps * filters, 0)
            fresh &= ~busy
            self._moved("ifmap", "left", busy)
            self._moved("filter", "top", busy)
            self.count["psum_writes"] += int(busy.sum())
            self.count["cycles"] += 1
        self.count["streaming"] += length
        result = np.zeros((u, v), np.int64)
        for j in range(v):
            column, begin = sums[:, j].copy(), start + length + u - 1 + j
            for shift in range(u):
                result[u - 1 - shift, j] = column[-1]
                moving = u - 1 - shift  # words that are not yet in the lowest PE
                column[1:] = column[:-1].copy()
                self.count["psum_hops"] += moving
                self.count["psum_writes"] += moving
                self.free[shift, j] = begin + shift
            self.count["psum_words"] += u
        self.count["drained_after"] = int(begin + u - self.count["cycles"])
        return result

    def _moved(self, name: str, edge: str, busy: NDArray[np.bool_], counted: bool = True) -> None:
        entering, inside = (busy[:, 0], busy[:, 1:]) if edge == "left" else (busy[0], busy[1:])
        self.count[f"{name}_words"] += int(entering.sum()) if counted else 0
        self.count[f"{name}_hops"] += int(inside.sum())
        self.count[f"{name}_writes"] += int(busy.sum())


def parts(total: int, count: int) -> list[range]:
    """Equal parts but for one element: cuts at the floor of every fraction of the total."""
    count = min(count, total)
    return [range(a, b) for a, b in pairwise([k * total // count for k in range(count + 1)])]


def folds(indices: range, side: int) -> list[range]:
    return [indices[low : low + side] for low in range(0, len(indices), side)]


def operands(layer: Layer, batch: int, group: int, rng: np.random.Generator) -> tuple[Matrix, Matrix, Matrix]:
    """im2col of the ifmaps (pixels x reduction), filters (reduction x filters) and the true ofmap, of one group."""
    channels, filters = layer.C // layer.groups, layer.M // layer.groups
    ifmap = rng.integers(-4, 5, (batch, channels, layer.H, layer.W))
    after = layer.padding + layer.pad_bottom, layer.padding + layer.pad_right
    padded = np.pad(ifmap, ((0, 0), (0, 0), (layer.padding, after[0]), (layer.padding, after[1])))
    weights = rng.integers(-4, 5, (filters, channels, layer.R, layer.S))
    windows = [
        padded[
            n, :, e * layer.stride : e * layer.stride + (layer.R - 1) * layer.dilation + 1 : layer.dilation,
            f * layer.stride : f * layer.stride + (layer.S - 1) * layer.dilation + 1 : layer.dilation,
        ]
        for n, e, f in product(range(batch), range(layer.E), range(layer.F))
    ]  # fmt: skip
    truth = np.asarray([[int((window * weights[m]).sum()) for m in range(filters)] for window in windows])
    return np.asarray([window.ravel() for window in windows]), weights.reshape(filters, -1).T, truth


def lines(outputs: range, stride: int, kernel: int, dilation: int, padding: int, size: int) -> int:
    """Ifmap rows (or columns) between the first and the last tap of any of these outputs."""
    span = (kernel - 1) * dilation + 1
    return len({o * stride + k - padding for o in outputs for k in range(span)} & set(range(size)))


@dataclass(frozen=True)
class Tile:
    """Indices of its pixels and filters, and the ifmap words it reads."""

    part: tuple[range, range, range]
    filters: range
    pixels: list[int]
    ifmap_words: int


def tiles(layer: Layer, batch: int, mapping: dict[str, int]) -> Iterator[Tile]:
    """The tiles of one group in the order they run."""
    ofmap = product(
        parts(batch, mapping["batch_parts"]),
        parts(layer.E, mapping["row_parts"]),
        parts(layer.F, mapping["col_parts"]),
    )
    filters = parts(layer.M // layer.groups, mapping["filter_parts"])
    order = [(p, m) for p in ofmap for m in filters]
    if mapping["keep"] == KEEP_FILTERS:
        order.sort(key=lambda tile: tile[1].start)
    for (n, e, f), m in order:
        pixels = [(i * layer.E + y) * layer.F + x for i, y, x in product(n, e, f)]
        rows = lines(e, layer.stride, layer.R, layer.dilation, layer.padding, layer.H)
        cols = lines(f, layer.stride, layer.S, layer.dilation, layer.padding, layer.W)
        yield Tile((n, e, f), m, pixels, len(n) * layer.C // layer.groups * rows * cols)


def simulate(
    dataflow: str, layer: Layer, batch: int, rows: int, cols: int, mapping: dict[str, int], seed: int = 0
) -> Counter[str]:
    """Run a layer and count; fails where what leaves the array is not the convolution."""
    rng = np.random.default_rng(seed)
    array = Array(rows, cols, mapping["fill"] == WHOLE_ARRAY)
    reduction = range(layer.reduction_length)
    run = {"weight_stationary": _weights_stay, "input_stationary": _inputs_stay, "output_stationary": _psums_stay}
    for group in range(layer.groups):
        ifmaps, filters, truth = operands(layer, batch, group, rng)
        ofmap = np.zeros_like(truth)
        in_glb: dict[str, object] = {}
        for tile in tiles(layer, batch, mapping):
            array.count["tiles"] += 1
            if tile.part != in_glb.get("ifmap"):
                array.count["dram_ifmap"] += tile.ifmap_words
            if tile.filters != in_glb.get("filter") or mapping["keep"] != KEEP_FILTERS:  # those that pass do not stay
                array.count["dram_filter"] += len(tile.filters) * len(reduction)
            in_glb = {"ifmap": tile.part, "filter": tile.filters}
        for work in runs(dataflow, list(tiles(layer, batch, mapping)), mapping["keep"]):
            a, b = ifmaps[work.pixels], filters[:, work.filters]
            ofmap[np.ix_(work.pixels, work.filters)] = run[dataflow](array, a, b, work)
        assert np.array_equal(ofmap, truth)
    return array.count


@dataclass(frozen=True)
class Run:
    """Pixels and filters that the array works on without a break, and the most of each in a fold."""

    pixels: list[int]
    filters: list[int]
    most_pixels: int
    most_filters: int


def runs(dataflow: str, work: list[Tile], keep: int) -> list[Run]:
    """What stays is worked off tile by tile; what passes on a side of the array, fold by fold across tiles."""
    in_time = {"weight_stationary": "pixels", "input_stationary": "filters"}.get(dataflow, "reduction")
    if in_time == ("pixels" if keep == KEEP_FILTERS else "filters"):
        return [Run(t.pixels, list(t.filters), len(t.pixels), len(t.filters)) for t in work]
    found = []
    for kept in dict.fromkeys(t.filters if keep == KEEP_FILTERS else t.part for t in work):
        together = [t for t in work if kept in (t.filters, t.part)]
        pixels = list(dict.fromkeys(pixel for t in together for pixel in t.pixels))
        filters = list(dict.fromkeys(m for t in together for m in t.filters))
        most = max(len(t.pixels) for t in together), max(len(t.filters) for t in together)
        found.append(Run(pixels, filters, *most))
    return found


def _weights_stay(array: Array, ifmaps: Matrix, filters: Matrix, work: Run) -> Matrix:
    result = np.zeros((len(ifmaps), filters.shape[1]), np.int64)
    for m in folds(range(filters.shape[1]), min(array.cols, work.most_filters)):
        psums = None
        for k in folds(range(len(filters)), array.rows):
            array.count["folds"] += 1
            held = array.load("filter", filters[np.ix_(k, m)])
            psums = array.stream("ifmap", ifmaps[:, k], held, psums)
        result[:, m] = psums
    return result


def _inputs_stay(array: Array, ifmaps: Matrix, filters: Matrix, work: Run) -> Matrix:
    result = np.zeros((len(ifmaps), filters.shape[1]), np.int64)
    for p in folds(range(len(ifmaps)), min(array.cols, work.most_pixels)):
        psums = None
        for k in folds(range(len(filters)), array.rows):
            array.count["folds"] += 1
            held = array.load("ifmap", ifmaps[np.ix_(p, k)].T)
            psums = array.stream("filter", filters[k].T, held, psums)
        assert psums is not None
        result[p] = psums.T
    return result


def _psums_stay(array: Array, ifmaps: Matrix, filters: Matrix, work: Run) -> Matrix:
    result = np.zeros((len(ifmaps), filters.shape[1]), np.int64)
    for p in folds(range(len(ifmaps)), min(array.rows, work.most_pixels)):
        for m in folds(range(filters.shape[1]), min(array.cols, work.most_filters)):
            array.count["folds"] += 1
            result[np.ix_(p, m)] = array.accumulate(ifmaps[p].T, filters[:, m])
    return result
