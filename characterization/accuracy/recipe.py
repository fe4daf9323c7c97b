"""Recipes: everything that decides what a training run measures, besides network, data set, PE type and seed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace

from dse.errors import InputError, Problem, did_you_mean


@dataclass(frozen=True)
class Phase:
    """SGD over the training images: epochs, peak learning rate, epochs of linear warm-up; then half a cosine to 0."""

    epochs: int
    learning_rate: float
    warmup_epochs: float

    def rate(self, epoch: float) -> float:
        """Learning rate after so many epochs."""
        warm = min(1.0, epoch / self.warmup_epochs) if self.warmup_epochs else 1.0
        return self.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * min(1.0, epoch / self.epochs)))


@dataclass(frozen=True)
class Recipe:
    """FP32 training (`base`), then from it the same fine-tuning (`tune`) for every PE type, FP32 among them.

    `method` grows when the code of training changes what comes out, so that its results are told apart.
    """

    name: str
    base: Phase
    tune: Phase
    train_images: int | None = None  # the first so many; all where None
    batch: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    calibration_images: int = 512
    recalibration_images: int = 5000
    method: int = 1

    @property
    def digest(self) -> str:
        """Eight hex digits that change with any field but the name."""
        return self._digest(("name",))

    @property
    def base_digest(self) -> str:
        """The same of what the base phase depends on."""
        return self._digest(("name", "tune", "recalibration_images"))

    def _digest(self, without: Collection[str]) -> str:
        fields = {key: value for key, value in asdict(self).items() if key not in without}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class SupernetRecipe(Recipe):
    """Weights shared by a family: base phase for all PE types, tuning for each.

    `drawn`: members drawn per step beside the largest and the smallest. `heldout_images`: the last training images,
    which score and never train. `pe_types`: those that the base phase draws from; others can be tuned for, too.
    """

    seed: int = 0
    drawn: int = 2
    heldout_images: int = 5000
    pe_types: tuple[str, ...] = ("fp32", "int16", "int8", "w4a8", "lightpe1", "lightpe2")


STANDARD = Recipe("standard", base=Phase(20, 0.2, 1.0), tune=Phase(2, 0.02, 0.1))
RECIPES = {
    "standard": {
        "cifar10": STANDARD,
        "fashion-mnist": replace(STANDARD, base=Phase(8, 0.2, 1.0), tune=Phase(1, 0.02, 0.1)),
    },
    "demo": {
        "fashion-mnist": Recipe("demo", base=Phase(2, 0.1, 0.5), tune=Phase(1, 0.02, 0.1), train_images=20_000),
    },
    "alone": {"cifar10": replace(STANDARD, name="alone", base=Phase(8, 0.2, 1.0))},
}
"""Name -> data set -> recipe. `alone` is what single pairs of a searched family get (docs/accuracy.md)."""
SUPERNET = SupernetRecipe(
    "supernet", Phase(12, 0.1, 1.0), Phase(2, 0.05, 0.1), weight_decay=1e-4, recalibration_images=1000
)


def find_recipe(name: str, dataset: str) -> Recipe:
    """The recipe of that name for a data set. Raises InputError when there is none."""
    if name not in RECIPES:
        raise InputError(Problem("recipe", "must be a recipe", name, did_you_mean(name, RECIPES)))
    if dataset not in RECIPES[name]:
        raise InputError(Problem("recipe", f"{name} is not for this data set", dataset))
    return RECIPES[name][dataset]
