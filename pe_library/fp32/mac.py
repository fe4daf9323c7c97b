"""MAC of `fp32`: IEEE single, multiply and add each rounded to nearest even. Bit-exact with mac.v.

Subnormal operands count as zeros of their sign; results that are tiny after rounding become such zeros.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pe_library.codes import Codes, Reals, code_of, float_of

ACTIVATION_BITS = 32
WEIGHT_BITS = 32
PSUM_BITS = 32
FRACTION_BITS = 0

NAN = 0x7FC00000
SMALLEST_NORMAL = 2.0**-126
# The 24-bit number next below is odd in its last bit, so the tie between the two rounds up to the normal one.
TINY_PRODUCT = 2.0**-126 - 2.0**-151


def decode_activation(code: Codes) -> Reals:
    """Real value of an activation code [-]."""
    return _operand(code)


def decode_weight(code: Codes) -> Reals:
    """Real value of a weight code [-]."""
    return _operand(code)


def decode_psum(code: Codes) -> Reals:
    """Real value of a psum code [-]."""
    return _operand(code)


def mac(act: Codes, wgt: Codes, psum: Codes) -> Codes:
    """round(psum + round(act * wgt)) on codes."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        exact = _operand(act) * _operand(wgt)  # 24 x 24 bits fit in the 53 of a double
        product = _flush(exact, TINY_PRODUCT).astype(np.float32)
        total = _operand(psum).astype(np.float32) + product
        # A tiny sum is always exact (a multiple of 2**-149), so rounding cannot lift it.
        result = code_of(_flush(total.astype(np.float64), SMALLEST_NORMAL).astype(np.float32))
    return np.where(np.isnan(total), NAN, result)


def _operand(code: Codes) -> Reals:
    with np.errstate(invalid="ignore"):  # a signaling NaN becomes a quiet one
        return _flush(float_of(code).astype(np.float64), SMALLEST_NORMAL)


def _flush(value: NDArray[np.float64], limit: float) -> Reals:
    return np.where(np.abs(value) < limit, np.copysign(0.0, value), value)
