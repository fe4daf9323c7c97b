"""Hypervolume of fronts, on one scale; exact, by the package moocore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.optimizers import missing_extra

FloatArray = NDArray[np.float64]

MARGIN = 0.1  # of the range of the front that sets the scale, from its worst values to the reference point


@dataclass(frozen=True)
class Scale:
    """Where costs lie: 0 at `best`, 1 at `worst`; both (objectives,)."""

    best: FloatArray
    worst: FloatArray

    @classmethod
    def of(cls, front: FloatArray) -> Scale:
        """The scale on which the costs of a front (points, objectives) range from 0 to 1; a constant one is 0."""
        best, worst = front.min(axis=0), front.max(axis=0)
        return cls(best, np.where(worst > best, worst, best + np.where(best == 0, 1.0, np.abs(best))))

    @property
    def reference(self) -> FloatArray:
        """The reference point: `MARGIN` of the range beyond the worst, in the unit of the costs."""
        return self.worst + MARGIN * (self.worst - self.best)


def hypervolume(costs: FloatArray, scale: Scale) -> float:
    """Volume that costs (points, objectives) dominate up to the reference point, on a scale; points beyond add nothing.

    Raises RunError where moocore is missing.
    """
    moocore = require_moocore()
    if not len(costs):
        return 0.0
    scaled = (costs - scale.best) / (scale.worst - scale.best)
    return float(moocore.hypervolume(scaled, ref=np.full(scaled.shape[1], 1 + MARGIN)))


def require_moocore() -> Any:
    """The package. Raises RunError where it is missing."""
    try:
        import moocore
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    return moocore
