"""Weight stationary, on a systolic array (Samajdar et al., SCALE-Sim, arXiv 1811.02883; the TPU, ISCA 2017).

The reduction lies on the rows, filters on the columns, pixels are time: a fold of u x v PEs holds u weights of each of
v filters. It takes u cycles to shift the weights in from the top; then an ifmap word enters each row per cycle, moves
right and meets each of the v filters, and psums move down: 2 u + v + T - 2 cycles for T pixels. Psums of a reduction
longer than the array has rows go to the GLB and return on top of the next fold.

Overlap. A PE has one weight register, so a fold's weights load before it streams: where the filter port needs more than
a cycle per row, the rest stalls. Ifmaps, and psums in and out, have a port each, which is busy while the array streams
and while its wavefront enters and leaves; queues at the edge smooth the demand.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dse.dataflow import PEKind
from dse.dataflow import _systolic as systolic
from dse.dataflow._tiles import Geometry, Tiling
from dse.space import Designs
from dse.traffic import Count, Mapping, OperandBits, Pins, Traffic

PE: PEKind = "registers"
PARAMETERS, OPEN, REASONS = systolic.PARAMETERS, systolic.OPEN, systolic.REASONS
geometry, candidates, options, complete = systolic.geometry, systolic.candidates, systolic.options, systolic.complete
ARRANGEMENT = systolic.Arrangement(rows="reduction", cols="filters", time="pixels")
offered = ARRANGEMENT.offered


def traffic(g: Geometry, designs: Designs, bits: OperandBits, mapping: Mapping) -> Traffic:
    """Cycles and accesses of a layer under a mapping, for the whole batch. Equations: docs/weight_stationary.md."""
    return _traffic(g, designs, bits, Tiling.of(g, designs.batch, mapping), mapping["fill"])


def bound(g: Geometry, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Traffic:
    """What no refinement of a choice undercuts."""
    tiling = ARRANGEMENT.coarsest(g, designs, bits, choice, pins)
    least = _traffic(g, designs, bits, tiling, pins.get("fill", systolic.FILL_USED))
    return replace(least, inter_pe_ifmap=0)  # hops are fewer, the more folds the filters are in


def _traffic(g: Geometry, designs: Designs, bits: OperandBits, tiling: Tiling, fill: Count) -> Traffic:
    folds = ARRANGEMENT.folds(tiling, designs.rows, designs.cols, fill)
    groups, outputs = g.groups, designs.batch * g.ofmap_words
    macs, psums = designs.batch * g.macs, groups * folds.column_words
    filter_words, ifmap_words = groups * folds.stationary_words, groups * folds.left_words
    skew, streaming = groups * folds.skew_cycles, groups * folds.streaming_cycles
    ports = np.maximum(
        systolic.port_cycles(ifmap_words, bits.activation, designs), systolic.port_cycles(psums, bits.psum, designs)
    )
    loading = systolic.port_cycles(filter_words, bits.weight, designs) - groups * folds.filled_rows
    return Traffic(
        reason=ARRANGEMENT.reason(tiling, designs, bits),
        macs=macs,
        active_pes=folds.active_pes,
        passes=groups * folds.count,
        compute_cycles=streaming,
        glb_cycles=np.maximum(ports - skew, streaming) + np.maximum(loading, 0),
        overhead_cycles=groups * folds.filled_rows + skew,
        dram_ifmap=tiling.dram_ifmap,
        dram_filter=tiling.dram_filter,
        dram_ofmap=outputs,
        glb_ifmap_reads=ifmap_words,
        glb_ifmap_writes=tiling.dram_ifmap,
        glb_filter_reads=filter_words,
        glb_filter_writes=tiling.dram_filter,
        glb_psum_reads=psums,  # by all folds of a reduction but the first, and the readout of the ofmap
        glb_psum_writes=psums,
        noc_ifmap=ifmap_words,
        noc_filter=filter_words,
        noc_psum=2 * psums - outputs,
        inter_pe_ifmap=groups * folds.left_hops,
        inter_pe_filter=groups * folds.shift_hops,
        inter_pe_psum=groups * folds.column_hops,
        spad_ifmap_reads=0,
        spad_ifmap_writes=macs,
        spad_filter_reads=0,
        spad_filter_writes=filter_words + groups * folds.shift_hops,
        spad_psum_reads=0,
        spad_psum_writes=macs,
    )
