"""The shape of a config file as pydantic models; `dse schema` prints the JSON Schema made from them.

Nothing here reads a file; `dse.config` does. All models are strict: a bool is no number, text is no number, unknown
keys are errors.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    create_model,
    model_validator,
)

from dse.config.fields import TOP, VALUE, Known, Strict, broken, distinct, name_axis, numeric_axis
from dse.dataflow import list_dataflows, load_dataflow
from dse.errors import did_you_mean
from dse.metrics import METRICS
from dse.optimizers import list_algorithms
from dse.space import NUMERIC_AXES, SPACE_AXES, SPAD_AXES, Axis, DesignSpace
from dse.sparsity import COMPRESSIONS, Sparsity
from dse.technology import OBJECTIVES, Technology
from pe_library.memory.dram import list_dram
from pe_library.memory.glb import list_glb_cells
from pe_library.memory.noc import NocParameters
from pe_library.model import list_pe_types
from workloads.accuracies import LEVELS
from workloads.families import FAMILIES, MAX_VALUE, list_families

SCHEMA_VERSION = 1
MAX_WORKLOADS = 1000
MAX_DESIGNS = 2**63 - 1  # design ids are int64
MAX_SAMPLE = 100_000_000
MAX_EVALUATIONS = 1_000_000  # of `dse optimize`
MAX_TOP = 100_000  # points kept of each workload and PE type
MAX_ALL_POINTS = 2_000_000  # more of them, and `keep: auto` keeps the fronts alone
KEEPS = ("auto", "all", "front")
METHODS = ("grid", "random", "lhs", "sobol")

MetricName = Annotated[str, Known("metric", lambda: tuple(METRICS))]
Objective = Annotated[str, Known("objective", lambda: OBJECTIVES)]


def design_space(axes: Mapping[str, Any]) -> DesignSpace:
    """The design space with these values by axis; spad axes have none where no dataflow has spads."""
    spads = tuple(name for name in axes["dataflow"] if load_dataflow(name).PE == "spads")
    unused = () if spads else SPAD_AXES
    return DesignSpace(
        **{name: () if name in unused else tuple(axes[name]) for name in SPACE_AXES}, spad_dataflows=spads
    )


class _Space(Strict):
    @model_validator(mode="after")
    def _check_size(self) -> _Space:
        if design_space(dict(self)).size > MAX_DESIGNS:
            raise broken(f"must hold at most {MAX_DESIGNS} designs", hint="shorten some axes")
        return self


def _axis_field(axis: Axis) -> tuple[Any, Any]:
    default = "max" if math.isinf(axis.default) else axis.default
    meaning = f"{axis.description}; for dataflows with spads only" if axis.spads else axis.description
    return numeric_axis(axis), Field(default=default, validate_default=True, description=meaning)


_AXES: dict[str, Any] = {axis.name: _axis_field(axis) for axis in NUMERIC_AXES}
Space = create_model(
    "Space",
    __base__=_Space,
    __doc__="The design space: every combination of the values of its axes, spads for dataflows with spads only.",
    pe_type=(
        name_axis("PE type", list_pe_types),
        Field(default="int16", validate_default=True, description="processing element; see `dse list pe-types`"),
    ),
    dataflow=(
        name_axis("dataflow", list_dataflows),
        Field(default="row_stationary", validate_default=True, description="dataflow; see `dse list dataflows`"),
    ),
    **_AXES,
)


class Bounds(Strict):
    """Limits of one metric, in its unit; a design outside them is left out."""

    min: float | None = Field(
        default=None,
        description="smallest value allowed, in the unit of the metric; not below 0, but for `accuracy_drop`",
    )
    max: float | None = Field(
        default=None, description="largest value allowed, in the unit of the metric; above 0, but for `accuracy_drop`"
    )

    @model_validator(mode="after")
    def _check(self) -> Bounds:
        if self.min is None and self.max is None:
            raise broken("needs `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise broken(f"must be at most `max` ({self.max:g})", at=("min",), value=self.min)
        return self


class SampleModel(Strict):
    """Which designs of the space are evaluated."""

    method: Annotated[str, Known("method", lambda: METHODS)] = Field(
        default="grid", description="all designs, or a sample: random, lhs (Latin hypercube) or sobol"
    )
    n: int | None = Field(default=None, ge=1, le=MAX_SAMPLE, description="number of designs; not with `grid`")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="seed of the random generator")

    @model_validator(mode="after")
    def _check(self) -> SampleModel:
        if self.method == "grid" and self.n is not None:
            raise broken("must be left out when `method` is grid", at=("n",), value=self.n)
        if self.method != "grid" and self.n is None:
            raise broken("required key is missing", at=("n",), hint=f"method {self.method} needs a number of designs")
        return self


def _check_top(count: int) -> int:
    if not 1 <= count <= MAX_TOP:
        hint = "`{top: 100}` keeps the 100 best points of each workload and PE type"
        raise broken(f"must be from 1 to {MAX_TOP:,}", hint=hint)
    return count


class TopModel(Strict):
    """The best points by the first objective, so many of each workload and PE type."""

    top: Annotated[int, AfterValidator(_check_top)] = Field(
        description="how many, ties by design id", json_schema_extra={"minimum": 1, "maximum": MAX_TOP}
    )


def _check_keep(given: object) -> object:
    if given not in KEEPS:
        close = difflib.get_close_matches(str(given), KEEPS, n=1)
        hint = f"did you mean `{close[0]}`?" if close else "`{top: 100}` keeps the best points by the first objective"
        raise broken("must be `auto`, `all`, `front` or `{top: N}`", hint=hint)
    return given


KeepName = Annotated[str, BeforeValidator(_check_keep), WithJsonSchema({"type": "string", "enum": list(KEEPS)})]


class ArchitecturesModel(Strict):
    """Networks of a family: every combination of the values of its axes."""

    family: Annotated[str, Known("family", list_families)] = Field(description="family; see `dse list families`")
    axes: dict[str, Annotated[list[Annotated[int, Field(ge=1, le=MAX_VALUE)]], AfterValidator(distinct)]] = Field(
        default={}, description="values per axis: `{width1: [8, 16]}`; an axis left out has all its usual ones"
    )

    @model_validator(mode="after")
    def _check(self) -> ArchitecturesModel:
        known = FAMILIES[self.family].axes
        for name, values in self.axes.items():
            if name not in known:
                raise broken(f"unknown axis of {self.family}", at=("axes", name), hint=did_you_mean(name, known))
            if not values:
                raise broken("must not be empty", at=("axes", name), value=values)
        return self


class AccuracyModel(Strict):
    """Where accuracies come from; see docs/accuracy.md."""

    evidence: Annotated[
        list[Annotated[str, Known("level of evidence", lambda: LEVELS)]], AfterValidator(distinct)
    ] = Field(default=["measured"], min_length=1, description="levels that count; of several the first of the list "
              "measured, published, ranked that has a value")  # fmt: skip
    tables: Annotated[list[Annotated[str, Field(min_length=1)]], AfterValidator(distinct)] = Field(
        default=[], description="your own tables, relative to this file; they count before the shipped ones"
    )


class MappingModel(Strict):
    """How layers are mapped on a design."""

    objective: Objective = Field(default="edp", description="what the mapper minimizes, layer by layer")


_NOC: dict[str, Any] = {
    field.name: (float, Field(default=field.default, gt=0, le=1e9, description="see docs/memory.md"))
    for field in fields(NocParameters)
}
Noc = create_model("Noc", __base__=Strict, __doc__="Parameters of the network on chip; see docs/memory.md.", **_NOC)


class SparsityModel(Strict):
    """What is made of zeros in feature maps; see docs/sparsity.md."""

    zero_gating: bool = Field(
        default=Sparsity.zero_gating, description="a zero ifmap word stops filter read and arithmetic of the PE"
    )
    compression: Annotated[str, Known("compression", lambda: COMPRESSIONS)] = Field(
        default=Sparsity.compression, description="code of feature maps in DRAM"
    )


class OptimizeModel(Strict):
    """How `dse optimize` searches the space; see docs/optimize.md."""

    algorithm: Annotated[str, Known("algorithm", list_algorithms)] = Field(
        default="nsga2", description="search algorithm of `dse optimize`"
    )
    evaluations: int = Field(default=20_000, ge=1, le=MAX_EVALUATIONS, description="designs to evaluate at most")
    population: int = Field(default=100, ge=4, le=10_000, description="designs proposed at a time")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="seed of the random generator")
    stagnation: int | None = Field(
        default=5000, ge=1, description="evaluations without a change of the front that end the search; null: none do"
    )


class TechnologyModel(Strict):
    """Memories, wires and scaling."""

    glb_cell: Annotated[str, Known("GLB cell", list_glb_cells)] = Field(
        default=Technology.glb_cell, description="transistor type of the GLB's SRAM"
    )
    dram_technology: Annotated[str, Known("DRAM technology", list_dram)] = Field(
        default=Technology.dram_technology, description="kind of DRAM"
    )
    dram_pj_per_bit: float | None = Field(
        default=None, gt=0, le=1e6, description="DRAM energy per bit, pJ, instead of the technology's"
    )
    energy_scale: float = Field(
        default=Technology.energy_scale,
        gt=0,
        le=1e3,
        description="factor on all on-chip energy, for another node or voltage",
    )
    noc: Noc = Field(  # type: ignore[valid-type]  # made by create_model
        default=Noc(), description="parameters of the network on chip"
    )
    sparsity: SparsityModel = Field(default=SparsityModel(), description="what is made of zeros in feature maps")


def _check_version(version: int) -> int:
    if version != SCHEMA_VERSION:
        raise broken("unsupported version of the file format", hint=f"this dse reads {SCHEMA_VERSION}")
    return version


class ConfigModel(Strict):
    """A study: which networks on which designs, and what is wanted of them."""

    model_config = ConfigDict(title="dse config")

    version: Annotated[int, AfterValidator(_check_version)] = Field(
        alias="schema", description="version of this file format", json_schema_extra={"const": SCHEMA_VERSION}
    )
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="name of the study and of its folder under results/"
    )
    workloads: Annotated[list[Annotated[str, Field(min_length=1)]], AfterValidator(distinct)] = Field(
        default=[],
        max_length=MAX_WORKLOADS,
        description="names from `dse list workloads`, or paths to layer tables, relative to this file; at least one, "
        "or `architectures`",
    )
    architectures: ArchitecturesModel | None = Field(default=None, description="networks of a family, searched, too")
    accuracy: AccuracyModel = Field(default=AccuracyModel(), description="accuracies of the networks")
    space: Space = Field(  # type: ignore[valid-type]  # made by create_model
        description="the axes of the design space; an axis left out has its default"
    )
    objectives: Annotated[list[MetricName], AfterValidator(distinct)] = Field(
        default=["perf_per_area", "energy"], min_length=1, description="metrics to trade off against each other"
    )
    constraints: dict[MetricName, Bounds] = Field(default={}, description="limits per metric: `{area: {max: 20}}`")
    sample: SampleModel = Field(default=SampleModel(), description="all designs, or a sample of them")
    keep: Annotated[
        Annotated[KeepName, Tag(VALUE)] | Annotated[TopModel, Tag(TOP)],
        Discriminator(lambda value: TOP if isinstance(value, dict | TopModel) else VALUE),
    ] = Field(default="auto", description="which points a sweep keeps; `auto`: all up to 2,000,000, else the fronts")
    optimize: OptimizeModel = Field(default=OptimizeModel(), description="how `dse optimize` searches the space")
    mapping: MappingModel = Field(default=MappingModel(), description="how layers are mapped")
    technology: TechnologyModel = Field(default=TechnologyModel(), description="memories, wires, scaling")

    @model_validator(mode="after")
    def _check(self) -> ConfigModel:
        if all(METRICS[name].of_network for name in self.objectives):
            hint = "all designs are alike in these"
            raise broken("must hold a metric of the accelerator", at=("objectives",), value=self.objectives, hint=hint)
        for name, limits in self.constraints.items():
            if not METRICS[name].signed and limits.min is not None and limits.min < 0:
                raise broken("must be at least 0", at=("constraints", name, "min"), value=limits.min)
            if not METRICS[name].signed and limits.max is not None and limits.max <= 0:
                raise broken("must be above 0", at=("constraints", name, "max"), value=limits.max)
        for name, limits in self.constraints.items():
            for end, limit in limits:
                if METRICS[name].unit == "%" and limit is not None and not 1 < limit <= 100:
                    hint = "90, not 0.9"
                    raise broken("must be a percentage", at=("constraints", name, end), value=limit, hint=hint)
        if self.sample.n is not None:
            limit = design_space(dict(self.space)).size
            if self.sample.n > limit:
                raise broken(f"must be at most the size of the space, {limit}", at=("sample", "n"), value=self.sample.n)
        return self
