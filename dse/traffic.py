"""What a dataflow reports: cycles by cause, accesses by level and operand, and whether the design can run the layer."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Count = Any  # int or int64 array of any broadcastable shape
Mapping = dict[str, NDArray[np.int64]]  # mapping parameter -> its value per design
Pins = MappingType[str, int]  # mapping parameters that the user fixed

FEASIBLE = 0
NOT_ADDED = ("reason", "active_pes", "ifmap_zeros", "ofmap_zeros")


@dataclass(frozen=True)
class OperandBits:
    """Width of each operand in bits."""

    activation: int
    weight: int
    psum: int


@dataclass(frozen=True)
class Traffic:
    """One layer on a set of designs, for a whole batch. Accesses are counted in words of the operand.

    `reason` is 0 where the mapping fits, else an index into the dataflow's REASONS.
    """

    reason: Count
    macs: Count
    active_pes: Count
    passes: Count
    compute_cycles: Count
    glb_cycles: Count  # cycles the busiest array-GLB bus needs beside the overhead; more than compute_cycles is a stall
    overhead_cycles: Count
    dram_ifmap: Count
    dram_filter: Count
    dram_ofmap: Count  # in activation words
    glb_ifmap_reads: Count
    glb_ifmap_writes: Count
    glb_filter_reads: Count
    glb_filter_writes: Count
    glb_psum_reads: Count
    glb_psum_writes: Count
    noc_ifmap: Count  # words sent from the GLB to the array
    noc_filter: Count
    noc_psum: Count  # words between the GLB and the array, both ways
    inter_pe_ifmap: Count  # hops between neighbouring PEs
    inter_pe_filter: Count
    inter_pe_psum: Count
    spad_ifmap_reads: Count
    spad_ifmap_writes: Count
    spad_filter_reads: Count
    spad_filter_writes: Count
    spad_psum_reads: Count
    spad_psum_writes: Count
    ifmap_zeros: float = 0.0  # shares of zeros, from the layer
    ofmap_zeros: float = 0.0

    def repeated(self, times: Count) -> Traffic:
        """The same work `times` over, one after another."""
        each = (field.name for field in fields(self) if field.name not in NOT_ADDED)
        return replace(self, **{name: getattr(self, name) * times for name in each})


def ceil_div(numerator: Count, denominator: Count) -> Count:
    """Smallest integer not below numerator / denominator, for non-negative integers."""
    return -(-numerator // denominator)


@cache
def parts(total: int, ratio: float = 1.0) -> tuple[int, ...]:
    """ceil(total / k) for k = ..., 2, 1, ascending: the sizes of equal parts; each at most `ratio` times the next."""
    sizes = [total]
    while sizes[-1] > 1:
        largest = max(1, min(sizes[-1] - 1, int(sizes[-1] * ratio)))
        sizes.append(ceil_div(total, ceil_div(total, largest)))
    return tuple(reversed(sizes))


def first_of(*checks: tuple[Count, int]) -> Count:
    """The code of the first check that is true, element-wise, or FEASIBLE when none is."""
    code: Count = FEASIBLE
    for failed, number in reversed(checks):
        code = np.where(failed, number, code)
    return code
