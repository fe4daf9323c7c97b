"""Network between the GLB and the PE array: `noc`, after Eyeriss (Chen et al., JSSC 52(1), 2017), and `systolic_noc`.

`noc`: a delivery and a collection network, each as wide as the GLB port. Eyeriss has one delivery network per operand;
the single port of our GLB serves one operand a cycle, so they share the wires. A word and its tag (operand, row,
column) travel along a Y-bus over the height of the array; in the rows whose tag matches they go on along an X-bus
over its whole width, and the PEs whose tag matches take the word into a small FIFO. Neighbour links pass psums up
a column.

`systolic_noc`: words enter and leave at the edges of the array and hop from PE to PE. The GLB lies beside the middle of
the left edge. A delivery bus runs along the left edge and on along the top edge, a collection bus from the bottom edge
back to the GLB; each edge PE takes the words of its tag through a FIFO. From there on links lead right and down, and
the registers they end in are part of the PE.

Nothing is placed or routed: PEs are squares of their cell area, side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.errors import InputError, Problem

NETWORKS = 2  # delivery and collection
OPERANDS = 4  # tags a PE compares: ifmap, filter, psum in, psum out
OPERAND_TAG_BITS = 2
LINK_CONTROL_BITS = 2  # beside the operands: valid (right) and shift (down)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class NocParameters:
    """Constants of the NoC; every one may be overridden. Raises InputError unless all are positive and finite.

    Wire: 240 fJ per bit, mm and transition at 0.9 V in 40 nm, half of the bits of random data in transition (Keckler
    et al., IEEE Micro 31(5), 2011, Table 1); that is 600 fF/mm, a wire with its repeaters. Scaled as V^2 to the
    supply of the PEs, 1.1 V. Repeaters: CACTI 7's 45 nm wire with 30 % delay penalty has one of 15.3 times the
    minimum size every 0.204 mm, an INV_X16. Areas, leakage and energies of cells: NanGate 45 nm Open Cell Library,
    typical corner.
    A FIFO bit is DFF_X1 + MUX2_X1, a tag bit DFF_X1 + XNOR2_X1 + AND2_X1. `fifo_fj_per_bit`, writing and reading
    a bit: two clock edges of the DFF, and on half of the bits its data and outputs and the multiplexer switch.
    A two-word FIFO is the smallest that takes a word every cycle. `ifmap_multicast_rows`: in the row-stationary
    dataflow an ifmap row is used by as many PE rows as the filter is high; 3 in most layers of today's networks.
    """

    wire_fj_per_transition_mm: float = 240.0
    wire_reference_v: float = 0.9
    supply_v: float = 1.1
    transitions_per_bit: float = 0.5
    repeater_spacing_mm: float = 0.204
    repeater_um2: float = 4.522
    repeater_nw: float = 229.7
    fifo_words: float = 2.0
    fifo_bit_um2: float = 6.384
    fifo_bit_nw: float = 115.0
    fifo_fj_per_bit: float = 14.0
    tag_bit_um2: float = 7.182
    tag_bit_nw: float = 140.6
    ifmap_multicast_rows: float = 3.0

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        bad = [
            Problem(f"noc.{name}", "must be a positive number", value)
            for name, value in values.items()
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf
        ]
        if bad:
            raise InputError(bad)


@dataclass(frozen=True)
class NocPrediction:
    """Element-wise results. Energies per bit of payload, its share of the tag included.

    `ifmap_`, `filter_`, `psum_pj_per_bit`: moving one bit between the GLB and all PEs that share it, for the
    multicast of `noc`; other patterns through `multicast_pj_per_bit`. `inter_pe_pj_per_bit`: one hop to the
    neighbour. `y_bus_`, `x_bus_`, `port_pj_per_bit`: the parts, per trunk, per row reached and per PE reached; of
    `systolic_noc` the ways along the left and along another edge, and the FIFO of an edge PE.
    """

    area_mm2: FloatArray
    leakage_mw: FloatArray
    ifmap_pj_per_bit: FloatArray
    filter_pj_per_bit: FloatArray
    psum_pj_per_bit: FloatArray
    inter_pe_pj_per_bit: FloatArray
    y_bus_pj_per_bit: FloatArray
    x_bus_pj_per_bit: FloatArray
    port_pj_per_bit: FloatArray

    def multicast_pj_per_bit(self, rows_reached: ArrayLike, pes_reached: ArrayLike) -> FloatArray:
        """Energy [pJ] of one bit sent over the Y-bus into `rows_reached` rows and taken by `pes_reached` PEs."""
        rows, pes = np.asarray(rows_reached), np.asarray(pes_reached)
        energy: FloatArray = self.y_bus_pj_per_bit + rows * self.x_bus_pj_per_bit + pes * self.port_pj_per_bit
        return energy


def noc(
    rows: ArrayLike,
    cols: ArrayLike,
    pe_area_um2: ArrayLike,
    activation_bits: ArrayLike,
    weight_bits: ArrayLike,
    psum_bits: ArrayLike,
    bus_bytes: ArrayLike,
    parameters: NocParameters,
) -> NocPrediction:
    """Area, leakage and energy of the NoC of an array of `rows` x `cols` PEs of `pe_area_um2` [um2] each.

    The GLB port moves `bus_bytes` [byte] a cycle. A filter word goes to every PE of one row, an ifmap word to one PE
    in each of `ifmap_multicast_rows` rows, a psum to or from one PE. All arguments broadcast.
    """
    p = parameters
    rows, cols, bus_bits = np.asarray(rows), np.asarray(cols), 8 * np.asarray(bus_bytes)
    row_tag, col_tag = np.ceil(np.log2(rows + 1)), np.ceil(np.log2(cols + 1))  # + 1: a tag for "nobody"
    tag_bits = OPERAND_TAG_BITS + row_tag + col_tag
    fifo_bits = p.fifo_words * (np.asarray(activation_bits) + weight_bits + 2 * np.asarray(psum_bits))
    port_um2 = fifo_bits * p.fifo_bit_um2 + OPERANDS * col_tag * p.tag_bit_um2
    pitch_mm = np.sqrt(pe_area_um2 + port_um2) * 1e-3
    repeaters = NETWORKS * (bus_bits + tag_bits) * pitch_mm * (rows + rows * cols) / p.repeater_spacing_mm
    buffered_bits = rows * cols * fifo_bits
    compared_bits = OPERANDS * rows * (row_tag + cols * col_tag)
    area_um2 = buffered_bits * p.fifo_bit_um2 + compared_bits * p.tag_bit_um2 + repeaters * p.repeater_um2
    leakage_nw = buffered_bits * p.fifo_bit_nw + compared_bits * p.tag_bit_nw + repeaters * p.repeater_nw

    wire_pj_per_mm = _wire_pj_per_mm(p)
    tagged = 1 + tag_bits / bus_bits
    y_bus = rows * pitch_mm * wire_pj_per_mm * tagged
    x_bus = cols * pitch_mm * wire_pj_per_mm * tagged
    port = p.fifo_fj_per_bit * 1e-3 * np.ones_like(x_bus)
    ifmap_rows = np.minimum(rows, p.ifmap_multicast_rows)
    return NocPrediction(
        area_mm2=area_um2 * 1e-6,
        leakage_mw=leakage_nw * 1e-6,
        ifmap_pj_per_bit=y_bus + ifmap_rows * (x_bus + port),
        filter_pj_per_bit=y_bus + x_bus + cols * port,
        psum_pj_per_bit=y_bus + x_bus + port,
        inter_pe_pj_per_bit=pitch_mm * wire_pj_per_mm + port,
        y_bus_pj_per_bit=y_bus,
        x_bus_pj_per_bit=x_bus,
        port_pj_per_bit=port,
    )


def systolic_noc(
    rows: ArrayLike,
    cols: ArrayLike,
    pe_area_um2: ArrayLike,
    activation_bits: ArrayLike,
    weight_bits: ArrayLike,
    psum_bits: ArrayLike,
    bus_bytes: ArrayLike,
    parameters: NocParameters,
    left: Literal["ifmap", "filter"],
) -> NocPrediction:
    """Area, leakage and energy of the network of a systolic array; arguments as those of `noc`, all broadcast.

    `left` is the operand that enters at the left edge; the other one, and psums if at all, enter at the top, and psums
    leave at the bottom. A word between GLB and array goes to or from one edge PE; a hop is the link alone, without the
    register behind it. Links of an edge lead to the FIFOs, so there are as many as PEs.
    """
    p = parameters
    rows, cols, bus_bits = np.asarray(rows), np.asarray(cols), 8 * np.asarray(bus_bytes)
    activation_bits, weight_bits, psum_bits = (np.asarray(b) for b in (activation_bits, weight_bits, psum_bits))
    left_bits, top_bits = (activation_bits, weight_bits) if left == "ifmap" else (weight_bits, activation_bits)
    row_tag, col_tag = np.ceil(np.log2(rows + 1)), np.ceil(np.log2(cols + 1))
    tag_bits = OPERAND_TAG_BITS + np.maximum(row_tag, col_tag)
    pitch_mm = np.sqrt(pe_area_um2) * 1e-3
    along_left, along_other = rows * pitch_mm, (rows / 2 + cols) * pitch_mm
    bus_mm = (bus_bits + tag_bits) * (rows + cols + rows / 2 + cols) * pitch_mm
    link_mm = (activation_bits + weight_bits + psum_bits + LINK_CONTROL_BITS) * rows * cols * pitch_mm
    repeaters = (bus_mm + link_mm) / p.repeater_spacing_mm
    buffered_bits = p.fifo_words * (rows * left_bits + cols * (top_bits + 2 * psum_bits))
    compared_bits = rows * row_tag + 3 * cols * col_tag
    area_um2 = buffered_bits * p.fifo_bit_um2 + compared_bits * p.tag_bit_um2 + repeaters * p.repeater_um2
    leakage_nw = buffered_bits * p.fifo_bit_nw + compared_bits * p.tag_bit_nw + repeaters * p.repeater_nw

    wire_pj_per_mm = _wire_pj_per_mm(p)
    left_bus, other_bus = (way * wire_pj_per_mm * (1 + tag_bits / bus_bits) for way in (along_left, along_other))
    port = p.fifo_fj_per_bit * 1e-3 * np.ones_like(left_bus)
    operand_bus = {"ifmap": (left_bus, other_bus), "filter": (other_bus, left_bus)}[left]
    return NocPrediction(
        area_mm2=area_um2 * 1e-6,
        leakage_mw=leakage_nw * 1e-6,
        ifmap_pj_per_bit=operand_bus[0] + port,
        filter_pj_per_bit=operand_bus[1] + port,
        psum_pj_per_bit=other_bus + port,
        inter_pe_pj_per_bit=pitch_mm * wire_pj_per_mm,
        y_bus_pj_per_bit=left_bus,
        x_bus_pj_per_bit=other_bus,
        port_pj_per_bit=port,
    )


def _wire_pj_per_mm(p: NocParameters) -> float:
    """Energy [pJ] of one bit of random data over one mm of wire."""
    volts = p.supply_v / p.wire_reference_v
    return p.transitions_per_bit * p.wire_fj_per_transition_mm * volts**2 * 1e-3
