"""A brute-force row-stationary machine: walks every pass of a tiny layer and counts what it does.

It knows the loop order and what a PE does, and none of the closed forms: filters and channels are handed to PE sets one
by one, ifmap rows are collected as sets of row numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from workloads.layer import Layer


def chunks(total: int, size: int) -> Iterator[range]:
    for low in range(0, total, size):
        yield range(low, min(low + size, total))


def deal(items: range, sets: int) -> list[int]:
    """How many items each of `sets` PE sets gets when they are dealt in turn."""
    return [len(items[index::sets]) for index in range(sets)]


def touched(outputs: range, stride: int, kernel: int, dilation: int) -> set[int]:
    """Padded ifmap rows (or columns) that a run of outputs reads; between touched neighbours nothing is skipped."""
    span = (kernel - 1) * dilation + 1
    return {output * stride + offset for output in outputs for offset in range(span)}


def simulate(layer: Layer, batch: int, mapping: dict[str, int]) -> Counter[str]:
    m, n, e, p, q, r, t = (mapping[name] for name in ("m", "n", "e", "p", "q", "r", "t"))
    group_m, group_c = layer.M // layer.groups, layer.C // layer.groups
    cols = len(touched(range(layer.F), layer.stride, layer.S, layer.dilation))
    count: Counter[str] = Counter()
    for _group in range(layer.groups):
        filter_passes = sum(len(list(chunks(len(held), p * t))) for held in chunks(group_m, m))
        channel_passes = len(list(chunks(group_c, q * r)))
        resident_filters = False
        for ifmaps in chunks(batch, n):
            for strip in chunks(layer.E, e):
                rows = len(touched(strip, layer.stride, layer.R, layer.dilation))
                resident_ifmaps = False
                for held in chunks(group_m, m):
                    for channels in chunks(group_c, q * r):
                        for filters in chunks(len(held), p * t):
                            count["passes"] += 1
                            words = len(filters) * len(channels) * layer.R * layer.S
                            if not (resident_filters and filter_passes * channel_passes == 1):
                                count["filter_loads"] += words
                                count["spad_filter_writes"] += words * len(strip)
                                resident_filters = True
                            used_sets = sum(share > 0 for share in deal(filters, t))
                            used_channels = sum(share > 0 for share in deal(channels, r))
                            ifmap_words = len(ifmaps) * len(channels) * rows * cols
                            count["glb_ifmap_reads"] += ifmap_words
                            pe_rows = layer.R * len(strip)  # each PE of a set reads one ifmap row per filter row
                            count["spad_ifmap_writes"] += len(ifmaps) * len(channels) * pe_rows * cols * used_sets
                            count["exposed_ifmap"] += len(channels) * rows * layer.S
                            count["exposed_psum"] += len(filters) * len(strip)
                            outputs = len(ifmaps) * len(filters) * len(strip) * layer.F
                            count["glb_psum_writes"] += outputs
                            count["psum_hand_overs"] += outputs * layer.R * used_channels
                            count["inter_pe_psum"] += outputs * (layer.R * used_channels - 1)
                            count["compute_cycles"] += (
                                len(ifmaps) * layer.F * layer.S * max(deal(filters, t)) * max(deal(channels, r))
                            )
                            for share_m in deal(filters, t):
                                for share_c in deal(channels, r):
                                    count["macs"] += (
                                        len(ifmaps) * len(strip) * layer.F * layer.R * layer.S * share_m * share_c
                                    )
                    if not (resident_ifmaps and channel_passes == 1):
                        count["ifmap_refills"] += 1
                        resident_ifmaps = True
    return count
