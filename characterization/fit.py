"""Fit the PE models: `pe_library/<type>/synthesis.csv` -> `pe_library/<type>/model.json`.

For each measured part a set of candidate polynomials is tried: degree 0 to 4, with and without interactions,
in the spad depths that can physically matter to the part, or in their logarithms. The candidate is chosen
by k-fold cross-validation (scikit-learn's RepeatedKFold: k folds, several shuffles, fixed seed) on the mean
absolute percentage error, because relative errors are what matters when designs are compared. The one with
the fewest terms within one standard error of the best wins (Breiman et al., *Classification and Regression
Trees*, 1984; Hastie et al., *The Elements of Statistical Learning*, section 7.10) and is refitted to all
points. Coefficients are least squares weighted by 1/y^2: they minimize the squared relative error. The
held-out points are never read here.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import RepeatedKFold

from dse.errors import RunError
from pe_library.heldout import column, heldout_errors, read_points
from pe_library.model import FITTED, INPUTS, PE_LIBRARY, Feature, FloatArray, evaluate_terms, load_pe_model

__all__ = ["fit_pe_model", "heldout_errors", "write_pe_model"]

FOLDS, REPEATS, SEED = 7, 10, 20220613
MAX_DEGREE = 4
DEPTH_TRANSFORMS = ("words", "log2", "address_bits")
IFMAP, FILTER, PSUM = ((name,) for name in INPUTS)
# Which depths can matter to a part. A spad's own area, delay and access energy depend on its own depth.
PHYSICAL_INPUTS: Mapping[str, tuple[str, ...]] = {
    "area_ifmap_um2": IFMAP,
    "area_filter_um2": FILTER,
    "area_psum_um2": PSUM,
    "area_mac_um2": (),
    "area_control_um2": INPUTS,
    "leakage_uw": INPUTS,
    "period_ifmap_ns": IFMAP,
    "period_filter_ns": FILTER,
    "period_psum_ns": PSUM,
    "period_mac_ns": (),
    "period_control_ns": INPUTS,
    "clock_pj": INPUTS,
    "control_pj": INPUTS,
    "mac_pj": (),
    "ifmap_read_pj": IFMAP,
    "ifmap_write_pj": IFMAP,
    "filter_read_pj": FILTER,
    "filter_write_pj": FILTER,
    "psum_read_pj": PSUM,
    "psum_write_pj": PSUM,
}
# Significant digits of the coefficients: far finer than the fit, far coarser than the rounding errors of
# linear algebra, so that the same points give the same file on every machine.
DIGITS = 8


@dataclass(frozen=True)
class Candidate:
    """A form of polynomial: `transform` of the depths, total degree, products of different depths or none."""

    transform: str
    degree: int
    interactions: bool
    features: tuple[Feature, ...]
    exponents: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Trial:
    """A candidate and its cross-validated MAPE in percent, with the standard error over the folds."""

    candidate: Candidate
    mape_percent: float
    standard_error_percent: float

    def to_json(self) -> dict[str, Any]:
        return {
            "transform": self.candidate.transform,
            "degree": self.candidate.degree,
            "interactions": self.candidate.interactions,
            "terms": len(self.candidate.exponents),
            "cv_mape_percent": self.mape_percent,
            "cv_standard_error_percent": self.standard_error_percent,
        }


def write_pe_model(name: str, library: Path = PE_LIBRARY) -> Path:
    """Fit a PE type and write its `model.json`; returns the path."""
    path = library / name / "model.json"
    path.write_text(to_text(fit_pe_model(name, library)) + "\n", encoding="utf-8", newline="\n")
    load_pe_model.cache_clear()
    return path


def fit_pe_model(name: str, library: Path = PE_LIBRARY) -> dict[str, Any]:
    """Fit every part of a PE type to its synthesized points; returns the content of `model.json`.

    Raises RunError when the points are missing, are too few, or do not span a range in every depth.
    """
    path = library / name / "synthesis.csv"
    rows = [row for row in read_points(path) if row["role"] in ("fit", "corner")]
    if len(rows) < 2 * FOLDS:
        raise RunError(f"{path} has {len(rows)} points to fit; at least {2 * FOLDS} are needed")
    depths = {depth: column(rows, depth) for depth in INPUTS}
    ranges = {depth: (int(words.min()), int(words.max())) for depth, words in depths.items()}
    if flat := [depth for depth, (low, high) in ranges.items() if low == high]:
        raise RunError(f"{path} has only one value of {', '.join(flat)}; a range is needed")
    return {
        "pe_type": name,
        "inputs": {depth: list(limits) for depth, limits in ranges.items()},
        "library": _library(rows),
        "dataset": {
            "file": path.name,
            "sha256": hashlib.sha256("\n".join(path.read_text(encoding="utf-8").splitlines()).encode()).hexdigest(),
            "points": len(rows),
        },
        "fit": {
            "method": "least squares weighted by 1/y^2",
            "selection": "fewest terms within one standard error of the best cross-validated MAPE",
            "cross_validation": {"folds": FOLDS, "repeats": REPEATS, "seed": SEED},
        },
        "quantities": {part: fit_part(part, depths, ranges, column(rows, part)) for part in FITTED},
    }


def fit_part(
    part: str,
    depths: Mapping[str, FloatArray],
    ranges: Mapping[str, tuple[int, int]],
    measured: FloatArray,
) -> dict[str, Any]:
    """Choose a polynomial for one part by cross-validation and fit it to all points."""
    trials = [
        cross_validate(candidate, depths, measured)
        for candidate in candidates(PHYSICAL_INPUTS[part], ranges, len(measured))
    ]
    chosen = select(trials).candidate
    terms = _matrix(chosen, depths, len(measured))
    coefficients = solve(terms, measured)
    decimals = DIGITS - 1 - int(np.floor(np.log10(np.abs(coefficients).max())))
    coefficients = np.round(coefficients, decimals)
    return {
        "features": [[feature.input, feature.transform] for feature in chosen.features],
        "exponents": [list(row) for row in chosen.exponents],
        "coefficients": coefficients.tolist(),
        "degree": chosen.degree,
        "interactions": chosen.interactions,
        "training_mape_percent": _round(np.mean(np.abs(terms @ coefficients / measured - 1.0)) * 100.0),
        "tried": [trial.to_json() for trial in trials],
    }


def candidates(inputs: Sequence[str], ranges: Mapping[str, tuple[int, int]], points: int) -> list[Candidate]:
    """The polynomials to try for a part that depends on `inputs`; at most one term per two points."""
    tried = [Candidate("none", 0, False, (), ((),))]
    if not inputs:
        return tried
    for transform, degree, interactions in itertools.product(DEPTH_TRANSFORMS, range(1, MAX_DEGREE + 1), (False, True)):
        if interactions and (degree == 1 or len(inputs) == 1):
            continue
        features = tuple(Feature(name, transform, *ranges[name]) for name in inputs)
        exponents = tuple(
            row
            for row in itertools.product(range(degree + 1), repeat=len(inputs))
            if sum(row) <= degree and (interactions or np.count_nonzero(row) <= 1)
        )
        if len(exponents) <= points // 2:
            tried.append(Candidate(transform, degree, interactions, features, exponents))
    return tried


def cross_validate(candidate: Candidate, depths: Mapping[str, FloatArray], measured: FloatArray) -> Trial:
    """Mean absolute percentage error of each point when predicted from folds that do not hold it."""
    terms = _matrix(candidate, depths, len(measured))
    errors = np.zeros(len(measured))
    for train, test in RepeatedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=SEED).split(terms):
        predicted = terms[test] @ solve(terms[train], measured[train])
        errors[test] += np.abs(predicted / measured[test] - 1.0) * (100.0 / REPEATS)
    return Trial(candidate, _round(errors.mean()), _round(errors.std(ddof=1) / np.sqrt(errors.size)))


def select(trials: Sequence[Trial]) -> Trial:
    """The candidate with the fewest terms within one standard error of the best; the better of equals."""
    best = min(trials, key=lambda trial: trial.mape_percent)
    limit = best.mape_percent + best.standard_error_percent
    close = (trial for trial in trials if trial.mape_percent <= limit)
    return min(close, key=lambda trial: (len(trial.candidate.exponents), trial.mape_percent))


def solve(terms: FloatArray, measured: FloatArray) -> FloatArray:
    """Coefficients that minimize the sum of squared relative errors, i.e. least squares weighted by 1/y^2."""
    solution = np.linalg.lstsq(terms / measured[:, None], np.ones_like(measured))[0]
    return np.asarray(solution, dtype=np.float64)


def to_text(content: Any, indent: int = 0, width: int = 160) -> str:
    """JSON with every container on one line that fits: a table stays readable and a diff stays short."""
    flat = json.dumps(content, allow_nan=False)
    if not isinstance(content, (dict, list)) or not content or len(flat) + indent <= width:
        return flat
    if isinstance(content, dict):
        rows = [f"{json.dumps(key)}: {to_text(value, indent + 1)}" for key, value in content.items()]
    else:
        rows = [to_text(value, indent + 1) for value in content]
    opening, closing = "{}" if isinstance(content, dict) else "[]"
    pad = "\n" + " " * (indent + 1)
    return opening + pad + f",{pad}".join(rows) + "\n" + " " * indent + closing


def _matrix(candidate: Candidate, depths: Mapping[str, FloatArray], points: int) -> FloatArray:
    terms = evaluate_terms(candidate.features, candidate.exponents, depths)
    return np.stack([np.broadcast_to(term, points) for term in terms], axis=1)


def _library(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Where the numbers come from, as the points say; points of different origin must not be mixed."""
    origin: dict[str, Any] = {"level": "synthesis, no place and route, no clock tree"}
    for name in ("source", "liberty_sha256", "rtl_sha256", "voltage_v", "temperature_c", "yosys"):
        values = sorted({row[name] for row in rows})
        if len(values) > 1:
            raise RunError(f"points of different {name} cannot be fitted together: {', '.join(values)}")
        origin[name] = values[0]
    return origin


def _round(percent: npt.ArrayLike) -> float:
    return round(float(np.asarray(percent)), 6)
