"""Network of a systolic array: a case by hand, then the laws the model must keep."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pe_library.memory.noc import NocParameters, NocPrediction, noc, systolic_noc

arrays, areas, buses, bits = st.integers(1, 64), st.floats(100, 1e5), st.integers(1, 64), st.integers(1, 46)
LEFT = st.sampled_from(["ifmap", "filter"])


def quantities(network: NocPrediction) -> dict[str, Any]:
    return {field.name: getattr(network, field.name) for field in fields(NocPrediction)}


def predict(rows: object, cols: object, area: float, bus: int, **changes: Any) -> NocPrediction:
    bits = {"activation_bits": 8, "weight_bits": 4, "psum_bits": 26}
    arguments: dict[str, Any] = {**bits, "parameters": NocParameters(), "left": "ifmap", **changes}
    return systolic_noc(rows, cols, area, bus_bytes=bus, **arguments)  # type: ignore[arg-type]


def test_two_by_six_pes_of_a_square_millimetre_by_hand() -> None:
    """Pitch 1 mm, 50 fJ per bit and mm, 8-bit bus, tags of 2 + 3 bits, repeaters every mm, unit cells."""
    parameters = replace(
        NocParameters(wire_fj_per_transition_mm=100.0, wire_reference_v=1.1, repeater_spacing_mm=1.0),
        repeater_um2=1e6, fifo_bit_um2=1e6, tag_bit_um2=1e6, fifo_fj_per_bit=1.0,
    )  # fmt: skip
    found = predict(2, 6, 1e6, 1, parameters=parameters)
    tagged, fifo = 13 / 8, 0.001
    assert found.inter_pe_pj_per_bit == pytest.approx(0.05)
    assert found.ifmap_pj_per_bit == pytest.approx(2 * 0.05 * tagged + fifo)
    assert found.filter_pj_per_bit == pytest.approx((1 + 6) * 0.05 * tagged + fifo)
    assert found.psum_pj_per_bit == found.filter_pj_per_bit
    buses, links = 13 * ((2 + 6) + (1 + 6)), 12 * (8 + 4 + 26 + 2)
    fifos, tags = 2 * (2 * 8 + 6 * (4 + 26 + 26)), 2 * 2 + 3 * 6 * 3
    assert found.area_mm2 == pytest.approx(buses + links + fifos + tags)


def test_a_hop_is_a_small_part_of_the_way_from_the_glb_and_a_neighbour_link_of_a_spad_array_costs_more() -> None:
    systolic = predict(16, 16, 900.0, 8)
    assert systolic.inter_pe_pj_per_bit < 0.1 * systolic.ifmap_pj_per_bit
    spads = noc(16, 16, 900.0, 8, 4, 26, 8, NocParameters())
    assert systolic.inter_pe_pj_per_bit < spads.inter_pe_pj_per_bit
    assert systolic.area_mm2 < spads.area_mm2


@given(arrays, arrays, areas, buses, bits, bits)
def test_exchanging_the_operands_and_the_edges_they_enter_at_changes_nothing(
    rows: int, cols: int, area: float, bus: int, activation: int, weight: int
) -> None:
    one = predict(rows, cols, area, bus, activation_bits=activation, weight_bits=weight)
    other = predict(rows, cols, area, bus, activation_bits=weight, weight_bits=activation, left="filter")
    assert_allclose(one.ifmap_pj_per_bit, other.filter_pj_per_bit)
    assert_allclose(one.filter_pj_per_bit, other.ifmap_pj_per_bit)
    assert_allclose(one.area_mm2, other.area_mm2)
    assert_allclose(one.leakage_mw, other.leakage_mw)


@given(arrays, arrays, areas, buses, LEFT, st.sampled_from([(1, 0, 1), (0, 1, 1), (0, 0, 2)]))
def test_a_larger_array_never_costs_less(
    rows: int, cols: int, area: float, bus: int, left: str, growth: tuple[int, int, int]
) -> None:
    small = quantities(predict(rows, cols, area, bus, left=left))
    large = quantities(predict(rows + growth[0], cols + growth[1], area * growth[2], bus, left=left))
    assert all(large[name] >= values * (1 - 1e-12) > 0 for name, values in small.items())


@given(arrays, arrays, areas, buses)
def test_where_an_operand_hops_and_where_it_does_not_depends_on_no_other_axis(
    rows: int, cols: int, area: float, bus: int
) -> None:
    one, other = predict(rows, cols, area, bus), predict(1, 1, area, 64)
    assert one.inter_pe_pj_per_bit == other.inter_pe_pj_per_bit
    assert one.port_pj_per_bit == other.port_pj_per_bit


@given(st.lists(arrays, min_size=1, max_size=3), st.lists(arrays, min_size=1, max_size=3), areas, buses)
def test_scalar_equals_column_equals_mesh(rows: list[int], cols: list[int], area: float, bus: int) -> None:
    open_rows, open_cols = np.ix_(rows, cols)
    mesh = quantities(predict(open_rows, open_cols, area, bus))
    column = quantities(predict(np.repeat(rows, len(cols)), np.tile(cols, len(rows)), area, bus))
    scalar = [quantities(predict(r, c, area, bus)) for r in rows for c in cols]
    shape = (len(rows), len(cols))
    for name, values in mesh.items():
        flat = np.broadcast_to(values, shape).ravel()
        assert_allclose(flat, np.broadcast_to(column[name], flat.shape), rtol=1e-13)
        assert_allclose(flat, [point[name] for point in scalar], rtol=1e-13)


@pytest.mark.parametrize("name", [f.name for f in fields(NocParameters) if f.name != "ifmap_multicast_rows"])
def test_every_parameter_but_that_of_the_multicast_changes_the_result(name: str) -> None:
    default = quantities(predict(8, 8, 900.0, 8))
    doubled = replace(NocParameters(), **{name: 2 * getattr(NocParameters(), name)})
    changed = quantities(predict(8, 8, 900.0, 8, parameters=doubled))
    assert any(changed[key] != default[key] for key in default)
