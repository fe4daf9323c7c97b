"""The best of all row-stationary mappings there are: every integer value of every parameter, vectorized.

Of p only the largest value that fits is tried where `every_p` is false: all counts but `passes` depend on p through the
number of passes, which it lowers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dse.dataflow._passes import Geometry
from dse.mapping.bench import Bench, layer_traffic, mapped_together, objective_value
from dse.space import Designs, IntArray
from dse.technology import OBJECTIVES
from dse.traffic import Mapping, OperandBits, ceil_div
from workloads.layer import Layer


def best_costs(bench: Bench, layer: Layer, every_p: bool = False) -> dict[str, tuple[float, Mapping]]:
    """Objective -> least cost of any mapping of a scalar design, infinite if none fits, and the mapping."""
    prices, best = bench.costs.prices, {objective: (np.inf, Mapping()) for objective in OBJECTIVES}
    together = mapped_together(layer, bench.designs)
    for mapping in blocks(layer, together, prices.bits, every_p):
        traffic = layer_traffic(bench.flow, layer, bench.designs, prices.bits, mapping)
        for objective in OBJECTIVES:
            cost = np.where(traffic.reason == 0, objective_value(objective, prices, traffic), np.inf)
            least = int(np.argmin(cost))
            if cost[least] < best[objective][0]:
                found = {name: values[least] for name, values in mapping.items()}
                best[objective] = float(cost[least]), found
    return best


def count_mappings(layer: Layer, design: Designs) -> int:
    """How many mappings `best_costs` prices."""
    g, q_limit = Geometry.of(layer), int(design.ifmap_spad_words) // layer.S
    return sum(
        len(qs_of(g, int(r), q_limit)) * g.M
        for e in range(1, g.E + 1)
        for r in set_pairs(g, design, e)[0]
    ) * int(mapped_together(layer, design).batch)  # fmt: skip


def blocks(layer: Layer, design: Designs, bits: OperandBits, every_p: bool) -> Iterator[Mapping]:
    """All mappings that the array and the ifmap spad allow, flat, for each n and e."""
    g, q_limit = Geometry.of(layer), int(design.ifmap_spad_words) // layer.S
    for e in range(1, g.E + 1):
        r, t = set_pairs(g, design, e)
        qs = [qs_of(g, int(one), q_limit) for one in r]
        lengths = [len(some) for some in qs]
        if not sum(lengths):
            continue
        r, t, q = np.repeat(r, lengths), np.repeat(t, lengths), np.concatenate(qs)
        m = np.arange(1, g.M + 1)
        r, t, q, m = (np.broadcast_to(axis, (len(r), g.M)).ravel() for axis in (r[:, None], t[:, None], q[:, None], m))
        for n in range(1, int(design.batch) + 1):
            mapping = {"m": m, "n": np.full_like(m, n), "e": np.full_like(m, e), "q": q, "r": r, "t": t}
            largest = largest_p(g, design, bits, mapping)
            values = range(1, int(largest.max()) + 1) if every_p else (largest,)
            for p in values:
                yield mapping | {"p": np.broadcast_to(p, m.shape)}


def set_pairs(g: Geometry, design: Designs, e: int) -> tuple[IntArray, IntArray]:
    """All r and t whose PE sets fit the array together; more than there are channels or filters are of no use."""
    bands, cols = int(design.rows) // g.R, int(design.cols)
    segments = ceil_div(e, cols)
    sets = bands * (cols // e) if segments == 1 else bands // segments
    pairs = [(r, t) for r in range(1, min(sets, g.C) + 1) for t in range(1, min(sets // r, g.M) + 1)]
    r, t = np.asarray(pairs, np.int64).reshape(-1, 2).T
    return r, t


def qs_of(g: Geometry, r: int, limit: int) -> IntArray:
    """All q that the ifmap spad holds, up to a share of all channels."""
    return np.arange(1, min(ceil_div(g.C, r), limit) + 1)


def largest_p(g: Geometry, design: Designs, bits: OperandBits, mapping: Mapping) -> IntArray:
    """The largest p that spads and GLB allow, at least 1."""
    m, n, e, q, r, t = (mapping[name] for name in "mneqrt")
    rows = (e - 1) * g.row_step + g.kernel_rows
    taken = n * q * r * rows * g.padded_cols * bits.activation + n * m * e * g.F * bits.psum
    filters = (int(design.glb_kib) * 8192 - taken) // (q * r * g.R * g.S * bits.weight)
    in_glb = np.where(filters >= g.M, g.M, filters // t)
    in_spads = np.minimum(int(design.psum_spad_words), int(design.filter_spad_words) // (q * g.S))
    most: IntArray = np.clip(np.minimum(in_glb, in_spads), 1, ceil_div(g.M, t))
    return most
