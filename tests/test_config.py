"""Config files that are right: their meaning, their canonical form, and that nothing gets past the checks."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from dse.config import Study, load_study
from dse.config.fields import LIMITS
from dse.config.options import load_counts, load_design
from dse.config.reference import json_schema, key_table
from dse.config.schema import ConfigModel, Space, TechnologyModel
from dse.config.yaml_source import read_yaml
from dse.errors import InputError
from dse.metrics import METRICS
from dse.space import MAX_CLOCK, NUMERIC_AXES, SPACE_AXES, SPAD_AXES
from dse.technology import Technology
from pe_library.memory.noc import NocParameters
from pe_library.model import list_pe_types

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
SMALLEST: dict[str, Any] = {"schema": 1, "name": "study", "workloads": ["resnet20-cifar10"], "space": {}}
FULL: dict[str, Any] = {
    **SMALLEST,
    "space": {"pe_type": ["int8", "fp32"], "rows": [8, 12], "clock_mhz": ["max", 200], "cols": 7},
    "objectives": ["energy", "area"],
    "constraints": {"area": {"max": 20}, "power": {"min": 1, "max": 2000.5}},
    "sample": {"method": "random", "n": 3, "seed": 7},
    "mapping": {"objective": "latency"},
    "technology": {"glb_cell": "itrs-hp", "dram_pj_per_bit": 3.5, "noc": {"supply_v": 1.0}},
}
SYSTOLIC: dict[str, Any] = {**SMALLEST, "space": {"dataflow": "weight_stationary", "rows": [8, 12]}}
MIXED: dict[str, Any] = {
    **SMALLEST,
    "space": {"dataflow": ["row_stationary", "weight_stationary"], "rows": [8, 12], "psum_spad_words": [16, 24]},
}


def study_of(folder: Path, content: Any) -> Study:
    path = folder / "study.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return load_study(path)


def axis_of(folder: Path, name: str, text: str) -> tuple[Any, ...]:
    head = "schema: 1\nname: study\nworkloads: [resnet20-cifar10]\nspace:\n"
    return study_of(folder, f"{head}  {name}: {text}\n").space.axes[name]


def test_smallest_config_is_the_eyeriss_chip_on_the_whole_grid(tmp_path: Path) -> None:
    study = study_of(tmp_path, SMALLEST)
    assert study.space.axes == {
        "pe_type": ("int16",),
        "dataflow": ("row_stationary",),
        **{axis.name: (axis.default,) for axis in NUMERIC_AXES},
    }
    assert study.space.clock_mhz == (MAX_CLOCK,)
    assert (study.sample.method, study.sample.n, study.sample.seed) == ("grid", None, 0)
    assert study.objectives == ("perf_per_area", "energy")
    assert study.constraints == ()
    assert study.mapping_objective == "edp"
    assert study.technology == Technology()


def test_every_key_arrives(tmp_path: Path) -> None:
    study = study_of(tmp_path, FULL)
    assert study.space.pe_type == ("int8", "fp32")
    assert study.space.rows == (8, 12)
    assert study.space.cols == (7,)
    assert study.space.clock_mhz == (MAX_CLOCK, 200.0)
    assert [w.name for w in study.workloads] == ["resnet20-cifar10"]
    assert study.objectives == ("energy", "area")
    assert [dataclasses.astuple(c) for c in study.constraints] == [("area", None, 20.0), ("power", 1.0, 2000.5)]
    assert dataclasses.astuple(study.sample) == ("random", 3, 7)
    assert study.mapping_objective == "latency"
    assert study.technology == Technology(glb_cell="itrs-hp", dram_pj_per_bit=3.5, noc=NocParameters(supply_v=1.0))


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("rows", "12", (12,)),
        ("rows", "[16, 8]", (16, 8)),
        ("rows", "{start: 8, stop: 12, step: 2}", (8, 10, 12)),
        ("rows", "{start: 8, stop: 13, step: 2}", (8, 10, 12)),
        ("rows", "{start: 8, stop: 8, step: 5}", (8,)),
        ("rows", "{start: 8, stop: 64, factor: 2}", (8, 16, 32, 64)),
        ("rows", "{start: 8, stop: 63, factor: 2}", (8, 16, 32)),
        ("rows", "{start: 8, stop: 27, factor: 1.5}", (8, 12, 18, 27)),
        ("dram_gb_s", "{start: 0.1, stop: 0.5, step: 0.1}", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("dram_gb_s", "{start: 0.1, stop: 0.8, factor: 2}", (0.1, 0.2, 0.4, 0.8)),
        ("dram_gb_s", "[1e-3, 2]", (0.001, 2.0)),
        ("clock_mhz", "max", (math.inf,)),
        ("clock_mhz", "[200, max, 1.5e2]", (200.0, math.inf, 150.0)),
        ("clock_mhz", "{start: 100, stop: 300, step: 100}", (100.0, 200.0, 300.0)),
        ("pe_type", "int8", ("int8",)),
        ("dataflow", "[row_stationary]", ("row_stationary",)),
    ],
)
def test_axis_forms(tmp_path: Path, name: str, text: str, values: tuple[Any, ...]) -> None:
    found = axis_of(tmp_path, name, text)
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@given(start=st.integers(1, 40), count=st.integers(1, 30), step=st.integers(1, 30), beyond=st.integers(0, 29))
def test_a_range_equals_its_list(
    tmp_path_factory: pytest.TempPathFactory, start: int, count: int, step: int, beyond: int
) -> None:
    values = [start + step * index for index in range(count)]
    stop = values[-1] + beyond % step
    folder = tmp_path_factory.mktemp("range")
    as_range = axis_of(folder, "rows", f"{{start: {start}, stop: {stop}, step: {step}}}")
    assert as_range == axis_of(folder, "rows", str(values))


def test_workload_paths_are_relative_to_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "tiny.csv").write_text(
        "layer,kind,C,H,W,M,R,S,stride,padding,dilation,groups,count\nconv1,conv,3,8,8,4,3,3,1,1,1,1,1\n"
    )
    monkeypatch.chdir(ROOT)
    for path in ("nets/tiny.csv", str(tmp_path / "nets" / "tiny.csv")):
        study = study_of(tmp_path, {**SMALLEST, "workloads": [path, "vgg16"]})
        assert [w.name for w in study.workloads] == ["tiny", "vgg16"]


def test_hash_does_not_depend_on_how_the_config_is_written(tmp_path: Path) -> None:
    tidy = study_of(tmp_path, FULL)
    backwards = yaml.safe_dump(dict(reversed(FULL.items())), sort_keys=False, default_flow_style=False)
    assert study_of(tmp_path, "# a comment\n" + backwards).sha256 == tidy.sha256
    as_range = {**FULL, "space": {**FULL["space"], "rows": {"start": 8, "stop": 14, "step": 4}}}
    assert study_of(tmp_path, as_range).sha256 == tidy.sha256
    defaults = {**FULL, "space": {**FULL["space"], "batch": 1, "dataflow": "row_stationary"}}
    assert study_of(tmp_path, defaults).sha256 == tidy.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"workloads": ["vgg16"]},
        {"space": {**FULL["space"], "rows": [12, 8]}},
        {"space": {**FULL["space"], "clock_mhz": ["max", 201]}},
        {"objectives": ["area", "energy"]},
        {"constraints": {}},
        {"sample": {"method": "lhs", "n": 3, "seed": 7}},
        {"sample": {"method": "random", "n": 3}},
        {"mapping": {}},
        {"technology": {}},
        {"technology": {**FULL["technology"], "noc": {"supply_v": 1.1}}},
    ],
    ids=str,
)
def test_hash_depends_on_every_setting(tmp_path: Path, change: dict[str, Any]) -> None:
    assert study_of(tmp_path, {**FULL, **change}).sha256 != study_of(tmp_path, FULL).sha256


def test_hash_depends_on_the_content_of_a_network(tmp_path: Path) -> None:
    hashes = set()
    for channels in (3, 4):
        (tmp_path / "tiny.csv").write_text(
            f"layer,kind,C,H,W,M,R,S,stride,padding,dilation,groups,count\nconv1,conv,{channels},8,8,4,3,3,1,1,1,1,1\n"
        )
        hashes.add(study_of(tmp_path, {**SMALLEST, "workloads": ["tiny.csv"]}).sha256)
    assert len(hashes) == 2


def test_resolved_config_is_plain_json_with_every_default(tmp_path: Path) -> None:
    resolved = study_of(tmp_path, SMALLEST).resolved
    assert json.loads(json.dumps(resolved, allow_nan=False)) == resolved
    assert set(resolved["space"]) == set(SPACE_AXES)
    assert resolved["space"]["clock_mhz"] == ["max"]
    assert resolved["technology"] == json.loads(json.dumps(dataclasses.asdict(Technology())))
    assert list(resolved["workload_sha256"]) == resolved["workloads"] == ["resnet20-cifar10"]


@pytest.mark.parametrize("content", [FULL, SYSTOLIC, MIXED])
def test_resolved_config_loads_as_the_same_study(tmp_path: Path, content: dict[str, Any]) -> None:
    study = study_of(tmp_path, content)
    again = {key: value for key, value in study.resolved.items() if not key.startswith("workload_")}
    assert study_of(tmp_path, again) == study


def test_spad_axes_are_there_for_dataflows_with_spads_only(tmp_path: Path) -> None:
    alone, mixed = study_of(tmp_path, SYSTOLIC), study_of(tmp_path, MIXED)
    assert set(alone.space.axes) == set(alone.resolved["space"]) == set(SPACE_AXES) - set(SPAD_AXES)
    assert set(mixed.space.axes) == set(mixed.resolved["space"]) == set(SPACE_AXES)
    assert (alone.space.size, mixed.space.size) == (2, 2 * 2 + 2)
    assert mixed.space.spad_dataflows == ("row_stationary",)


def test_a_sample_is_at_most_the_designs_there_are(tmp_path: Path) -> None:
    assert study_of(tmp_path, {**MIXED, "sample": {"method": "random", "n": 6}}).sample.n == 6
    with pytest.raises(InputError, match="at most the size of the space, 6"):
        study_of(tmp_path, {**MIXED, "sample": {"method": "random", "n": 7}})


def test_every_example_loads() -> None:
    examples = sorted((ROOT / "examples").glob("*.yaml"))
    assert examples
    for path in examples:
        assert load_study(path).space.size >= 1


# Nothing gets past the checks.

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from([*ConfigModel.model_fields, "schema", *SPACE_AXES, *METRICS, "min", "max", "n", "method", "noc"])
JUNK_MAPPING = st.dictionaries(KEYS | st.text(max_size=8), JUNK | st.dictionaries(KEYS, JUNK, max_size=3), max_size=6)


def accepted(load: Callable[[], T]) -> T | None:
    """What `load` returns, or None when it says what is wrong; any other error is a failure."""
    try:
        return load()
    except InputError as error:
        return None if error.problems else pytest.fail("an InputError without a problem")


def paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a nest of mappings and lists."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [here, *(path for key, value in items for path in paths(value, (*here, key)))]


def with_value(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with one place replaced."""
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = with_value(node[path[0]], path[1:], value)
    return copy


@given(content=JUNK_MAPPING)
@example({})
def test_junk_gives_input_errors_only(tmp_path_factory: pytest.TempPathFactory, content: dict[Any, Any]) -> None:
    path = tmp_path_factory.mktemp("junk") / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert all(str(path) in str(problem) for problem in caught.value.problems)


@given(place=st.sampled_from(paths(FULL)), value=JUNK)
def test_junk_in_one_place_loads_or_gives_input_errors(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], value: Any
) -> None:
    path = tmp_path_factory.mktemp("junk") / "study.yaml"
    path.write_text(yaml.safe_dump(with_value(FULL, place, value)))
    study = accepted(lambda: load_study(path))
    assert study is None or json.loads(json.dumps(study.resolved, allow_nan=False)) == study.resolved


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_mapping_or_an_input_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "study.yaml"
    path.write_bytes(content)
    found = accepted(lambda: read_yaml(path))
    assert found is None or isinstance(found[0].data, dict)


PLAIN_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | PLAIN_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(content=st.dictionaries(PLAIN_TEXT, PLAIN, max_size=4))
def test_plain_data_survives_reading(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("yaml") / "study.yaml"
    path.write_text(json.dumps(content))  # JSON is YAML 1.2
    source, problems = read_yaml(path)
    assert problems == []
    assert repr(source.data) == repr(content)


@pytest.mark.parametrize(
    ("text", "value"),
    [("no", "no"), ("1:30", "1:30"), ("2024-01-01", "2024-01-01"), ("010", "010"), ("1_000", "1_000"), ("0x10", "0x10"),
     ("1e3", 1000.0), ("-.5", -0.5), ("+7", 7), ("True", True), ("~", None), ("'7'", "7"), ("<<", "<<")],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    (tmp_path / "study.yaml").write_text(f"x: {text}\n")
    found = read_yaml(tmp_path / "study.yaml")[0].data["x"]
    assert (type(found), found) == (type(value), value)


# Options of the form name=value,...


def test_design_option_fills_in_defaults() -> None:
    design = load_design("pe_type=int8, rows=16,dram_gb_s=2.5,clock_mhz=max")
    assert (design.pe_type, design.dataflow, design.shape) == ("int8", "row_stationary", ())
    assert (int(design.rows), int(design.cols), float(design.dram_gb_s)) == (16, 14, 2.5)
    assert math.isinf(float(design.clock_mhz))


def test_design_option_has_no_spads_where_the_dataflow_has_none() -> None:
    design = load_design("dataflow=weight_stationary,rows=16")
    assert [axis.name for axis in NUMERIC_AXES if not design.has(axis.name)] == list(SPAD_AXES)
    assert (design.shape, int(design.rows)) == ((), 16)
    with pytest.raises(InputError) as caught:
        load_design("dataflow=weight_stationary,psum_spad_words=8,rows=0")
    assert [str(problem) for problem in caught.value.problems] == [
        "--design: rows: must be at least 1, got 0",
        "--design: psum_spad_words: must be left out: PEs of weight_stationary have no spads, got 8 "
        "(it applies to row_stationary)",
    ]


def test_design_option_reports_all_problems() -> None:
    with pytest.raises(InputError) as caught:
        load_design("pe_type=int61,rowz=3,rows=0,cols=1.5,cols=3,glb_kib=,batch=nan")
    assert [str(problem) for problem in caught.value.problems] == [
        "--design: cols: key is given twice",
        "--design: must be `name=value,...`, got 'glb_kib='",
        "--design: pe_type: unknown PE type, got 'int61' (did you mean `int16`?)",
        "--design: rows: must be at least 1, got 0",
        "--design: cols: must be a whole number, got 1.5",
        "--design: batch: must be a whole number, got nan",
        "--design: rowz: unknown key (did you mean `rows`?)",
    ]


@given(text=st.text(max_size=40))
def test_any_design_option_gives_a_design_or_input_errors(text: str) -> None:
    design = accepted(lambda: load_design(text))
    assert design is None or design.shape == ()


def test_counts_are_checked() -> None:
    assert load_counts("p=16,q=4", "--mapping", ("p", "q", "t")) == {"p": 16, "q": 4}
    with pytest.raises(InputError) as caught:
        load_counts("x=1,p=0,q=2.0", "--mapping", ("p", "q", "t"), required=("t",))
    assert [str(problem) for problem in caught.value.problems] == [
        "--mapping: x: unknown key (known: p, q, t)",
        "--mapping: p: must be a whole number from 1 to 65536, got 0",
        "--mapping: q: must be a whole number from 1 to 65536, got 2.0",
        "--mapping: t: required key is missing",
    ]


# The schema says what the code does.


def test_schema_covers_every_axis_and_setting() -> None:
    assert set(Space.model_fields) == set(SPACE_AXES)
    assert set(LIMITS) == {axis.name for axis in NUMERIC_AXES}
    assert set(TechnologyModel.model_fields) == {field.name for field in dataclasses.fields(Technology)}
    noc = TechnologyModel.model_fields["noc"].default
    assert set(type(noc).model_fields) == {field.name for field in dataclasses.fields(NocParameters)}


def test_json_schema_is_closed_described_and_names_what_there_is() -> None:
    schema = json.loads(json_schema())
    for model in (schema, *schema["$defs"].values()):
        assert model["additionalProperties"] is False
        assert all("description" in prop or "$ref" in prop for prop in model["properties"].values())
    names = schema["$defs"]["Space"]["properties"]["pe_type"]["oneOf"][0]["items"]["enum"]
    assert names == list(list_pe_types())
    assert schema["required"] == ["schema", "name", "space"]


def test_docs_hold_the_table_of_keys() -> None:
    text = (ROOT / "docs" / "config.md").read_text()
    table = text.split("<!-- keys -->\n")[1].split("\n<!-- /keys -->")[0]
    assert table == key_table(), "put the output of `dse schema --format markdown` into docs/config.md"


def test_examples_in_the_docs_load(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "config.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert len(examples) == 4
    for example_text in examples:
        assert study_of(tmp_path, example_text).name in example_text
