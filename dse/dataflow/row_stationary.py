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
cycles stalls. Exposed at each pass: loading its filters, while the last psum column of the pass before leaves, then
the first window of its ifmap rows, and the pipeline (JSSC 2017, section VI-B: ramp-up at the start of each pass); these
words are not counted among those that the array is fed while it computes. DRAM transfers are double buffered behind
all of it.

Choices (`candidates`, `options`) hold `share`, the parts of the batch of which n is one; m as a number of filters, or
of passes where it is below 0; and `whole`, how m is rounded to whole groups of t.

Buses (JSSC 2017, section IV-C, at the chip's 8 bytes per cycle): filters 64 b, psums 64 b in and 64 b out, ifmaps 16 b;
all scale with `glb_bytes_per_cycle`, the ifmap bus being a quarter of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dse.dataflow import Options, PEKind
from dse.dataflow._passes import MAPPING, Geometry, Passes, pe_sets
from dse.space import Designs
from dse.traffic import Count, Mapping, OperandBits, Pins, Traffic, ceil_div, first_of, parts

PE: PEKind = "spads"
PARAMETERS = MAPPING
OPEN = ("q", "m", "t", "whole")
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
PASSES = (1, 2)  # numbers of passes whose filters are tried as m
ONE_PASS = -1  # m: -j stands for the filters of j passes
AS_IT_IS, WHOLE, WHOLE_REST = 0, 1, 2  # m, or m or the filters beside it rounded to whole groups of t

geometry = Geometry.of


def candidates(g: Geometry, designs: Designs, pins: Pins) -> Mapping:
    """Choices of e, r and of the equal parts of the batch that n is; the smallest mapping first.

    They depend on the layer alone; what is left out fits none of the designs. So more of any resource only adds
    mappings, and `complete` gives each at least the p it had: a larger design never maps worse.
    """
    rows, cols = int(np.max(designs.rows)), int(np.max(designs.cols))
    strips, groups = ([pins[name]] if name in pins else parts(total) for name, total in (("e", g.E), ("r", g.C)))
    batches = [] if "n" in pins else np.unique(designs.batch).tolist()
    shares = sorted({1, *(ceil_div(batch, n) for batch in batches for n in parts(batch))}, reverse=True)
    e, r, share = (axis.ravel() for axis in np.meshgrid(strips, groups, shares, indexing="ij"))
    fits = r <= np.asarray(pe_sets(g, rows, cols, e))
    fits[0] = True
    return {"share": share[fits], "e": e[fits], "r": r[fits]}


def options(g: Geometry, designs: Designs, name: str, pins: Pins) -> Options:
    """All values that an open parameter may take on any of the designs, the smallest first."""
    if name in pins:
        return Options({0: (min(pins[name], g.M) if name == "m" else pins[name],)})
    if name == "q":
        most = int(np.max(np.minimum(designs.ifmap_spad_words, designs.filter_spad_words))) // g.S
        groups = (pins["r"],) if "r" in pins else parts(g.C)
        return Options({r: _up_to(parts(ceil_div(g.C, r)), most) for r in groups}, by="r")
    if name == "m":
        return Options({0: (*(-passes for passes in PASSES if passes == 1 or passes < g.M), *parts(g.M))})
    if name == "t":
        return Options({0: _up_to(parts(g.M), int(np.max(pe_sets(g, designs.rows, designs.cols, np.asarray(1)))))})
    return Options({0: (AS_IT_IS,) if "m" in pins else (AS_IT_IS, WHOLE, WHOLE_REST)}, prefix=False)


def offered(g: Geometry, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Count:
    """Whether the last parameter chosen has a value that may fit the design and that no other one stands for."""
    name = next(reversed(choice))
    if name in pins:
        return np.asarray(True)
    n = _ifmaps(designs, choice, pins)
    if name == "q":
        return choice["q"] <= _most_channels_per_pe(g, designs, bits, n, choice)
    if name == "m":
        one_channel_pass = choice["q"] * choice["r"] >= g.C  # then no ifmap is fetched again, whatever m is
        room_bits, psum_bits, filter_bits = _glb_bits(g, designs, bits, n, choice)
        most = np.where(one_channel_pass, 0, (room_bits - filter_bits) // psum_bits)
        return (choice["m"] == ONE_PASS) | ((most > 0) & (choice["m"] <= most))
    if name == "t":
        return choice["t"] <= pe_sets(g, designs.rows, designs.cols, choice["e"]) // choice["r"]
    return _is_another(g, choice)


def _is_another(g: Geometry, choice: Mapping) -> Count:
    """Whether m made of whole groups is another m that takes as many parts of the filters."""
    m, whole = choice["m"], choice["whole"]
    changed = _filters_kept(g, choice)
    same_count = (m > 0) & (ceil_div(g.M, changed) == ceil_div(g.M, np.maximum(m, 1)))
    new_rest = (changed != _filters_kept(g, choice | {"whole": np.asarray(WHOLE)})) & (ceil_div(g.M, changed) == 2)
    return (whole == AS_IT_IS) | ((changed != m) & same_count & ((whole == WHOLE) | new_rest))


def _filters_kept(g: Geometry, choice: Mapping) -> Count:
    """m as it was chosen, or so that it or the rest of the filters are whole multiples of t."""
    m, t, whole = choice["m"], choice["t"], choice["whole"]
    least = np.maximum(m, 1)
    rounded = np.minimum(ceil_div(least, t) * t, g.M)
    rest_rounded = g.M - (g.M - least) // t * t
    return np.where(whole == WHOLE, rounded, np.where(whole == WHOLE_REST, rest_rounded, m))


def _up_to(values: Sequence[int], most: int) -> Sequence[int]:
    """Those of the ascending values that are not above `most`, at least the first."""
    return values[: max(1, bisect_right(values, most))]


def complete(g: Geometry, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Mapping:
    """p in closed form: as large as psum spad, filter spad and GLB allow: with all else fixed that only saves."""
    n, t, m = _ifmaps(designs, choice, pins), choice["t"], _filters_kept(g, choice)
    passes, kept = np.maximum(-m, 0), np.maximum(m, 0)
    held = _held(g, m, _glb_bits(g, designs, bits, n, choice))
    p = _filters_per_pe(g, designs, choice["q"], t, held, pins)
    p = np.where(passes > 0, p, np.minimum(p, ceil_div(kept, t)))
    m = np.where(passes > 0, np.minimum(passes * p * t, g.M), kept)
    return {"m": m, "n": n, "p": p} | {name: choice[name] for name in "eqrt"}


def _held(g: Geometry, m: Count, glb_bits: tuple[Count, Count, Count]) -> Count:
    """The most filters of a pass that a GLB has room for, beside the psums of m filters or of -m passes."""
    room_bits, psum_bits, filter_bits = glb_bits
    beside_all = (room_bits - g.M * psum_bits) // filter_bits
    with_psums = room_bits // (np.maximum(-m, 0) * psum_bits + filter_bits)
    return np.where(m > 0, (room_bits - m * psum_bits) // filter_bits, np.maximum(with_psums, beside_all))


def bound(g: Geometry, designs: Designs, bits: OperandBits, choice: Mapping, pins: Pins) -> Traffic:
    """Cycles and accesses that no refinement of a choice undercuts, with a reason where none of them fits.

    Open parameters each take the largest value they could have if the others were as small as can be.
    """
    m = choice.get("m", np.asarray(min(pins["m"], g.M) if "m" in pins else 0))  # 0: open
    smallest = {"p": np.asarray(1)} | {name: np.asarray(pins.get(name, 1)) for name in "qt"} | choice
    smallest |= {"m": np.clip(np.abs(m), 1, g.M)}
    n, t_least = _ifmaps(designs, choice, pins), smallest["t"]
    glb_bits = _glb_bits(g, designs, bits, n, smallest)
    held = np.clip(_held(g, np.where(m == 0, ONE_PASS, m), glb_bits), 1, g.M)
    sets = pe_sets(g, designs.rows, designs.cols, choice["e"])
    is_chosen = "t" in choice or "t" in pins
    t = t_least if is_chosen else np.clip(np.minimum(sets // choice["r"], held), 1, g.M)
    p = _filters_per_pe(g, designs, smallest["q"], t_least, held, pins)
    most_channels = _most_channels_per_pe(g, designs, bits, n, choice)
    q = choice["q"] if "q" in choice else np.clip(most_channels, smallest["q"], ceil_div(g.C, choice["r"]))
    largest = {name: choice[name] for name in "er"} | {"m": np.asarray(g.M), "n": n, "p": p, "q": q, "t": t}
    passes = Passes.of(g, designs.batch, largest)
    refills = ceil_div(g.M, smallest["m"])
    in_parts = (refills - 1) * ceil_div(smallest["m"], np.minimum(p * t, held)) + 1
    filter_passes = np.maximum(passes.filter_passes, np.where(m > 0, in_parts, ceil_div(g.M, held)))
    room_bits, psum_bits, filter_bits = glb_bits
    most_kept = np.clip((room_bits - filter_bits) // psum_bits, 1, g.M)
    fewest_refills = np.where(m < 0, ceil_div(filter_passes, np.maximum(-m, 1)), ceil_div(g.M, most_kept))
    passes = replace(
        passes,
        filter_passes=filter_passes,
        m_groups=np.where(m > 0, refills, fewest_refills),
        filter_sets=ceil_div(g.M, p),
    )
    return _traffic(g, designs, bits, largest, passes, _reason(g, designs, bits, smallest | {"n": n}))


def _ifmaps(designs: Designs, choice: Mapping, pins: Pins) -> Count:
    return np.minimum(pins["n"], designs.batch) if "n" in pins else ceil_div(designs.batch, choice["share"])


def _glb_bits(
    g: Geometry, designs: Designs, bits: OperandBits, n: Count, choice: Mapping
) -> tuple[Count, Count, Count]:
    """Of the GLB, bits that the ifmaps of a pass leave; bits of the psums and of the weights of one filter."""
    e, channels = choice["e"], choice["q"] * choice["r"]
    ifmap_bits = n * channels * g.strip_rows(e) * g.padded_cols * bits.activation
    return designs.glb_kib * 8192 - ifmap_bits, n * e * g.F * bits.psum, channels * g.R * g.S * bits.weight


def _most_channels_per_pe(g: Geometry, designs: Designs, bits: OperandBits, n: Count, choice: Mapping) -> Count:
    """The largest q for the spads and for a GLB that holds one filter and its psums."""
    one = choice | {"q": np.asarray(1)}
    room_bits, psum_bits, filter_bits = _glb_bits(g, designs, bits, n, one)
    channel_bits = designs.glb_kib * 8192 - room_bits + filter_bits
    in_spads = np.minimum(designs.ifmap_spad_words, designs.filter_spad_words) // g.S
    return np.minimum(in_spads, (designs.glb_kib * 8192 - psum_bits) // channel_bits)


def _filters_per_pe(g: Geometry, designs: Designs, q: Count, t: Count, held: Count, pins: Pins) -> Count:
    """The largest p for the spads and for a GLB that holds the filters of `held` at a time."""
    if "p" in pins:
        return np.asarray(pins["p"])
    fit = np.minimum(designs.psum_spad_words, designs.filter_spad_words // (q * g.S))
    return np.clip(np.minimum(fit, np.where(held >= g.M, g.M, held // t)), 1, ceil_div(g.M, t))


def _reason(g: Geometry, designs: Designs, bits: OperandBits, mapping: Mapping) -> Count:
    """Index into REASONS of the first limit that the mapping breaks, 0 if none."""
    m, n, e, p, q, r, t = (mapping[name] for name in PARAMETERS)
    room_bits, psum_bits, filter_bits = _glb_bits(g, designs, bits, n, mapping)
    return first_of(
        (designs.rows < g.R, 1),
        (designs.ifmap_spad_words < g.S, 2),
        (designs.filter_spad_words < g.S, 3),
        (r * t > pe_sets(g, designs.rows, designs.cols, e), 4),
        ((q * g.S > designs.ifmap_spad_words) | (p * q * g.S > designs.filter_spad_words), 5),
        (p > designs.psum_spad_words, 5),
        (m * psum_bits + np.minimum(p * t, g.M) * filter_bits > room_bits, 6),
    )


def traffic(g: Geometry, designs: Designs, bits: OperandBits, mapping: Mapping) -> Traffic:
    """Cycles and accesses of a layer under a mapping, for the whole batch. Equations: docs/row_stationary.md."""
    passes = Passes.of(g, designs.batch, mapping)
    return _traffic(g, designs, bits, mapping, passes, _reason(g, designs, bits, mapping))


def _traffic(g: Geometry, designs: Designs, bits: OperandBits, mapping: Mapping, k: Passes, reason: Count) -> Traffic:
    batch = designs.batch
    e, r, t = (mapping[name] for name in "ert")
    pass_rows = g.E * g.row_step + k.strips * (g.kernel_rows - g.row_step)  # ifmap rows of all strips
    ifmap = g.groups * k.filter_passes * batch * g.C * pass_rows * g.padded_cols
    refills = np.where(k.channel_passes == 1, 1, k.m_groups)  # all channels in the GLB: nothing to refetch
    dram_ifmap = g.groups * refills * batch * g.C * g.dram_rows(e, k.strips) * g.dram_cols
    weights = g.groups * g.M * g.C * g.R * g.S
    filters = k.filter_loads * weights
    outputs = batch * g.groups * g.M * g.E * g.F
    macs = batch * g.macs
    in_and_out = outputs * g.R * k.channel_sets  # each PE takes a psum in and hands it on
    filter_copies = weights * np.where(k.filter_loads == 1, np.minimum(e, g.E), k.ifmap_passes * g.E)
    passes = g.groups * k.filter_passes * k.channel_passes * k.ifmap_passes * k.strips
    bus_bits, ifmap_bus_bits = designs.glb_bytes_per_cycle * 8, designs.glb_bytes_per_cycle * 2
    first_window = g.groups * k.filter_passes * k.ifmap_passes * g.C * pass_rows * g.S
    last_psums = g.groups * k.channel_passes * k.ifmap_passes * g.M * g.E
    return Traffic(
        reason=reason,
        macs=macs,
        active_pes=g.R * np.minimum(e, g.E) * np.minimum(r, g.C) * np.minimum(t, np.minimum(mapping["m"], g.M)),
        passes=passes,
        compute_cycles=g.groups * batch * k.strips * g.F * g.S * k.filters_per_pe * k.channels_per_pe,
        glb_cycles=np.maximum(
            ceil_div((ifmap - first_window) * bits.activation, ifmap_bus_bits),
            ceil_div((k.channel_passes * outputs - last_psums) * bits.psum, bus_bits),
        ),
        overhead_cycles=ceil_div(np.maximum(filters * bits.weight, last_psums * bits.psum), bus_bits)
        + ceil_div(first_window * bits.activation, ifmap_bus_bits)
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
