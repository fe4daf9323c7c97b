"""Zero gating and run-length coding: against the chip, against an encoder, and without effect when off."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli import cli
from dse.config import load_study
from dse.errors import InputError
from dse.evaluate import LayerResult, evaluate, evaluate_layer
from dse.mapping.bench import Bench, objective_value
from dse.metrics import ENERGY_PARTS
from dse.space import Designs
from dse.sparsity import CODE_WORD_BITS, RUN_BITS, Sparsity, rlc_bits_per_word
from dse.technology import Technology
from pe_library.model import list_pe_types, load_pe_type
from workloads.layer import Layer, Workload
from workloads.loader import load_workload

ROOT = Path(__file__).parent.parent
OFF, ON = Sparsity(), Sparsity(zero_gating=True, compression="rlc")
SHARES = st.floats(0, 1)
BITS = st.sampled_from(sorted({load_pe_type(name).activation_bits for name in list_pe_types()}))
MIB_BITS = 8 * 2**20
# Eyeriss running AlexNet at batch 4: mapping (JSSC 2017, table III) and DRAM accesses in MiB (table V).
CHIP = {
    "conv1": (dict(m=96, n=1, e=7, p=16, q=1, r=1, t=2), 5.0),
    "conv2": (dict(m=64, n=1, e=27, p=16, q=2, r=1, t=1), 4.0),
    "conv3": (dict(m=64, n=4, e=13, p=16, q=4, r=1, t=4), 3.0),
    "conv4": (dict(m=64, n=4, e=13, p=16, q=3, r=2, t=2), 2.1),
    "conv5": (dict(m=64, n=4, e=13, p=16, q=3, r=2, t=2), 1.3),
}
ALEXNET = {layer.name: layer for layer in load_workload("alexnet").layers}


def on_the_chip(name: str, sparsity: Sparsity) -> LayerResult:
    designs = Designs.of("int16", "row_stationary", {"batch": 4, "clock_mhz": 200.0})
    bench = Bench.of(designs, Technology(sparsity=sparsity))
    return evaluate_layer(bench, ALEXNET[name], "energy", CHIP[name][0])


def test_coded_dram_traffic_is_what_the_chip_measured() -> None:
    """Nothing is fitted. Without the code the total is 31 % too high."""
    coded = {name: on_the_chip(name, ON).totals.dram_bits / MIB_BITS for name in CHIP}
    assert sum(coded.values()) == pytest.approx(15.4, rel=0.03)
    for name, (_, published) in CHIP.items():
        assert coded[name] == pytest.approx(published, rel=0.16), name
    assert sum(on_the_chip(name, OFF).totals.dram_bits for name in CHIP) / MIB_BITS > 1.3 * 15.4


def test_three_pairs_fill_a_word_at_the_width_of_the_chip() -> None:
    """JSSC 2017: 64 bits hold three pairs of a 5-bit run and a 16-bit level, and one more bit."""
    assert rlc_bits_per_word(0, 16) == pytest.approx(64 / 3)
    assert rlc_bits_per_word(1, 16) == pytest.approx(64 / 3 / 32)
    assert rlc_bits_per_word(0, 11) == pytest.approx(64 / 3)  # four would leave no bit that marks the last word


def encoded_pairs(words: list[bool]) -> list[int]:
    """Words that each pair stands for, by the rule of the format: at most 31 zeros, then any one word."""
    pairs, run = [], 0
    for zero in words:
        if zero and run < 2**RUN_BITS - 1:
            run += 1
        else:
            pairs.append(run + 1)
            run = 0
    return pairs


@pytest.mark.parametrize("zeros", [0.0, 0.387, 0.725, 0.95, 0.99, 1.0])
def test_the_expected_length_is_that_of_an_encoder(zeros: float) -> None:
    rng = np.random.default_rng(1)
    words = list(rng.random(300_000) < zeros)
    pairs = encoded_pairs(words)
    assert sum(pairs) == pytest.approx(len(words), abs=32)
    encoder_bits = len(pairs) / 3 * CODE_WORD_BITS / len(words)
    assert rlc_bits_per_word(zeros, 16) == pytest.approx(encoder_bits, rel=0.01)


@given(SHARES, SHARES, BITS)
def test_more_zeros_never_take_more_bits_and_none_takes_fewer_than_the_format_can(
    one: float, other: float, bits: int
) -> None:
    fewer, more = sorted((one, other))
    pairs = max(1 - more, 1 / 32) * (1 - 1e-9)  # per word: one for each that is not zero, none for more than 32 words
    assert rlc_bits_per_word(more, bits) >= pairs * (RUN_BITS + bits)
    assert rlc_bits_per_word(more, bits) <= rlc_bits_per_word(fewer, bits)
    assert 0 < ON.dram_ratio(more, bits) <= ON.dram_ratio(fewer, bits) <= 1


@given(SHARES, BITS)
def test_a_map_that_the_code_would_lengthen_is_stored_as_it_is(zeros: float, bits: int) -> None:
    assert ON.dram_ratio(zeros, bits) == (1 if rlc_bits_per_word(zeros, bits) >= bits else
                                          rlc_bits_per_word(zeros, bits) / bits)  # fmt: skip
    assert ON.dram_ratio(0.0, bits) == 1


@given(SHARES, BITS)
def test_off_means_exactly_one(zeros: float, bits: int) -> None:
    assert type(OFF.switching_share(zeros)) is int
    assert (OFF.switching_share(zeros), OFF.dram_ratio(zeros, bits)) == (1, 1)


def sparse(layer: Layer) -> Layer:
    return replace(layer, ifmap_zeros=0.7, ofmap_zeros=0.8)


def one_layer(layer: Layer, sparsity: Sparsity, **axes: float) -> LayerResult:
    bench = Bench.of(Designs.of("int16", "row_stationary", axes), Technology(sparsity=sparsity))
    return evaluate_layer(bench, layer, "energy", {})


LAYER = Layer("conv", "conv", 16, 20, 20, 24, 3, 3, padding=1)


@pytest.mark.parametrize(("layer", "sparsity"), [(sparse(LAYER), OFF), (LAYER, ON)])
def test_without_options_or_without_zeros_nothing_changes(layer: Layer, sparsity: Sparsity) -> None:
    dense, found = one_layer(LAYER, OFF), one_layer(layer, sparsity)
    assert found.mapping == dense.mapping
    assert found.totals == dense.totals
    same = (field.name for field in fields(dense.traffic) if not field.name.endswith("_zeros"))
    assert all(getattr(found.traffic, name) == getattr(dense.traffic, name) for name in same)


def test_gating_scales_the_arithmetic_and_the_filter_reads_and_nothing_else() -> None:
    pins = CHIP["conv3"][0]
    designs = Designs.of("int16", "row_stationary", {"batch": 4})
    off, on = (Bench.of(designs, Technology(sparsity=s)) for s in (OFF, Sparsity(zero_gating=True)))
    dense, gated = (evaluate_layer(bench, ALEXNET["conv3"], "energy", pins) for bench in (off, on))
    assert gated.totals.cycles == dense.totals.cycles
    assert gated.totals.dram_bits == dense.totals.dram_bits
    before, after = dense.totals.energy_pj, gated.totals.energy_pj
    switching = 1 - 0.725
    assert after["mac"] == pytest.approx(switching * before["mac"])
    filter_reads = dense.traffic.spad_filter_reads * off.costs.prices.spad_filter_read_pj
    assert after["spad"] == pytest.approx(before["spad"] - (1 - switching) * filter_reads)
    assert all(after[part] == before[part] for part in set(ENERGY_PARTS) - {"mac", "spad"})


@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary", "input_stationary"])
def test_gating_changes_nothing_in_pes_that_cannot_gate_and_the_code_works_with_all(dataflow: str) -> None:
    designs = Designs.of("int16", dataflow, {})
    dense, gated, coded = (
        evaluate_layer(Bench.of(designs, Technology(sparsity=sparsity)), sparse(LAYER), "energy", {}).totals
        for sparsity in (OFF, Sparsity(zero_gating=True), Sparsity(compression="rlc"))
    )
    assert gated == dense
    assert coded.dram_bits < dense.dram_bits


def test_the_code_scales_feature_maps_in_dram_and_not_filters() -> None:
    layer = sparse(LAYER)
    found = one_layer(layer, Sparsity(compression="rlc"))
    traffic, bits = found.traffic, 16
    coded = traffic.dram_ifmap * rlc_bits_per_word(0.7, bits) + traffic.dram_ofmap * rlc_bits_per_word(0.8, bits)
    assert found.totals.dram_bits == pytest.approx(coded + traffic.dram_filter * 16)


def test_fewer_bits_in_dram_end_stalls() -> None:
    starved = {"dram_gb_s": 0.05, "clock_mhz": 200.0}
    raw, coded = (one_layer(sparse(LAYER), Sparsity(compression=code), **starved) for code in ("none", "rlc"))
    assert coded.totals.cycles["dram_stall"] < raw.totals.cycles["dram_stall"]


def test_the_search_prices_what_the_result_reports() -> None:
    """Under an option, its own mapping is never worse than that of dense arithmetic, and somewhere it is better."""
    designs = Designs.of("int16", "row_stationary", {"glb_kib": [8, 16, 32, 64, 128]})
    on, off = (Bench.of(designs, Technology(sparsity=s)) for s in (ON, OFF))
    better = False
    for C, M, H in ((28, 251, 47), (109, 117, 30), (186, 155, 31)):
        layer = Layer("conv", "conv", C, H, H, M, 3, 3, padding=1, ifmap_zeros=0.9, ofmap_zeros=0.9)
        own, other = (
            objective_value("energy", on.costs.prices, evaluate_layer(bench, layer, "energy", {}).traffic)
            for bench in (on, off)
        )
        assert np.all(own <= other)
        better = better or bool(np.any(own < other))
    assert better


def test_merged_layers_keep_their_zeros() -> None:
    workload = Workload("net", (sparse(LAYER), LAYER, sparse(LAYER)))
    assert [(layer.ifmap_zeros, layer.count) for layer in workload.unique_layers()] == [(0.7, 2), (0.0, 1)]
    both = evaluate(Designs.of("int16", "row_stationary", {}), [workload], Technology(sparsity=ON))[0].totals
    dense = evaluate(Designs.of("int16", "row_stationary", {}), [workload], Technology())[0].totals
    assert both.dram_bits < dense.dram_bits


def table_of_the_chip() -> str:
    """The rows of the table in docs/sparsity.md."""
    rows = []
    for name, (_, published) in CHIP.items():
        layer, on, off = ALEXNET[name], on_the_chip(name, ON), on_the_chip(name, OFF)
        raw, coded = (found.totals.dram_bits / MIB_BITS for found in (off, on))
        filters = on.traffic.dram_filter * 16 / MIB_BITS
        energy = [sum(found.totals.energy_pj[part] for part in ("mac", "spad")) for found in (off, on)]
        rows.append(
            f"| {name} | {layer.ifmap_zeros:g} | {layer.ofmap_zeros:g} | {raw:.2f} | {coded:.2f} | {published} "
            f"| {100 * (coded / published - 1):+.0f} % | {100 * (1 - (coded - filters) / (raw - filters)):.0f} % "
            f"| {100 * (1 - energy[1] / energy[0]):.0f} % |"
        )
    return "\n".join(rows)


def test_the_documentation_holds_the_comparison_with_the_chip() -> None:
    table = table_of_the_chip()
    assert table in (ROOT / "docs" / "sparsity.md").read_text(), (
        f"docs/sparsity.md is out of date; its rows are\n{table}"
    )


@pytest.mark.parametrize(("name", "published"), [("conv1", 0.30), ("conv5", 0.75)])
def test_no_more_of_the_feature_maps_is_saved_than_the_chip_saves(name: str, published: float) -> None:
    """JSSC 2017: the code saves about 30 % in CONV1 and 75 % in CONV5; here, some shares of zeros are unknown."""
    raw, coded = on_the_chip(name, OFF), on_the_chip(name, ON)
    filters = raw.traffic.dram_filter * 16
    assert 0 < 1 - (coded.totals.dram_bits - filters) / (raw.totals.dram_bits - filters) <= published


CONFIG = (
    "schema: 1\nname: sparse\nworkloads: [{workload}]\nspace: {{pe_type: int16}}\ntechnology: {{sparsity: {given}}}\n"
)


def test_a_config_switches_the_options_on_and_records_them(tmp_path: Path) -> None:
    path = tmp_path / "sparse.yaml"
    path.write_text(CONFIG.format(workload="alexnet", given="{zero_gating: true, compression: rlc}"))
    study = load_study(path)
    assert study.technology == Technology(sparsity=ON)
    assert study.resolved["technology"]["sparsity"] == {"zero_gating": True, "compression": "rlc"}


@pytest.mark.parametrize(
    ("workload", "given", "message"),
    [
        ("vgg16", "{zero_gating: true}", "has no effect: no layer states its share of zeros"),
        ("alexnet", "{zero_gating: 1}", "zero_gating: must be `true` or `false`, got 1"),
        ("alexnet", "{compression: rle}", "compression: unknown compression, got 'rle' (did you mean `rlc`?)"),
        ("alexnet", "{zero_gate: true}", "zero_gate: unknown key"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(tmp_path: Path, workload: str, given: str, message: str) -> None:
    path = tmp_path / "sparse.yaml"
    path.write_text(CONFIG.format(workload=workload, given=given))
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert [message in str(problem) for problem in caught.value.problems] == [True]


def test_evaluate_takes_the_options_and_shows_them() -> None:
    options = ["evaluate", "--workload", "alexnet", "--zero-gating", "--compression", "rlc"]
    found = CliRunner().invoke(cli, [*options, "--format", "json"])
    assert json.loads(found.stdout)["provenance"]["technology"]["sparsity"] == asdict(ON)
    assert "zero_gating True, compression rlc" in " ".join(CliRunner().invoke(cli, options).stdout.split())
    assert "zero_gating True compression rlc" in CliRunner().invoke(cli, [*options, "--format", "csv"]).stdout
    assert "rlc" not in CliRunner().invoke(cli, options[:3]).stdout


def test_evaluate_refuses_an_option_that_has_no_effect() -> None:
    found = CliRunner().invoke(cli, ["evaluate", "--workload", "vgg16", "--zero-gating"])
    assert found.exit_code == 2
    assert "has no effect: no layer states its share of zeros" in found.stderr
