"""The shipped PE models against the synthesized points they were fitted to, and those they have not seen."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.errors import InputError, RunError
from pe_library.heldout import WHOLES, column, heldout_errors, heldout_pairs, read_points
from pe_library.model import (
    AREA_PARTS,
    ENERGY_PARTS,
    FITTED,
    INPUTS,
    PE_LIBRARY,
    PERIOD_PARTS,
    Feature,
    Polynomial,
    list_pe_types,
    load_pe_model,
    load_pe_type,
)

PE_TYPES = ("fp32", "int16", "int8", "w4a8", "lightpe1", "lightpe2")
# What the project promises of held-out synthesis, MAPE in percent.
HELDOUT_LIMITS = {"area_um2": 2.0, "leakage_uw": 3.0, "run_pj": 5.0, "min_period_ns": 6.0}
every_type = pytest.mark.parametrize("name", PE_TYPES)
words = st.integers(1, 2000)


def full_range(name: str) -> list[np.ndarray]:
    """An open mesh over the characterized range: every depth of the small spads, many of the filter spad."""
    steps = {"filter_spad_words": 4}
    axes = [np.arange(low, high + 1, steps.get(depth, 1)) for depth, (low, high) in load_pe_model(name).ranges.items()]
    return list(np.ix_(*axes))


def test_the_library_lists_its_six_types_in_display_order():
    assert list_pe_types() == PE_TYPES


@every_type
def test_a_training_error_recomputed_from_the_shipped_points_is_the_recorded_one(name):
    points = [row for row in read_points(PE_LIBRARY / name / "synthesis.csv") if row["role"] != "heldout"]
    parts = load_pe_model(name).parts(*(column(points, depth) for depth in INPUTS))
    recorded = json.loads((PE_LIBRARY / name / "model.json").read_text())["quantities"]
    for part in FITTED:
        mape = np.mean(np.abs(parts[part] / column(points, part) - 1)) * 100
        assert mape == pytest.approx(recorded[part]["training_mape_percent"], rel=1e-4), part


@every_type
@pytest.mark.parametrize("quantity", HELDOUT_LIMITS)
def test_held_out_synthesis_is_predicted_within_the_promised_error(name, quantity):
    errors = {row.quantity: row for row in heldout_errors(name)}
    assert errors[quantity].points >= 8
    assert errors[quantity].mape_percent <= HELDOUT_LIMITS[quantity]


@every_type
def test_no_held_out_point_was_used_to_fit(name):
    def depths(file: str) -> set[tuple[str, ...]]:
        return {tuple(row[depth] for depth in INPUTS) for row in read_points(PE_LIBRARY / name / f"{file}.csv")}

    assert not depths("heldout") & depths("synthesis")


@every_type
def test_predictions_are_positive_in_the_characterized_range(name):
    prediction = load_pe_model(name).predict(*full_range(name))
    assert prediction.in_range.all()
    for field in dataclasses.fields(prediction):
        assert (getattr(prediction, field.name) > 0).all(), field.name


@every_type
def test_a_deeper_spad_never_makes_the_pe_smaller_or_less_leaky(name):
    prediction = load_pe_model(name).predict(*full_range(name))
    for quantity in (prediction.area_um2, prediction.leakage_uw):
        for axis in range(3):
            assert (np.diff(quantity, axis=axis) > 0).all()


@every_type
def test_area_is_the_sum_and_the_period_the_maximum_of_the_parts(name):
    mesh = full_range(name)
    model = load_pe_model(name)
    parts, prediction = model.parts(*mesh), model.predict(*mesh)
    area = sum(np.broadcast_to(parts[part], prediction.in_range.shape) for part in AREA_PARTS)
    period = np.broadcast_arrays(*(parts[part] for part in PERIOD_PARTS))
    np.testing.assert_allclose(prediction.area_um2, area, rtol=1e-12)
    np.testing.assert_array_equal(prediction.min_period_ns, np.max(period, axis=0))


@given(depths=st.lists(st.tuples(words, words, words), min_size=1, max_size=8))
@pytest.mark.parametrize("name", ["int8", "fp32"])
def test_scalar_column_and_open_mesh_agree_exactly(name, depths):
    predict = load_pe_model(name).predict
    columns = [np.array(values) for values in zip(*depths, strict=True)]
    as_column, as_mesh = predict(*columns), predict(*np.ix_(*columns))
    diagonal = (np.arange(len(depths)),) * 3
    shape = (len(depths),) * 3
    for field in dataclasses.fields(as_column):
        column_values = np.broadcast_to(getattr(as_column, field.name), len(depths))
        mesh_values = np.broadcast_to(getattr(as_mesh, field.name), shape)[diagonal]
        scalars = [float(getattr(predict(*point), field.name)) for point in depths]
        np.testing.assert_array_equal(column_values, mesh_values, err_msg=field.name)
        np.testing.assert_array_equal(column_values, np.array(scalars), err_msg=field.name)


@given(ifmap=words, filter_=words, psum=words)
def test_outside_the_characterized_range_is_flagged_and_still_finite(ifmap, filter_, psum):
    model = load_pe_model("int8")
    prediction = model.predict(ifmap, filter_, psum)
    inside = all(
        low <= depth <= high for depth, (low, high) in zip((ifmap, filter_, psum), model.ranges.values(), strict=True)
    )
    assert bool(prediction.in_range) == inside
    assert all(np.isfinite(getattr(prediction, field.name)) for field in dataclasses.fields(prediction))


def test_a_part_of_one_spad_keeps_the_small_shape_of_that_axis_on_a_mesh():
    prediction = load_pe_model("int8").predict(*np.ix_([8, 16], [32, 64, 128], [8, 16, 24, 32]))
    assert prediction.filter_read_pj.size <= 3
    assert prediction.in_range.shape == (2, 3, 4)


def test_every_part_of_the_prediction_has_a_polynomial_and_none_is_left_over():
    model = load_pe_model("int8")
    assert set(model.polynomials) == set(FITTED)
    assert set(FITTED) == {*AREA_PARTS, *PERIOD_PARTS, *ENERGY_PARTS, "leakage_uw"}


@given(
    coefficients=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5),
    depth=st.integers(8, 48),
)
def test_a_polynomial_in_one_scaled_depth_equals_numpys(coefficients, depth):
    exponents = tuple((power,) for power in range(len(coefficients)))
    polynomial = Polynomial((Feature("x", "words", 8, 48),), exponents, tuple(coefficients))
    expected = np.polynomial.Polynomial(coefficients, domain=[8, 48])(depth)
    value = polynomial({"x": np.asarray(depth, dtype=np.float64)})
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_address_bits_are_those_a_counter_over_the_depth_needs():
    depths = np.arange(2, 1025)
    feature = Feature("x", "address_bits", 2, 1024)  # 1 to 10 bits
    bits = (feature(depths.astype(np.float64)) + 1) / 2 * 9 + 1
    np.testing.assert_allclose(bits, [(int(depth) - 1).bit_length() for depth in depths], rtol=1e-12)


def test_the_model_hash_follows_the_content_and_differs_between_types():
    hashes = {name: load_pe_model(name).sha256 for name in PE_TYPES}
    assert len(set(hashes.values())) == len(PE_TYPES)
    assert all(len(bytes.fromhex(value)) == 32 for value in hashes.values())


def test_an_unknown_type_is_an_input_error_that_suggests_the_nearest():
    for load in (load_pe_type, load_pe_model):
        with pytest.raises(InputError, match="did you mean `lightpe1`"):
            load("lihgtpe1")


def new_type(library: Path, text: str) -> None:
    (library / "mine").mkdir()
    (library / "mine" / "pe.yaml").write_text(text)


def test_a_type_without_a_model_is_a_run_error_that_names_the_command(tmp_path):
    new_type(tmp_path, "name: mine\n")
    with pytest.raises(RunError, match="dse characterize mine"):
        load_pe_model("mine", tmp_path)


@pytest.mark.parametrize("text", ["{}", "[1, 2]", '{"pe_type": "mine", "inputs": {}, "quantities": {}}', "{"])
def test_a_broken_model_file_is_a_run_error(tmp_path, text):
    new_type(tmp_path, "name: mine\n")
    (tmp_path / "mine" / "model.json").write_text(text)
    with pytest.raises(RunError, match="not a complete PE model"):
        load_pe_model("mine", tmp_path)


def test_a_pe_file_reports_every_broken_rule_at_once(tmp_path):
    new_type(tmp_path, "name: yours\nlabel: 3\noperands: {activation_bits: 0, weight_bits: true}\n")
    with pytest.raises(InputError) as caught:
        load_pe_type("mine", tmp_path)
    broken = {problem.path.rsplit(": ", 1)[1] for problem in caught.value.problems}
    assert {"name", "label", "color", "activation_bits", "weight_bits", "psum_bits"} <= broken
    assert "max_reduction_length" in broken


@pytest.mark.parametrize("text", ["- a list\n", "key: [unclosed\n"])
def test_a_pe_file_that_is_no_mapping_is_an_input_error(tmp_path, text):
    new_type(tmp_path, text)
    with pytest.raises(InputError):
        load_pe_type("mine", tmp_path)


@every_type
def test_held_out_pairs_hold_the_measured_points_and_their_predictions(name):
    pairs = heldout_pairs(name)
    points = read_points(PE_LIBRARY / name / "heldout.csv")
    assert list(pairs)[: len(WHOLES)] == list(WHOLES)
    for quantity, pair in pairs.items():
        np.testing.assert_array_equal(pair.measured, column(points, quantity))
    prediction = load_pe_model(name).predict(*(column(points, depth) for depth in INPUTS))
    np.testing.assert_allclose(pairs["area_um2"].predicted, prediction.area_um2, rtol=1e-12)
    run = sum(
        getattr(prediction, part)
        for part in itertools.filterfalse(lambda part: part in ("ifmap_write_pj", "filter_write_pj"), ENERGY_PARTS)
    )
    np.testing.assert_allclose(pairs["run_pj"].predicted, np.broadcast_to(run, len(points)), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no points"), ("role\nheldout\n", "lacks the columns"), (None, "dse characterize mine")],
)
def test_a_points_file_that_is_missing_empty_or_incomplete_is_a_run_error(tmp_path, text, message):
    path = tmp_path / "mine" / "heldout.csv"
    path.parent.mkdir()
    if text is not None:
        path.write_text(text)
    with pytest.raises(RunError, match=message):
        read_points(path)


@pytest.mark.parametrize("value", ["", "fast", "nan", "-1", "0"])
def test_a_measurement_that_is_not_a_positive_number_is_a_run_error(value):
    with pytest.raises(RunError, match="mac_pj"):
        column([{"mac_pj": "1"}, {"mac_pj": value}], "mac_pj")
