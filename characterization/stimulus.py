"""Input waveforms for power measurement: DNN-like operands, and the scenarios they are used in.

Operands: activations are half zeros, the others half-normal (what a ReLU leaves of a normal distribution);
weights are normal. Integer and power-of-two codes reach their largest value at FULL_SCALE standard deviations and
are clipped there; each value takes the nearest code. fp32 takes activations of unit deviation and weights of
0.05. Samples are stratified in blocks of 16, so that every small spad sees the same mix of large and small values.
Psums written from outside are sums of PSUM_PRODUCTS such products.

A measurement consists of several rounds, each with fresh contents: reset, load the three spads, stand idle, run,
run again with writes going on. Each scenario is followed by quiet cycles in which the pipeline empties, counted to
the same phase.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from characterization.cells import Floats, Ints
from pe_library.codes import MacModel, load_mac_model

STIMULUS = "relu-half-normal/normal, 3 sigma full scale, stratified by 16"
SEED = 2024
FULL_SCALE = 3.0
FP32_WEIGHT_DEVIATION = 0.05
BLOCK = 16
# The loop runs windows of WINDOW words, short enough for the smallest ifmap spad, over at most MAX_FILTERS filters,
# often enough to read every ifmap word.
WINDOW = 8
MAX_FILTERS = 16
SMALLEST = (WINDOW, WINDOW, 2)  # ifmap, filter and psum words that such a loop and the RTL need
PSUM_PRODUCTS = 64
ROUNDS = 4
MAC_CYCLES = 1536
QUIET_CYCLES = 4

PHASES = ("setup", "idle", "load_ifmap", "load_filter", "run", "all")


@dataclass(frozen=True)
class Stimulus:
    """Port codes per cycle, the phase of each cycle (index into PHASES), and the events counted in each phase."""

    ports: Mapping[str, Ints]
    phase: Ints
    events: Mapping[str, int]


@dataclass(frozen=True)
class Operands:
    """Random operand codes of one PE type. Two of the same type and seed give the same sequences."""

    model: MacModel
    random: np.random.Generator

    def activations(self, count: int) -> Ints:
        """`count` activation codes: half zeros, half half-normal."""
        level = self._levels(count)
        half_normal = np.where(level < 0.5, 0.0, _normal(np.clip(level, 0.5, None)))
        bits = self.model.ACTIVATION_BITS
        return _nearest_code(half_normal, bits, self.model.decode_activation, 1.0)

    def weights(self, count: int) -> Ints:
        """`count` weight codes: normal."""
        bits = self.model.WEIGHT_BITS
        return _nearest_code(_normal(self._levels(count)), bits, self.model.decode_weight, FP32_WEIGHT_DEVIATION)

    def psums(self, count: int, length: int) -> Ints:
        """`count` psum codes: partial sums of `length` products."""
        total = np.zeros(count, dtype=np.int64)
        for _ in range(length):
            total = self.model.mac(self.activations(count), self.weights(count), total)
        return total

    def _levels(self, count: int) -> Floats:
        """Uniform samples of (0, 1), stratified within consecutive blocks."""
        blocks = -(-count // BLOCK)
        strata = np.array([self.random.permutation(BLOCK) for _ in range(blocks)], dtype=np.float64)
        return ((strata + self.random.random(strata.shape)) / BLOCK).reshape(-1)[:count]


def _normal(level: Floats) -> Floats:
    inverse = NormalDist().inv_cdf
    return np.array([inverse(min(max(x, 1e-9), 1 - 1e-9)) for x in level], dtype=np.float64)


def _nearest_code(values: Floats, bits: int, decode: Callable[[Ints], Floats], deviation: float) -> Ints:
    """Codes whose decoded value is nearest to the normalized `values`, scaled to the codes' range."""
    if bits == 32:  # fp32: its codes cannot be listed, and need no quantization
        return (values * deviation).astype(np.float32).view(np.uint32).astype(np.int64)
    codes = np.arange(1 << bits, dtype=np.int64)
    levels, first = np.unique(decode(codes), return_index=True)
    wanted = np.clip(values * levels[-1] / FULL_SCALE, levels[0], levels[-1])
    right = np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1)
    nearer_left = wanted - levels[right - 1] < levels[right] - wanted
    chosen: Ints = codes[first[np.where(nearer_left, right - 1, right)]]
    return chosen


class _Script:
    """Builds waveforms cycle by cycle; ports keep their data and drop their enables between scenarios."""

    ENABLES = ("ifmap_we", "filter_we", "psum_we", "run", "psum_re")

    def __init__(self, fixed: Mapping[str, int]) -> None:
        zero = dict.fromkeys((*self.ENABLES, "ifmap_in", "filter_in", "psum_in"), 0)
        self.level: dict[str, int] = {**fixed, **zero, "rst_n": 1}
        self.columns: dict[str, list[Ints]] = {name: [] for name in self.level}
        self.phase: list[NDArray[np.int64]] = []
        self.events = dict.fromkeys(PHASES, 0)

    def add(self, phase: str, cycles: int, ports: Mapping[str, int | Ints]) -> None:
        """`cycles` cycles with the given port values (one for all, or one each), then quiet ones without enables."""
        for name, column in self.columns.items():
            active = np.broadcast_to(np.asarray(ports.get(name, self.level[name]), dtype=np.int64), (cycles,))
            rest = 0 if name in self.ENABLES else int(active[-1])
            column += [active, np.full(QUIET_CYCLES, rest, dtype=np.int64)]
            self.level[name] = 1 if name == "rst_n" else rest
        self.phase.append(np.full(cycles + QUIET_CYCLES, PHASES.index(phase), dtype=np.int64))
        self.events[phase] += cycles

    def finish(self) -> Stimulus:
        ports = {name: np.concatenate(column) for name, column in self.columns.items()}
        return Stimulus(ports, np.concatenate(self.phase), self.events)


def pe_stimulus(pe_type: str, ifmap_words: int, filter_words: int, psum_words: int) -> Stimulus:
    """Waveforms of all PE input ports that measure every scenario in turn."""
    operands = Operands(load_mac_model(pe_type), np.random.default_rng(SEED))
    filters = min(MAX_FILTERS, psum_words, filter_words // WINDOW)
    macs = WINDOW * filters * -(-ifmap_words // WINDOW)
    rounds = max(ROUNDS, -(-MAC_CYCLES // macs))
    ifmaps = operands.activations(rounds * ifmap_words).reshape(rounds, -1)
    weights = operands.weights(rounds * filter_words).reshape(rounds, -1)
    psums = operands.psums(rounds * filters, PSUM_PRODUCTS).reshape(rounds, -1)
    later_ifmaps = operands.activations(rounds * macs).reshape(rounds, -1)
    later_weights = operands.weights(rounds * macs).reshape(rounds, -1)
    script = _Script({"cfg_window": WINDOW, "cfg_filters": filters, "cfg_slide": WINDOW})
    for k in range(rounds):
        script.add("setup", 1, {"rst_n": 0})
        script.add("load_ifmap", ifmap_words, {"ifmap_we": 1, "ifmap_in": ifmaps[k]})
        script.add("load_filter", filter_words, {"filter_we": 1, "filter_in": weights[k]})
        script.add("setup", filters, {"psum_we": 1, "psum_in": psums[k]})
        script.add("idle", 1, {})
        script.add("run", macs, {"run": 1})
        script.add("setup", 1, {"rst_n": 0})
        writes = {"ifmap_we": 1, "filter_we": 1, "ifmap_in": later_ifmaps[k], "filter_in": later_weights[k]}
        script.add("all", macs, {"run": 1, **writes})
    return script.finish()
