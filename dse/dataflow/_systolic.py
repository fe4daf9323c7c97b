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

import numpy as np

from dse.dataflow import Options
from dse.dataflow._tiles import KEEP_FILTERS, KEEP_IFMAP, Geometry, Parts, Tiling
from dse.errors import InputError, Problem
from dse.space import Designs
from dse.traffic import Count, Mapping, OperandBits, Pins, ceil_div, first_of, parts

PARAMETERS = ("batch_parts", "row_parts", "col_parts", "filter_parts", "keep", "fill")
OPEN = ("filter_parts",)
REASONS = ("", "GLB does not hold the smallest tile")
FILL_USED, FILL_ARRAY = 1, 2
geometry = Geometry.of


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

    def reason(self, tiling: Tiling, designs: Designs, bits: OperandBits) -> Count:
        """Index into REASONS."""
        filter_bits = self._filter_bits(tiling, designs, bits, tiling.filter_room, tiling.psum_room)
        return first_of((tiling.ifmap_room * bits.activation + filter_bits > designs.glb_kib * 8192, 1))

    def _filter_bits(self, tiling: Tiling, designs: Designs, bits: OperandBits, filters: Count, psums: Count) -> Count:
        """Room in the GLB for words of filters and psums. What passes by takes none: psums that one fold completes, and
        filters that are used once: by the single fold that loads them, or by the single fold of the pixels of a tile.
        """
        side = {self.rows: designs.rows, self.cols: designs.cols}
        used_once = True if self.time == "pixels" else tiling.pixels.longest <= side["pixels"]
        passing = used_once & ((tiling.keep == KEEP_IFMAP) | (tiling.pixels.count == 1))
        complete = True if self.time == "reduction" else tiling.reduction.total <= designs.rows
        return np.where(passing, 0, filters * bits.weight) + np.where(complete, 0, psums * bits.psum)

    def fewest_parts(self, tiling: Tiling, designs: Designs, bits: OperandBits) -> Count:
        """Parts of the filters with which the GLB has room for a tiling of the pixels; one each where it never has."""
        total = tiling.filters.total
        room = designs.glb_kib * 8192 - tiling.ifmap_room * bits.activation
        of_one = self._filter_bits(tiling, designs, bits, 2 * tiling.reduction.total, 2 * tiling.pixels.longest)
        parted = ceil_div(total, np.clip(room // np.maximum(of_one, 1), 1, total))
        return np.where(self.reason(tiling.with_filters(1), designs, bits) == 0, 1, parted)

    def offered(self, g: Geometry, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Count:
        """Whether the parts of the filters fit the design."""
        if "filter_parts" in pins:
            return np.asarray(True)
        return choice["filter_parts"] >= self.fewest_parts(_filters_one_by_one(g, designs, bits, choice), designs, bits)

    def coarsest(self, g: Geometry, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Tiling:
        """A tiling that no refinement of a choice undercuts: the fewest parts of the filters, and as few folds as if
        they passed by."""
        tiling = _filters_one_by_one(g, designs, bits, choice)
        fewest = pins.get("filter_parts", self.fewest_parts(tiling, designs, bits))
        return tiling.with_filters(fewest, passing=True)


def candidates(g: Geometry, designs: Designs, pins: Pins) -> Mapping:
    """All equal parts of batch, ofmap rows and columns, and the operand to keep; the smallest tile first."""
    _check(pins)
    batches = {parts for batch in set(np.ravel(designs.batch).tolist()) for parts in _counts(batch)}
    names = ("batch_parts", "row_parts", "col_parts", "keep")
    every = sorted(batches, reverse=True), _counts(g.E), _counts(g.F), [KEEP_IFMAP, KEEP_FILTERS]
    values = ([pins[name]] if name in pins else listed for name, listed in zip(names, every, strict=True))
    return dict(zip(names, map(np.ravel, np.meshgrid(*values, indexing="ij")), strict=True))


def options(g: Geometry, designs: Designs, name: str, pins: Pins) -> Options:
    """All numbers of parts that the filters may be in, the fewest first."""
    return Options({0: (pins[name],) if name in pins else _counts(g.filters)[::-1]}, prefix=False)


def _filters_one_by_one(g: Geometry, designs: Designs, bits: OperandBits, choice: Mapping) -> Tiling:
    """The tiling of a choice with a part for each filter."""
    mapping = complete(g, designs, bits, choice | {"filter_parts": np.asarray(g.filters)}, {})
    return Tiling.of(g, designs.batch, mapping)


def _counts(total: int) -> list[int]:
    """How many equal parts an extent may have, most first; of counts with the same longest part the least."""
    return [ceil_div(total, size) for size in parts(total)]


def _check(pins: Pins) -> None:
    """Raises InputError for a choice that there is not."""
    rules = {"keep": "must be 1 (ifmaps) or 2 (filters)", "fill": "must be 1 (the PEs in use) or 2 (the whole array)"}
    problems = [
        Problem(f"--mapping: {name}", rule, pins[name])
        for name, rule in rules.items()
        if pins.get(name, 1) not in (1, 2)
    ]
    if problems:
        raise InputError(problems)


def complete(g: Geometry, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Mapping:
    """No more parts than there is to part, and the used PEs filled unless pinned."""
    limits: tuple[Count, ...] = (designs.batch, g.E, g.F, g.filters)
    mapping: Mapping = {name: np.minimum(choice[name], most) for name, most in zip(PARAMETERS, limits, strict=False)}
    return mapping | {"keep": choice["keep"], "fill": np.asarray(pins.get("fill", FILL_USED))}


def port_cycles(words: Count, bits: int, designs: Designs) -> Count:
    """Cycles in which a GLB port moves that many words, packed."""
    return ceil_div(words * bits, designs.glb_bytes_per_cycle * 8)
