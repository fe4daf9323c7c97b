"""The command line: help, exit codes, what goes to stdout and what to stderr, and the forms of the output."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner, Result

import dse.config
from cli import cli
from dse.config.reference import json_schema, key_table
from dse.dataflow import list_dataflows
from dse.errors import InputError, Problem, RunError
from dse.metrics import CYCLE_PARTS, METRICS
from dse.points import SCHEMA
from dse.space import SPAD_AXES
from dse.sweep import Progress
from dse.terminal.progress import show_progress
from pe_library.model import list_pe_types
from workloads.loader import list_workloads, load_workload

TINY = """\
schema: 1
name: tiny
workloads: [resnet20-cifar10]
space:
  pe_type: [int16, int8]
  rows: [8, 12]
  clock_mhz: [max, 100]
"""
COMMANDS = ("sweep", "pareto", "optimize", "evaluate", "report", "list", "characterize", "validate", "schema")
EVALUATE = ("evaluate", "--workload", "resnet20-cifar10")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def run_ok(*arguments: str) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def run_process(arguments: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, **options)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a config of eight designs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


# Help.


def test_help_lists_the_commands_in_the_order_of_use() -> None:
    text = run_ok("--help").stdout
    listed = text.split("Commands:\n")[1].splitlines()
    assert tuple(line.split()[0] for line in listed) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_examples_that_parse(command: str) -> None:
    text = run_ok(command, "--help").stdout
    assert max(len(line) for line in text.splitlines()) <= 100
    examples = [line.split("dse ", 1)[1] for line in text.splitlines() if line.strip().startswith(f"dse {command}")]
    assert examples
    for example in examples:
        arguments = example.split(">")[0].split()[1:]
        cli.commands[command].make_context(command, arguments)


def test_help_answers_in_half_a_second() -> None:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        run_process(["--help"], check=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5  # the least of five: other work on the machine only adds


def test_a_misspelt_command_is_bad_input() -> None:
    result = run("swep")
    assert result.exit_code == 2
    assert "swep" in result.stderr


# Errors.


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError([Problem("a", "must be b", 3), Problem("c", "unknown key")]), 2,
         "error: a: must be b, got 3\nerror: c: unknown key\n"),
        (RunError("it broke"), 1, "error: it broke\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "error: [Errno 13] Permission denied: '/x'\n"),
        (MemoryError(), 1, "error: out of memory\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (RunError("\x1b[31mred"), 1, "error: \\x1b[31mred\n"),
    ],
)  # fmt: skip
def test_errors_become_messages_and_exit_codes(
    study: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    def fail(path: Path) -> None:
        raise error

    monkeypatch.setattr(dse.config, "load_study", fail)
    result = run("sweep", "tiny.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", message)


def test_a_bug_is_not_hidden(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(dse.config, "load_study", fail)
    assert isinstance(run("sweep", "tiny.yaml").exception, ZeroDivisionError)


@pytest.mark.parametrize("arguments", [["schema"], ["list", "workloads", "--format", "json"]])
def test_a_reader_that_stops_reading_is_no_error(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments], stdout=closed, stderr=subprocess.PIPE, text=True
        )
    assert done.stderr == ""


def test_output_to_an_ascii_terminal_does_not_fail() -> None:
    done = run_process(["list", "metrics"], env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "perf_per_area" in done.stdout


# dse list, dse schema.

NAMES = {
    "pe-types": list_pe_types(),
    "workloads": list_workloads(),
    "dataflows": list_dataflows(),
    "metrics": tuple(METRICS),
}


@pytest.mark.parametrize("what", NAMES)
def test_list_names_everything_in_every_form(what: str) -> None:
    lines = run_ok("list", what).stdout.splitlines()
    assert max(len(line) for line in lines) <= 100
    shown = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert [name for name in shown if name in NAMES[what]] == list(NAMES[what])
    records = json.loads(run_ok("list", what, "--format", "json").stdout)[what]
    assert tuple(record["name"] for record in records) == NAMES[what]
    provenance, *table = run_ok("list", what, "--format", "csv").stdout.splitlines()
    assert provenance.startswith("# dse ")
    assert [row["name"] for row in csv.DictReader(table)] == list(NAMES[what])


def test_listed_workloads_have_the_totals_of_their_layers() -> None:
    for record in json.loads(run_ok("list", "workloads", "--format", "json").stdout)["workloads"]:
        network = load_workload(record["name"])
        assert record["gmacs"] == pytest.approx(network.macs / 1e9)
        assert record["mweights"] == pytest.approx(network.weights / 1e6)


def test_listed_dataflows_say_what_a_pe_keeps_operands_in() -> None:
    rows = json.loads(run_ok("list", "dataflows", "--format", "json").stdout)["dataflows"]
    found = {row["name"]: row["pe"] for row in rows}
    assert (found["row_stationary"], found["weight_stationary"]) == ("spads", "registers")
    assert all(row["description"].endswith(".") and row["parameters"] for row in rows)


def test_schema_is_printed_as_json_and_markdown() -> None:
    assert run_ok("schema").stdout == json_schema() + "\n"
    assert run_ok("schema", "--format", "markdown").stdout == key_table() + "\n"


# dse evaluate.


def test_evaluate_json_has_provenance_totals_and_layers_by_column_name() -> None:
    result = run_ok(*EVALUATE, "--design", "pe_type=int8,rows=16", "--format", "json")
    found = json.loads(result.stdout)
    assert list(found) == ["provenance", "totals", "layers"]
    assert set(SCHEMA.names) - {"design_id"} == set(found["totals"])
    assert (found["totals"]["pe_type"], found["totals"]["rows"]) == ("int8", 16)
    assert [row["layer"] for row in found["layers"]] == [
        layer.name for layer in load_workload("resnet20-cifar10").layers
    ]
    for part in CYCLE_PARTS:
        assert sum(row[f"{part}_cycles"] for row in found["layers"]) == found["totals"][f"{part}_cycles"]
    for column in ("latency_ms", "energy_mj", "dram_mb"):
        assert sum(row[column] for row in found["layers"]) == pytest.approx(found["totals"][column])


def test_evaluate_of_a_dataflow_without_spads_shows_none() -> None:
    design = ("--design", "dataflow=weight_stationary,pe_type=int8")
    assert "spad_words" not in run_ok(*EVALUATE, *design).stdout
    totals = json.loads(run_ok(*EVALUATE, *design, "--format", "json").stdout)["totals"]
    assert {totals[name] for name in SPAD_AXES} == {None}
    refused = run(*EVALUATE, "--design", "dataflow=weight_stationary,ifmap_spad_words=12")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: --design: ifmap_spad_words: must be left out: PEs of weight_stationary have no spads, got 12 "
        "(it applies to row_stationary)\n"
    )


def test_evaluate_csv_has_the_layers_of_json() -> None:
    provenance, *table = run_ok(*EVALUATE, "--format", "csv").stdout.splitlines()
    assert provenance.startswith("# dse ")
    rows = list(csv.DictReader(table))
    layers = json.loads(run_ok(*EVALUATE, "--format", "json").stdout)["layers"]
    assert [list(row) for row in rows] == [list(layer) for layer in layers]
    assert [float(row["energy_mj"]) for row in rows] == [layer["energy_mj"] for layer in layers]


def test_evaluate_with_the_config_of_a_study_gives_the_rows_of_its_run(tmp_path: Path) -> None:
    technology = {"glb_cell": "itrs-hp", "dram_pj_per_bit": 5, "sparsity": {"zero_gating": True}}
    space = {"pe_type": "int8", "rows": [8, 12], "glb_kib": 64}
    content = {"schema": 1, "name": "own", "workloads": ["alexnet"], "space": space, "technology": technology}
    config = tmp_path / "own.yaml"
    config.write_text(yaml.safe_dump(content | {"mapping": {"objective": "latency"}}))
    run_ok("sweep", str(config), "--jobs", "1", "-o", str(tmp_path / "run"))
    design = ("--workload", "alexnet", "--design", "pe_type=int8,rows=12,glb_kib=64")
    found = json.loads(run_ok("evaluate", *design, "--config", str(config), "--format", "json").stdout)
    row = pq.read_table(tmp_path / "run" / "points.parquet").to_pylist()[1]
    assert found["totals"] == {name: value for name, value in row.items() if name != "design_id"}
    assert found["provenance"]["objective"] == "latency"
    shown = run_ok("evaluate", *design, "--config", str(config), "--compression", "rlc").stdout
    assert "glb_cell itrs-hp, dram_pj_per_bit 5.0, zero_gating True, compression rlc" in " ".join(shown.split())


def test_evaluate_takes_options_in_one_or_several() -> None:
    options = ("--design", "pe_type=int8", "--design", "rows=8,cols=8", "--mapping", "m=2", "--mapping", "e=4")
    several = run_ok(*EVALUATE, *options)
    assert several.stdout == run_ok(*EVALUATE, "--design", "pe_type=int8,rows=8,cols=8", "--mapping", "m=2,e=4").stdout
    assert "on INT8" in several.stdout
    assert "rows 8, cols 8" in several.stdout


def test_evaluate_says_what_an_accuracy_is_and_takes_members_of_a_family() -> None:
    shown = run_ok("evaluate", "--workload", "vgg8-cifar10", "--design", "pe_type=int8").stdout
    assert "accuracy: measured, \N{PLUS-MINUS SIGN}0.3" in shown
    member = run_ok("evaluate", "--workload", "resnet-cifar10-w8-16-32-d1-1-1", "--design", "pe_type=int8").stdout
    assert "conv4_1_3x3b" in member


def test_evaluate_table_reads_at_100_columns() -> None:
    text = run_ok(*EVALUATE).stdout
    assert max(len(line) for line in text.splitlines()) <= 100
    of_design = (name for name, metric in METRICS.items() if not metric.of_network)
    for word in (*of_design, "conv1", "mapping"):
        assert word in text


def test_evaluate_keeps_to_pinned_parameters_and_to_the_objective() -> None:
    def latency_and_energy(*arguments: str) -> tuple[float, float]:
        totals = json.loads(run_ok(*EVALUATE, "--format", "json", *arguments).stdout)["totals"]
        return totals["latency_ms"], totals["energy_mj"]

    pinned = json.loads(run_ok(*EVALUATE, "--mapping", "q=1,r=1", "--format", "json").stdout)
    assert {(row["q"], row["r"]) for row in pinned["layers"]} == {(1, 1)}
    assert pinned["provenance"]["mapping"] == {"q": 1, "r": 1}
    fast, frugal = latency_and_energy("--objective", "latency"), latency_and_energy("--objective", "energy")
    assert fast[0] <= frugal[0]
    assert frugal[1] <= fast[1]


def test_evaluate_of_an_infeasible_design_says_why() -> None:
    text = run_ok(*EVALUATE, "--design", "rows=2").stdout
    assert "not feasible: " in text
    totals = json.loads(run_ok(*EVALUATE, "--design", "rows=2", "--format", "json").stdout)["totals"]
    assert totals["feasible"] is False
    assert totals["energy_mj"] is None
    assert totals["reason"] in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--design", "rowz=3"], "error: --design: rowz: unknown key (did you mean `rows`?)\n"),
        (["--design", "rows"], "error: --design: must be `name=value,...`, got 'rows'\n"),
        (["--mapping", "p=0"], "error: --mapping: p: must be a whole number from 1 to 65536, got 0\n"),
        (["--design", "rows=8", "--design", "rows=9"], "error: --design: rows: key is given twice\n"),
    ],
)
def test_evaluate_refuses_bad_options(arguments: list[str], message: str) -> None:
    result = run(*EVALUATE, *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)


def test_evaluate_refuses_an_unknown_network() -> None:
    result = run("evaluate", "--workload", "resnet05")
    assert result.exit_code == 2
    assert "did you mean `resnet50`?" in result.stderr


# dse sweep, pareto, report: one way through.


def test_sweep_pareto_and_report_follow_each_other(study: Path) -> None:
    swept = run_ok("sweep", "tiny.yaml", "--jobs", "1")
    assert swept.stdout.splitlines()[-1] == "next: dse pareto results/tiny --metric perf_per_area"
    meta = json.loads((study / "results" / "tiny" / "run.json").read_text())
    assert (meta["name"], meta["designs"], meta["points"]) == ("tiny", 8, 8)
    assert meta["config_sha256"] == dse.config.load_study(study / "tiny.yaml").sha256

    front = run_ok(*swept.stdout.splitlines()[-1].split()[2:])
    assert "resnet20-cifar10" in front.stdout
    assert front.stdout == run_ok("pareto").stdout  # the newest run, the default metric
    assert "wrote results/tiny/pareto.csv" in front.stderr
    provenance, *table = run_ok("pareto", "--format", "csv").stdout.splitlines()
    assert meta["config_sha256"] in provenance
    assert set(METRICS["perf_per_area"].column.split()) <= set(next(csv.DictReader(table)))

    written = run_ok("report", "tiny", "-o", "paper").stdout.split()
    assert written
    assert all(Path(path).is_file() and Path(path).parent == Path("paper") for path in written)


def test_a_run_of_several_dataflows_names_the_winners_dataflow_and_leaves_spads_blank(study: Path) -> None:
    flows = "  dataflow: [row_stationary, weight_stationary]\n"
    (study / "tiny.yaml").write_text(TINY.replace("  rows", flows + "  rows"))
    run_ok("sweep", "tiny.yaml", "--jobs", "1")
    best = json.loads(run_ok("pareto", "--format", "json").stdout)["best"]
    text = run_ok("pareto").stdout
    assert all(row["dataflow"].removesuffix("_stationary") in text for row in best)
    _, *lines = run_ok("pareto", "--format", "csv").stdout.splitlines()
    for line in csv.DictReader(lines):
        assert (line["psum_spad_words"] == "") == (line["dataflow"] == "weight_stationary")


def test_sweep_refuses_the_folder_of_another_study(study: Path) -> None:
    run_ok("sweep", "tiny.yaml", "--jobs", "1", "-o", "out")
    (study / "other.yaml").write_text(TINY.replace("[8, 12]", "[8, 16]"))
    before = (study / "out" / "points.parquet").read_bytes()
    result = run("sweep", "other.yaml", "--jobs", "1", "-o", "out")
    assert result.exit_code == 2
    assert "--fresh" in result.stderr
    assert (study / "out" / "points.parquet").read_bytes() == before
    run_ok("sweep", "other.yaml", "--jobs", "1", "-o", "out", "--fresh")
    assert (study / "out" / "points.parquet").read_bytes() != before


def test_sweep_refuses_a_file_as_folder(study: Path) -> None:
    result = run("sweep", "tiny.yaml", "-o", "tiny.yaml")
    assert result.exit_code == 2
    assert (study / "tiny.yaml").read_text() == TINY


def test_pareto_without_a_run_says_what_to_do(study: Path) -> None:
    result = run("pareto")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "dse sweep" in result.stderr


def test_pareto_of_an_unknown_metric_gives_a_hint(study: Path) -> None:
    run_ok("sweep", "tiny.yaml", "--jobs", "1")
    result = run("pareto", "--metric", "enrgy")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean `energy`?" in result.stderr


# Progress.


def test_progress_off_a_terminal_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("sweep") as show:
        for done, elapsed_s in ((100, 0.0), (200, 5.0), (400, 12.0), (500, 15.0)):
            show(Progress(done, 1000, elapsed_s))
    captured = capsys.readouterr()
    assert captured.err == "400 of 1,000 designs, 25/s, 24 s left\n"
    assert captured.out == ""


def test_progress_on_a_terminal_goes_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with show_progress("sweep") as show:
        show(Progress(0, 1000, 0.0))
        show(Progress(400, 1000, 2.0))
    captured = capsys.readouterr()
    assert "200/s" in captured.err
    assert "400/1000" in captured.err
    assert captured.out == ""


# dse characterize.

POINT = "ifmap_spad_words=8,filter_spad_words=32,psum_spad_words=8"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["int61"], "error: PE_TYPE: unknown PE type, got 'int61' (did you mean `int16`?)\n"),
        (["int8", "--at", "ifmap_spad_words=8,psum_spad_words=0"],
         "error: --at: psum_spad_words: must be a whole number from 1 to 65536, got 0\n"
         "error: --at: filter_spad_words: required key is missing\n"),
    ],
)  # fmt: skip
def test_characterize_refuses_bad_options(arguments: list[str], message: str) -> None:
    result = run("characterize", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--points", "1", "--at", POINT], "--points, --at and --dataflow exclude each other"),
        (["--points", "1", "--dataflow", "weight_stationary"], "--points, --at and --dataflow exclude each other"),
        (["--points", "0"], "0 is not in the range x>=1"),
        (["--liberty", "none.lib"], "'none.lib' does not exist"),
        (["int8", "--liberty", __file__], "--liberty would replace what is shipped: name a folder with -o"),
        (["int8", "--points", "1", "-o", "here"], "-o excludes --points, --at and --dataflow"),
        (["int8", "--at", POINT, "-o", "here"], "-o excludes --points, --at and --dataflow"),
        (["int8", "--dataflow", "weight_stationary", "-o", "here"], "-o excludes --points, --at and --dataflow"),
        (["int8", "--dataflow", "row_stationary"], "unknown systolic dataflow, got 'row_stationary'"),
    ],
)
def test_characterize_refuses_what_makes_no_sense(arguments: list[str], message: str) -> None:
    result = run("characterize", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not Path("here").exists()


def test_characterize_without_its_extra_says_what_to_install() -> None:
    script = "import sys; sys.modules['sklearn'] = sys.modules['numba'] = None; import cli; cli.main()"
    done = subprocess.run([sys.executable, "-c", script, "characterize", "int8"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is missing: pip install 'dse[characterize]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.characterize
def test_characterize_puts_one_point_beside_its_prediction() -> None:
    found = json.loads(run_ok("characterize", "int8", "--at", POINT, "--format", "json").stdout)["int8"]
    area = next(row for row in found if row["quantity"] == "area_um2")
    assert area["predicted"] == pytest.approx(area["measured"], rel=0.1)
    assert area["error_percent"] == pytest.approx(100 * (area["predicted"] / area["measured"] - 1))


@pytest.mark.characterize
def test_characterize_repeats_a_shipped_point_exactly() -> None:
    found = json.loads(run_ok("characterize", "int8", "--points", "1", "--jobs", "1", "--format", "json").stdout)
    assert [row["differences"] for row in found["repeated"]] == [""]
