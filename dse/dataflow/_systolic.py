"""What the systolic dataflows share: cycles and words of folds, room in the GLB, and the list of mappings to try.

Source of the cycles: A. Samajdar et al., SCALE-Sim (arXiv 1811.02883), as version 3.0.0 counts them. Two of the
extents of a layer (`dse.dataflow._tiles`) lie on the rows and columns of the array, the third one is time. Each tile is
cut into folds that fit the array and run one after another; a fold of u x v PEs streams for `time` cycles and takes
u + v - 2 more until its wavefront has crossed the array.

Fill. With FILL_USED a fold fills and drains only the PEs it uses: operands enter at the edge of the used part, the rest
of the array is bypassed. With FILL_ARRAY every fold fills and drains the whole array, as in SCALE-Sim.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from dse.dataflow._chains import best_chain
from dse.dataflow._tiles import KEEP_FILTERS, KEEP_IFMAP, Parts, Tiling
from dse.errors import InputError, Problem
from dse.space import Designs, FloatArray, IntArray
from dse.traffic import Count, Mapping, OperandBits, Pins, ceil_div, first_of
from workloads.layer import Layer

PARAMETERS = ("batch_parts", "row_parts", "col_parts", "filter_parts", "keep", "fill")
REASONS = ("", "GLB does not hold the smallest tile")
FILL_USED, FILL_ARRAY = 1, 2
TYPICAL_SIDES = (16, 32)  # PEs on a side of the arrays that rank the tilings of a layer
TYPICAL_DRAM_WORDS = 4  # per cycle
TYPICAL_BITS = OperandBits(activation=1, weight=1, psum=3)  # widths relative to each other
FEWEST_FILTERS = 64  # of a tile of a fully connected layer before its batch is parted


@dataclass(frozen=True)
class Folds:
    """The folds of all tiles of one convolution group: extents on rows, on columns and in time."""

    rows: Parts
    cols: Parts
    time: Parts
    array_rows: Count
    array_cols: Count
    fill: Count

    @property
    def across_rows(self) -> Count:
        """Folds of the extent on the rows."""
        return self.rows.folds(self.array_rows)

    @property
    def across_cols(self) -> Count:
        """Folds of the extent on the columns."""
        return self.cols.folds(self.array_cols)

    @property
    def count(self) -> Count:
        """All folds."""
        return self.across_rows * self.across_cols * self.time.count

    @property
    def streaming_cycles(self) -> Count:
        """Sum over folds of the cycles in time."""
        return self.across_rows * self.across_cols * self.time.total

    @property
    def filled_rows(self) -> Count:
        """Sum over folds of the rows that are filled."""
        used = self.time.count * self.rows.total * self.across_cols
        return np.where(self.fill == FILL_USED, used, self.count * self.array_rows)

    @property
    def skew_cycles(self) -> Count:
        """Sum over folds of rows + columns - 2: the wavefront enters and leaves."""
        used = self.time.count * self.cols.total * self.across_rows
        filled_cols = np.where(self.fill == FILL_USED, used, self.count * self.array_cols)
        return self.filled_rows + filled_cols - 2 * self.count

    @property
    def left_words(self) -> Count:
        """Words that enter at the left edge: a row's for each fold."""
        return self.rows.total * self.time.total * self.across_cols

    @property
    def left_hops(self) -> Count:
        """From PE to PE along the rows."""
        return self.rows.total * self.time.total * (self.cols.total - self.across_cols)

    @property
    def column_words(self) -> Count:
        """Words that pass each column, top to bottom, while the array streams."""
        return self.cols.total * self.time.total * self.across_rows

    @property
    def column_hops(self) -> Count:
        """From PE to PE down the columns while the array streams."""
        return self.cols.total * self.time.total * (self.rows.total - self.across_rows)

    @property
    def stationary_words(self) -> Count:
        """Words that stay in a PE, one for each PE in use of each fold."""
        return self.time.count * self.rows.total * self.cols.total

    @property
    def shift_hops(self) -> Count:
        """From PE to PE when each of these words moves along its column between its PE and the edge: 0 to u - 1 hops,
        u (u - 1) / 2 for the u words of a column."""
        pairs = self.rows.squares(self.array_rows) - self.rows.total
        return self.time.count * self.cols.total * (pairs // 2)

    @property
    def active_pes(self) -> Count:
        """PEs in use in the largest fold."""
        return np.minimum(self.rows.longest, self.array_rows) * np.minimum(self.cols.longest, self.array_cols)


@dataclass(frozen=True)
class Arrangement:
    """Which extent lies on the rows of the array, which on its columns, and which is time."""

    rows: str
    cols: str
    time: str

    def folds(self, tiling: Tiling, rows: Count, cols: Count, fill: Count) -> Folds:
        """The folds of a tiling on rows x cols PEs."""
        on_rows, on_cols, in_time = (getattr(tiling, name) for name in (self.rows, self.cols, self.time))
        return Folds(on_rows, on_cols, in_time, rows, cols, fill)

    def glb_bits(self, tiling: Tiling, rows: Count, cols: Count, bits: OperandBits) -> Count:
        """Room that tiles take in the GLB. What passes by takes none: psums that one fold completes, and filters that
        are used once: by the single fold that loads them, or by the single fold of the pixels of a tile."""
        side = {self.rows: rows, self.cols: cols}
        used_once = True if self.time == "pixels" else tiling.pixels.longest <= side["pixels"]
        passing = used_once & ((tiling.keep == KEEP_IFMAP) | (tiling.pixels.count == 1))
        complete = True if self.time == "reduction" else tiling.reduction.total <= rows
        return (
            tiling.ifmap_room * bits.activation
            + np.where(passing, 0, tiling.filter_room * bits.weight)
            + np.where(complete, 0, tiling.psum_room * bits.psum)
        )

    def reason(self, tiling: Tiling, designs: Designs, bits: OperandBits) -> Count:
        """Index into REASONS."""
        return first_of((self.glb_bits(tiling, designs.rows, designs.cols, bits) > designs.glb_kib * 8192, 1))

    def candidates(self, layer: Layer, designs: Designs, pins: Pins) -> Mapping:
        """Tilings from the whole layer down to single outputs, each a refinement of the one before.

        They depend on the layer alone; parts of a batch that no design has are left out. A finer tiling has at least
        the cycles, DRAM traffic and GLB traffic of a coarser one on every design, so the first one that fits is best in
        all of them: with more of any resource it comes no later in the list.
        """
        _check(pins)
        kept, path = self.chain(layer, pins.get("keep"))
        few = layer.M // layer.groups // FEWEST_FILTERS
        turn = next((k for k, step in enumerate(path) if layer.E * layer.F > 1 or step[2] >= few), 0)
        batch_parts = [2**k for k in range((int(np.max(designs.batch)) - 1).bit_length() + 1)]
        steps = [(1, *step, kept) for step in path[:turn]]
        steps += [(parts, *path[turn], kept) for parts in batch_parts]
        steps += [(batch_parts[-1], *step, kept) for step in path[turn + 1 :]]
        names = PARAMETERS[:5]
        pinned = dict.fromkeys(tuple(pins.get(name, k) for name, k in zip(names, step, strict=True)) for step in steps)
        return {name: np.asarray(parts) for name, parts in zip(names, zip(*pinned, strict=True), strict=True)}

    @cache  # noqa: B019  (arrangements are constants of modules)
    def chain(self, layer: Layer, kept: int | None) -> tuple[int, tuple[tuple[int, int, int], ...]]:
        """The operand to keep and a list of (row_parts, col_parts, filter_parts), each at least the ones before.

        Rows are halved, then columns; filters in between, where typical GLBs are best served by it. Filters that stay
        are halved, too, so that parts are parts of those before; filters that pass need no such thing.
        """
        pixels = [(k, 1) for k in _doublings(layer.E)] + [(layer.E, k) for k in _doublings(layer.F)[1:]]
        found = []
        for operand in [kept] if kept else [KEEP_IFMAP, KEEP_FILTERS]:
            filters = (_steps if operand == KEEP_IFMAP else _doublings)(layer.M // layer.groups)
            room, cost = self._typical(layer, np.asarray(pixels), np.asarray(filters), operand)
            price, path = best_chain(room, cost)
            found.append((price, operand, tuple((*pixels[a], filters[b]) for a, b in path)))
        _, operand, chosen = min(found)
        return operand, chosen

    def _typical(self, layer: Layer, pixels: IntArray, filters: IntArray, kept: int) -> tuple[FloatArray, FloatArray]:
        """Room in the GLB and cost of tilings: cycles for one ifmap, and those that DRAM needs."""
        levels = np.asarray(1), pixels[:, :1], pixels[:, 1:], filters, np.asarray(kept)
        mapping = dict(zip(PARAMETERS, levels, strict=False))
        tiling = Tiling.of(layer, 1, mapping)
        side = np.asarray(TYPICAL_SIDES)[:, None, None]
        folds = self.folds(tiling, side, side, FILL_USED)
        loading = 0 if self.time == "reduction" else folds.filled_rows
        cycles = layer.groups * (folds.streaming_cycles + folds.skew_cycles + loading)
        dram = (tiling.dram_ifmap + tiling.dram_filter) / TYPICAL_DRAM_WORDS
        shape = len(pixels), len(filters)
        room = np.broadcast_to(self.glb_bits(tiling, side[0], side[0], TYPICAL_BITS) * 1.0, (1, *shape))[0]
        return room, np.broadcast_to(np.prod(cycles + dram, axis=0) * 1.0, shape)


def _check(pins: Pins) -> None:
    """Raises InputError for a choice that there is not."""
    rules = {"keep": "must be 1 (ifmaps) or 2 (filters)", "fill": "must be 1 (the PEs in use) or 2 (the whole array)"}
    problems = [Problem(name, rule, pins[name]) for name, rule in rules.items() if pins.get(name, 1) not in (1, 2)]
    if problems:
        raise InputError(problems)


def _doublings(total: int) -> list[int]:
    """1, 2, 4, ... parts, up to one for each element."""
    return [*(2**k for k in range((total - 1).bit_length())), total]


def _steps(total: int) -> list[int]:
    """1, 2, 3, 4, 5, 6, 8, 10, ... parts, a quarter more each time, up to one for each element."""
    parts = [1]
    while parts[-1] < total:
        parts.append(min(max(parts[-1] + 1, parts[-1] * 5 // 4), total))
    return parts


def refine(layer: Layer, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Mapping | None:
    """None: candidates leave no parameter open."""
    return None


def complete(layer: Layer, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Mapping:
    """No more parts than there is to part, and the used PEs filled unless pinned."""
    limits: tuple[Count, ...] = (designs.batch, layer.E, layer.F, layer.M // layer.groups)
    mapping: Mapping = {name: np.minimum(choice[name], most) for name, most in zip(PARAMETERS, limits, strict=False)}
    return mapping | {"keep": choice["keep"], "fill": np.asarray(pins.get("fill", FILL_USED))}


def port_cycles(words: Count, bits: int, designs: Designs) -> Count:
    """Cycles in which a GLB port moves that many words, packed."""
    return ceil_div(words * bits, designs.glb_bytes_per_cycle * 8)
