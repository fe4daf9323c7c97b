"""The numpy MACs against definitions of the arithmetic that share no code with them."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dse.errors import InputError
from pe_library.codes import code_of, float_of, load_mac_model

FOLDER = Path(__file__).resolve().parents[2] / "pe_library"
INTEGER_TYPES = ("int16", "int8", "w4a8", "lightpe1", "lightpe2")
ALL_TYPES = (*INTEGER_TYPES, "fp32")
LONGEST_REDUCTION = 25088  # VGG-16 fc6: 512 channels x 7 x 7

float32_codes = st.integers(0, 2**32 - 1)
normal_floats = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False)


def power_of_two(code: int) -> Fraction:
    sign, exponent = divmod(code, 8)
    return Fraction(-1 if sign else 1, 2**exponent)


def integer(code: int, bits: int) -> Fraction:
    return Fraction(code if code < 2 ** (bits - 1) else code - 2**bits)


WEIGHT_VALUE: dict[str, Callable[[int], Fraction]] = {
    "int16": lambda code: integer(code, 16),
    "int8": lambda code: integer(code, 8),
    "w4a8": lambda code: integer(code, 4),
    "lightpe1": power_of_two,
    "lightpe2": lambda code: power_of_two(code // 16) + power_of_two(code % 16),
}


def single(value: float) -> int:
    return int(code_of(np.float32(value)))


def round_to_single(exact: Fraction, sign_of_zero: float) -> float:
    """Round to 24 bits, ties to even, unbounded exponent; then flush below 2**-126 and overflow to infinity."""
    if exact == 0:
        return sign_of_zero
    sign, magnitude = (-1 if exact < 0 else 1), abs(exact)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    exponent -= magnitude < Fraction(2) ** exponent
    step = Fraction(2) ** (exponent - 23)
    rounded = round(magnitude / step) * step  # Fraction rounds ties to even
    if rounded < Fraction(2) ** -126:
        return sign * 0.0
    return sign * (float("inf") if rounded >= Fraction(2) ** 128 else float(rounded))


def read_operand(code: int) -> float:
    value = float(float_of(np.int64(code)))
    return value if not abs(value) < 2.0**-126 else float(np.copysign(0.0, value))


def mac_by_fractions(act: int, wgt: int, psum: int) -> float:
    """Finite operands only. The one rule not in `round_to_single`: an exact zero sum is +0 unless both are -0."""
    a, w, p = read_operand(act), read_operand(wgt), read_operand(psum)
    zero = float(np.copysign(0.0, a) * np.copysign(1.0, w))
    product = round_to_single(Fraction(a) * Fraction(w), zero)
    if np.isinf(product):
        return product
    return round_to_single(Fraction(p) + Fraction(product), p + product if p == product == 0 else 0.0)


@pytest.mark.parametrize("pe_type", ALL_TYPES)
def test_widths_agree_in_yaml_python_and_verilog(pe_type: str) -> None:
    model = load_mac_model(pe_type)
    widths = {"AW": model.ACTIVATION_BITS, "WW": model.WEIGHT_BITS, "PW": model.PSUM_BITS}
    verilog = (FOLDER / pe_type / "mac.v").read_text()
    declared = dict(re.findall(r"parameter (\w+) = (\d+)", verilog))
    assert declared == {name: str(bits) for name, bits in widths.items()}
    operands = yaml.safe_load((FOLDER / pe_type / "pe.yaml").read_text())["operands"]
    assert list(operands) == ["activation_bits", "weight_bits", "psum_bits"]
    assert list(operands.values()) == list(widths.values())


def test_unknown_pe_type_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match="did you mean `lightpe"):
        load_mac_model("lightpe")


@pytest.mark.parametrize("pe_type", INTEGER_TYPES)
def test_every_weight_code_has_its_defined_value(pe_type: str) -> None:
    model = load_mac_model(pe_type)
    codes = np.arange(2**model.WEIGHT_BITS)
    assert [Fraction(v) for v in model.decode_weight(codes)] == [WEIGHT_VALUE[pe_type](int(c)) for c in codes]


@pytest.mark.parametrize("pe_type", INTEGER_TYPES)
@given(data=st.data())
def test_integer_mac_is_the_exact_sum_modulo_the_psum_width(pe_type: str, data: st.DataObject) -> None:
    model = load_mac_model(pe_type)
    act = data.draw(st.integers(0, 2**model.ACTIVATION_BITS - 1))
    wgt = data.draw(st.integers(0, 2**model.WEIGHT_BITS - 1))
    psum = data.draw(st.integers(0, 2**model.PSUM_BITS - 1))
    scale, modulus = 2**model.FRACTION_BITS, 2**model.PSUM_BITS
    exact = integer(psum, model.PSUM_BITS) / scale
    exact += integer(act, model.ACTIVATION_BITS) * WEIGHT_VALUE[pe_type](wgt)
    result = int(model.mac(np.int64(act), np.int64(wgt), np.int64(psum)))
    assert 0 <= result < modulus
    assert (Fraction(float(model.decode_psum(np.int64(result)))) - exact) * scale % modulus == 0


@pytest.mark.parametrize("pe_type", [name for name in INTEGER_TYPES if name != "int16"])
def test_every_product_of_the_narrow_types_is_exact(pe_type: str) -> None:
    model = load_mac_model(pe_type)
    act = np.arange(2**model.ACTIVATION_BITS)[:, np.newaxis]
    wgt = np.arange(2**model.WEIGHT_BITS)[np.newaxis, :]
    product = model.decode_activation(act) * model.decode_weight(wgt)
    assert np.array_equal(model.decode_psum(model.mac(act, wgt, np.int64(0))), product)


@pytest.mark.parametrize("pe_type", INTEGER_TYPES)
def test_psum_width_is_the_smallest_that_holds_the_longest_reduction(pe_type: str) -> None:
    model = load_mac_model(pe_type)
    facts = yaml.safe_load((FOLDER / pe_type / "pe.yaml").read_text())
    assert facts["max_reduction_length"] == LONGEST_REDUCTION
    largest_weight = max(abs(WEIGHT_VALUE[pe_type](code)) for code in range(2**model.WEIGHT_BITS))
    largest_product = 2 ** (model.ACTIVATION_BITS - 1) * largest_weight * 2**model.FRACTION_BITS
    worst_sum = LONGEST_REDUCTION * largest_product
    assert 2 ** (model.PSUM_BITS - 2) - 1 < worst_sum <= 2 ** (model.PSUM_BITS - 1) - 1


@pytest.mark.parametrize("pe_type", INTEGER_TYPES)
def test_worst_case_reductions_of_either_sign_do_not_overflow(pe_type: str) -> None:
    model = load_mac_model(pe_type)
    weights = model.decode_weight(np.arange(2**model.WEIGHT_BITS))
    act = np.full(2, 2 ** (model.ACTIVATION_BITS - 1), np.int64)  # the most negative activation
    wgt = np.array([weights.argmin(), weights.argmax()])
    psum = np.zeros(2, np.int64)
    for _ in range(LONGEST_REDUCTION):
        psum = model.mac(act, wgt, psum)
    product = model.decode_activation(act) * model.decode_weight(wgt)
    assert np.array_equal(model.decode_psum(psum), LONGEST_REDUCTION * product)


@given(act=normal_floats, wgt=normal_floats, psum=normal_floats)
def test_fp32_equals_numpy_single_precision_where_nothing_is_subnormal(act: float, wgt: float, psum: float) -> None:
    with np.errstate(all="ignore"):
        product = np.float32(act) * np.float32(wgt)
        total = np.float32(psum) + product
    for value in (product, total):
        if 0 < abs(value) <= 2.0**-126:
            return  # rounded as a subnormal by numpy, flushed by the MAC
    codes = [code_of(np.float32(value)) for value in (act, wgt, psum)]
    result = float_of(load_mac_model("fp32").mac(*codes))
    assert np.array_equal(result, total, equal_nan=True)
    assert np.isnan(total) or np.signbit(result) == np.signbit(total)


@given(act=float32_codes, wgt=float32_codes, psum=float32_codes, near=st.booleans())
def test_fp32_rounds_and_flushes_as_defined_in_exact_arithmetic(act: int, wgt: int, psum: int, near: bool) -> None:
    if near:  # the product at the edge of underflow
        wgt = (wgt & 0x807FFFFF) | (min(max(127 - (act >> 23 & 255), 0), 254) << 23)
        psum &= 0x80FFFFFF
    if any((code >> 23 & 255) == 255 for code in (act, wgt, psum)):
        return  # infinities and NaN have their own test
    expected = np.float32(mac_by_fractions(act, wgt, psum))
    result = load_mac_model("fp32").mac(np.int64(act), np.int64(wgt), np.int64(psum))
    assert int(result) == int(code_of(expected))


ONE, INF, NAN, LEAST, SUBNORMAL = 0x3F800000, 0x7F800000, 0x7FC00000, 0x00800000, 0x007FFFFF
MINUS = 0x80000000


@pytest.mark.parametrize(
    ("act", "wgt", "psum", "expected"),
    [
        (INF, 0, ONE, NAN),
        (INF, SUBNORMAL, ONE, NAN),  # a subnormal is a zero
        (INF, ONE, INF | MINUS, NAN),
        (INF, ONE, ONE, INF),
        (ONE, ONE, INF | MINUS, INF | MINUS),
        (ONE, ONE, 0xFF800001, NAN),  # every NaN becomes the canonical one
        (ONE, SUBNORMAL | MINUS, MINUS, MINUS),  # (-0) + (-0)
        (ONE, MINUS, 0, 0),  # (-0) + (+0)
        (ONE, ONE, ONE | MINUS, 0),  # exact cancellation
        (ONE, SUBNORMAL, ONE, ONE),
        (ONE, LEAST | MINUS, LEAST + 1, 0),  # a difference of 2**-149 is flushed
        (ONE, LEAST + 1, LEAST | MINUS, 0),
        (0x3F7FFFFF, LEAST, 0, 0),  # 2**-126 - 2**-150 is a number of 24 bits: tiny, flushed
        (0x3F7FFFFF, LEAST + 1, 0, LEAST),  # 2**-126 (1 + 2**-24 - 2**-47) rounds to 2**-126
        (single(31 * 2.0**-20), single(1082401 * 2.0**-131), 0, LEAST),  # 2**-126 - 2**-151, the tie of flushing
        (0x7F7FFFFF, 0x40000000, 0, INF),  # overflow of the product
        (ONE, 0x7F7FFFFF, 0x73000000, INF),  # overflow of the sum, by a tie
        (ONE, 0x7F7FFFFF, 0x72FFFFFF, 0x7F7FFFFF),
        (0x3F800001, 0x3F800001, 0, 0x3F800002),
        (ONE, ONE, 0x33800000, ONE),  # 1 + 2**-24: tie to even, down
        (ONE, ONE + 1, 0x33800000, ONE + 2),  # tie to even, up
    ],
)
def test_fp32_corner_cases_of_the_standard(act: int, wgt: int, psum: int, expected: int) -> None:
    result = load_mac_model("fp32").mac(np.int64(act), np.int64(wgt), np.int64(psum))
    assert f"{int(result):08x}" == f"{expected:08x}"


@given(code=float32_codes)
def test_fp32_decodes_numbers_as_ieee_singles_and_subnormals_as_zeros(code: int) -> None:
    model = load_mac_model("fp32")
    value = model.decode_activation(np.int64(code))
    assert np.array_equal(value, read_operand(code), equal_nan=True)
    assert np.array_equal(value, model.decode_weight(np.int64(code)), equal_nan=True)
    assert np.array_equal(value, model.decode_psum(np.int64(code)), equal_nan=True)
