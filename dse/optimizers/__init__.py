"""Search algorithms, one file each, found by file name.

An algorithm is a module `dse/optimizers/<name>.py` (no leading underscore) with `search(lattice, knows, objectives,
population, seed)`: a generator that yields design ids and is sent their scores (`dse.optimizers._exploration`).
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, cast

from dse.errors import InputError, Problem, RunError, did_you_mean

if TYPE_CHECKING:
    from dse.optimizers._exploration import Algorithm


def list_algorithms() -> tuple[str, ...]:
    """Names of the algorithms, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


def load_algorithm(name: str) -> Algorithm:
    """The module of an algorithm. Raises InputError for an unknown one, RunError where a package is missing."""
    known = list_algorithms()
    if name not in known:
        raise InputError(Problem("algorithm", "unknown algorithm", name, did_you_mean(name, known)))
    try:
        return cast("Algorithm", importlib.import_module(f"{__name__}.{name}"))
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error


def missing_extra(error: ModuleNotFoundError) -> RunError:
    """What to install where a package of the extra `optimize` is missing."""
    return RunError(f"{str(error.name).partition('.')[0]} is missing: pip install 'dse[optimize]'")
