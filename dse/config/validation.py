"""Outside data against a model of `dse.config.schema`: an instance, or every problem in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dse.config.fields import TAGS, Range
from dse.config.schema import (
    AccuracyModel,
    ArchitecturesModel,
    Bounds,
    MappingModel,
    Noc,
    OptimizeModel,
    SampleModel,
    Space,
    SparsityModel,
    TechnologyModel,
    TopModel,
)
from dse.config.yaml_source import Location, Source
from dse.dataflow import list_dataflows, load_dataflow
from dse.errors import Problem, did_you_mean
from dse.space import SPAD_AXES

Model = TypeVar("Model", bound=BaseModel)

RULES = {  # pydantic's kinds of error, in our words
    "missing": "required key is missing",
    "extra_forbidden": "unknown key",
    "bool_type": "must be `true` or `false`",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be finite",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "literal_error": "must be a number or `max`",  # the only literal there is
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} values",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must be 1 to 64 letters, digits, `.`, `_` or `-`, a letter or digit first",
    "dse": "{rule}",
}

NESTED: dict[str, type[BaseModel]] = {
    "architectures": ArchitecturesModel,
    "accuracy": AccuracyModel,
    "space": Space,
    "sample": SampleModel,
    "keep": TopModel,
    "optimize": OptimizeModel,
    "mapping": MappingModel,
    "technology": TechnologyModel,
}


def validate(model: type[Model], source: Source) -> tuple[Model | None, list[Problem]]:
    """The data as an instance of a model of `dse.config.schema`, or None and all problems."""
    try:
        return model.model_validate(source.data), []
    except ValidationError as error:
        return None, [_problem(source, model, details) for details in error.errors(include_url=False)]


def spads_without_use(source: Source, location: Location) -> list[Problem]:
    """One problem per spad axis of the space at `location` when all its dataflows are known and none has spads."""
    space = source.data
    for key in location:
        space = space.get(key)
    if not isinstance(space, dict):
        return []
    given = space.get("dataflow")
    names: list[Any] = given if isinstance(given, list) else [given]
    if not names or any(name not in list_dataflows() or load_dataflow(name).PE == "spads" for name in names):
        return []
    rule = f"must be left out: PEs of {', '.join(names)} have no spads"
    with_spads = [name for name in list_dataflows() if load_dataflow(name).PE == "spads"]
    hint = f"it applies to {', '.join(with_spads)}"
    return [source.problem((*location, axis), rule, space[axis], hint) for axis in SPAD_AXES if axis in space]


def _problem(source: Source, model: type[BaseModel], error: Mapping[str, Any]) -> Problem:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    keys = error["loc"][-1:] if kind == "extra_forbidden" else ()  # may look like a tag
    location = (*(part for part in error["loc"][: len(error["loc"]) - len(keys)] if part not in TAGS), *keys)
    rule = RULES[kind].format(**context) if kind in RULES else error["msg"]
    if kind == "missing":
        return source.problem(location, rule)
    if kind == "extra_forbidden":
        return source.problem(location, rule, hint=did_you_mean(location[-1], _known_keys(model, location[:-1])))
    if kind == "dse":
        location += context["at"]
        given = context["value"] if context["at"] or context["value"] is not None else given
        hint = context["hint"]
    else:
        hint = _hint(kind, given)
    return source.problem(location, rule, given, hint)


def _hint(kind: str, given: object) -> str:
    if given is None:
        return "the value is empty"
    if kind == "int_type" and isinstance(given, float) and given.is_integer():
        return f"write {given:.0f}"
    if kind in ("int_type", "float_type") and isinstance(given, str):
        return "numbers have no quotes, units or separators"
    if kind == "string_type" and not isinstance(given, list | dict):
        return "put it in quotes"
    return "write [value, ...]" if kind == "list_type" and not isinstance(given, dict) else ""


def _known_keys(root: type[BaseModel], location: Location) -> list[str]:
    """The keys of the mapping at a location of the document."""
    model: type[BaseModel]
    match location:
        case ("space", _):
            model = Range
        case ("constraints", _):
            model = Bounds
        case ("technology", "noc"):
            model = Noc
        case ("technology", "sparsity"):
            model = SparsityModel
        case (str(name),):
            model = NESTED[name]
        case _:
            model = root
    return [field.alias or name for name, field in model.model_fields.items()]
