"""Memories and NoC: reference values first, then the laws the models must keep."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from characterization import cacti
from dse.errors import InputError
from pe_library.memory.dram import dram_pj_per_bit, list_dram
from pe_library.memory.glb import (
    GRID_CSV,
    QUANTITIES,
    GlbModel,
    SramPrediction,
    isotonic,
    list_glb_cells,
    load_glb_model,
    read_grid,
)
from pe_library.memory.noc import NocParameters, NocPrediction, noc

MODELS = {cell: load_glb_model(cell) for cell in list_glb_cells()}

# CACTI 7, 45 nm, one read-write port, 64-bit word, 300 K, run apart from the shipped grid:
# KiB -> area mm2, read pJ, write pJ, leakage mW, access ns.
CACTI_REFERENCE = {
    "itrs-hp": {
        64: (0.184, 29.0, 17.2, 31.1, 0.51),
        108: (0.331, 29.3, 19.3, 52.5, 0.68),
        256: (0.796, 40.6, 28.8, 124, 1.03),
        1024: (3.17, 67.7, 55.9, 497, 1.87),
    },
    "itrs-lop": {
        64: (0.209, 13.1, 8.1, 1.40, 1.10),
        108: (0.371, 14.0, 9.8, 2.38, 1.34),
        256: (0.872, 20.3, 15.3, 5.59, 1.88),
        1024: (3.26, 41.8, 29.7, 20.4, 2.90),
    },
    "itrs-lstp": {
        64: (0.209, 25.9, 19.6, 0.002, 1.66),
        108: (0.371, 29.4, 24.2, 0.003, 1.98),
        256: (0.872, 44.7, 38.5, 0.007, 2.73),
        1024: (3.26, 93.5, 76.2, 0.025, 4.02),
    },
}
REFERENCES = [(cell, size, row) for cell, rows in CACTI_REFERENCE.items() for size, row in rows.items()]

cells = st.sampled_from(sorted(MODELS))
sizes = st.integers(4, 2048)
widths = st.integers(32, 512)
arrays = st.integers(1, 64)
areas = st.floats(1e3, 1e6)
buses = st.integers(4, 64)


def quantities(prediction: SramPrediction | NocPrediction) -> dict[str, np.ndarray]:
    return {field.name: np.asarray(getattr(prediction, field.name)) for field in fields(prediction)}


# --- GLB -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "size", "reference"), REFERENCES)
def test_grid_holds_the_reference_runs(cell: str, size: int, reference: tuple[float, ...]) -> None:
    grid_sizes, grid_widths, values = read_grid(cell)
    point = values[:5, list(grid_widths).index(64), list(grid_sizes).index(size)]
    assert_allclose(point, reference, rtol=0.01, atol=0.0005)


@pytest.mark.parametrize(("cell", "size", "reference"), REFERENCES)
def test_model_stays_close_to_the_reference_runs(cell: str, size: int, reference: tuple[float, ...]) -> None:
    prediction = quantities(MODELS[cell].predict(size, 64))
    assert_allclose([prediction[name] for name in QUANTITIES[:5]], reference, rtol=0.12, atol=0.0005)


@pytest.mark.parametrize("cell", MODELS)
def test_model_is_exact_at_grid_points_where_cacti_is_monotone(cell: str) -> None:
    grid_sizes, grid_widths, values = read_grid(cell)
    no_less_than_smaller = values >= np.maximum.accumulate(values, axis=-1)
    no_more_than_larger = values <= np.minimum.accumulate(values[..., ::-1], axis=-1)[..., ::-1]
    monotone = no_less_than_smaller & no_more_than_larger
    prediction = quantities(MODELS[cell].predict(grid_sizes, grid_widths[:, None]))
    predicted = np.array([prediction[name] for name in QUANTITIES])
    assert monotone.mean() > 0.7
    assert_allclose(predicted[monotone], values[monotone], rtol=1e-12)


def test_leakage_is_what_tells_the_cell_types_apart() -> None:
    high, low = MODELS["itrs-hp"].predict(108, 64), MODELS["itrs-lstp"].predict(108, 64)
    assert high.leakage_mw > 1e4 * low.leakage_mw


def test_unknown_cell_type_is_an_input_error_naming_the_known_ones() -> None:
    with pytest.raises(InputError, match="itrs-lop"):
        load_glb_model("itrs-lopp")


@given(cells, sizes, sizes, widths)
def test_a_larger_macro_never_costs_less(cell: str, one: int, other: int, width: int) -> None:
    small = quantities(MODELS[cell].predict(min(one, other), width))
    large = quantities(MODELS[cell].predict(max(one, other), width))
    assert all(large[name] >= small[name] * (1 - 1e-12) for name in QUANTITIES)


@given(cells, st.integers(1, 10**6), st.integers(1, 10**4))
def test_macro_quantities_are_positive_and_finite_everywhere(cell: str, size: int, width: int) -> None:
    prediction = quantities(MODELS[cell].predict(size, width))
    assert all(np.isfinite(prediction[name]) and prediction[name] > 0 for name in QUANTITIES)


@given(cells, st.integers(1, 4096), st.integers(1, 1024))
def test_in_range_is_the_characterized_grid(cell: str, size: int, width: int) -> None:
    assert MODELS[cell].predict(size, width).in_range == (4 <= size <= 2048 and 32 <= width <= 512)


@given(cells, st.lists(sizes, min_size=1, max_size=4), st.lists(widths, min_size=1, max_size=4))
def test_macro_scalar_equals_column_equals_mesh(cell: str, kib: list[int], bits: list[int]) -> None:
    model = MODELS[cell]
    mesh = quantities(model.predict(*np.ix_(kib, bits)))
    column = quantities(model.predict(np.repeat(kib, len(bits)), np.tile(bits, len(kib))))
    scalar = [quantities(model.predict(size, width)) for size in kib for width in bits]
    for name, values in mesh.items():
        assert_array_equal(values.ravel(), column[name])
        assert_array_equal(values.ravel(), [point[name] for point in scalar])


@given(cells, sizes, widths)
def test_prediction_lies_between_the_corners_of_its_grid_cell(cell: str, size: int, width: int) -> None:
    model: GlbModel = MODELS[cell]
    i = np.searchsorted(model.sizes_kib, size, side="right") - 1
    j = np.searchsorted(model.word_bits, width, side="right") - 1
    corners = np.exp(model.log_table[:, j : j + 2, i : i + 2])
    prediction = quantities(model.predict(size, width))
    values = np.array([prediction[name] for name in QUANTITIES])
    assert (values >= corners.min(axis=(1, 2)) * (1 - 1e-12)).all()
    assert (values <= corners.max(axis=(1, 2)) * (1 + 1e-12)).all()


def test_isotonic_pools_what_falls() -> None:
    assert_allclose(isotonic(np.array([1.0, 4.0, 2.0, 3.0, 9.0, 8.0])), [1, 3, 3, 3, 8.5, 8.5])


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12))
def test_isotonic_is_the_closest_non_decreasing_sequence(values: list[float]) -> None:
    y = np.array(values)
    fit = isotonic(y)
    assert (np.diff(fit) >= 0).all()
    assert_allclose(isotonic(fit), fit, atol=1e-9)
    # Projection on a cone: the residual is orthogonal to the fit, and at no acute angle to any step up or constant.
    tolerance = 1e-8 * (1 + y @ y)
    assert_allclose((y - fit) @ fit, 0, atol=tolerance)
    assert (np.cumsum((y - fit)[::-1]) <= tolerance).all()
    assert_allclose(fit.sum(), y.sum(), atol=tolerance)


def test_grid_header_states_what_the_flow_would_write() -> None:
    header = [line for line in GRID_CSV.read_text().splitlines() if line.startswith("#")]
    settings = [f"# {key} {value}" for key, value in cacti.SETTINGS.items()]
    assert header == cacti.PROVENANCE.splitlines() + settings


def test_grid_is_complete() -> None:
    assert list_glb_cells() == cacti.CELLS
    for cell in cacti.CELLS:
        grid_sizes, grid_widths, values = read_grid(cell)
        assert (tuple(grid_sizes), tuple(grid_widths)) == (cacti.SIZES_KIB, cacti.WORD_BITS)
        assert (values > 0).all()


def test_errors_in_the_docs_are_the_computed_ones() -> None:
    docs = Path(__file__).parents[2] / "docs" / "memory.md"
    assert cacti.report() in docs.read_text()


@pytest.mark.characterize
@pytest.mark.parametrize(("cell", "word_bits", "size"), [("itrs-lop", 64, 108), ("itrs-hp", 256, 512)])
def test_cacti_reproduces_the_shipped_grid_exactly(cell: str, word_bits: int, size: int) -> None:
    point = cacti.run_cacti(cacti.fetch_cacti(), size, word_bits, cell)
    row = ",".join([cell, str(word_bits), str(size), *(f"{value:.6g}" for value in point.values())])
    assert row in GRID_CSV.read_text().splitlines()


# --- DRAM ----------------------------------------------------------------------------------------------------


def no_mac() -> float:
    raise AssertionError("the energy of a MAC was asked for")


def test_dram_energies_are_the_published_ones_and_need_no_mac() -> None:
    assert dram_pj_per_bit("ddr3", no_mac) == 70  # Malladi et al., ISCA 2012
    hbm2 = dram_pj_per_bit("hbm2", no_mac)
    assert hbm2 == pytest.approx(1.21 + 2.24 + 0.3, rel=0.05)  # O'Connor et al., MICRO 2017: activation, movement, I/O
    assert 250 / 64 <= hbm2 <= 450 / 64  # Jouppi et al., ISCA 2021
    assert dram_pj_per_bit("ddr4", no_mac) == pytest.approx(1300 / 64, rel=0.01)  # the same table


def test_eyeriss_convention_is_200_macs_per_16_bit_word() -> None:
    macs_pj = np.array([1.5, 8.0])
    assert_allclose(16 * dram_pj_per_bit("eyeriss", lambda: macs_pj), 200 * macs_pj)


def test_every_dram_technology_has_a_positive_energy() -> None:
    assert all(dram_pj_per_bit(technology, lambda: 1.0) > 0 for technology in list_dram())


def test_unknown_dram_is_an_input_error_with_a_hint() -> None:
    with pytest.raises(InputError, match="did you mean `lpddr4`"):
        dram_pj_per_bit("lpddr", no_mac)


# --- NoC -----------------------------------------------------------------------------------------------------

EYERISS = {"rows": 12, "cols": 14, "pe_area_um2": 32_653, "activation_bits": 16, "weight_bits": 16, "psum_bits": 46}


def test_wire_energy_is_the_published_one() -> None:
    """Keckler et al., IEEE Micro 31(5), 2011, Table 1: 256 random bits over 10 mm take 310 pJ at 0.9 V."""
    parameters = NocParameters(supply_v=0.9)
    ten_mm = noc(1, 2, 1e8, 16, 16, 32, 8, parameters)
    assert 256 * (ten_mm.inter_pe_pj_per_bit - ten_mm.port_pj_per_bit) == pytest.approx(310, rel=0.02)


def test_movement_costs_rise_from_neighbour_to_glb_to_dram() -> None:
    """The order of Eyeriss (ISCA 2016, Table IV): inter-PE, then GLB, then DRAM, each clearly above the last."""
    network = noc(**EYERISS, bus_bytes=8, parameters=NocParameters())
    macro = MODELS["itrs-lop"].predict(108, 64)
    glb = macro.read_pj / 64 + network.ifmap_pj_per_bit
    assert 3 * network.inter_pe_pj_per_bit < glb < dram_pj_per_bit("lpddr4", no_mac) / 2


def test_noc_is_a_modest_part_of_an_eyeriss_like_array() -> None:
    network = noc(**EYERISS, bus_bytes=8, parameters=NocParameters())
    assert 0.02 < network.area_mm2 / (12 * 14 * 32_653e-6) < 0.2


@given(arrays, arrays, areas, buses)
def test_named_deliveries_are_multicasts(rows: int, cols: int, area: float, bus: int) -> None:
    network = noc(rows, cols, area, 8, 4, 26, bus, NocParameters())
    ifmap_rows = min(rows, 3)
    assert network.filter_pj_per_bit == pytest.approx(network.multicast_pj_per_bit(1, cols))
    assert network.ifmap_pj_per_bit == pytest.approx(network.multicast_pj_per_bit(ifmap_rows, ifmap_rows))
    assert network.psum_pj_per_bit == pytest.approx(network.multicast_pj_per_bit(1, 1))


@given(arrays, arrays, areas, buses, st.sampled_from([(1, 0, 1), (0, 1, 1), (0, 0, 2)]))
def test_a_larger_array_never_costs_less(
    rows: int, cols: int, area: float, bus: int, growth: tuple[int, int, int]
) -> None:
    parameters = NocParameters()
    small = quantities(noc(rows, cols, area, 8, 8, 30, bus, parameters))
    large = quantities(noc(rows + growth[0], cols + growth[1], area * growth[2], 8, 8, 30, bus, parameters))
    assert all(large[name] >= values * (1 - 1e-12) > 0 for name, values in small.items())


@given(arrays, arrays, areas, st.integers(4, 63))
def test_a_wider_bus_costs_area_and_saves_tags(rows: int, cols: int, area: float, bus: int) -> None:
    narrow = noc(rows, cols, area, 8, 8, 30, bus, NocParameters())
    wide = noc(rows, cols, area, 8, 8, 30, bus + 1, NocParameters())
    assert wide.area_mm2 > narrow.area_mm2
    assert wide.leakage_mw > narrow.leakage_mw
    assert wide.psum_pj_per_bit < narrow.psum_pj_per_bit


@given(st.lists(arrays, min_size=1, max_size=3), st.lists(arrays, min_size=1, max_size=3), areas, buses)
def test_noc_scalar_equals_column_equals_mesh(rows: list[int], cols: list[int], area: float, bus: int) -> None:
    def predict(r: object, c: object) -> dict[str, np.ndarray]:
        return quantities(noc(r, c, area, 8, 4, 30, bus, NocParameters()))  # type: ignore[arg-type]

    mesh = predict(*np.ix_(rows, cols))
    column = predict(np.repeat(rows, len(cols)), np.tile(cols, len(rows)))
    scalar = [predict(r, c) for r in rows for c in cols]
    shape = (len(rows), len(cols))
    for name, values in mesh.items():
        assert_allclose(np.broadcast_to(values, shape).ravel(), column[name], rtol=1e-13)
        assert_allclose(column[name], [point[name] for point in scalar], rtol=1e-13)


@pytest.mark.parametrize("name", [field.name for field in fields(NocParameters)])
def test_every_noc_parameter_changes_the_result_and_must_be_positive(name: str) -> None:
    default = quantities(noc(**EYERISS, bus_bytes=8, parameters=NocParameters()))
    doubled = NocParameters(**{name: 2 * getattr(NocParameters(), name)})
    changed = quantities(noc(**EYERISS, bus_bytes=8, parameters=doubled))
    assert any(changed[key] != default[key] for key in default)
    for bad in (0, -1.0, float("nan"), float("inf"), "3", None, True):
        with pytest.raises(InputError, match=rf"noc\.{name}"):
            NocParameters(**{name: bad})


def test_all_bad_noc_parameters_are_named_at_once() -> None:
    with pytest.raises(InputError) as error:
        NocParameters(supply_v=-1.0, fifo_words=0.0)
    assert [problem.path for problem in error.value.problems] == ["noc.supply_v", "noc.fifo_words"]


@pytest.mark.characterize
def test_noc_cells_are_those_of_the_cell_library() -> None:
    from characterization.liberty import load_library
    from characterization.library import nangate45

    library, parameters, slew_ns = load_library(nangate45()), NocParameters(), 0.02
    dff, mux, xnor, conjunction, repeater = (
        library.cells[name] for name in ("DFF_X1", "MUX2_X1", "XNOR2_X1", "AND2_X1", "INV_X16")
    )
    assert parameters.supply_v == library.voltage_v
    for cell_group, area, leakage in (
        ((dff, mux), parameters.fifo_bit_um2, parameters.fifo_bit_nw),
        ((dff, xnor, conjunction), parameters.tag_bit_um2, parameters.tag_bit_nw),
        ((repeater,), parameters.repeater_um2, parameters.repeater_nw),
    ):
        assert area == pytest.approx(sum(cell.area_um2 for cell in cell_group))
        assert leakage == pytest.approx(sum(cell.leakage_nw for cell in cell_group), rel=1e-3)

    assert dff.sequential is not None
    wire_ff = float(library.wire_cap(np.array([1]))[0])
    stored_ff, sent_ff = wire_ff + mux.pin_cap_ff["A"], wire_ff + dff.pin_cap_ff["D"]
    clock = {name: table.at(slew_ns, 0) for name, table in dff.sequential.clock_energy.items()}
    data = [table.at(slew_ns, 0) for table in dff.sequential.data_energy.values()]
    stored = [[table.at(slew_ns, stored_ff) for table in output.energy.values()] for output in dff.outputs]
    sent = [table.at(slew_ns, sent_ff) for (pin, _), table in mux.outputs[0].energy.items() if pin != "S"]
    switching = np.mean(data) + np.mean(stored, axis=1).sum() + np.mean(sent)
    switching += 0.5 * library.voltage_v**2 * (stored_ff + sent_ff)
    clocking = clock["fall"] + (clock["rise_hold"] + clock["rise_change"]) / 2
    assert parameters.fifo_fj_per_bit == pytest.approx(clocking + 0.5 * switching, rel=0.02)
