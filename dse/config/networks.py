"""The networks of a config: those it names, those of a family, and what is known of their accuracies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from dse.config.schema import MAX_WORKLOADS, ConfigModel
from dse.config.validation import RULES
from dse.config.yaml_source import Source
from dse.errors import InputError, Problem, did_you_mean
from dse.metrics import METRICS
from pe_library.model import list_pe_types
from workloads.accuracies import REFERENCE, Run, read_runs, shipped_runs, with_accuracies
from workloads.families import FAMILIES
from workloads.layer import Workload
from workloads.loader import list_workloads, load_workload


def load_networks(
    source: Source, config: ConfigModel | None, folder: Path
) -> tuple[dict[str, Workload], list[Problem]]:
    """The networks by name, with their accuracies, and all that is wrong with them; paths are relative to `folder`."""
    workloads, problems = _load_workloads(source, folder)
    if config is None:
        return workloads, problems
    wrong = _add_architectures(source, config, workloads)  # accuracies are judged where the networks are known
    return workloads, [*problems, *(wrong or _add_accuracies(source, config, workloads, folder))]


def architecture_axes(config: ConfigModel) -> dict[str, tuple[int, ...]]:
    """The axes of the family that the config names, with their values; none where it names none."""
    given = config.architectures
    if given is None:
        return {}
    return {name: tuple(given.axes.get(name, usual)) for name, usual in FAMILIES[given.family].axes.items()}


def _load_workloads(source: Source, folder: Path) -> tuple[dict[str, Workload], list[Problem]]:
    """The workloads that the config names, by name, and what is wrong with the others."""
    entries = source.data.get("workloads")
    loaded: dict[str, Workload] = {}
    problems: list[Problem] = []
    if source.data.get("architectures") is None and entries in (None, []):
        given = "workloads" in source.data
        problems.append(source.problem(("workloads",), RULES["too_short" if given else "missing"], entries))
    seen = set()
    for index, entry in enumerate(entries[:MAX_WORKLOADS] if isinstance(entries, list) else []):
        if not isinstance(entry, str) or not entry or entry in seen:
            continue  # a broken rule of the schema, reported there
        seen.add(entry)
        location = ("workloads", index)
        if entry not in list_workloads() and not Path(entry).suffix and len(Path(entry).parts) == 1:
            hint = did_you_mean(entry, list_workloads())
            problems.append(source.problem(location, "unknown workload", entry, hint))
            continue
        try:
            workload = load_workload(entry if entry in list_workloads() else str(folder / entry))
        except InputError as error:
            prefix = source.problem(location, "").path
            problems += [Problem(f"{prefix}: {p.path}", p.rule, p.value, p.hint) for p in error.problems]
            continue
        if workload.name in loaded:
            problems.append(source.problem(location, "names of workloads must differ", workload.name))
        loaded[workload.name] = workload
    return loaded, problems


def _add_architectures(source: Source, config: ConfigModel, workloads: dict[str, Workload]) -> list[Problem]:
    """Add the members of the family, if any; what is wrong with them."""
    given = config.architectures
    if given is None:
        return []
    count = math.prod(map(len, architecture_axes(config).values()))
    if count + len(workloads) > MAX_WORKLOADS:
        rule = f"must give at most {MAX_WORKLOADS} networks in all"
        return [source.problem(("architectures",), rule, count + len(workloads))]
    try:
        members = FAMILIES[given.family].members(given.axes)
    except InputError as error:  # more MACs than counts hold
        return [source.problem(("architectures",), f"{p.path} {p.rule}", p.value) for p in error.problems]
    same = [member.name for member in members if member.name in workloads]
    workloads |= {member.name: member for member in members}
    return [source.problem(("architectures",), "names of workloads must differ", name) for name in same]


def _add_accuracies(source: Source, config: ConfigModel, workloads: dict[str, Workload], folder: Path) -> list[Problem]:
    """Give the workloads their accuracies; what is wrong with the tables of the user, or missing."""
    own: list[Run] = []
    problems: list[Problem] = []
    for index, name in enumerate(config.accuracy.tables):
        prefix = source.problem(("accuracy", "tables", index), "").path
        try:
            own += read_runs(folder / name, workloads, list_pe_types(), name)
        except InputError as error:
            problems += [Problem(f"{prefix}: {p.path}", p.rule, p.value, p.hint) for p in error.problems]
    problems += _stated_twice(source, own)
    if problems:
        return problems
    try:
        levels = config.accuracy.evidence
        known = with_accuracies(workloads.values(), own, shipped_runs(levels), levels)
    except InputError as error:
        return [source.problem(("accuracy", "tables"), p.rule, p.value) for p in error.problems]
    workloads |= {each.name: each for each in known}
    return _unknown_accuracies(source, config, workloads, {run.network for run in own})


def _stated_twice(source: Source, own: Sequence[Run]) -> list[Problem]:
    """Values that two tables of the user have."""
    first: dict[tuple[str, str, str], str] = {}
    problems = []
    for run in own:
        origin = first.setdefault((run.network, run.pe_type, run.evidence), run.origin)
        if origin != run.origin:
            rule = f"{run.origin} repeats what {origin} has"
            problems.append(source.problem(("accuracy", "tables"), rule, f"{run.network}, {run.pe_type}"))
    return problems


def _unknown_accuracies(
    source: Source, config: ConfigModel, workloads: Mapping[str, Workload], own: Set[str]
) -> list[Problem]:
    """Accuracies that the study is about and nothing states: all of them, or some of a network in a user's table."""
    asked = [name for name in (*config.objectives, *config.constraints) if METRICS[name].of_network]
    if not asked:
        return []
    space: Any = config.space

    def lacks(workload: Workload, pe_type: str) -> bool:
        known = dict(zip(("accuracy", "accuracy_drop"), workload.accuracy_and_drop(pe_type), strict=True))
        return any(math.isnan(known[name]) for name in asked)

    missing = {
        workload.name: [name for name in space.pe_type if lacks(workload, name)] for workload in workloads.values()
    }
    hint = f"evidence that counts: {', '.join(config.accuracy.evidence)}; a table of yours may add to it"
    if "accuracy_drop" in asked:
        hint = f"accuracy_drop needs {REFERENCE} of the same table; {hint}"
    if workloads and all(len(names) == len(space.pe_type) for names in missing.values()):
        return [source.problem(("accuracy",), f"no {asked[0]} is known of any network of this study", hint=hint)]
    return [
        source.problem(("accuracy", "tables"), f"no {asked[0]} of {name} on {', '.join(missing[name])}", hint=hint)
        for name in sorted(own) if missing[name]
    ]  # fmt: skip
