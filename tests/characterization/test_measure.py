"""A measured PE: parts add up, repeats are equal, and operands look like those of a DNN."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs the [characterize] extra")

from characterization import dataset
from characterization.dataset import COLUMNS, DIGITS, RANGES, Point, characterize, plan, write_tables
from characterization.library import SHA256
from characterization.measure import DEPTHS, Row, measure_point
from characterization.stimulus import MAC_CYCLES, PHASES, SEED, SMALLEST, STIMULUS, WINDOW, Operands, pe_stimulus
from characterization.synthesis import rtl_sha256
from dse.errors import InputError, RunError
from pe_library.codes import load_mac_model
from pe_library.heldout import read_points
from pe_library.model import ENERGY_PARTS, PE_LIBRARY, RUN_PARTS

ALL_TYPES = ("fp32", "int16", "int8", "w4a8", "lightpe1", "lightpe2")


@pytest.fixture(scope="module")
def row() -> Row:
    return measure_point("lightpe1", 8, 32, 8)


def number(row: Row, name: str) -> float:
    value = row[name]
    assert isinstance(value, float)
    return value


@pytest.mark.characterize
def test_energy_parts_add_up_to_the_energy_measured_when_everything_runs(row: Row) -> None:
    parts = ("clock", "control", "mac", "ifmap_read", "filter_read", "psum_read", "psum_write")
    assert sum(number(row, f"{name}_pj") for name in parts) == pytest.approx(number(row, "run_pj"))
    assert abs(number(row, "all_residual_pct")) < 5.0
    assert all(number(row, name) > 0 for name in COLUMNS if name.endswith(("_pj", "_um2", "_ns", "_uw")))


@pytest.mark.characterize
def test_area_parts_add_up_and_the_slowest_part_sets_the_period(row: Row) -> None:
    parts = ("ifmap", "filter", "psum", "mac", "control")
    assert sum(number(row, f"area_{name}_um2") for name in parts) == pytest.approx(number(row, "area_um2"))
    assert max(number(row, f"period_{name}_ns") for name in parts) == number(row, "min_period_ns")


@pytest.mark.characterize
def test_a_deeper_filter_spad_changes_neither_the_other_spads_nor_the_mac(row: Row) -> None:
    deeper = measure_point("lightpe1", 8, 64, 8)
    for name in ("area_ifmap_um2", "area_psum_um2", "area_mac_um2"):
        assert deeper[name] == row[name]
    for name in ("area_filter_um2", "area_um2", "leakage_uw", "clock_pj"):
        assert number(deeper, name) > number(row, name)
    assert number(deeper, "mac_pj") == pytest.approx(number(row, "mac_pj"), rel=0.1)


@pytest.mark.characterize
def test_measuring_again_gives_the_same_numbers(row: Row) -> None:
    assert measure_point("lightpe1", 8, 32, 8) == row


@pytest.mark.characterize
@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_a_shipped_point_is_reproduced_to_the_last_digit(pe_type: str) -> None:
    (comparison,) = characterize([pe_type], 1, 1, None, lambda done, total, what: None)
    assert comparison.differences == ()


@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_half_of_the_activations_are_zero_none_is_negative_and_weights_are_centred(pe_type: str) -> None:
    model = load_mac_model(pe_type)
    operands = Operands(model, np.random.default_rng(3))
    activations = model.decode_activation(operands.activations(1600))
    weights = model.decode_weight(operands.weights(1600))
    assert (activations >= 0).all()
    assert 0.5 <= np.mean(activations == 0) <= 0.52
    assert abs(weights.mean()) < 0.1 * weights.std()


@pytest.mark.parametrize("pe_type", ["int8", "int16", "w4a8"])
def test_integer_weights_are_normal_with_full_scale_at_three_deviations(pe_type: str) -> None:
    model = load_mac_model(pe_type)
    weights = model.decode_weight(Operands(model, np.random.default_rng(3)).weights(16_000))
    assert weights.std() == pytest.approx((2 ** (model.WEIGHT_BITS - 1) - 1) / 3, rel=0.05)


@pytest.mark.parametrize("pe_type", ["lightpe1", "lightpe2"])
def test_power_of_two_weights_take_the_nearest_code(pe_type: str) -> None:
    model = load_mac_model(pe_type)
    levels = np.unique(model.decode_weight(np.arange(1 << model.WEIGHT_BITS)))
    weights = model.decode_weight(Operands(model, np.random.default_rng(3)).weights(16_000))
    edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]]) / levels[-1] * 3.0
    for level, low, high in zip(levels, edges[:-1], edges[1:], strict=True):
        assert np.mean(weights == level) == pytest.approx(_normal(high) - _normal(low), abs=0.01)


def _normal(x: float) -> float:
    return NormalDist().cdf(x) if np.isfinite(x) else float(x > 0)


@pytest.mark.parametrize("depths", [(8, 32, 8), (48, 448, 48), (13, 100, 9)])
def test_stimulus_counts_its_events_and_stays_within_the_spads(depths: tuple[int, int, int]) -> None:
    stimulus = pe_stimulus("int8", *depths)
    ports, phase = stimulus.ports, stimulus.phase
    enables = {"load_ifmap": "ifmap_we", "load_filter": "filter_we", "run": "run", "all": "run"}
    for name, enable in enables.items():
        assert ports[enable][phase == PHASES.index(name)].sum() == stimulus.events[name]
    assert stimulus.events["run"] >= MAC_CYCLES
    assert (ports["cfg_window"] <= depths[0]).all()
    assert (ports["cfg_filters"] * WINDOW <= depths[1]).all()
    assert (ports["cfg_filters"] <= depths[2]).all()
    quiet = phase == PHASES.index("idle")
    assert not any(ports[name][quiet].any() for name in ("ifmap_we", "filter_we", "psum_we", "run", "psum_re"))


def test_every_type_has_20_points_8_corners_and_8_held_out_in_range() -> None:
    points = plan("int8")
    roles = [point.role for point in points]
    assert [roles.count(role) for role in ("fit", "corner", "heldout")] == [20, 8, 8]
    assert len({point.depths for point in points}) == 36
    for point in points:
        assert all(low <= depth <= high for depth, (low, high) in zip(point.depths, RANGES.values(), strict=True))


def shipped(pe_type: str) -> list[dict[str, str]]:
    return [row for file in ("synthesis", "heldout") for row in read_points(PE_LIBRARY / pe_type / f"{file}.csv")]


@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_the_shipped_points_are_those_of_the_plan_and_of_the_rtl_in_this_repository(pe_type: str) -> None:
    rows = shipped(pe_type)
    assert [(row["role"], tuple(int(row[name]) for name in DEPTHS)) for row in rows] == [
        (point.role, point.depths) for point in plan(pe_type)
    ]
    assert {row["rtl_sha256"] for row in rows} == {rtl_sha256(pe_type)}
    assert {row["liberty_sha256"] for row in rows} == {SHA256}
    assert {(row["stimulus"], row["seed"]) for row in rows} == {(STIMULUS, str(SEED))}


@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_the_shipped_energies_add_up_with_the_residual_that_the_docs_state(pe_type: str) -> None:
    for row in shipped(pe_type):
        value = {name: float(row[name]) for name in (*ENERGY_PARTS, "run_pj", "all_pj", "all_residual_pct")}
        assert sum(value[name] for name in RUN_PARTS) == pytest.approx(value["run_pj"], rel=10 ** (1 - DIGITS))
        residual = 100 * (sum(value[name] for name in ENERGY_PARTS) / value["all_pj"] - 1)
        assert residual == pytest.approx(value["all_residual_pct"], abs=1e-3)
        assert -2.2 < residual < 3.8


@pytest.mark.parametrize(("at", "name"), list(enumerate(DEPTHS)))
def test_a_spad_too_small_for_the_stimulus_is_refused_before_any_tool_runs(at: int, name: str) -> None:
    depths = [words - (k == at) for k, words in enumerate(SMALLEST)]
    with pytest.raises(InputError, match=rf"{name}: must be at least {SMALLEST[at]} words, got {SMALLEST[at] - 1}"):
        measure_point("int8", *depths, liberty=Path("none.lib"))


def test_dataset_is_written_from_stored_points_and_compared_with_the_shipped_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bookkeeping alone: measuring is replaced by a formula."""
    monkeypatch.setattr(dataset, "ROOT", tmp_path)
    monkeypatch.setattr(dataset, "resolve_liberty", lambda liberty: tmp_path)
    monkeypatch.setattr(dataset, "load_library", lambda path: None)
    monkeypatch.setattr(dataset, "_store", lambda pe_type, liberty: tmp_path / "store")
    (tmp_path / "store").mkdir()
    (tmp_path / "pe_library" / "int8").mkdir(parents=True)
    measured: list[tuple[int, ...]] = []

    def formula(pe_type: str, i: int, f: int, p: int, liberty: Path) -> Row:
        measured.append((i, f, p))
        return dict.fromkeys(COLUMNS, "x") | dict(zip(DEPTHS, (i, f, p), strict=True)) | {"area_um2": i + f / 3}

    monkeypatch.setattr(dataset, "measure_point", formula)
    with pytest.raises(RunError, match="no shipped points"):
        characterize(["int8"], 3, 1, None, lambda *_: None)
    folder = tmp_path / "pe_library" / "int8"
    compared = characterize(["int8"], None, 1, None, lambda *_: None)
    assert list(folder.iterdir()) == []
    write_tables([one.measured for one in compared], [], folder)
    assert sorted(path.name for path in folder.iterdir()) == ["heldout.csv", "synthesis.csv", "systolic.csv"]
    assert len(measured) == 36
    (tmp_path / "store" / "fit-8-388-26.json").unlink()
    assert all(c.equal for c in characterize(["int8"], None, 1, None, lambda *_: None))
    assert measured[36:] == [(8, 388, 26)]
    monkeypatch.setattr(dataset, "measure_point", lambda *a: {**formula(*a), "area_um2": 1.5})
    (comparison,) = characterize(["int8"], 1, 1, None, lambda *_: None)
    assert comparison.point == Point("int8", "fit", (8, 388, 26))
    assert comparison.differences == (("area_um2", "137.333", "1.5"),)
