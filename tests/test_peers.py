"""The side-by-side benchmark: contract of its peers, their hardware, how runs are counted, the page."""

from __future__ import annotations

import ast
import configparser
import json
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.peers import nn_dataflow, ours
from benchmarks.peers._environment import NotRunError, find_python, reason_of
from benchmarks.peers._measure import Run, Task, measure, read_events, run_once, summary
from benchmarks.peers._network import CONFIGS, least, list_networks, network_path, plain_layers
from benchmarks.peers._page import page, published
from benchmarks.peers._peer import OURS, Peer, list_peers, load_peer
from dse.errors import InputError
from dse.space import NUMERIC_AXES
from workloads.loader import load_workload

CHIP = {axis.name: int(axis.default) for axis in NUMERIC_AXES if axis.integer}
SPADS = tuple(CHIP[f"{operand}_spad_words"] for operand in ("ifmap", "filter", "psum"))
WORD_BITS = 16
TASK = Task("resnet18", [{"name": "a"}, {"name": "b"}], 20.0, 2)


@pytest.mark.parametrize("name", list_peers())
def test_every_peer_fulfils_the_contract_and_pins_what_it_installs(name: str) -> None:
    peer = load_peer(name)
    assert peer.variants
    assert all((peer.title, peer.computes, peer.searches, peer.configured, peer.remark, peer.imports))
    assert (name == OURS) == (not peer.requirements)
    assert all("==" in requirement for requirement in peer.requirements[:1])


@pytest.mark.parametrize("name", list_peers())
def test_a_peer_file_imports_only_the_standard_library_when_it_is_read(name: str) -> None:
    body = ast.parse(load_peer(name).path.read_text()).body
    imported = {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in body if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in imported} <= sys.stdlib_module_names


def test_zigzag_is_told_the_chip() -> None:
    told = yaml.safe_load((CONFIGS / "zigzag_accelerator.yaml").read_text())
    sizes = {name: memory["size"] for name, memory in told["memories"].items()}
    assert tuple(sizes[f"spad_{operand}"] // WORD_BITS for operand in ("ifmap", "filter", "psum")) == SPADS
    assert sizes["glb"] == CHIP["glb_kib"] * 1024 * 8
    assert sorted(told["operational_array"]["sizes"]) == [CHIP["rows"], CHIP["cols"]]
    ports = {name: memory["ports"][0]["bandwidth_max"] for name, memory in told["memories"].items()}
    assert ports["glb"] == CHIP["glb_bytes_per_cycle"] * 8
    for name, level in (("spad_psum", "spad"), ("glb", "glb"), ("dram", "dram")):
        memory = told["memories"][name]
        assert memory["r_cost"] == memory["w_cost"] == ours.COSTS[level] * ports[name] / WORD_BITS


def test_accelforge_is_told_the_chip() -> None:
    text = (CONFIGS / "accelforge_eyeriss.yaml").read_text()
    for tag in ("!Memory", "!Container", "!Compute"):
        text = text.replace(f"- {tag}\n    name", "- name")
    nodes = {node["name"]: node for node in yaml.safe_load(text)["arch"]["nodes"]}
    spads = ("IfmapSpad", "FilterSpad", "PsumSpad")
    assert [nodes[name]["size"] for name in spads] == [f"{words} * {WORD_BITS}" for words in SPADS]
    assert nodes["GlobalBuffer"]["size"] == f"{CHIP['glb_kib']} * 1024 * 8"
    fanouts = sorted(way["fanout"] for way in nodes["ProcessingElement"]["spatial"])
    assert fanouts == [CHIP["rows"], CHIP["cols"]]
    for name, level in (("MainMemory", "dram"), ("GlobalBuffer", "glb"), *((spad, "spad") for spad in spads)):
        assert {action["energy"] for action in nodes[name]["actions"]} == {ours.COSTS[level]}


def test_scalesim_is_told_the_chips_array_and_words() -> None:
    config = configparser.ConfigParser()
    config.read(CONFIGS / "scalesim.cfg")
    told = config["architecture_presets"]
    assert (told.getint("ArrayHeight"), told.getint("ArrayWidth")) == (CHIP["rows"], CHIP["cols"])
    words = sum(int(told[f"{operand}SramSzkB"]) for operand in ("Ifmap", "Filter", "Ofmap")) * 1024
    assert words == CHIP["glb_kib"] * 1024 * 8 // WORD_BITS


def test_nn_dataflow_is_told_the_chip_and_our_unit_costs() -> None:
    assert (nn_dataflow.ROWS, nn_dataflow.COLS) == (CHIP["rows"], CHIP["cols"])
    assert (nn_dataflow.GLB_BYTES, nn_dataflow.SPAD_WORDS) == (CHIP["glb_kib"] * 1024, sum(SPADS))
    assert nn_dataflow.COSTS == ours.COSTS


def test_the_network_kept_here_has_the_published_macs() -> None:
    network = load_workload(network_path("resnet18"))
    assert network.published_macs
    assert network.macs == pytest.approx(network.published_macs, rel=1e-3)


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "mobilenetv2"])
def test_plain_layers_keep_every_mac_and_their_ifmaps_give_their_ofmaps(name: str) -> None:
    network = load_workload(network_path(name))
    layers = plain_layers(network)
    assert sum(layer["macs"] * layer["count"] for layer in layers) == network.macs
    for layer in layers:
        assert layer["macs"] == layer["E"] * layer["F"] * layer["M"] * layer["C"] * layer["R"] * layer["S"]
        assert (layer["height"] - layer["R"]) / layer["stride"] + 1 == layer["E"]


def test_no_design_goes_below_what_is_called_least() -> None:
    network = load_workload("resnet20-cifar10")
    found = [*ours.one_design("resnet20-cifar10")][-1]
    floor = least(network, CHIP["rows"] * CHIP["cols"])
    assert found["compute_cycles"] >= floor["cycles"] > found["compute_cycles"] / 10
    assert found["energy_macs"] >= floor["energy_macs"] > found["energy_macs"] / 10


def test_a_network_that_not_all_peers_can_take_is_bad_input() -> None:
    assert "vit-b16" in list_networks()
    with pytest.raises(InputError, match="kind conv, depthwise, fc"):
        plain_layers(load_workload("vit-b16"))


def test_words_are_priced_at_the_level_they_move_at() -> None:
    row = {"macs": 7, "dram_ifmap_words": 1, "glb_psum_reads_words": 10, "inter_pe_psum_words": 100,
           "spad_filter_reads_words": 1000, "noc_ifmap_words": 10**9, "glb_stall_cycles": 10**9}  # fmt: skip
    assert ours.energy_macs(row) == 7 + 200 + 60 + 200 + 1000


def test_a_reason_is_the_error_without_addresses_and_folders() -> None:
    output = "Looking in https://index.example/simple\nValueError: no /home/someone/thing/file.txt at file:///a/b\n "
    assert reason_of(output) == "ValueError: no file.txt at ..."
    assert reason_of("") == "it ended without a message"
    assert len(reason_of("Error: " + "x" * 1000)) == 200


def test_the_python_at_hand_serves_where_it_fits_and_none_is_a_reason() -> None:
    here = (sys.version_info.major, sys.version_info.minor)
    assert find_python((here, None))[0] == Path(sys.executable)
    with pytest.raises(NotRunError, match=r"needs Python 3\.90 or later"):
        find_python(((3, 90), None))


def fake_peer(folder: Path, body: str, requirements: tuple[str, ...] = ()) -> Peer:
    path = folder / "fake.py"
    path.write_text(f"REQUIREMENTS = ()\nIMPORTS = ('json',)\ndef evaluate(job):\n{textwrap.indent(body, '    ')}\n")
    return Peer("fake", path, "Fake", requirements, ((3, 8), None), (), {"only": ""}, "", "", "", "")


def ignore(text: str) -> None:
    """Progress that nobody reads."""


def test_steps_are_summed_and_the_untimed_one_costs_nothing(tmp_path: Path) -> None:
    body = """
    import time
    yield {"shapes": 1, "cycles": 10}
    yield {"shapes": 1, "cycles": 5}
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass
    yield {"untimed": True, "energy_macs": 3.0}
    """
    row = measure(fake_peer(tmp_path, textwrap.dedent(body)), "only", TASK, ignore)
    assert (row["status"], row["repetitions"], row["shapes_done"]) == ("ok", 2, 2)
    assert (row["cycles"], row["energy_macs"], row["area_mm2"]) == (15, 3.0, None)
    assert row["cpu_s_per_design"]["max"] < 0.3


def test_a_peer_that_fails_is_a_row_with_the_reason(tmp_path: Path) -> None:
    row = measure(fake_peer(tmp_path, "yield {'shapes': 1}\nraise RuntimeError('no mapping')"), "only", TASK, ignore)
    assert (row["status"], row["reason"], row["shapes_done"]) == ("failed", "RuntimeError: no mapping", 1)


def test_a_peer_that_is_killed_says_by_which_signal(tmp_path: Path) -> None:
    row = measure(fake_peer(tmp_path, "import os\nyield {}\nos.kill(os.getpid(), 9)"), "only", TASK, ignore)
    assert (row["status"], row["reason"]) == ("failed", "ended by signal 9")


def test_a_peer_without_its_python_is_a_row_with_the_reason(tmp_path: Path) -> None:
    peer = replace(fake_peer(tmp_path, "yield {}", ("x==1",)), pythons=((3, 90), None))
    row = measure(peer, "only", TASK, ignore)
    assert (row["status"], row["reason"]) == ("not run", "needs Python 3.90 or later, which is not at hand")


@pytest.mark.slow
def test_a_peer_that_cannot_be_installed_is_a_row_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    peer = fake_peer(tmp_path, "yield {}", ("not a requirement",))
    row = measure(peer, "only", TASK, ignore)
    assert row["status"] == "not run"
    assert "Invalid requirement" in row["reason"]


def test_a_peer_is_stopped_at_the_limit_and_keeps_what_it_did(tmp_path: Path) -> None:
    peer = fake_peer(tmp_path, "import time\nyield {'shapes': 1, 'cycles': 4}\ntime.sleep(60)\nyield {'shapes': 1}")
    start = time.monotonic()
    run = run_once(peer, "only", Path(sys.executable), TASK, 1.5)
    assert time.monotonic() - start < 20
    row = summary([run], 2)
    assert (row["status"], row["repetitions"], row["shapes_done"], row["cycles"]) == ("stopped", 0, 1, 4)


def test_an_event_that_was_cut_off_is_none(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert read_events(path) == ()
    path.write_text('{"event": "step"}\n{"event": "st')
    assert read_events(path) == ({"event": "step"},)


def test_a_later_run_that_is_stopped_does_not_spoil_those_that_ended() -> None:
    step = {"event": "step", "cpu_s": 4.0, "wall_s": 4.0, "result": {"shapes": 2, "cycles": 8, "designs": 2}}
    loaded = {"event": "loaded", "cpu_s": 1.0, "wall_s": 1.0, "python": "3.11.1", "version": "1"}
    row = summary([Run((loaded, step), 5.0, ""), Run((loaded,), 9.0, "stopped", True)], 2)
    assert (row["status"], row["repetitions"], row["cycles"]) == ("ok", 1, 8)
    assert row["cpu_s_per_design"] == {"median": 2.0, "min": 2.0, "max": 2.0}


def results(*rows: dict[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys(row["peer"] for row in rows)
    about = {"title": "T", "computes": "c", "searches": "s", "configured": "h", "remark": "r"}
    return {
        "date": "2030-01-02T03:04:05+00:00", "machine": {"cpu": "Some CPU", "cores": 2, "load_at_start": 0.5,
        "system": "Linux x86_64", "python": "3.11.1"}, "limit_s": 10.0, "repeat": 2, "rows": list(rows),
        "network": {"name": "resnet18", "macs": 1814073344, "shapes": 12, "layers": 21,
        "least": {"cycles": 1e6, "energy_macs": 2e9}},
        "peers": dict.fromkeys(names, about), "requirements": {name: ["x==1"] for name in names},
        "published": published(),
    }  # fmt: skip


def done(peer: str, variant: str, seconds: float, **values: Any) -> dict[str, Any]:
    spread = {"median": seconds, "min": seconds, "max": seconds}
    return {
        "peer": peer, "variant": variant, "title": peer.upper(), "does": variant, "status": "ok", "reason": "",
        "repetitions": 1, "shapes_done": 12, "shapes": 12, "version": "1", "python": "3.11.1", "designs": 1,
        "cpu_s_per_design": spread, "process_wall_s": spread, "import_cpu_s": spread, "peak_mb": 1.0, "cycles": None,
        "energy_macs": None, "energy_mj": None, "area_mm2": None, **values,
    }  # fmt: skip


def test_the_page_states_the_ratio_to_the_fastest_peer_and_who_failed() -> None:
    failed = {"peer": "c", "variant": "v", "title": "C", "does": "v", "status": "not run", "reason": "needs Python 9"}
    rows = (
        done(OURS, "one_design", 0.5, cycles=4_000_000, energy_macs=8e9, energy_mj=1.25, area_mm2=6.5),
        done(OURS, "sweep", 0.002),
        done("a", "slow", 90.0, cycles=2_000_000, energy_macs=4e9),
        done("b", "quick", 0.25, cycles=8_000_000),
        failed,
    )
    text = page(results(*rows))
    words = " ".join(text.split())
    assert "fastest other tool is B (quick) with 0.250 CPU-seconds" in words
    assert "0.500 for one design alone: 2.00 times more." in words
    assert "0.00200 for a design within a sweep that maps each: 125 times less." in words
    assert "| A, slow | 2.00 | 0.500 | 4.00 | 0.500 |" in text
    assert "Not finished: C, v: not run, needs Python 9." in words
    assert "Some CPU" in text
    assert "2030-01-02" in text


def test_the_page_can_be_written_when_every_tool_failed() -> None:
    failed = {"peer": "c", "variant": "v", "title": "C", "does": "v", "status": "failed", "reason": "it broke"}
    assert "it broke" in page(results(failed))


def test_figures_from_elsewhere_are_marked_and_sourced() -> None:
    assert {row["kind"] for row in published()} == {"published", "measured apart"}
    assert all(row["source"] and "/work" not in json.dumps(row) for row in published())
