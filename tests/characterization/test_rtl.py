"""The Verilog against numpy: the MACs against their models, the PE against its loop, the spad against an array."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from characterization.simulate_rtl import (
    RTL,
    UNKNOWN,
    mac_source,
    mac_vectors,
    simulate,
    simulate_mac,
    simulate_pe,
)
from dse.errors import RunError
from pe_library.codes import MacModel, load_mac_model

ALL_TYPES = ("fp32", "int16", "int8", "w4a8", "lightpe1", "lightpe2")
Array = NDArray[np.int64]
needs_iverilog = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="needs Icarus Verilog (apt-get install iverilog)"
)


def test_missing_iverilog_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    zero = np.zeros(1, np.int64)
    with pytest.raises(RunError, match="apt-get install iverilog"):
        simulate_mac("int8", zero, zero, zero)


@needs_iverilog
def test_broken_verilog_is_reported_with_the_simulators_message(tmp_path: Path) -> None:
    broken = tmp_path / "broken.v"
    broken.write_text("module mac(input clk; endmodule\n")
    with pytest.raises(RunError, match="broken"):
        simulate("mac", {}, {"clk": np.zeros(1, np.int64)}, {}, [broken])


# ---- MAC


@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_vectors_are_seeded_cover_every_narrow_weight_and_stay_in_range(pe_type: str) -> None:
    model = load_mac_model(pe_type)
    widths = (model.ACTIVATION_BITS, model.WEIGHT_BITS, model.PSUM_BITS)
    vectors = mac_vectors(pe_type, 10_000, seed=5)
    for codes, again, bits in zip(vectors, mac_vectors(pe_type, 10_000, seed=5), widths, strict=True):
        assert codes.shape == (10_000,)
        assert codes.min() >= 0
        assert codes.max() < 2**bits
        assert np.array_equal(codes, again)
    assert not np.array_equal(vectors[2], mac_vectors(pe_type, 10_000, seed=6)[2])
    if model.WEIGHT_BITS <= 8:
        assert len(np.unique(vectors[1])) == 2**model.WEIGHT_BITS


@needs_iverilog
@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_rtl_mac_equals_the_numpy_model_bit_for_bit(pe_type: str) -> None:
    act, wgt, psum = mac_vectors(pe_type, 24_000 if pe_type == "fp32" else 12_000, seed=2017)
    assert np.array_equal(simulate_mac(pe_type, act, wgt, psum), load_mac_model(pe_type).mac(act, wgt, psum))


@needs_iverilog
@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_rtl_mac_keeps_its_product_while_not_enabled(pe_type: str) -> None:
    act, wgt, psum = (codes[-64:] for codes in mac_vectors(pe_type, 10_000, seed=3))
    enable = np.arange(64) % 3 == 0
    inputs = {"en": enable.astype(np.int64), "act": act, "wgt": wgt, "psum_in": psum}
    model = load_mac_model(pe_type)
    seen = simulate("mac", {}, inputs, {"psum_out": model.PSUM_BITS}, [mac_source(pe_type)])["psum_out"]
    source = np.arange(63) // 3 * 3  # the last enabled cycle before cycles 1 .. 63
    assert seen[0] == UNKNOWN
    assert np.array_equal(seen[1:], model.mac(act[source], wgt[source], psum[1:]))


# ---- spad


@needs_iverilog
@pytest.mark.parametrize("registered", [0, 1])
@pytest.mark.parametrize("depth", [8, 9, 15, 16, 17, 32, 45, 130])
def test_spad_stores_and_returns_every_word(depth: int, registered: int) -> None:
    rng = np.random.default_rng(depth)
    n = 10 * depth
    we, re = rng.integers(0, 2, (2, n))
    waddr, raddr = rng.integers(0, depth, (2, n))
    waddr[:depth], we[:depth] = np.arange(depth), 1  # fill first: no word stays unknown
    wdata = rng.integers(0, 1 << 11, n)
    inputs = {"we": we, "waddr": waddr, "wdata": wdata, "re": re, "raddr": raddr}
    parameters = {"WIDTH": 11, "DEPTH": depth, "REGISTERED": registered}
    seen = simulate("spad", parameters, inputs, {"rdata": 11}, RTL[1:])["rdata"]

    words, register, expected = np.full(depth, UNKNOWN), UNKNOWN, []
    for cycle in range(n):
        expected.append(register if registered else words[raddr[cycle]])
        if re[cycle]:
            register = words[raddr[cycle]]
        if we[cycle]:
            words[waddr[cycle]] = wdata[cycle]
    after_fill = slice(2 * depth, None)
    assert np.array_equal(seen[after_fill], np.array(expected)[after_fill])


# ---- PE


@dataclass(frozen=True)
class Loop:
    """Depths of a PE in words, and its loop settings."""

    ifmap_words: int
    filter_words: int
    psum_words: int
    window: int
    filters: int
    slide: int

    @property
    def depths(self) -> tuple[int, int, int]:
        return self.ifmap_words, self.filter_words, self.psum_words


LOOPS = (
    Loop(8, 32, 8, window=3, filters=4, slide=1),
    Loop(12, 37, 9, window=12, filters=3, slide=12),  # whole spad, base stays
    Loop(12, 40, 24, window=5, filters=8, slide=5),  # wraps at a depth that is no power of two
    Loop(18, 36, 18, window=2, filters=18, slide=17),  # psum spad full, two banks
    Loop(16, 33, 17, window=11, filters=3, slide=7),
    Loop(9, 32, 8, window=1, filters=1, slide=4),  # one MAC a window
    Loop(9, 48, 8, window=6, filters=8, slide=0),
)


def cycles(loop: Loop, steps: list[dict[str, int]]) -> dict[str, Array]:
    """Input columns: each step names the ports that are not idle in its cycle."""
    zero = ("ifmap_we", "ifmap_in", "filter_we", "filter_in", "psum_we", "psum_in", "psum_re", "run")
    settings = {"cfg_window": loop.window, "cfg_filters": loop.filters, "cfg_slide": loop.slide}
    idle = {"rst_n": 1, **settings, **dict.fromkeys(zero, 0)}
    return {port: np.array([step.get(port, rest) for step in steps]) for port, rest in idle.items()}


def load(spad: str, codes: Array) -> list[dict[str, int]]:
    return [{f"{spad}_we": 1, f"{spad}_in": int(code)} for code in codes]


RESET: list[dict[str, int]] = [{"rst_n": 0}]
EMPTY_PIPELINE: list[dict[str, int]] = [{}, {}, {}]


def expected_psums(model: MacModel, loop: Loop, windows: int, ifmap: Array, filters: Array, psums: Array) -> Array:
    """The loop in the header of pe.v, with the ifmap spad as it is: words indexed modulo its depth."""
    psums, base = psums.copy(), 0
    for _ in range(windows):
        for f in range(loop.filters):
            for tap in range(loop.window):
                word, weight = ifmap[(base + tap) % loop.ifmap_words], filters[f * loop.window + tap]
                psums[f] = model.mac(word, weight, psums[f])
        base = (base + loop.slide) % loop.ifmap_words
    return psums


def draw(model: MacModel, loop: Loop, seed: int, ifmap_words: int) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    words = loop.window * loop.filters
    if model.ACTIVATION_BITS == 32:  # numbers whose sums stay finite
        ifmap, filters, psums = (
            rng.normal(size=n).astype(np.float32).view(np.uint32).astype(np.int64)
            for n in (ifmap_words, words, loop.filters)
        )
        return ifmap, filters, psums
    return (
        rng.integers(0, 1 << model.ACTIVATION_BITS, ifmap_words),
        rng.integers(0, 1 << model.WEIGHT_BITS, words),
        rng.integers(0, 1 << model.PSUM_BITS, loop.filters),
    )


@needs_iverilog
@pytest.mark.parametrize("loop", LOOPS, ids=str)
def test_pe_runs_the_row_stationary_loop(loop: Loop) -> None:
    model, windows = load_mac_model("int8"), 5
    ifmap, filters, psums = draw(model, loop, seed=7, ifmap_words=loop.ifmap_words)
    macs = windows * loop.window * loop.filters
    run = np.random.default_rng(11).permutation(np.repeat([1, 0], [macs, macs // 2]))  # pauses anywhere
    steps = RESET + load("ifmap", ifmap) + load("filter", filters) + load("psum", psums)
    start = len(steps)
    steps = steps + [{"run": int(on)} for on in run] + EMPTY_PIPELINE + [{"psum_re": 1}] * loop.filters
    seen = simulate_pe("int8", loop.depths, cycles(loop, steps))

    drained = seen["psum_valid"] == 1
    assert np.array_equal(np.flatnonzero(drained), np.arange(len(steps) - loop.filters, len(steps)))
    assert np.array_equal(seen["psum_out"][drained], expected_psums(model, loop, windows, ifmap, filters, psums))
    assert not seen["psum_out"][~drained].any()
    last_of_window = run * (np.cumsum(run) % (loop.window * loop.filters) == 0)
    assert np.array_equal(seen["window_done"][start:][: len(run)], last_of_window)


@needs_iverilog
@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_pe_convolves_a_stream_that_is_loaded_while_it_runs(pe_type: str) -> None:
    loop = Loop(11, 50, 20, window=6, filters=7, slide=4)
    model, windows = load_mac_model(pe_type), 6
    length = loop.window + windows * loop.slide
    stream, filters, psums = draw(model, loop, seed=13, ifmap_words=length)
    steps = RESET + load("filter", filters) + load("ifmap", stream[: loop.window])
    for window in range(windows):
        fresh = load("ifmap", stream[loop.window + window * loop.slide :][: loop.slide])
        loads = fresh + [{}] * (loop.window * loop.filters - len(fresh))
        steps += load("psum", psums) + [{"run": 1, **step} for step in loads] + EMPTY_PIPELINE
        steps += [{"psum_re": 1}] * loop.filters
    seen = simulate_pe(pe_type, loop.depths, cycles(loop, steps))
    results = seen["psum_out"][seen["psum_valid"] == 1].reshape(windows, loop.filters)

    for window in range(windows):
        expected = psums
        for tap in range(loop.window):
            word = stream[window * loop.slide + tap]
            expected = model.mac(word, filters.reshape(loop.filters, loop.window)[:, tap], expected)
        assert np.array_equal(results[window], expected)


@needs_iverilog
def test_pe_exchanges_psums_when_drained_and_loaded_in_the_same_cycles() -> None:
    loop = Loop(8, 32, 10, window=2, filters=5, slide=1)
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 1 << 30, (2, loop.filters))
    exchange = [{**step, "psum_re": 1} for step in load("psum", second)]
    drain: list[dict[str, int]] = [{"psum_re": 1}] * loop.filters
    seen = simulate_pe("int8", loop.depths, cycles(loop, RESET + load("psum", first) + exchange + drain))
    assert np.array_equal(seen["psum_out"][seen["psum_valid"] == 1], np.concatenate([first, second]))


@needs_iverilog
def test_reset_restarts_a_pass_and_keeps_the_spads() -> None:
    loop = Loop(8, 32, 8, window=3, filters=2, slide=2)
    model = load_mac_model("int8")
    ifmap, filters, psums = draw(model, loop, seed=3, ifmap_words=loop.ifmap_words)
    loads = load("ifmap", ifmap) + load("filter", filters)
    interrupted: list[dict[str, int]] = [{"run": 1}] * 4
    whole: list[dict[str, int]] = [{"run": 1}] * (loop.window * loop.filters)
    drain: list[dict[str, int]] = [{"psum_re": 1}] * loop.filters
    steps = RESET + loads + load("psum", psums) + interrupted + RESET
    steps += load("psum", psums) + whole + EMPTY_PIPELINE + drain
    seen = simulate_pe("int8", loop.depths, cycles(loop, steps))
    assert np.array_equal(
        seen["psum_out"][seen["psum_valid"] == 1], expected_psums(model, loop, 1, ifmap, filters, psums)
    )
