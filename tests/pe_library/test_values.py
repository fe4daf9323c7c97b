"""Quantized tensors hold exactly what the MACs of the PE library multiply."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pe_library.codes import code_of, load_mac_model
from pe_library.model import list_pe_types
from pe_library.values import Grid, load_operands, nearest

PE_TYPES = list_pe_types()
OPERANDS = ("weight", "activation")


def samples(seed: int = 0, count: int = 20_000) -> NDArray[np.float32]:
    """Values of many magnitudes, of both signs, and zero."""
    random = np.random.default_rng(seed)
    values = random.normal(size=count) * 2.0 ** random.integers(-12, 12, count)
    return np.append(values, 0.0).astype(np.float32)


def code_table(pe_type: str, operand: str) -> dict[float, int]:
    """Value -> a code of it, from all codes."""
    model = load_mac_model(pe_type)
    codes = np.arange(2 ** (model.WEIGHT_BITS if operand == "weight" else model.ACTIVATION_BITS), dtype=np.int64)
    decode = model.decode_weight if operand == "weight" else model.decode_activation
    return dict(zip(decode(codes).tolist(), codes.tolist(), strict=True))


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("pe_type", PE_TYPES)
def test_quantized_values_survive_the_way_through_codes_and_the_mac(pe_type: str, operand: str) -> None:
    model = load_mac_model(pe_type)
    values = nearest(samples(), 0.03, getattr(load_operands(pe_type), operand))
    if getattr(load_operands(pe_type), operand).is_float:
        codes = code_of(values)
    else:
        table = code_table(pe_type, operand)
        codes = np.array([table[value] for value in values.tolist()], dtype=np.int64)
    decode = model.decode_weight if operand == "weight" else model.decode_activation
    np.testing.assert_array_equal(decode(codes), values)


@pytest.mark.parametrize("pe_type", PE_TYPES)
def test_a_mac_of_quantized_operands_is_their_product(pe_type: str) -> None:
    """Through `mac` itself: act * wgt + 0, decoded as a psum."""
    model, operands = load_mac_model(pe_type), load_operands(pe_type)
    act, wgt = nearest(samples(1), 0.05, operands.activation), nearest(samples(2), 0.05, operands.weight)
    if operands.weight.is_float:
        codes = code_of(act), code_of(wgt)
    else:
        tables = code_table(pe_type, "activation"), code_table(pe_type, "weight")
        codes = tuple(
            np.array([table[value] for value in values.tolist()], dtype=np.int64)
            for table, values in zip(tables, (act, wgt), strict=True)
        )  # type: ignore[assignment]
    products = model.decode_psum(model.mac(*codes, np.zeros(act.size, np.int64)))
    exact = act.astype(np.float64) * wgt.astype(np.float64)
    np.testing.assert_array_equal(products, exact.astype(np.float32) if operands.weight.is_float else exact)


@pytest.mark.parametrize(
    ("pe_type", "low", "high", "count"),
    [
        ("int16", -32768, 32767, 65536), ("int8", -128, 127, 256), ("w4a8", -8, 7, 16),
        # Signed powers of two from 1 to 2**-7, and sums of two: zero, and of each sign 8 + 28 of equal signs, 1 + 15 of
        # unequal ones (2**-7, and those three or more exponents apart; the nearer ones are sums already).
        ("lightpe1", -1, 1, 16), ("lightpe2", -2, 2, 105),
    ],
)  # fmt: skip
def test_grids_are_those_of_the_formats(pe_type: str, low: float, high: float, count: int) -> None:
    grid = load_operands(pe_type).weight
    assert (grid.low, grid.high, grid.values.size) == (low, high, count)
    assert (np.diff(grid.values) > 0).all()
    assert grid.is_uniform == (not pe_type.startswith("light"))


def test_lightpe1_has_no_zero_and_the_others_have() -> None:
    for pe_type in set(PE_TYPES) - {"fp32"}:
        assert (0.0 in load_operands(pe_type).weight.values) == (pe_type != "lightpe1")


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("pe_type", [each for each in PE_TYPES if each not in ("fp32", "int16")])
def test_no_other_grid_value_is_nearer(pe_type: str, operand: str) -> None:
    grid: Grid = getattr(load_operands(pe_type), operand)
    scaled = samples(3, 2000)
    distances = np.abs(grid.values[None, :] - scaled[:, None].astype(np.float64))
    np.testing.assert_array_equal(np.abs(nearest(scaled, 1.0, grid) - scaled.astype(np.float64)), distances.min(1))


def test_scales_may_differ_by_channel_and_grid_values_stay_themselves() -> None:
    for pe_type in set(PE_TYPES) - {"fp32"}:
        grid = load_operands(pe_type).weight
        scales = np.array([[0.5], [2.0], [1.0]], np.float32)
        values = (grid.values.astype(np.float32) * scales).astype(np.float32)
        np.testing.assert_array_equal(nearest(values, scales, grid) * scales, values)


def test_subnormals_of_floats_become_zeros_of_their_sign() -> None:
    grid = load_operands("fp32").weight
    values = np.array([1e-39, -1e-39, 2.0**-126, -(2.0**-126), 0.1], np.float32)
    held = nearest(values, 1.0, grid)
    np.testing.assert_array_equal(held, np.array([0, 0, *values[2:]], np.float32))
    assert np.signbit(held[1])
    assert not np.signbit(held[0])
