"""The single trainings behind the shipped measured accuracies, and which images of the test set each is right on.

All PE types and seeds are tested on the same images, so the accuracies of two PE types depend on them together, and
what other images of the same kind would change of their difference is less than what they would change of either.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workloads.accuracies import UNCOUNTED, recipe_source, shipped_rows

BoolArray = NDArray[np.bool_]
Key = tuple[str, str, str]
"""Network, PE type, origin of the accuracy."""


@dataclass(frozen=True)
class Trainings:
    """By seed: top-1 percent, and whether each test image is right where that was kept."""

    percent: dict[int, float] = field(default_factory=dict)
    right: dict[int, BoolArray] = field(default_factory=dict)


def measured_trainings() -> dict[Key, Trainings]:
    """All that the shipped table of measured accuracies has, but those too short to count."""
    found: dict[Key, Trainings] = {}
    sources: dict[str, str] = {}
    for row in shipped_rows("measured.csv"):
        if row["recipe"] not in UNCOUNTED:
            sources[row["recipe_sha256"]] = recipe_source(row)
            key = (row["network"], row["pe_type"], recipe_source(row))
            found.setdefault(key, Trainings()).percent[int(row["seed"])] = float(row["top1_percent"])
    for row in shipped_rows("measured_images.csv"):
        known = found.get((row["network"], row["pe_type"], sources.get(row["recipe_sha256"], "")))
        if known:
            bits = np.frombuffer(base64.b64decode(row["right_base64"]), np.uint8)
            known.right[int(row["seed"])] = np.unpackbits(bits, count=int(row["test_images"])).astype(bool)
    return found


def images_error_percent(own: Mapping[int, BoolArray], other: Mapping[int, BoolArray]) -> float | None:
    """Standard error, percent, that the choice of test images gives a difference of accuracies, in the mean over the
    seeds that both have: that of the mean over images of how much more often one is right. None without such seeds."""
    seeds = sorted(own.keys() & other.keys())
    if not seeds:
        return None
    each = np.mean([own[seed].astype(np.float64) - other[seed] for seed in seeds], axis=0)
    return 100.0 * float(each.std(ddof=1)) / math.sqrt(len(each))
