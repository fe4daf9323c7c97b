"""Config file -> frozen `Study`. Every check of outside input starts here, and all problems are reported at once.

`yaml_source` reads the file, `schema` says what it may hold, `validation` compares the two, and `networks` finds the
networks and their accuracies.
docs/config.md describes the file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dse.config.networks import architecture_axes, load_networks
from dse.config.schema import MAX_ALL_POINTS, ConfigModel, TopModel, design_space
from dse.config.validation import spads_without_use, validate
from dse.config.yaml_source import Source, read_yaml
from dse.errors import InputError, Problem
from dse.metrics import of_networks
from dse.space import DesignSpace
from dse.sparsity import NO_ZEROS, ZEROS_HINT, Sparsity
from dse.technology import Technology
from pe_library.memory.noc import NocParameters
from workloads.accuracies import REFERENCE
from workloads.layer import Workload

MAX_BATCH_MACS = 2**56  # leaves 2^7 to int64 for the bits of an operand


@dataclass(frozen=True)
class Sample:
    """Which designs of the space are evaluated: all (`grid`), or `n` drawn by `random`, `lhs` or `sobol`."""

    method: str
    n: int | None
    seed: int


@dataclass(frozen=True)
class Keep:
    """Which rows of points a sweep keeps: `all`; `front`, what nothing dominates; or `top`, the `n` best.

    Fronts and best are of each workload and PE type, over all dataflows, of the feasible designs within the
    constraints: fronts in the objectives, best in the first of them. `auto`: the size of the study decided.
    """

    what: str
    n: int | None = None
    auto: bool = False

    @property
    def name(self) -> str | dict[str, int]:
        """As in a config and in run.json."""
        return self.what if self.n is None else {self.what: self.n}


@dataclass(frozen=True)
class Optimization:
    """How `dse optimize` searches the space: at most `evaluations` designs, about `population` at a time.

    It stops after `stagnation` evaluations without a change of the front (None: it does not).
    """

    algorithm: str
    evaluations: int
    population: int
    seed: int
    stagnation: int | None

    def override(self, algorithm: str | None, evaluations: int | None, seed: int | None) -> Optimization:
        """These options with others in their place; None keeps one."""
        return replace(
            self,
            algorithm=self.algorithm if algorithm is None else algorithm,
            evaluations=self.evaluations if evaluations is None else evaluations,
            seed=self.seed if seed is None else seed,
        )


@dataclass(frozen=True)
class Constraint:
    """Limits of a metric, in its unit; None where there is none."""

    metric: str
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class Study:
    """A checked config. `resolved` is its canonical form with all defaults; `sha256` the hash of that as JSON.

    `optimization` and `keep` are in neither: how a space is searched, and which points are kept, changes no point. See
    `with_optimization`; a sweep identifies its run by `keep`, too.
    """

    name: str
    workloads: tuple[Workload, ...]
    space: DesignSpace
    sample: Sample
    keep: Keep
    optimization: Optimization
    objectives: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    architectures: dict[str, tuple[int, ...]]  # axes of the family whose members are the last workloads, last fastest
    mapping_objective: str
    technology: Technology
    resolved: dict[str, Any]
    sha256: str

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that the objectives and constraints are about."""
        return tuple(dict.fromkeys((*self.objectives, *(constraint.metric for constraint in self.constraints))))

    @property
    def contests(self) -> tuple[tuple[int, ...], ...]:
        """Which workloads compete for a front, as indices: each its own, but where accuracy is an objective those of
        one data set together."""
        if not of_networks(self.objectives):
            return tuple((index,) for index in range(len(self.workloads)))
        groups: dict[str, list[int]] = {}
        for index, workload in enumerate(self.workloads):
            groups.setdefault(workload.dataset, []).append(index)
        return tuple(map(tuple, groups.values()))

    @property
    def designs(self) -> int:
        """Designs of the space or of its sample; `lhs` and `sobol` may find fewer that differ."""
        return self.space.size if self.sample.n is None else self.sample.n


def load_study(path: Path | str) -> Study:
    """Read a config file. Raises InputError with every problem found in it and in the layer tables it names."""
    path = Path(path)
    source, problems = read_yaml(path)
    config, broken_rules = validate(ConfigModel, source)
    broken_rules += spads_without_use(source, ("space",))
    workloads, unread = load_networks(source, config, path.parent)
    unusable = {problem.path for problem in problems}  # what YAML could not read breaks rules of the schema, too
    problems += [problem for problem in (*broken_rules, *unread) if problem.path not in unusable]
    if config is not None:
        problems += _too_much_work(source, config, workloads) + _no_zeros(source, config, workloads)
    if problems or config is None:
        raise InputError(source.in_order(problems))
    return _study(config, workloads)


def with_optimization(study: Study) -> Study:
    """The study with `optimization` in its canonical form and in its hash: what identifies a search of its space."""
    resolved = {**study.resolved, "optimize": asdict(study.optimization)}
    return replace(study, resolved=resolved, sha256=_sha256(resolved))


def _too_much_work(source: Source, config: ConfigModel, workloads: Mapping[str, Workload]) -> list[Problem]:
    """Counts of a whole batch, in bits, must stay inside int64."""
    space: Any = config.space
    batch = max(space.batch)
    return [
        source.problem(("space", "batch"), f"batch x MACs of {workload.name} must be at most 2^56", batch)
        for workload in workloads.values()
        if batch * workload.macs > MAX_BATCH_MACS
    ]


def _no_zeros(source: Source, config: ConfigModel, workloads: Mapping[str, Workload]) -> list[Problem]:
    """An option that makes something of zeros needs a network that states its zeros."""
    given = Sparsity(**config.technology.sparsity.model_dump())
    if not given.in_use or not workloads or any(workload.states_zeros for workload in workloads.values()):
        return []
    return [source.problem(("technology", "sparsity"), NO_ZEROS, hint=ZEROS_HINT)]


def _study(config: ConfigModel, workloads: Mapping[str, Workload]) -> Study:
    space = design_space(dict(config.space))
    settings = config.technology.model_dump()
    parts = {"noc": NocParameters(**settings["noc"]), "sparsity": Sparsity(**settings["sparsity"])}
    technology = Technology(**{**settings, **parts})
    resolved = _resolved(config, workloads, space, technology)
    return Study(
        name=config.name,
        workloads=tuple(workloads.values()),
        space=space,
        sample=Sample(config.sample.method, config.sample.n, config.sample.seed),
        keep=_keep(config.keep, (config.sample.n or space.size) * len(workloads)),
        optimization=Optimization(**config.optimize.model_dump()),
        objectives=tuple(config.objectives),
        constraints=tuple(Constraint(name, bounds.min, bounds.max) for name, bounds in config.constraints.items()),
        architectures=architecture_axes(config),
        mapping_objective=config.mapping.objective,
        technology=technology,
        resolved=resolved,
        sha256=_sha256(resolved),
    )


def _keep(given: str | TopModel, points: int) -> Keep:
    """What to keep of so many points; `auto` resolved."""
    if isinstance(given, TopModel):
        return Keep("top", given.top)
    if given == "auto":
        return Keep("all" if points <= MAX_ALL_POINTS else "front", auto=True)
    return Keep(given)


def _resolved(
    config: ConfigModel, workloads: Mapping[str, Workload], space: DesignSpace, technology: Technology
) -> dict[str, Any]:
    """The canonical config: plain JSON values, defaults filled in, axes written out, workloads by content."""
    axes = {name: ["max" if value == math.inf else value for value in values] for name, values in space.axes.items()}
    return {
        "schema": config.version,
        "name": config.name,
        "workloads": list(workloads),
        "workload_sha256": {name: workload_sha256(workload) for name, workload in workloads.items()},
        "accuracy": {"evidence": list(config.accuracy.evidence)},
        "workload_accuracies": {
            name: [asdict(each) for each in workload.accuracies if each.pe_type in (*space.pe_type, REFERENCE)]
            for name, workload in workloads.items()
            if workload.accuracies
        },
        "space": axes,
        "objectives": list(config.objectives),
        "constraints": {name: bounds.model_dump() for name, bounds in sorted(config.constraints.items())},
        "sample": config.sample.model_dump(),
        "mapping": config.mapping.model_dump(),
        "technology": asdict(technology),
    }


def workload_sha256(workload: Workload) -> str:
    """Hash of what is computed: the layers of a workload, in order."""
    return _sha256([asdict(layer) for layer in workload.layers])


def _sha256(content: object) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
