"""Row stationary, after Eyeriss (Chen et al., ISCA 2016 sections IV-V; JSSC 2017 sections III-V).

Terms. A PE runs a 1-D convolution primitive: one filter row against one ifmap row gives one psum row. R x e PEs form a
PE set, which computes e ofmap rows; filter rows are shared along the set's rows, ifmap rows along its diagonals, and
psums move up its columns. A layer runs in processing passes; its mapping is
    n  ifmaps per pass             e  ofmap rows per pass (a strip)
    p  filters per PE              q  channels per PE            (interleaved in the PE's scratchpads)
    r  channel groups on the array (their psums add up inside it)
    t  filter groups on the array  (they share the ifmap)
    m  filters whose psums the GLB holds while all channels pass by
so a pass covers q*r channels, p*t filters, n ifmaps and e*F outputs. Loop order, outermost first: convolution group,
n ifmaps, strip of e rows, m filters, q*r channels, p*t filters. Convolution groups (depthwise: one channel each) run
one after another.

Overlap. Within a pass the GLB feeds the PEs while they compute, so only the excess of the busiest bus over the compute
cycles stalls. Exposed at each pass: loading its filters, the first window of its ifmap rows, the last psum column on
its way out, and the pipeline (JSSC 2017, section VI-B: ramp-up at the start of each pass); these words are not counted
among those that the array is fed while it computes. DRAM transfers are double buffered behind all of it.

Buses (JSSC 2017, section IV-C, at the chip's 8 bytes per cycle): filters 64 b, psums 64 b in and 64 b out, ifmaps 16 b;
all scale with `glb_bytes_per_cycle`, the ifmap bus being a quarter of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.dataflow import PEKind
from dse.space import Designs, IntArray
from dse.traffic import Count, Mapping, OperandBits, Pins, Traffic, ceil_div, first_of
from workloads.layer import Layer

PE: PEKind = "spads"
PARAMETERS = ("m", "n", "e", "p", "q", "r", "t")
REASONS = (
    "",
    "filter taller than the array (R > rows)",
    "ifmap spad holds less than one filter row",
    "filter spad holds less than one filter row",
    "PE sets do not fit the array",
    "spads do not hold the mapping",
    "GLB does not hold one pass",
)
PE_PIPELINE_CYCLES = 3  # spad read, multiply, accumulate
CHANNELS_PER_PE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # values of q that are tried
ALL_SETS, ALL_BANDS = 0, -1  # r: as many channel groups as PE sets, or as bands of R rows, fit the array
CHANNEL_GROUPS = (1, 2, 4, 8, ALL_BANDS, ALL_SETS)  # values of r that are tried
STRIP_RATIO = 0.8  # values of e that are tried fall by at least this factor
FEWEST_REFILLS, FEWEST_PASSES = 0, 1  # two ways to size m


@dataclass(frozen=True)
class Geometry:
    """One convolution group of a layer, with the parts of the padded ifmap that its windows touch."""

    groups: int
    M: int
    C: int
    R: int
    S: int
    E: int
    F: int
    kernel_rows: int  # rows that one filter spans, dilation included
    row_step: int  # ifmap rows that one more ofmap row needs
    padded_cols: int  # padded ifmap columns that are touched
    dram_cols: int  # of these, columns that exist in DRAM
    padding_rows: int  # touched rows that do not

    @classmethod
    def of(cls, layer: Layer) -> Geometry:
        kernel_rows = (layer.R - 1) * layer.dilation + 1
        kernel_cols = (layer.S - 1) * layer.dilation + 1
        row_step, col_step = min(layer.stride, kernel_rows), min(layer.stride, kernel_cols)
        rows = (layer.E - 1) * row_step + kernel_rows
        cols = (layer.F - 1) * col_step + kernel_cols
        return cls(
            layer.groups, layer.M // layer.groups, layer.C // layer.groups, layer.R, layer.S, layer.E, layer.F,
            kernel_rows, row_step, cols, min(cols, layer.W), rows - min(rows, layer.H),
        )  # fmt: skip

    def strip_rows(self, e: Count) -> Count:
        """Padded ifmap rows that a strip of e ofmap rows reads."""
        return (e - 1) * self.row_step + self.kernel_rows


def candidates(layer: Layer, designs: Designs, pins: Pins) -> Mapping:
    """Choices of e, q, r, the share of the batch that is n, and the way m is sized.

    What is left out fits no design or repeats another choice on every design, so a design has the same choices alone
    and among others. The last candidate is the smallest mapping: what it misses is why a design cannot run the layer.
    """
    g = Geometry.of(layer)
    pes, batch = int(np.max(designs.rows) * np.max(designs.cols)), int(np.max(designs.batch))
    options = {
        "e": [e for e in _strips(g.E) if g.R * e <= pes],
        "q": _channels_per_pe(g, int(np.max(designs.ifmap_spad_words))),
        "r": [r for r in CHANNEL_GROUPS if r < 2 * g.C],
        "share": sorted({k for k in (1, 2, 4, batch) if k <= batch}, reverse=True),
        "refill": [FEWEST_REFILLS, FEWEST_PASSES],
    }
    options = {name: [pins[name]] if name in pins else values or [1] for name, values in options.items()}
    grid = np.meshgrid(*(np.asarray(values, np.int64) for values in options.values()), indexing="ij")
    smallest = {name: values[-1 if name == "e" else 0] for name, values in options.items()}
    return {name: np.append(axis, smallest[name]) for name, axis in zip(options, grid, strict=True)}


def _channels_per_pe(g: Geometry, words: int) -> list[int]:
    """Values of q; `complete` lowers q to the channels there are, but never to what the value before it gives."""
    before = (0, *CHANNELS_PER_PE)
    return [q for q, less in zip(CHANNELS_PER_PE, before, strict=False) if (less + 1) * g.S <= words and less < g.C]


def _strips(E: int) -> list[int]:
    """Strip heights E / k, rounded up, from E down to 1, each at least STRIP_RATIO below the one before."""
    heights = [E]
    while (highest := int(STRIP_RATIO * heights[-1])) >= 1:
        heights.append(ceil_div(E, ceil_div(E, highest)))
    return heights


def complete(layer: Layer, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Mapping:
    """t, p and m in closed form: all sets busy, then the GLB for p (filters to prefetch) and m (psums to keep).

    With t sets working on filters the compute time depends on ceil(M / t) only; a larger p saves passes, a larger m
    saves refetching ifmaps from DRAM. Either m goes first and p takes what is left of the GLB (fewest refills), or p
    goes first and m gets as many whole passes as are left (fewest passes).
    """
    g = Geometry.of(layer)
    n = np.minimum(pins["n"], designs.batch) if "n" in pins else ceil_div(designs.batch, choice["share"])
    e, sets = choice["e"], _pe_sets(g, designs, choice["e"])
    r = np.where(choice["r"] == ALL_SETS, sets, choice["r"])
    r = np.clip(np.where(r == ALL_BANDS, designs.rows // g.R, r), 1, g.C)
    q = np.minimum(choice["q"], ceil_div(g.C, r))
    psum_bits = n * e * g.F * bits.psum
    filter_bits = q * r * g.R * g.S * bits.weight
    room_bits = designs.glb_kib * 8192 - n * q * r * g.strip_rows(e) * g.padded_cols * bits.activation
    held = np.clip(room_bits // (psum_bits + filter_bits), 1, g.M)  # filters a pass may have
    t = np.asarray(pins["t"]) if "t" in pins else np.clip(sets // r, 1, held)
    kept = _fewest_refills(g, t, (room_bits - t * filter_bits) // psum_bits)
    passes_first = choice["refill"] == FEWEST_PASSES
    held = np.where(passes_first, held, (room_bits - kept * psum_bits) // filter_bits)
    fit = np.minimum(designs.psum_spad_words, designs.filter_spad_words // (q * g.S))
    p = np.asarray(pins["p"]) if "p" in pins else np.clip(np.minimum(fit, held // t), 1, ceil_div(g.M, t))
    whole_passes = np.maximum((room_bits - p * t * filter_bits) // psum_bits // (p * t), 1) * p * t
    m = np.minimum(np.where(passes_first, whole_passes, kept), g.M)
    return {"m": np.asarray(pins["m"]) if "m" in pins else m, "n": n, "e": e, "p": p, "q": q, "r": r, "t": t}


def _fewest_refills(g: Geometry, t: Count, capacity: Count) -> Count:
    """m: the filters in as few equal parts as the GLB has capacity for, each a multiple of the t filter groups."""
    capacity = np.where(capacity >= g.M, g.M, np.maximum(capacity // t, 1) * t)
    part = ceil_div(g.M, ceil_div(g.M, capacity))
    return np.minimum(ceil_div(part, t) * t, capacity)


def _pe_sets(g: Geometry, designs: Designs, e: Count) -> Count:
    """R x e PE sets that fit the array; a set wider than the array is cut into segments stacked in bands."""
    bands = designs.rows // g.R
    segments = ceil_div(e, designs.cols)
    return np.where(segments <= 1, bands * (designs.cols // e), bands // segments)


def _reason(g: Geometry, designs: Designs, bits: OperandBits, mapping: Mapping) -> Count:
    """Index into REASONS of the first limit that the mapping breaks, 0 if none."""
    m, n, e, p, q, r, t = (mapping[name] for name in PARAMETERS)
    ifmap_bits = n * q * r * g.strip_rows(e) * g.padded_cols * bits.activation
    psum_bits = n * m * e * g.F * bits.psum
    filter_bits = np.minimum(p * t, g.M) * q * r * g.R * g.S * bits.weight
    return first_of(
        (designs.rows < g.R, 1),
        (designs.ifmap_spad_words < g.S, 2),
        (designs.filter_spad_words < g.S, 3),
        (r * t > _pe_sets(g, designs, e), 4),
        ((q * g.S > designs.ifmap_spad_words) | (p * q * g.S > designs.filter_spad_words), 5),
        (p > designs.psum_spad_words, 5),
        (ifmap_bits + psum_bits + filter_bits > designs.glb_kib * 8192, 6),
    )


@dataclass(frozen=True)
class Passes:
    """How often things happen in one convolution group, and sums over its passes of what a pass uses."""

    filter_passes: Count  # per strip and channel pass
    channel_passes: Count
    ifmap_passes: Count  # ceil(N / n)
    strips: Count
    m_groups: Count
    filters_per_pe: Count  # sum of p over the filter passes
    channels_per_pe: Count  # sum of q over the channel passes
    filter_sets: Count  # sum of the filter groups in use over the filter passes
    channel_sets: Count  # sum of the channel groups in use over the channel passes
    filter_loads: Count  # times the filters of the group are loaded

    @classmethod
    def of(cls, g: Geometry, batch: IntArray, mapping: Mapping) -> Passes:
        m, n, e, p, q, r, t = (mapping[name] for name in PARAMETERS)
        m = np.minimum(m, g.M)
        whole, rest = g.M // m, g.M % m
        filter_passes = whole * ceil_div(m, p * t) + ceil_div(rest, p * t)
        channel_passes = ceil_div(g.C, q * r)
        ifmap_passes, strips = ceil_div(batch, n), ceil_div(g.E, e)
        stationary = filter_passes * channel_passes == 1  # then the filters stay in the PEs
        return cls(
            filter_passes=filter_passes,
            channel_passes=channel_passes,
            ifmap_passes=ifmap_passes,
            strips=strips,
            m_groups=ceil_div(g.M, m),
            filters_per_pe=whole * _per_pe(m, p, t) + _per_pe(rest, p, t),
            channels_per_pe=_per_pe(g.C, q, r),
            filter_sets=whole * _sets(m, p, t) + _sets(rest, p, t),
            channel_sets=_sets(g.C, q, r),
            filter_loads=np.where(stationary, 1, ifmap_passes * strips),
        )


def _per_pe(total: Count, each: Count, sets: Count) -> Count:
    """Sum over passes of `each * sets` items of what the busiest PE gets; the last pass is spread evenly."""
    whole = total // (each * sets)
    return whole * each + ceil_div(total - whole * each * sets, sets)


def _sets(total: Count, each: Count, sets: Count) -> Count:
    """Sum over passes of the sets in use."""
    whole = total // (each * sets)
    return whole * sets + np.minimum(total - whole * each * sets, sets)


def traffic(layer: Layer, designs: Designs, bits: OperandBits, mapping: Mapping) -> Traffic:
    """Cycles and accesses of a layer under a mapping, for the whole batch. Equations: docs/row_stationary.md."""
    g, batch = Geometry.of(layer), designs.batch
    e, r, t = (mapping[name] for name in "ert")
    k = Passes.of(g, batch, mapping)
    pass_rows = g.E * g.row_step + k.strips * (g.kernel_rows - g.row_step)  # ifmap rows of all strips
    ifmap = g.groups * k.filter_passes * batch * g.C * pass_rows * g.padded_cols
    refills = np.where(k.channel_passes == 1, 1, k.m_groups)  # all channels in the GLB: nothing to refetch
    dram_ifmap = g.groups * refills * batch * g.C * (pass_rows - g.padding_rows) * g.dram_cols
    weights = g.groups * g.M * g.C * g.R * g.S
    filters = k.filter_loads * weights
    outputs = batch * layer.M * g.E * g.F
    macs = batch * layer.macs
    in_and_out = outputs * g.R * k.channel_sets  # each PE takes a psum in and hands it on
    filter_copies = weights * np.where(k.filter_loads == 1, np.minimum(e, g.E), k.ifmap_passes * g.E)
    passes = g.groups * k.filter_passes * k.channel_passes * k.ifmap_passes * k.strips
    bus_bits, ifmap_bus_bits = designs.glb_bytes_per_cycle * 8, designs.glb_bytes_per_cycle * 2
    first_window = g.groups * k.filter_passes * k.ifmap_passes * g.C * pass_rows * g.S
    last_psums = g.groups * k.channel_passes * k.ifmap_passes * g.M * g.E
    return Traffic(
        reason=_reason(g, designs, bits, mapping),
        macs=macs,
        active_pes=g.R * np.minimum(e, g.E) * np.minimum(r, g.C) * np.minimum(t, g.M),
        passes=passes,
        compute_cycles=g.groups * batch * k.strips * g.F * g.S * k.filters_per_pe * k.channels_per_pe,
        glb_cycles=np.maximum(
            ceil_div((ifmap - first_window) * bits.activation, ifmap_bus_bits),
            ceil_div((k.channel_passes * outputs - last_psums) * bits.psum, bus_bits),
        ),
        overhead_cycles=ceil_div(filters * bits.weight, bus_bits)
        + ceil_div(first_window * bits.activation, ifmap_bus_bits)
        + ceil_div(last_psums * bits.psum, bus_bits)
        + passes * (PE_PIPELINE_CYCLES + g.R),
        dram_ifmap=dram_ifmap,
        dram_filter=filters,
        dram_ofmap=outputs,
        glb_ifmap_reads=ifmap,
        glb_ifmap_writes=dram_ifmap,
        glb_filter_reads=filters,
        glb_filter_writes=filters,
        glb_psum_reads=k.channel_passes * outputs,  # all passes but the first, and the readout of the ofmap
        glb_psum_writes=k.channel_passes * outputs,
        noc_ifmap=ifmap,
        noc_filter=filters,
        noc_psum=(2 * k.channel_passes - 1) * outputs,
        inter_pe_ifmap=0,
        inter_pe_filter=0,
        inter_pe_psum=outputs * (g.R * k.channel_sets - k.channel_passes),
        spad_ifmap_reads=macs,
        spad_ifmap_writes=g.groups * batch * g.C * g.R * g.E * g.padded_cols * k.filter_sets,
        spad_filter_reads=macs,
        spad_filter_writes=filter_copies,
        spad_psum_reads=macs + in_and_out,
        spad_psum_writes=macs + in_and_out,
    )
