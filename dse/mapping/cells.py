"""Designs as cells, the form in which mappings are searched.

Designs that differ only in bandwidth or clock share the mappings that fit them: they form a cell. Arrays have the shape
(*inner, cells), inner dimensions being those of bandwidth and clock in an open mesh; a column has one design a cell.
Cells stand last because they are many: so the loops inside numpy are long.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dse.space import NUMERIC_AXES, Designs, IntArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

INNER_AXES = ("glb_bytes_per_cycle", "dram_gb_s", "clock_mhz")
Struct = TypeVar("Struct", bound="DataclassInstance")


@dataclass(frozen=True)
class Cells:
    """How arrays of the shape of some designs become cells: each dimension is one of cells or lies inside a cell."""

    shape: tuple[int, ...]
    outer: tuple[int, ...]
    inner: tuple[int, ...]

    @classmethod
    def of(cls, designs: Designs) -> Cells:
        shape = designs.shape
        arrays = (
            _aligned(getattr(designs, axis.name), len(shape)) for axis in NUMERIC_AXES if axis.name not in INNER_AXES
        )
        varied = [array.shape for array in arrays if array.ndim]
        outer = tuple(dim for dim in range(len(shape)) if any(sizes[dim] > 1 for sizes in varied))
        return cls(shape, outer, tuple(dim for dim in range(len(shape)) if dim not in outer))

    def flat(self, value: Struct) -> Struct:
        """A dataclass of arrays that broadcast to the designs, with arrays of shape (*inner, cells)."""
        return _mapped(value, lambda array: self._flat(_aligned(array, len(self.shape))))

    @property
    def count(self) -> int:
        """Number of cells."""
        return math.prod(self.shape[dim] for dim in self.outer)

    @property
    def inner_shape(self) -> tuple[int, ...]:
        """Shape of the designs in a cell."""
        return tuple(self.shape[dim] for dim in self.inner)

    def _flat(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array of the designs with its outer dimensions as the last one, of length 1 where it does not vary."""
        if array.ndim == 0:
            return array
        array = array.transpose(*self.inner, *self.outer)
        inner, sizes = array.shape[: len(self.inner)], array.shape[len(self.inner) :]
        full = tuple(self.shape[dim] for dim in self.outer) if any(size > 1 for size in sizes) else sizes
        return np.broadcast_to(array, (*inner, *full)).reshape(*inner, -1)

    def restored(self, values: NDArray[Any]) -> NDArray[Any]:
        """An array of shape (*inner, cells) in the shape of the designs."""
        order = (*self.inner, *self.outer)
        restored: NDArray[Any] = values.reshape([self.shape[dim] for dim in order]).transpose(np.argsort(order))
        return restored


def _aligned(array: NDArray[Any], dims: int) -> NDArray[Any]:
    return array.reshape((1,) * (dims - array.ndim) + array.shape) if array.dtype != np.object_ else array


def taken(value: Struct, part: slice) -> Struct:
    """A dataclass of arrays at some of the cells; arrays that are the same for all cells stay as they are."""
    return _mapped(value, lambda array: array[..., part] if array.ndim and array.shape[-1] > 1 else array)


def repeated(value: Struct, counts: IntArray) -> Struct:
    """A dataclass of arrays with each cell as many times as it has pairs."""
    return _mapped(
        value, lambda array: np.repeat(array, counts, axis=-1) if array.ndim and array.shape[-1] > 1 else array
    )


def with_choices_axis(value: Struct) -> Struct:
    """A dataclass of arrays with room for alternatives behind the cells."""
    return _mapped(value, lambda array: array[..., None] if array.ndim else array)


def columns(designs: Designs, length: int) -> Designs:
    """Designs of (*inner, cells) arrays as columns, one entry a cell; the first of the values inside a cell."""

    def column(array: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(array.reshape(-1, array.shape[-1])[0], length) if array.ndim else array

    return _mapped(designs, column)


def _mapped(value: Struct, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Struct:
    """A dataclass with `change` done to its arrays, those of dataclasses inside it included."""
    changed: dict[str, Any] = {}
    for field in fields(value):
        old: Any = getattr(value, field.name)
        held = _mapped(old, change) if is_dataclass(old) and not isinstance(old, type) else old
        changed[field.name] = change(old) if isinstance(old, np.ndarray) else held
    return replace(value, **changed)
