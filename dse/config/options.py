"""Command-line options of the form `name=value,...`, checked as thoroughly as a config file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dse.config.schema import Space
from dse.config.validation import RULES, spads_without_use, validate
from dse.config.yaml_source import Source
from dse.dataflow import load_dataflow
from dse.errors import InputError, Problem, did_you_mean
from dse.space import NUMERIC_AXES, Designs

MAX_COUNT = 65_536


def load_design(text: str, option: str = "--design") -> Designs:
    """One design from `axis=value,...`; axes left out have their default. Raises InputError with all problems."""
    source, problems = parse_pairs(text, option)
    space: Any
    space, broken_rules = validate(Space, source)
    problems += [*broken_rules, *spads_without_use(source, ())]
    if problems or space is None:
        raise InputError(problems)
    numbers = {axis.name: getattr(space, axis.name)[0] for axis in NUMERIC_AXES}
    designs = Designs.of(space.pe_type[0], space.dataflow[0], numbers)
    return designs if load_dataflow(designs.dataflow).PE == "spads" else designs.without_spads()


def load_counts(text: str, option: str, known: Sequence[str], required: Sequence[str] = ()) -> dict[str, int]:
    """Positive whole numbers from `name=value,...`. Raises InputError with all problems."""
    source, problems = parse_pairs(text, option)
    for name, value in source.data.items():
        if name not in known:
            problems.append(source.problem((name,), "unknown key", hint=did_you_mean(name, known)))
        elif not isinstance(value, int) or not 1 <= value <= MAX_COUNT:
            problems.append(source.problem((name,), f"must be a whole number from 1 to {MAX_COUNT}", value))
    problems += [source.problem((name,), RULES["missing"]) for name in required if name not in source.data]
    if problems:
        raise InputError(problems)
    return dict(source.data)


def load_names(given: Sequence[str], option: str, what: str, known: Sequence[str]) -> tuple[str, ...]:
    """Names without repeats. Raises InputError naming every unknown one."""
    unknown = [name for name in given if name not in known]
    if unknown:
        raise InputError([Problem(option, f"unknown {what}", name, did_you_mean(name, known)) for name in unknown])
    return tuple(dict.fromkeys(given))


def parse_pairs(text: str, option: str) -> tuple[Source, list[Problem]]:
    """`a=1,b=x` as data of an option, and what is wrong with its form."""
    data: dict[str, Any] = {}
    problems = []
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key or not value:
            problems.append(Problem(option, "must be `name=value,...`", pair))
        elif key in data:
            problems.append(Problem(f"{option}: {key}", "key is given twice"))
        else:
            data[key] = _number(value)
    return Source(option, data), problems


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
