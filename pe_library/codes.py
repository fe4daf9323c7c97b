"""Number codes of the PE types: bit patterns held as int64 arrays with values 0 .. 2**bits - 1."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from dse.errors import InputError, Problem, did_you_mean

Codes = NDArray[np.int64]
Reals = NDArray[np.float64]

LIGHT_FRACTION_BITS = 7
"""The smallest LightNN weight is 2**-7, so a product has 7 fraction bits."""


class MacModel(Protocol):
    """What `pe_library/<type>/mac.py` defines. Arrays broadcast; codes are unsigned bit patterns."""

    ACTIVATION_BITS: int
    WEIGHT_BITS: int
    PSUM_BITS: int
    FRACTION_BITS: int

    def decode_activation(self, code: Codes) -> Reals:
        """Real value of an activation code [-]."""

    def decode_weight(self, code: Codes) -> Reals:
        """Real value of a weight code [-]."""

    def decode_psum(self, code: Codes) -> Reals:
        """Real value of a psum code [-]."""

    def mac(self, act: Codes, wgt: Codes, psum: Codes) -> Codes:
        """psum + act * wgt, bit for bit as mac.v computes it."""


def load_mac_model(pe_type: str) -> MacModel:
    """The bit-exact numpy model of a PE type's MAC. Raises InputError when there is no such type."""
    known = [path.parent.name for path in Path(__file__).parent.glob("*/mac.py")]
    if pe_type not in known:
        raise InputError(Problem("pe_type", "must be a PE type", pe_type, did_you_mean(pe_type, known)))
    return cast(MacModel, importlib.import_module(f"pe_library.{pe_type}.mac"))


def to_signed(code: Codes, bits: int) -> Codes:
    """Value of a two's complement code of that many bits (at most 63)."""
    half = 1 << (bits - 1)
    return ((np.asarray(code, dtype=np.int64) + half) & ((1 << bits) - 1)) - half


def to_code(value: Codes, bits: int) -> Codes:
    """Two's complement code of a value, modulo 2**bits."""
    return np.asarray(value, dtype=np.int64) & ((1 << bits) - 1)


def light_weight(code: Codes) -> Codes:
    """A 4-bit code {sign, e[2:0]} as its value (-1)**sign * 2**-e times 2**7.

    Source: Ding et al., LightNN, arXiv 1802.02178 (weights as sums of powers of two).
    """
    code = np.asarray(code, dtype=np.int64)
    return (1 - 2 * (code >> 3)) << (LIGHT_FRACTION_BITS - (code & 7))


def float_of(code: Codes) -> NDArray[np.float32]:
    """The IEEE single of a 32-bit code."""
    return np.asarray(code, dtype=np.int64).astype(np.uint32).view(np.float32)


def code_of(value: NDArray[np.float32]) -> Codes:
    """The 32-bit code of an IEEE single."""
    return np.asarray(value, dtype=np.float32).view(np.uint32).astype(np.int64)
