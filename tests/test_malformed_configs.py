"""Bad config files, through the real command: exit code 2, one message per problem, no traceback, nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import cli
from dse.config.yaml_source import MAX_BYTES, MAX_DEPTH, MAX_NODES

BASE = """\
schema: 1
name: study
workloads: [resnet20-cifar10]
space:
  pe_type: [int8]
  rows: [8, 12]
"""
DEEP = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(8)
)

# What replaces what in BASE ("" appends), and the message without the name of the file. Line numbers count from 1.
EDITS = {
    # the frame
    "schema missing": ("schema: 1\n", "", ":1: schema: required key is missing"),
    "schema of the future": ("schema: 1", "schema: 2",
        ":1: schema: unsupported version of the file format, got 2 (this dse reads 1)"),
    "schema a bool": ("schema: 1", "schema: true", ":1: schema: must be a whole number, got True"),
    "unknown key": ("", "spaces: {}\n", ":7: spaces: unknown key (did you mean `space`?)"),
    "key twice": ("", "name: again\n", ":7: name: key is given twice, first on line 2"),
    "axis twice": ("", "  rows: 3\n", ":7: space.rows: key is given twice, first on line 6"),
    "key not text": ("", "3: x\n", ":7: keys must be text, got '3'"),
    "key a list": ("", "? [a]\n: x\n", ":7: keys must be text, got 'a list or mapping'"),
    "name missing": ("name: study\n", "", ":1: name: required key is missing"),
    "name a number": ("name: study", "name: 7", ":2: name: must be text, got 7 (put it in quotes)"),
    "name a path": ("name: study", "name: ../up",
        ":2: name: must be 1 to 64 letters, digits, `.`, `_` or `-`, a letter or digit first, got '../up'"),
    "name empty": ("name: study", "name:", ":2: name: must be text (the value is empty)"),
    # workloads
    "workload unknown": ("[resnet20-cifar10]", "[resnet05]",
        ":3: workloads[0]: unknown workload, got 'resnet05' (did you mean `resnet50`?)"),
    "workload twice": ("[resnet20-cifar10]", "[vgg16, vgg16]", ":3: workloads[1]: values must differ, got 'vgg16'"),
    "workload of the same name": ("[resnet20-cifar10]", "[vgg16, nets/vgg16.csv]",
        ":3: workloads[1]: names of workloads must differ, got 'vgg16'"),
    "workloads empty": ("[resnet20-cifar10]", "[]", ":3: workloads: must not be empty, got []"),
    "workloads no list": ("[resnet20-cifar10]", "vgg16",
        ":3: workloads: must be a list, got 'vgg16' (write [value, ...])"),
    "workload a number": ("[resnet20-cifar10]", "[16]", ":3: workloads[0]: must be text, got 16 (put it in quotes)"),
    "workload file missing": ("[resnet20-cifar10]", "[nets/none.csv]", ":3: workloads[0]: nets/none.csv: ..."),
    "workload with zero channels": ("[resnet20-cifar10]", "[nets/zero.csv]",
        ":3: workloads[0]: nets/zero.csv:2 column C: must be at least 1, got 0"),
    "workload a folder": ("[resnet20-cifar10]", "[nets/folder.csv]", ":3: workloads[0]: nets/folder.csv: ..."),
    # axes
    "space missing": ("space:\n  pe_type: [int8]\n  rows: [8, 12]\n", "", ":1: space: required key is missing"),
    "space no mapping": ("space:\n  pe_type: [int8]\n  rows: [8, 12]\n", "space: 3\n",
        ":4: space: must be a mapping of keys to values, got 3"),
    "axis unknown": ("", "  rowz: 3\n", ":7: space.rowz: unknown key (did you mean `rows`?)"),
    "PE type misspelt": ("[int8]", "[int8, fp32, int61]",
        ":5: space.pe_type[2]: unknown PE type, got 'int61' (did you mean `int16`?)"),
    "PE type twice": ("[int8]", "[int8, int8]", ":5: space.pe_type[1]: values must differ, got 'int8'"),
    "dataflow misspelt": ("", "  dataflow: row_stationry\n",
        ":7: space.dataflow: unknown dataflow, got 'row_stationry' (did you mean `row_stationary`?)"),
    "spads where there are none": ("", "  dataflow: weight_stationary\n  psum_spad_words: [16, 24]\n",
        ":8: space.psum_spad_words: must be left out: PEs of weight_stationary have no spads, got [16, 24] "
        "(it applies to row_stationary)"),
    "axis empty": ("[8, 12]", "[]", ":6: space.rows: must not be empty, got []"),
    "axis null": ("[8, 12]", "", ":6: space.rows: must be a whole number (the value is empty)"),
    "axis zero": ("[8, 12]", "[8, 0]", ":6: space.rows[1]: must be at least 1, got 0"),
    "axis negative": ("[8, 12]", "-4", ":6: space.rows: must be at least 1, got -4"),
    "axis too large": ("[8, 12]", "5000", ":6: space.rows: must be at most 1024, got 5000"),
    "axis astronomical": ("[8, 12]", "9" * 30, f":6: space.rows: must be at most 1024, got {'9' * 30}"),
    "axis of digits without end": ("[8, 12]", "9" * 5000, ":6: space.rows: must be a plain YAML value, got '999..."),
    "axis fractional": ("[8, 12]", "[8, 12.5]", ":6: space.rows[1]: must be a whole number, got 12.5"),
    "axis whole but written as a fraction": ("[8, 12]", "12.0",
        ":6: space.rows: must be a whole number, got 12.0 (write 12)"),
    "axis text": ("[8, 12]", "['8']",
        ":6: space.rows[0]: must be a whole number, got '8' (numbers have no quotes, units or separators)"),
    "axis octal": ("[8, 12]", "010",
        ":6: space.rows: must be a whole number, got '010' (numbers have no quotes, units or separators)"),
    "axis a bool": ("[8, 12]", "true", ":6: space.rows: must be a whole number, got True"),
    "axis NaN": ("", "  dram_gb_s: .nan\n", ":7: space.dram_gb_s: must be finite, got nan"),
    "axis infinite": ("", "  dram_gb_s: [1, .inf]\n", ":7: space.dram_gb_s[1]: must be finite, got inf"),
    "axis overflowing": ("", "  dram_gb_s: 1e999\n", ":7: space.dram_gb_s: must be finite, got inf"),
    "value twice": ("[8, 12]", "[8, 12, 8]", ":6: space.rows[2]: values must differ, got 8"),
    "value twice, as fraction": ("", "  dram_gb_s: [4, 4.0]\n", ":7: space.dram_gb_s[1]: values must differ, got 4.0"),
    "clock no number": ("", "  clock_mhz: [max, fast]\n",
        ":7: space.clock_mhz[1]: must be a number or `max`, got 'fast'"),
    "clock max twice": ("", "  clock_mhz: [max, 200, max]\n", ":7: space.clock_mhz[2]: values must differ, got 'max'"),
    "list of 10,001 values": ("[8, 12]", f"[{', '.join(map(str, range(10_001)))}]",
        ":6: space.rows: must have at most 10000 values, got [0, 1, 2, ..."),
    # ranges
    "range without a step": ("[8, 12]", "{start: 8, stop: 12}",
        ":6: space.rows: needs either `step` or `factor`, got {'start': 8, 'stop': 12}"),
    "range with both steps": ("[8, 12]", "{start: 8, stop: 12, step: 1, factor: 2}",
        ":6: space.rows: needs either `step` or `factor`, got {'start': 8, 'stop': 12, 'step': 1, 'factor': 2}"),
    "range without an end": ("[8, 12]", "{start: 8, step: 1}", ":6: space.rows.stop: required key is missing"),
    "range with a typo": ("[8, 12]", "{start: 8, stop: 12, step: 1, steps: 2}",
        ":6: space.rows.steps: unknown key (did you mean `step`?)"),
    "range downward": ("[8, 12]", "{start: 12, stop: 8, step: 1}",
        ":6: space.rows.stop: must be at least `start` (12), got 8.0"),
    "range standing still": ("[8, 12]", "{start: 8, stop: 12, step: 0}", ":6: space.rows.step: must be above 0, got 0"),
    "range with factor 1": ("[8, 12]", "{start: 8, stop: 12, factor: 1}",
        ":6: space.rows.factor: must be above 1, got 1"),
    "range with fractions": ("[8, 12]", "{start: 8, stop: 12, step: 0.5}",
        ":6: space.rows: must give whole numbers only, got 8.5"),
    "range with a million values": ("", "  dram_gb_s: {start: 1, stop: 1000, step: 0.001}\n",
        ":7: space.dram_gb_s: must give at most 10000 values, got {'start': 1, 'stop': 1000, 'step': 0.001}"),
    "range too far": ("[8, 12]", "{start: 8, stop: 8000, factor: 10}",
        ":6: space.rows: must stay from 1 to 1,024, got [8.0, 8000.0]"),
    "more designs than numbers": ("[8, 12]", "{start: 1, stop: 1024, step: 1}\n" + "".join(
        f"  {axis}: {{start: 1, stop: 4000, step: 1}}\n" for axis in
        ("ifmap_spad_words", "filter_spad_words", "psum_spad_words", "glb_kib", "glb_bytes_per_cycle")),
        ":4: space: must hold at most 9223372036854775807 designs, got {'pe_type': ..."),
    "more work than numbers": ("[resnet20-cifar10]\nspace:\n", "[nets/huge.csv]\nspace:\n  batch: [1, 4096]\n",
        ":5: space.batch: batch x MACs of huge must be at most 2^56, got 4096"),
    # goals
    "metric misspelt": ("", "objectives: [energy, perf_per_aera]\n",
        ":7: objectives[1]: unknown metric, got 'perf_per_aera' (did you mean `perf_per_area`?)"),
    "objectives empty": ("", "objectives: []\n", ":7: objectives: must not be empty, got []"),
    "objective twice": ("", "objectives: [energy, energy]\n", ":7: objectives[1]: values must differ, got 'energy'"),
    "constraint misspelt": ("", "constraints: {aera: {max: 20}}\n",
        ":7: constraints.aera: unknown metric, got 'aera' (did you mean `area`?)"),
    "constraint without bounds": ("", "constraints: {area: {}}\n",
        ":7: constraints.area: needs `min`, `max` or both, got {}"),
    "constraint upside down": ("", "constraints: {area: {min: 3, max: 2}}\n",
        ":7: constraints.area.min: must be at most `max` (2), got 3.0"),
    "constraint negative": ("", "constraints: {area: {max: -1}}\n",
        ":7: constraints.area.max: must be above 0, got -1.0"),
    "bound misspelt": ("", "constraints: {area: {maxx: 1}}\n",
        ":7: constraints.area.maxx: unknown key (did you mean `max`?)"),
    # sample, mapping, technology
    "sampling method misspelt": ("", "sample: {method: soboll}\n",
        ":7: sample.method: unknown method, got 'soboll' (did you mean `sobol`?)"),
    "sample without a size": ("", "sample: {method: lhs}\n",
        ":7: sample.n: required key is missing (method lhs needs a number of designs)"),
    "grid with a size": ("", "sample: {method: grid, n: 3}\n",
        ":7: sample.n: must be left out when `method` is grid, got 3"),
    "sample of none": ("", "sample: {method: random, n: 0}\n", ":7: sample.n: must be at least 1, got 0"),
    "sample beyond the space": ("", "sample: {method: random, n: 3}\n",
        ":7: sample.n: must be at most the size of the space, 2, got 3"),
    "seed negative": ("", "sample: {seed: -1}\n", ":7: sample.seed: must be at least 0, got -1"),
    "mapping goal unknown": ("", "mapping: {objective: area}\n",
        ":7: mapping.objective: unknown objective, got 'area' (known: edp, energy, latency)"),
    "GLB cell misspelt": ("", "technology: {glb_cell: itrs-lopp}\n",
        ":7: technology.glb_cell: unknown GLB cell, got 'itrs-lopp' (did you mean `itrs-lop`?)"),
    "DRAM misspelt": ("", "technology: {dram_technology: lpdr4}\n",
        ":7: technology.dram_technology: unknown DRAM technology, got 'lpdr4' (did you mean `lpddr4`?)"),
    "DRAM energy zero": ("", "technology: {dram_pj_per_bit: 0}\n",
        ":7: technology.dram_pj_per_bit: must be above 0, got 0"),
    "NoC parameter misspelt": ("", "technology: {noc: {suply_v: 1}}\n",
        ":7: technology.noc.suply_v: unknown key (did you mean `supply_v`?)"),
    # YAML
    "syntax": ("[8, 12]", "[8, 12", ":7: must be valid YAML (expected ',' or ']', but got '<stream end>')"),
    "tab": ("  rows", "\trows", ":6: must be valid YAML (indent with spaces, not tabs)"),
    "two documents": ("", "---\nschema: 1\n",
        ":7: must be valid YAML (only one document, but another `---` follows)"),
    "undefined alias": ("[8, 12]", "*rows", ":6: must be valid YAML (found undefined alias 'rows')"),
    "Python object": ("[8, 12]", "!!python/object/apply:os.system ['touch pwned']",
        ":6: space.rows: tags are not supported, got 'tag:yaml.org,2002:python/object/apply:os.system'"),
    "contradicting tag": ("[8, 12]", "!!int x", ":6: space.rows: must be a plain YAML value, got 'x'"),
    "alias bomb": ("", BOMB, f": must not hold more than {MAX_NODES} values, aliases expanded"),
    "alias of itself": ("", "x: &x [*x]\n", f": must not nest deeper than {MAX_DEPTH} levels"),
    "deep nesting": ("", f"x: {DEEP}\n", f": must not nest deeper than {MAX_DEPTH} levels"),
    "very deep nesting": ("", f"x: {'[' * 100_000}\n", f": must not nest deeper than {MAX_DEPTH} levels"),
    "null character": ("study", "st\0udy", ":2: must be text (special characters are not allowed)"),
}  # fmt: skip

WHOLE_FILES = {
    "empty": (b"", ": must not be empty (`dse schema` describes the keys)"),
    "only a comment": (b"# nothing\n", ": must not be empty (`dse schema` describes the keys)"),
    "a list": (b"- 1\n- 2\n", ": must be a mapping of keys to values, got [1, 2]"),
    "a word": (b"hello\n", ": must be a mapping of keys to values, got 'hello'"),
    "null": (b"null\n", ": must be a mapping of keys to values"),
    "latin-1": (BASE.replace("study", "stüdy").encode("latin-1"), ": must be UTF-8 text (byte 18 is not)"),
    "binary": (bytes(range(256)), ": must be UTF-8 text (byte 128 is not)"),
    "control characters": (bytes(range(128)), ":1: must be text (special characters are not allowed)"),
    "UTF-16": (BASE.encode("utf-16"), ": must be UTF-8 text (byte 0 is not)"),
    "too large": (b"#" * (MAX_BYTES + 1), f": must be at most {MAX_BYTES} bytes"),
}

LAYER_HEADER = "layer,kind,C,H,W,M,R,S,stride,padding,dilation,groups,count\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a folder of networks beside it."""
    nets = tmp_path / "nets"
    nets.mkdir()
    (nets / "zero.csv").write_text(LAYER_HEADER + "conv1,conv,0,32,32,16,3,3,1,1,1,1,1\n")
    (nets / "vgg16.csv").write_text(LAYER_HEADER + "conv1,conv,3,32,32,16,3,3,1,1,1,1,1\n")
    (nets / "huge.csv").write_text(LAYER_HEADER + "product,gemm,8192,1048576,1,8192,1,1,1,0,1,1,1\n")
    (nets / "folder.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(folder: Path, name: str, expected: str) -> None:
    """Run `dse sweep`; its messages must be `expected`, one per line, where `...` stands for any rest of a line."""
    before = sorted(folder.rglob("*"))
    result = CliRunner().invoke(cli, ["sweep", name])
    assert result.exit_code == 2, result.output
    assert sorted(folder.rglob("*")) == before, "something was written"
    assert result.stdout == ""
    wanted = expected.split("\n")
    lines = result.stderr.splitlines()
    assert len(lines) == len(wanted), result.stderr
    for line, want in zip(lines, wanted, strict=True):
        if want.endswith("..."):
            assert line.startswith(f"error: {name}{want[:-3]}"), line
        else:
            assert line == f"error: {name}{want}"


@pytest.mark.parametrize("case", EDITS)
def test_a_broken_rule_is_named_with_its_place(folder: Path, case: str) -> None:
    old, new, expected = EDITS[case]
    assert old in BASE
    text = BASE.replace(old, new, 1) if old else BASE + new
    (folder / "study.yaml").write_text(text)
    check(folder, "study.yaml", expected)


@pytest.mark.parametrize("case", WHOLE_FILES)
def test_a_file_that_is_no_config_is_refused(folder: Path, case: str) -> None:
    content, expected = WHOLE_FILES[case]
    (folder / "study.yaml").write_bytes(content)
    check(folder, "study.yaml", expected)


def test_a_huge_flat_document_is_refused(folder: Path) -> None:
    (folder / "study.yaml").write_text("x: [" + "1," * MAX_NODES + "]\n")
    check(folder, "study.yaml", f": must not hold more than {MAX_NODES} values, aliases expanded")


def test_a_missing_file_is_refused(folder: Path) -> None:
    check(folder, "none.yaml", ": must be a readable file (No such file or directory)")


def test_a_folder_is_refused(folder: Path) -> None:
    check(folder, "nets", ": must be a file (it is a folder)")


def test_a_device_is_refused(folder: Path) -> None:
    check(folder, os.devnull, ": must be a file (it is not a regular file)")


def test_an_unreadable_file_is_refused(folder: Path) -> None:
    (folder / "loop.yaml").symlink_to("loop.yaml")
    check(folder, "loop.yaml", ": must be a readable file (...")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(folder: Path) -> None:
    (folder / "secret.yaml").write_text(BASE)
    (folder / "secret.yaml").chmod(0)
    check(folder, "secret.yaml", ": must be a readable file (Permission denied)")


def test_all_problems_come_at_once_in_the_order_of_the_file(folder: Path) -> None:
    text = BASE.replace("resnet20-cifar10", "resnet05").replace("8, 12", "8, 0, x") + "objectives: [speed]\n"
    (folder / "study.yaml").write_text(text)
    check(folder, "study.yaml",
          ":3: workloads[0]: unknown workload...\n"
          ":6: space.rows[1]: must be at least 1, got 0\n"
          ":6: space.rows[2]: must be a whole number, got 'x' ...\n"
          ":7: objectives[0]: unknown metric, got 'speed' ...")  # fmt: skip


def test_spads_of_no_use_are_named_together_with_all_other_problems(folder: Path) -> None:
    flows = "  dataflow: [weight_stationary, output_stationary]\n  ifmap_spad_words: {start: 8, stop: 16, step: 4}\n"
    text = BASE.replace("8, 12", "8, 0") + flows + "  filter_spad_words: 0\nobjectives: [speed]\n"
    (folder / "study.yaml").write_text(text)
    names = "weight_stationary, output_stationary"
    check(folder, "study.yaml",
          ":6: space.rows[1]: must be at least 1, got 0\n"
          f":8: space.ifmap_spad_words: must be left out: PEs of {names} have no spads, got {{'start': 8, ...\n"
          ":9: space.filter_spad_words: must be at least 1, got 0\n"
          f":9: space.filter_spad_words: must be left out: PEs of {names} have no spads, got 0 ...\n"
          ":10: objectives[0]: unknown metric, got 'speed' ...")  # fmt: skip


@pytest.mark.parametrize("flows", ["[weight_stationary, weight_stationry]", "[]", "[3]", "{a: b}"])
def test_spads_are_not_judged_where_the_dataflows_are_in_doubt(folder: Path, flows: str) -> None:
    (folder / "study.yaml").write_text(BASE + f"  dataflow: {flows}\n  ifmap_spad_words: 8\n")
    check(folder, "study.yaml", ":7: space.dataflow...")


def test_a_flood_of_problems_is_cut_short(folder: Path) -> None:
    (folder / "study.yaml").write_text(BASE.replace("8, 12", ", ".join(["0"] * 1000)))
    result = CliRunner().invoke(cli, ["sweep", "study.yaml"])
    lines = result.stderr.splitlines()
    assert len(lines) == 26
    assert lines[-1] == "error: and 975 more problems"


@pytest.mark.parametrize("case", ["syntax", "alias bomb", "workload with zero channels"])
def test_the_installed_command_shows_no_traceback(folder: Path, case: str) -> None:
    old, new, expected = EDITS[case]
    (folder / "study.yaml").write_text(BASE.replace(old, new, 1) if old else BASE + new)
    done = subprocess.run([sys.executable, "-m", "cli", "sweep", "study.yaml"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"error: study.yaml{expected.replace('', '')}\n"
    assert sorted(path.name for path in folder.iterdir()) == ["nets", "study.yaml"]
