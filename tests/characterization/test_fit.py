"""The fit: shipped points give the shipped model; known laws are found; bad points are refused."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.errors import RunError
from pe_library.model import FITTED, INPUTS, PE_LIBRARY, PEModel

pytestmark = pytest.mark.characterize
fit = pytest.importorskip("characterization.fit", exc_type=ImportError)

PE_TYPES = ("fp32", "int16", "int8", "w4a8", "lightpe1", "lightpe2")
RANGES = dict(zip(INPUTS, ((8, 48), (32, 448), (8, 48)), strict=True))


def library_with(tmp_path, rows):
    """A library whose type int8 has these rows of synthesized points."""
    (tmp_path / "int8").mkdir()
    (tmp_path / "int8" / "pe.yaml").write_text("name: int8\n")
    with (tmp_path / "int8" / "synthesis.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def shipped_rows():
    with (PE_LIBRARY / "int8" / "synthesis.csv").open(newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def random_depths(seed, points=28):
    draw = np.random.default_rng(seed)
    return {name: draw.integers(low, high + 1, points).astype(float) for name, (low, high) in RANGES.items()}


@pytest.mark.parametrize("name", PE_TYPES)
def test_refitting_the_shipped_points_gives_the_shipped_model_byte_for_byte(name):
    shipped = (PE_LIBRARY / name / "model.json").read_bytes()
    assert (fit.to_text(fit.fit_pe_model(name)) + "\n").encode() == shipped


@pytest.mark.parametrize("name", PE_TYPES)
def test_the_model_file_keeps_every_candidate_and_the_chosen_is_within_one_error_of_the_best(name):
    content = json.loads((PE_LIBRARY / name / "model.json").read_text())
    for part in FITTED:
        quantity = content["quantities"][part]
        tried = quantity["tried"]
        best = min(tried, key=lambda trial: trial["cv_mape_percent"])
        limit = best["cv_mape_percent"] + best["cv_standard_error_percent"]
        sizes = [trial["terms"] for trial in tried if trial["cv_mape_percent"] <= limit]
        assert len(quantity["coefficients"]) == min(sizes)
        assert tried[0]["degree"] == 0


def test_write_stores_a_model_that_loads(tmp_path):
    library = library_with(tmp_path, shipped_rows())
    path = fit.write_pe_model("int8", library)
    model = fit.load_pe_model("int8", library)
    assert model == PEModel.from_json(json.loads(path.read_text()))
    assert model.polynomials == fit.load_pe_model("int8").polynomials


def test_held_out_rows_are_not_fitted(tmp_path):
    rows = shipped_rows()
    spoiled = [{**row, "role": "heldout", "area_mac_um2": "1e9"} for row in rows[:5]]
    fitted = fit.fit_pe_model("int8", library_with(tmp_path, rows + spoiled))
    assert fitted["quantities"] == fit.fit_pe_model("int8")["quantities"]


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    constant=st.floats(10, 100),
    slopes=st.lists(st.floats(1, 20), min_size=3, max_size=3),
)
def test_a_law_linear_in_the_depths_is_recovered_exactly(seed, constant, slopes):
    depths = random_depths(seed)
    measured = constant + sum(slope * words for slope, words in zip(slopes, depths.values(), strict=True))
    result = fit.fit_part("leakage_uw", depths, RANGES, measured)
    assert (result["degree"], result["interactions"]) == (1, False)
    assert {transform for _, transform in result["features"]} == {"words"}
    assert result["training_mape_percent"] < 1e-5


def test_a_product_of_two_depths_selects_interactions():
    depths = random_depths(3)
    measured = 5.0 + depths["ifmap_spad_words"] * depths["psum_spad_words"]
    result = fit.fit_part("leakage_uw", depths, RANGES, measured)
    assert result["interactions"]
    assert result["degree"] == 2


def test_a_mux_tree_delay_selects_the_logarithm():
    depths = random_depths(4)
    result = fit.fit_part("period_filter_ns", depths, RANGES, 0.3 + 0.05 * np.log2(depths["filter_spad_words"]))
    assert result["features"] == [["filter_spad_words", "log2"]]
    assert result["degree"] == 1


def test_pure_noise_selects_the_constant():
    noise = 1.0 + 0.02 * np.random.default_rng(5).standard_normal(28)
    result = fit.fit_part("control_pj", random_depths(5), RANGES, noise)
    assert result["degree"] == 0


def test_the_weights_minimize_the_relative_error_not_the_absolute():
    measured = np.array([1.0, 100.0])
    (coefficient,) = fit.solve(np.ones((2, 1)), measured)
    # The minimum of (c/1 - 1)^2 + (c/100 - 1)^2, found by setting the derivative to zero.
    assert coefficient == pytest.approx((1 + 1 / 100) / (1 + 1 / 100**2))


def test_candidates_have_at_most_one_term_per_two_points_and_differ():
    for inputs in ((), INPUTS[:1], INPUTS):
        tried = fit.candidates(inputs, RANGES, 28)
        assert all(len(candidate.exponents) <= 14 for candidate in tried)
        assert len(set(tried)) == len(tried)
    assert {candidate.degree for candidate in fit.candidates(INPUTS, RANGES, 28)} == {0, 1, 2, 3, 4}


def test_points_of_two_libraries_are_refused(tmp_path):
    rows = shipped_rows()
    rows[0]["liberty_sha256"] = "another"
    with pytest.raises(RunError, match="different liberty_sha256"):
        fit.fit_pe_model("int8", library_with(tmp_path, rows))


def test_too_few_points_are_refused(tmp_path):
    with pytest.raises(RunError, match="at least"):
        fit.fit_pe_model("int8", library_with(tmp_path, shipped_rows()[:5]))


def test_a_depth_that_never_varies_is_refused(tmp_path):
    rows = [{**row, "psum_spad_words": "16"} for row in shipped_rows()]
    with pytest.raises(RunError, match="psum_spad_words"):
        fit.fit_pe_model("int8", library_with(tmp_path, rows))
