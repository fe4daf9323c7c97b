"""Designs and prices as the compiled search reads them: doubles, cells first.

The designs of a cell are in two dimensions: by GLB width, and by all else in which they differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.mapping.bench import Bench, mapped_together
from dse.mapping.compiled.nest import Form
from dse.space import Designs, FloatArray
from workloads.layer import Layer


@dataclass(frozen=True)
class CellArrays:
    """The arrays of a bench. `order` are its dimensions inside a cell, those of the GLB width first."""

    bench: Bench
    order: tuple[int, ...]
    inner: tuple[int, int]  # designs of a cell

    @classmethod
    def of(cls, bench: Bench) -> CellArrays:
        shape, width = bench.cells.inner_shape, bench.cell_designs.glb_bytes_per_cycle
        widths = [dim for dim in range(len(shape)) if width.ndim and width.shape[dim] > 1]
        others = [dim for dim in range(len(shape)) if dim not in widths]
        inner = math.prod(shape[dim] for dim in widths), math.prod(shape[dim] for dim in others)
        return cls(bench, (*widths, *others), inner)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.bench.cells.count

    def all(self, form: Form, layer: Layer) -> dict[str, FloatArray]:
        """Every array of the cells that a search reads."""
        together = mapped_together(layer, self.bench.cell_designs)
        return {"cells": self.axes(together, form.axes), "widths": self.widths(), **self.prices(form.prices)}

    def axes(self, together: Designs, names: tuple[str, ...]) -> FloatArray:
        """Axes of the cells, and how often a layer runs for the whole batch."""
        columns = [getattr(together, name) for name in names] + [self.bench.cell_designs.batch]
        return np.stack([self._of_cells(column) for column in columns], axis=1)

    def widths(self) -> FloatArray:
        """GLB bytes per cycle."""
        return self._spread(self.bench.cell_designs.glb_bytes_per_cycle)[..., 0]

    def prices(self, levels: tuple[tuple[str, ...], ...]) -> dict[str, FloatArray]:
        """Prices by how they vary: with the cell, with the GLB width, too, or with the rest, too."""
        of_cells, of_widths, of_designs = (
            [np.asarray(getattr(self.bench.cell_prices, name)) for name in names] for names in levels
        )
        return {
            "cell_prices": np.stack([self._of_cells(price) for price in of_cells], axis=1),
            "width_prices": np.stack([self._spread(price)[..., 0] for price in of_widths], axis=1),
            "design_prices": np.stack([self._spread(price) for price in of_designs], axis=1),
        }

    def _of_cells(self, array: NDArray[Any]) -> FloatArray:
        flat = array.reshape(-1, array.shape[-1])[0] if array.ndim else array
        return np.broadcast_to(flat, self.cells).astype(np.float64)

    def _spread(self, array: NDArray[Any]) -> FloatArray:
        """(cells, widths, others)."""
        shape = self.bench.cells.inner_shape
        full = np.broadcast_to(array, (*shape, self.cells)).transpose(len(shape), *self.order)
        spread: FloatArray = full.reshape(-1, *self.inner).astype(np.float64)
        return spread

    def restored(self, values: NDArray[Any]) -> NDArray[Any]:
        """(cells, widths, others) as (*inner, cells)."""
        shape = self.bench.cells.inner_shape
        shaped = values.reshape(self.cells, *(shape[dim] for dim in self.order))
        return np.moveaxis(shaped.transpose(0, *(1 + np.argsort(self.order))), 0, -1)
