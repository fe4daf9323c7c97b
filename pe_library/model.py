"""PE types and their fitted models of area, leakage, clock period and energy.

Definitions. A *PE type* is a folder of this package: operand widths and arithmetic in `pe.yaml`,
synthesized points in `synthesis.csv`, the model fitted to them in `model.json` (written by
`characterization.fit`). A model predicts every quantity of one PE from its three spad depths, in words.
Operand widths are fixed inside a PE type, so the depth of a spad in words and its capacity in bits are the
same variable up to a constant.

Each measured part is one polynomial (`Polynomial`); area is the sum of its parts, and the minimum clock
period the maximum of its parts because the clock must suit the slowest path. The idea of polynomial models
fitted to synthesis results is that of QUIDAM (Inci et al., ACM TECS, doi 10.1145/3555807); the equations are
in docs/ppa_model.md.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from dse.errors import InputError, Problem, RunError, did_you_mean

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

PE_LIBRARY = Path(__file__).parent
INPUTS = ("ifmap_spad_words", "filter_spad_words", "psum_spad_words")
AREA_PARTS = ("area_ifmap_um2", "area_filter_um2", "area_psum_um2", "area_mac_um2", "area_control_um2")
PERIOD_PARTS = ("period_ifmap_ns", "period_filter_ns", "period_psum_ns", "period_mac_ns", "period_control_ns")
MAC_PARTS = ("mac_pj", "ifmap_read_pj", "filter_read_pj", "psum_read_pj", "psum_write_pj")
# What one MAC costs in a cycle; a write of the ifmap or filter spad comes on top when a word arrives.
RUN_PARTS = ("clock_pj", "control_pj", *MAC_PARTS)
ENERGY_PARTS = (*RUN_PARTS, "ifmap_write_pj", "filter_write_pj")
FITTED = (*AREA_PARTS, "leakage_uw", *PERIOD_PARTS, *ENERGY_PARTS)


@dataclass(frozen=True)
class PEType:
    """What `pe.yaml` says of a PE type: how it is shown and what its operands are.

    `max_reduction_length` is the number of products a psum of `psum_bits` holds without overflow; None where
    overflow is not the limit (floating point).
    """

    name: str
    label: str
    color: str
    marker: str
    description: str
    activation_bits: int
    weight_bits: int
    psum_bits: int
    max_reduction_length: int | None
    arithmetic: str


@dataclass(frozen=True)
class PEPrediction:
    """Predicted quantities of one PE.

    An array has the shape of the inputs it depends on, broadcast together: a quantity of the filter spad
    keeps the shape of `filter_spad_words`, a constant is 0-d. All of them broadcast to the shape of
    `in_range`, which is False outside the characterized range, where values are extrapolations.
    """

    area_um2: FloatArray
    leakage_uw: FloatArray
    min_period_ns: FloatArray
    clock_pj: FloatArray
    control_pj: FloatArray
    mac_pj: FloatArray
    ifmap_read_pj: FloatArray
    ifmap_write_pj: FloatArray
    filter_read_pj: FloatArray
    filter_write_pj: FloatArray
    psum_read_pj: FloatArray
    psum_write_pj: FloatArray
    in_range: BoolArray


def _words(words: FloatArray) -> FloatArray:
    return words


def _log2(words: FloatArray) -> FloatArray:
    return np.asarray(np.log2(words), dtype=np.float64)


def _address_bits(words: FloatArray) -> FloatArray:
    # frexp is exact; with ceil(log2(words)) a rounding error at a power of two would cost a whole bit.
    return np.asarray(np.frexp(words - 1.0)[1], dtype=np.float64)


TRANSFORMS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "words": _words,
    "log2": _log2,
    "address_bits": _address_bits,
}


@dataclass(frozen=True)
class Feature:
    """A regressor: the depth of one spad, transformed and scaled so that its fitted range becomes [-1, 1].

    Transforms: `words` (storage grows with the depth), `log2` (levels of a read-mux tree), `address_bits`
    (the next integer above: the width of the counters that walk the spad).
    """

    input: str
    transform: str
    low_words: float
    high_words: float

    def __call__(self, words: FloatArray) -> FloatArray:
        transform = TRANSFORMS[self.transform]
        low, high = transform(np.asarray([self.low_words, self.high_words], dtype=np.float64))
        return np.asarray((transform(words) - low) * (2.0 / (high - low)) - 1.0)


@dataclass(frozen=True)
class Polynomial:
    """Sum over terms of coefficient x product of feature^exponent; `exponents` has one row per term."""

    features: tuple[Feature, ...]
    exponents: tuple[tuple[int, ...], ...]
    coefficients: tuple[float, ...]

    def __call__(self, depths: Mapping[str, FloatArray]) -> FloatArray:
        """Element-wise. Terms of the same inputs are added first: on an open mesh those sums stay small."""
        sums: dict[tuple[str, ...], FloatArray] = {}
        terms = evaluate_terms(self.features, self.exponents, depths)
        for exponents, coefficient, term in zip(self.exponents, self.coefficients, terms, strict=True):
            used = zip(self.features, exponents, strict=True)
            inputs = tuple(sorted({feature.input for feature, exponent in used if exponent}))
            sums[inputs] = np.asarray(sums.get(inputs, 0.0) + coefficient * term)
        total = np.zeros((), dtype=np.float64)
        for inputs in sorted(sums, key=lambda inputs: (len(inputs), inputs)):
            total = np.asarray(total + sums[inputs])
        return total


def evaluate_terms(
    features: tuple[Feature, ...], exponents: tuple[tuple[int, ...], ...], depths: Mapping[str, FloatArray]
) -> list[FloatArray]:
    """The product of feature^exponent for each row of `exponents`; `depths` maps an input's name to words."""
    values = [feature(depths[feature.input]) for feature in features]
    terms = []
    for row in exponents:
        term = np.ones((), dtype=np.float64)
        for value, exponent in zip(values, row, strict=True):
            for _ in range(exponent):
                term = np.asarray(term * value)
        terms.append(term)
    return terms


@dataclass(frozen=True)
class PEModel:
    """The fitted model of one PE type: a polynomial for each of `FITTED`.

    `ranges` gives the lowest and highest characterized words of each input; `sha256` is the hash of the
    content of `model.json` (canonical JSON), which a run records.
    """

    pe_type: str
    ranges: Mapping[str, tuple[int, int]]
    polynomials: Mapping[str, Polynomial]
    sha256: str

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PEModel:
        """Build the model from the content of `model.json`."""
        ranges = {name: (int(low), int(high)) for name, (low, high) in content["inputs"].items()}
        polynomials = {}
        for name in FITTED:
            fit = content["quantities"][name]
            features = tuple(Feature(name, transform, *ranges[name]) for name, transform in fit["features"])
            exponents = tuple(tuple(row) for row in fit["exponents"])
            polynomials[name] = Polynomial(features, exponents, tuple(fit["coefficients"]))
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return cls(content["pe_type"], ranges, polynomials, hashlib.sha256(canonical.encode()).hexdigest())

    def parts(
        self,
        ifmap_spad_words: npt.ArrayLike,
        filter_spad_words: npt.ArrayLike,
        psum_spad_words: npt.ArrayLike,
    ) -> dict[str, FloatArray]:
        """Every fitted part by its column name, in the unit of that name; element-wise over the depths."""
        depths = _depths(ifmap_spad_words, filter_spad_words, psum_spad_words)
        return {name: polynomial(depths) for name, polynomial in self.polynomials.items()}

    def predict(
        self,
        ifmap_spad_words: npt.ArrayLike,
        filter_spad_words: npt.ArrayLike,
        psum_spad_words: npt.ArrayLike,
    ) -> PEPrediction:
        """Area, leakage, minimum clock period, energy parts; element-wise over broadcastable depths."""
        parts = self.parts(ifmap_spad_words, filter_spad_words, psum_spad_words)
        return PEPrediction(
            area_um2=functools.reduce(np.add, (parts[name] for name in AREA_PARTS)),
            leakage_uw=parts["leakage_uw"],
            min_period_ns=functools.reduce(np.maximum, (parts[name] for name in PERIOD_PARTS)),
            in_range=self.in_range(ifmap_spad_words, filter_spad_words, psum_spad_words),
            **{name: parts[name] for name in ENERGY_PARTS},
        )

    def in_range(
        self, ifmap_spad_words: npt.ArrayLike, filter_spad_words: npt.ArrayLike, psum_spad_words: npt.ArrayLike
    ) -> BoolArray:
        """Whether all three depths lie within what was synthesized; element-wise over broadcastable depths."""
        inside = np.ones((), dtype=np.bool_)
        for name, words in _depths(ifmap_spad_words, filter_spad_words, psum_spad_words).items():
            low, high = self.ranges[name]
            inside = np.asarray(inside & (words >= low) & (words <= high))
        return inside


def _depths(*words: npt.ArrayLike) -> dict[str, FloatArray]:
    return {name: np.asarray(value, dtype=np.float64) for name, value in zip(INPUTS, words, strict=True)}


@functools.cache
def list_pe_types(library: Path = PE_LIBRARY) -> tuple[str, ...]:
    """Names of the PE types: the folders with a `pe.yaml`, in the order of its `order` key."""
    order = {path.parent.name: _read_yaml(path).get("order", 0) for path in library.glob("*/pe.yaml")}
    return tuple(sorted(order, key=lambda name: (order[name], name)))


@functools.cache
def load_pe_type(name: str, library: Path = PE_LIBRARY) -> PEType:
    """Read `pe.yaml` of a PE type. Raises InputError when the type is unknown or its file breaks a rule."""
    _check_known(name, library)
    path = library / name / "pe.yaml"
    content = _read_yaml(path)
    operands = content.get("operands")
    content = {**content, **(operands if isinstance(operands, dict) else {})}
    text = ("name", "label", "color", "marker", "description", "arithmetic")
    bits = ("activation_bits", "weight_bits", "psum_bits")
    longest = content.get("max_reduction_length")
    rules = {key: ("must be text", isinstance(content.get(key), str)) for key in text}
    rules |= {key: ("must be a positive integer", _is_positive(content.get(key))) for key in bits}
    rules["name"] = (f"must be the name of its folder, `{name}`", content.get("name") == name)
    rules["max_reduction_length"] = (
        "must be a positive integer or null",
        "max_reduction_length" in content and (longest is None or _is_positive(longest)),
    )
    broken = [Problem(f"{path}: {key}", rule, content.get(key)) for key, (rule, ok) in rules.items() if not ok]
    if broken:
        raise InputError(broken)
    return PEType(**{key: content[key] for key in (*text, *bits)}, max_reduction_length=longest)


@functools.cache
def load_pe_model(name: str, library: Path = PE_LIBRARY) -> PEModel:
    """The fitted model of a PE type. Raises InputError (unknown type) or RunError (no usable model)."""
    _check_known(name, library)
    path = library / name / "model.json"
    advice = f"run `dse characterize {name}` to build it"
    if not path.is_file():
        raise RunError(f"PE type `{name}` has no fitted model: {path} is missing; {advice}")
    try:
        return PEModel.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is not a complete PE model ({error!r}); {advice}") from error


def _check_known(name: str, library: Path) -> None:
    known = list_pe_types(library)
    if name not in known:
        raise InputError(Problem("pe_type", "must be a PE type", name, did_you_mean(name, known)))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(Problem(str(path), "must be YAML", hint=str(error).replace("\n", " "))) from error
    if not isinstance(content, dict):
        raise InputError(Problem(str(path), "must map keys to values", content))
    return content


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
