"""Output stationary, on a systolic array (Samajdar et al., SCALE-Sim, arXiv 1811.02883).

Pixels lie on the rows, filters on the columns, the reduction is time: each of u x v PEs of a fold adds up one output.
An ifmap word enters each row per cycle and moves right, a weight enters each column and moves down:
u + v + T - 2 cycles for a reduction of T. Psums never leave the PEs before they are complete.

Overlap. Finished psums shift down their column through the psum registers and leave at the bottom while the wavefront
of the next fold enters: PE (i, j) is idle for u + v - 2 cycles between two folds, and the shift is done with it just in
time. As in SCALE-Sim the layer ends with its last MAC; the shift of the last fold, u cycles, is not counted. Ifmaps,
filters and psums have a port each, which is busy all the time; queues at the edge smooth the demand.
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
ARRANGEMENT = systolic.Arrangement(rows="pixels", cols="filters", time="reduction")
offered = ARRANGEMENT.offered


def traffic(g: Geometry, designs: Designs, bits: OperandBits, mapping: Mapping) -> Traffic:
    """Cycles and accesses of a layer under a mapping, for the whole batch. Equations: docs/output_stationary.md."""
    return _traffic(g, designs, bits, Tiling.of(g, designs.batch, mapping), mapping["fill"])


def bound(g: Geometry, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Traffic:
    """What no refinement of a choice undercuts."""
    tiling = ARRANGEMENT.coarsest(g, designs, bits, choice, pins)
    least = _traffic(g, designs, bits, tiling, pins.get("fill", systolic.FILL_USED))
    return replace(least, inter_pe_ifmap=0)  # hops are fewer, the more folds the filters are in


def _traffic(g: Geometry, designs: Designs, bits: OperandBits, tiling: Tiling, fill: Count) -> Traffic:
    folds = ARRANGEMENT.folds(tiling, designs.rows, designs.cols, fill)
    groups, outputs = g.groups, designs.batch * g.ofmap_words
    macs = designs.batch * g.macs
    ifmap_words, filter_words = groups * folds.left_words, groups * folds.column_words
    skew, streaming = groups * folds.skew_cycles, groups * folds.streaming_cycles
    ports = np.maximum(
        np.maximum(
            systolic.port_cycles(ifmap_words, bits.activation, designs),
            systolic.port_cycles(filter_words, bits.weight, designs),
        ),
        systolic.port_cycles(outputs, bits.psum, designs),
    )
    return Traffic(
        reason=ARRANGEMENT.reason(tiling, designs, bits),
        macs=macs,
        active_pes=folds.active_pes,
        passes=groups * folds.count,
        compute_cycles=streaming,
        glb_cycles=np.maximum(ports - skew, streaming),
        overhead_cycles=skew,
        dram_ifmap=tiling.dram_ifmap,
        dram_filter=tiling.dram_filter,
        dram_ofmap=outputs,
        glb_ifmap_reads=ifmap_words,
        glb_ifmap_writes=tiling.dram_ifmap,
        glb_filter_reads=filter_words,
        glb_filter_writes=tiling.dram_filter,
        glb_psum_reads=outputs,
        glb_psum_writes=outputs,
        noc_ifmap=ifmap_words,
        noc_filter=filter_words,
        noc_psum=outputs,
        inter_pe_ifmap=groups * folds.left_hops,
        inter_pe_filter=groups * folds.column_hops,
        inter_pe_psum=groups * folds.shift_hops,
        spad_ifmap_reads=0,
        spad_ifmap_writes=macs,
        spad_filter_reads=0,
        spad_filter_writes=macs,
        spad_psum_reads=0,
        spad_psum_writes=macs + groups * folds.shift_hops,
    )
