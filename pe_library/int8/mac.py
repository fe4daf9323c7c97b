"""MAC of `int8`: 8-bit activations x 8-bit weights, exact product. Bit-exact with mac.v."""

from __future__ import annotations

import numpy as np

from pe_library.codes import Codes, Reals, to_code, to_signed

ACTIVATION_BITS = 8
WEIGHT_BITS = 8
PSUM_BITS = 30
FRACTION_BITS = 0


def decode_activation(code: Codes) -> Reals:
    """Real value of an activation code [-]."""
    return to_signed(code, ACTIVATION_BITS).astype(np.float64)


def decode_weight(code: Codes) -> Reals:
    """Real value of a weight code [-]."""
    return to_signed(code, WEIGHT_BITS).astype(np.float64)


def decode_psum(code: Codes) -> Reals:
    """Real value of a psum code [-]."""
    return to_signed(code, PSUM_BITS).astype(np.float64)


def mac(act: Codes, wgt: Codes, psum: Codes) -> Codes:
    """psum + act * wgt on codes, modulo 2**PSUM_BITS."""
    return to_code(psum + to_signed(act, ACTIVATION_BITS) * to_signed(wgt, WEIGHT_BITS), PSUM_BITS)
