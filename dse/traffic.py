"""What a dataflow reports: cycles by cause, accesses by level and operand, and whether the design can run the layer."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Count = Any  # int or int64 array of any broadcastable shape
Mapping = dict[str, NDArray[np.int64]]  # mapping parameter -> its value per design
Pins = MappingType[str, int]  # mapping parameters that the user fixed

FEASIBLE = 0


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


def ceil_div(numerator: Count, denominator: Count) -> Count:
    """Smallest integer not below numerator / denominator, for non-negative integers."""
    return -(-numerator // denominator)


def first_of(*checks: tuple[Count, int]) -> Count:
    """The code of the first check that is true, element-wise, or FEASIBLE when none is."""
    code: Count = FEASIBLE
    for failed, number in reversed(checks):
        code = np.where(failed, number, code)
    return code
