"""A brute-force row-stationary machine: walks every pass of a tiny layer and counts what it does.

It knows the loop order and what a PE does, and none of the closed forms: filters and channels are handed to PE sets one
by one, ifmap rows and columns are collected as sets of numbers, and what the GLB and the PEs hold is remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from dse.traffic import OperandBits
from workloads.layer import Layer

PIPELINE_CYCLES = 3


def chunks(items: range, size: int) -> Iterator[range]:
    for low in range(0, len(items), size):
        yield items[low : low + size]


def deal(items: range, sets: int) -> list[int]:
    """How many items each of `sets` PE sets gets when they are dealt in turn."""
    return [len(items[index::sets]) for index in range(sets)]


def touched(outputs: range, stride: int, kernel: int, dilation: int) -> set[int]:
    """Padded ifmap rows (or columns) that a run of outputs reads; a window reads what lies between its taps."""
    span = (kernel - 1) * dilation + 1
    return {output * stride + offset for output in outputs for offset in range(span)}


def in_dram(padded: set[int], padding: int, size: int) -> set[int]:
    return {line - padding for line in padded} & set(range(size))


@dataclass(frozen=True)
class Pass:
    """What one processing pass works on; channels and filters are numbers within their convolution group."""

    group: int
    ifmaps: range
    strip: range
    channels: range
    filters: range

    @property
    def filter_block(self) -> tuple[object, ...]:
        return self.group, self.channels, self.filters

    @property
    def ifmap_block(self) -> tuple[object, ...]:
        return self.group, self.ifmaps, self.strip, self.channels


def passes(layer: Layer, batch: int, mapping: dict[str, int]) -> Iterator[Pass]:
    """All passes in the order of the loops."""
    m, n, e, p, q, r, t = (mapping[name] for name in "mnepqrt")
    for group in range(layer.groups):
        for ifmaps in chunks(range(batch), n):
            for strip in chunks(range(layer.E), e):
                for held in chunks(range(layer.M // layer.groups), m):
                    for channels in chunks(range(layer.C // layer.groups), q * r):
                        for filters in chunks(held, p * t):
                            yield Pass(group, ifmaps, strip, channels, filters)


@dataclass
class Machine:
    """Counts by the names of `Traffic`, and bits on the buses: `fed` and `drained` in the course of a pass; `loaded`,
    `ahead` (first ifmap window) and `last` (psum column) before or after it."""

    layer: Layer
    mapping: dict[str, int]
    bits: OperandBits
    count: Counter[str] = field(default_factory=Counter)
    bus: Counter[str] = field(default_factory=Counter)
    most_pes: int = 0
    in_pes: tuple[object, ...] = ()
    in_glb: tuple[object, ...] = ()

    def run(self, one: Pass) -> None:
        self.count["passes"] += 1
        self._fetch(one)
        self._load_filters(one)
        self._feed_ifmaps(one)
        self._compute(one)
        self._move_psums(one)

    def _sets(self, one: Pass) -> tuple[list[int], list[int]]:
        """Filters and channels that each group of PE sets gets."""
        return deal(one.filters, self.mapping["t"]), deal(one.channels, self.mapping["r"])

    def _lines(self, one: Pass) -> tuple[set[int], set[int]]:
        """Padded ifmap rows and columns of the pass."""
        layer = self.layer
        return (
            touched(one.strip, layer.stride, layer.R, layer.dilation),
            touched(range(layer.F), layer.stride, layer.S, layer.dilation),
        )

    def _fetch(self, one: Pass) -> None:
        if self.in_glb == one.ifmap_block:
            return
        layer, (rows, cols) = self.layer, self._lines(one)
        kept = len(in_dram(rows, layer.padding, layer.H)) * len(in_dram(cols, layer.padding, layer.W))
        self.count["dram_ifmap"] += len(one.ifmaps) * len(one.channels) * kept
        self.in_glb = one.ifmap_block

    def _load_filters(self, one: Pass) -> None:
        if self.in_pes == one.filter_block:
            return
        words = len(one.filters) * len(one.channels) * self.layer.R * self.layer.S
        self.count["dram_filter"] += words
        self.count["spad_filter_writes"] += words * len(one.strip)
        self.bus["loaded"] += words * self.bits.weight
        self.in_pes = one.filter_block

    def _feed_ifmaps(self, one: Pass) -> None:
        rows, cols = self._lines(one)
        words = len(one.ifmaps) * len(one.channels) * len(rows) * len(cols)
        ahead = len(one.channels) * len(rows) * self.layer.S
        used_sets = sum(share > 0 for share in self._sets(one)[0])
        read_by_pes = len(one.ifmaps) * len(one.channels) * self.layer.R * len(one.strip) * len(cols)
        self.count["glb_ifmap_reads"] += words
        self.count["spad_ifmap_writes"] += read_by_pes * used_sets
        self.bus["ahead"] += ahead * self.bits.activation
        self.bus["fed"] += (words - ahead) * self.bits.activation

    def _compute(self, one: Pass) -> None:
        layer, (filters, channels) = self.layer, self._sets(one)
        for share_m in filters:
            for share_c in channels:
                work = len(one.ifmaps) * layer.F * layer.S * share_m * share_c  # of a PE
                self.count["macs"] += work * layer.R * len(one.strip)
        self.count["compute_cycles"] += len(one.ifmaps) * layer.F * layer.S * max(filters) * max(channels)
        sets = sum(share > 0 for share in filters) * sum(share > 0 for share in channels)
        self.most_pes = max(self.most_pes, sets * layer.R * len(one.strip))

    def _move_psums(self, one: Pass) -> None:
        layer = self.layer
        outputs = len(one.ifmaps) * len(one.filters) * len(one.strip) * layer.F
        pes = layer.R * sum(share > 0 for share in self._sets(one)[1])  # that a psum visits on its way
        self.count["hand_overs"] += outputs * pes
        self.count["inter_pe_psum"] += outputs * (pes - 1)
        self.count["glb_psum_writes"] += outputs
        self.count["noc_psum"] += outputs
        if one.channels.start > 0:  # psums of the channels before come back
            self.count["glb_psum_reads"] += outputs
            self.count["noc_psum"] += outputs
        if one.channels.stop == layer.C // layer.groups:  # the ofmap goes to DRAM
            self.count["glb_psum_reads"] += outputs
            self.count["dram_ofmap"] += outputs
        last = len(one.filters) * len(one.strip)
        self.bus["last"] += last * self.bits.psum
        self.bus["drained"] += (outputs - last) * self.bits.psum


def simulate(layer: Layer, batch: int, mapping: dict[str, int], bits: OperandBits, glb_bytes: int) -> dict[str, int]:
    """Every count of `Traffic` by its name, cycles included, for a GLB port of `glb_bytes` bytes per cycle."""
    machine = Machine(layer, mapping, bits)
    for one in passes(layer, batch, mapping):
        machine.run(one)
    count, bus, port = machine.count, machine.bus, 8 * glb_bytes
    passing = count["macs"] + count["hand_overs"]
    return {
        **{name: words for name, words in count.items() if name != "hand_overs"},
        "active_pes": machine.most_pes,
        "glb_cycles": max(cycles(bus["fed"], port // 4), cycles(bus["drained"], port)),
        # the last psums of a pass leave, on their own bus, while the filters of the next one load
        "overhead_cycles": cycles(max(bus["loaded"], bus["last"]), port)
        + cycles(bus["ahead"], port // 4)
        + count["passes"] * (PIPELINE_CYCLES + layer.R),
        "glb_ifmap_writes": count["dram_ifmap"],
        "glb_filter_reads": count["dram_filter"],
        "glb_filter_writes": count["dram_filter"],
        "noc_ifmap": count["glb_ifmap_reads"],
        "noc_filter": count["dram_filter"],
        "inter_pe_ifmap": 0,
        "inter_pe_filter": 0,
        "spad_ifmap_reads": count["macs"],
        "spad_filter_reads": count["macs"],
        "spad_psum_reads": passing,
        "spad_psum_writes": passing,
    }


def cycles(bits: int, per_cycle: int) -> int:
    return (bits + per_cycle - 1) // per_cycle
