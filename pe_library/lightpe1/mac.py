"""MAC of `lightpe1`: 8-bit activations x one signed power of two. Bit-exact with mac.v."""

from __future__ import annotations

import numpy as np

from pe_library.codes import LIGHT_FRACTION_BITS, Codes, Reals, light_weight, to_code, to_signed

ACTIVATION_BITS = 8
WEIGHT_BITS = 4
PSUM_BITS = 30
FRACTION_BITS = LIGHT_FRACTION_BITS


def decode_activation(code: Codes) -> Reals:
    """Real value of an activation code [-]."""
    return to_signed(code, ACTIVATION_BITS).astype(np.float64)


def decode_weight(code: Codes) -> Reals:
    """Real value of a weight code [-]."""
    return _scaled_weight(code) / 2.0**FRACTION_BITS


def decode_psum(code: Codes) -> Reals:
    """Real value of a psum code [-]."""
    return to_signed(code, PSUM_BITS) / 2.0**FRACTION_BITS


def mac(act: Codes, wgt: Codes, psum: Codes) -> Codes:
    """psum + act * wgt on codes, modulo 2**PSUM_BITS."""
    return to_code(psum + to_signed(act, ACTIVATION_BITS) * _scaled_weight(wgt), PSUM_BITS)


def _scaled_weight(code: Codes) -> Codes:
    return light_weight(code)
