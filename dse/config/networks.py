"""The networks of a config: those it names, those of a family, and what is known of their accuracies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from dse.config.schema import MAX_WORKLOADS, ConfigModel
from dse.config.validation import RULES
from dse.config.yaml_source import Source
from dse.errors import InputError, Problem, did_you_mean, first
from dse.metrics import METRICS, of_networks
from pe_library.model import list_pe_types
from workloads.accuracies import REFERENCE, Run, read_runs, shipped_runs, with_accuracies, with_datasets
from workloads.families import FAMILIES
from workloads.layer import Workload
from workloads.loader import is_named, list_workloads, load_workload

SHOWN = 5  # names in a message


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
        if not is_named(entry) and not Path(entry).suffix and len(Path(entry).parts) == 1:
            hint = did_you_mean(entry, list_workloads())
            problems.append(source.problem(location, "unknown workload", entry, hint))
            continue
        try:
            workload = load_workload(entry if is_named(entry) else str(folder / entry))
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
    levels, types = config.accuracy.evidence, {*_pe_types(config), REFERENCE}
    try:
        own = [run for run in with_datasets(own, workloads) if run.pe_type in types]
        shipped = [run for run in shipped_runs(levels) if run.pe_type in types]
        known = with_accuracies(workloads.values(), own, shipped, levels)
    except InputError as error:
        return [source.problem(("accuracy", "tables"), p.rule, p.value) for p in error.problems]
    workloads |= {each.name: each for each in known}
    return [
        *_overruled(source, levels, workloads, own),
        *_unknown_accuracies(source, config, workloads, {run.network for run in own}),
        *_unnamed_datasets(source, config, workloads),
    ]


def _pe_types(config: ConfigModel) -> list[str]:
    space: Any = config.space
    types: list[str] = space.pe_type
    return types


def _overruled(
    source: Source, levels: Sequence[str], workloads: Mapping[str, Workload], own: Sequence[Run]
) -> list[Problem]:
    """Rows of the user at levels that do not count, where a shipped value would count instead."""
    counted = {(run.network, run.pe_type) for run in own if run.evidence in levels}
    return [
        source.problem(
            ("accuracy", "evidence"), f"must have `{run.evidence}` for {run.network} on {run.pe_type} of {run.origin}",
            list(levels), "or take the row out: a shipped accuracy would count instead",
        )
        for run in own
        if (run.network, run.pe_type) not in counted and workloads[run.network].accuracy(run.pe_type) is not None
    ]  # fmt: skip


def _unnamed_datasets(source: Source, config: ConfigModel, workloads: Mapping[str, Workload]) -> list[Problem]:
    """Accuracies of several networks compare on one data set only, so it must be named."""
    rated = [workload for workload in workloads.values() if workload.accuracies]
    unnamed = [workload.name for workload in rated if not workload.dataset]
    if len(rated) < 2 or not unnamed or not of_networks(config.objectives):
        return []
    rule = f"column `dataset` must name that of {first(unnamed, SHOWN)}"
    hint = "accuracies compare on one data set only"
    return [source.problem(("accuracy", "tables"), rule, hint=hint)]


def _stated_twice(source: Source, own: Sequence[Run]) -> list[Problem]:
    """Values that two tables of the user have."""
    origins: dict[tuple[str, str, str], str] = {}
    problems = []
    for run in own:
        origin = origins.setdefault((run.network, run.pe_type, run.evidence), run.origin)
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
    types = _pe_types(config)

    def lacking(workload: Workload, pe_type: str) -> list[str]:
        known = dict(zip(("accuracy", "accuracy_drop"), workload.accuracy_and_drop(pe_type), strict=True))
        return [name for name in asked if math.isnan(known[name])]

    missing = {each.name: [name for name in types if lacking(each, name)] for each in workloads.values()}
    what = " and ".join(dict.fromkeys(n for each in workloads.values() for name in types for n in lacking(each, name)))
    hint = f"evidence that counts: {', '.join(config.accuracy.evidence)}; a table of yours may add to it"
    if "accuracy_drop" in asked:
        hint = f"accuracy_drop needs {REFERENCE} of the same table; {hint}"
    if workloads and all(len(names) == len(types) for names in missing.values()):
        return [source.problem(("accuracy",), f"no {what} is known of any network of this study", hint=hint)]
    return [
        source.problem(("accuracy", "tables"), f"no {what} of {name} on {', '.join(missing[name])}", hint=hint)
        for name in sorted(own) if missing[name]
    ]  # fmt: skip
