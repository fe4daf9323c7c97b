"""Building blocks of the config schema: names that must exist, axes in all their forms, errors in our words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dse.errors import did_you_mean
from dse.space import Axis

MAX_AXIS_VALUES = 10_000
LIMITS: dict[str, tuple[float, float]] = {  # per axis: beyond any chip, yet no count leaves int64
    "rows": (1, 1024),
    "cols": (1, 1024),
    "ifmap_spad_words": (1, 65_536),
    "filter_spad_words": (1, 65_536),
    "psum_spad_words": (1, 65_536),
    "glb_kib": (1, 1_000_000),
    "glb_bytes_per_cycle": (1, 4096),
    "dram_gb_s": (0.001, 100_000),
    "clock_mhz": (0.001, 100_000),
    "batch": (1, 4096),
}
# Names of union branches. Like pydantic's `[key]` they turn up in the locations of errors, where they are removed.
LIST, RANGE, VALUE, MAX, NUMBER, TOP = "<list>", "<range>", "<value>", "<max>", "<number>", "<top>"
TAGS = (LIST, RANGE, VALUE, MAX, NUMBER, TOP, "[key]")


def broken(rule: str, *, at: tuple[str | int, ...] = (), hint: str = "", value: object = None) -> PydanticCustomError:
    """An error in our words: the rule, where below the validated part, a hint, and the value if not the whole part."""
    return PydanticCustomError("dse", "{rule}", {"rule": rule, "at": at, "hint": hint, "value": value})


@dataclass(frozen=True)
class Known:
    """Marks text that must be one of the names that exist; they are looked up when validating."""

    what: str
    names: Callable[[], tuple[str, ...]]

    def check(self, name: str) -> str:
        """The name itself, or an error with the closest known name."""
        if name not in self.names():
            raise broken(f"unknown {self.what}", hint=did_you_mean(name, self.names()))
        return name

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "enum": list(self.names())}


def distinct(values: list[Any]) -> list[Any]:
    """The values themselves, or an error at the first one given again."""
    seen = set()
    for index, value in enumerate(values):
        if value in seen:
            raise broken("values must differ", at=(index,), value="max" if value == math.inf else value)
        seen.add(value)
    return values


class Strict(BaseModel):
    """No conversions, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Range(Strict):
    """Values from `start` up to `stop`, which is included when a step lands on it."""

    start: float = Field(gt=0, description="first value")
    stop: float = Field(gt=0, description="last value if a step lands on it, else no value goes beyond it")
    step: float | None = Field(default=None, gt=0, description="added from value to value; either this or `factor`")
    factor: float | None = Field(
        default=None, gt=1, description="multiplied from value to value; either this or `step`"
    )

    @model_validator(mode="after")
    def _check(self) -> Range:
        if (self.step is None) == (self.factor is None):
            raise broken("needs either `step` or `factor`")
        if self.stop < self.start:
            raise broken(f"must be at least `start` ({self.start:g})", at=("stop",), value=self.stop)
        return self

    def values(self) -> Iterator[float]:
        """The values, exact in decimal arithmetic: 0.1, 0.2, 0.3 and not 0.30000000000000004."""
        value, stop = Decimal(repr(self.start)), Decimal(repr(self.stop))
        while value <= stop:
            yield float(value)
            value = value * Decimal(repr(self.factor)) if self.factor else value + Decimal(repr(self.step))


def _form(value: object) -> str:
    return LIST if isinstance(value, list) else RANGE if isinstance(value, dict) else VALUE


def _clock_form(value: object) -> str:
    return MAX if isinstance(value, str) else NUMBER


def _expand(axis: Axis, given: Any) -> tuple[float, ...]:
    """The values of an axis from any of its forms, `max` as infinity."""
    values = given if isinstance(given, list) else [given]
    if isinstance(given, Range):
        values = list(itertools.islice(given.values(), MAX_AXIS_VALUES + 1))
        if len(values) > MAX_AXIS_VALUES:
            raise broken(f"must give at most {MAX_AXIS_VALUES} values")
        low, high = LIMITS[axis.name]
        if values[0] < low or values[-1] > high:
            raise broken(f"must stay from {low:,} to {high:,}", value=[values[0], values[-1]])
        if axis.integer:
            odd = next((value for value in values if not value.is_integer()), None)
            if odd is not None:
                raise broken("must give whole numbers only", value=odd)
            values = [int(value) for value in values]
    return tuple(distinct([math.inf if value == "max" else value for value in values]))


def numeric_axis(axis: Axis) -> Any:
    """The type of a numeric axis: a list, one value or a range, expanded to a tuple."""
    low, high = LIMITS[axis.name]
    number: Any = Annotated[int if axis.integer else float, Field(ge=low, le=high)]
    if axis.name == "clock_mhz":
        number = Annotated[
            Annotated[Literal["max"], Tag(MAX)] | Annotated[number, Tag(NUMBER)], Discriminator(_clock_form)
        ]
    return Annotated[
        Annotated[list[number], Field(min_length=1, max_length=MAX_AXIS_VALUES), Tag(LIST)]
        | Annotated[Range, Tag(RANGE)]
        | Annotated[number, Tag(VALUE)],
        Discriminator(_form),
        AfterValidator(partial(_expand, axis)),
    ]


def name_axis(what: str, names: Callable[[], tuple[str, ...]]) -> Any:
    """The type of an axis of names: a list or one name, expanded to a tuple."""
    name = Annotated[str, Known(what, names)]
    return Annotated[
        Annotated[list[name], Field(min_length=1), AfterValidator(distinct), Tag(LIST)] | Annotated[name, Tag(VALUE)],
        Discriminator(lambda value: LIST if isinstance(value, list) else VALUE),
        AfterValidator(lambda given: tuple(given) if isinstance(given, list) else (given,)),
    ]
