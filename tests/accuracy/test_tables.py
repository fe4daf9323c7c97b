"""The shipped tables, and what is computed from them; none of it needs PyTorch."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from characterization.accuracy.recipe import RECIPES, SUPERNET
from characterization.accuracy.rows import (
    IMAGES,
    MEASURED,
    RANKED,
    TABLES,
    TYPE_PAIRS,
    Measured,
    add_measured,
    read_measured,
    read_pairs,
    read_rows,
    write_rows,
)
from characterization.accuracy.summary import rank, summarize, summary_table, type_table
from dse.errors import InputError, RunError
from pe_library.model import list_pe_types
from workloads.families import members, parse_name, resnet_cifar10
from workloads.loader import list_workloads

ROOT = Path(__file__).resolve().parents[2]


NET = members()[0]
RIGHT = np.asarray([True, False, True])  # of three test images


def row(pe_type: str, seed: int, top1: float, recipe: str = "standard") -> Measured:
    return Measured(recipe, NET, "cifar10", pe_type, seed, top1, 0.3, top1 - 1, 10_000, 20, 2, "0", "2", 10.0)


def test_a_row_replaces_the_one_with_its_key_and_rows_are_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "table.csv"
    for each in (row("int8", 1, 90.0), row("fp32", 0, 91.25), row("int8", 1, 89.5)):
        add_measured(each, RIGHT, path)
        add_measured(each, ~RIGHT, path)
    assert read_measured(path) == (row("fp32", 0, 91.25), row("int8", 1, 89.5))
    images = read_rows(path.with_name(IMAGES))
    assert [(each["pe_type"], each["seed"], each["test_images"]) for each in images] == [
        ("fp32", "0", "3"),
        ("int8", "1", "3"),
    ]
    bits = np.frombuffer(base64.b64decode(images[0]["right_base64"]), np.uint8)
    assert np.unpackbits(bits, count=3).tolist() == [0, 1, 0]


def test_losses_are_paired_by_seed() -> None:
    rows = [
        row("fp32", 0, 90.0),
        row("fp32", 1, 92.0),
        row("int8", 0, 89.0),
        row("int8", 1, 91.5),
        row("w4a8", 2, 80.0),
    ]
    fp32, int8, w4a8 = summarize([*rows, row("int8", 0, 10.0, recipe="demo")])
    assert (fp32.loss, int8.loss, w4a8.loss) == (0.0, 0.75, None)
    assert int8.loss_error == pytest.approx(0.25)  # differences 1 and 0.5: s = 0.3536, over sqrt 2
    assert (int8.top1, int8.spread, int8.stderr, int8.seeds) == (90.25, pytest.approx(1.7678, abs=1e-4), 0.3, 2)
    assert (w4a8.spread, w4a8.loss_error) == (None, None)
    assert len(summary_table((fp32, int8, w4a8)).rows) == 3


def score_row(pe_type: str, score: float, recipe: str = SUPERNET.digest, network: str = NET) -> dict[str, str]:
    return {"network": network, "pe_type": pe_type, "score_percent": str(score), "recipe_sha256": recipe}


def test_kendall_tau_counts_pairs_in_the_same_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path / "cache"))
    ranked, measured, drawn = (tmp_path / f"{name}.csv" for name in ("ranked", "measured", "drawn"))
    write_rows(drawn, [{"network": NET, "pe_type": each} for each in ("fp32", "int8", "w4a8", "lightpe1")])
    with pytest.raises(RunError, match="0 pairs"):
        rank(ranked, measured, drawn)
    scores = {"fp32": 70.0, "int8": 71.0, "w4a8": 60.0, "lightpe1": 50.0}
    accuracies = {"fp32": 90.0, "int8": 89.0, "w4a8": 88.0, "lightpe1": 80.0}
    write_rows(ranked, [score_row(pe_type, score) for pe_type, score in scores.items()])
    for pe_type, top1 in accuracies.items():
        for seed in (0, 1):
            add_measured(row(pe_type, seed, top1 + seed, recipe="alone"), RIGHT, measured)
    found = rank(ranked, measured, drawn)
    assert found.tau == pytest.approx(4 / 6)  # five of six in order, one the other way
    assert [each[3] for each in found.pairs] == [top1 + 0.5 for top1 in accuracies.values()]
    assert found.interval[0] < found.tau <= found.interval[1]
    table = {row[0]: row[1:] for row in type_table(measured, ranked).rows}
    assert table["int8"] == (1, "1.00", None, "-1.00", None)  # below FP32 alone, above it by score
    assert table["lightpe2"] == (0, None, None, None, None)


def test_what_orders_networks_need_not_order_pe_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside tau stands what FP32's score of the network, blind to the PE type, gives."""
    monkeypatch.setenv("DSE_CACHE", str(tmp_path / "cache"))
    ranked, measured, drawn = (tmp_path / f"{name}.csv" for name in ("ranked", "measured", "drawn"))
    networks = members()[:4]
    write_rows(drawn, [{"network": name, "pe_type": "int8"} for name in networks])
    write_rows(ranked, [score_row(pe_type, score, network=name) for place, name in enumerate(networks)
                        for pe_type, score in (("int8", 50.0 + place), ("fp32", 60.0 - place))])  # fmt: skip
    for place, name in enumerate(networks):
        add_measured(replace(row("int8", 0, 70.0 + place, recipe="alone"), network=name), RIGHT, measured)
    found = rank(ranked, measured, drawn)
    assert (found.tau, dict(found.others)["FP32's score of the network"]) == (1.0, -1.0)


def test_the_shipped_pairs_of_types_are_networks_of_the_drawn_pairs_on_every_type() -> None:
    pairs, drawn = read_pairs(TYPE_PAIRS), {name for name, _ in read_pairs()}
    networks = {name for name, _ in pairs}
    assert networks <= drawn
    assert set(pairs) == set(product(networks, list_pe_types()))


def test_only_pairs_that_were_drawn_tell_how_well_scores_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path / "cache"))
    ranked, measured, drawn = (tmp_path / f"{name}.csv" for name in ("ranked", "measured", "drawn"))
    names = ("fp32", "int8", "w4a8")
    write_rows(drawn, [{"network": NET, "pe_type": each} for each in names[:2]])
    write_rows(ranked, [score_row(each, 70.0 + place) for place, each in enumerate(names)])
    for place, each in enumerate(names):
        add_measured(row(each, 0, 90.0 + place, recipe="alone"), RIGHT, measured)
    found = rank(ranked, measured, drawn)
    assert [each[1] for each in found.pairs] == ["fp32", "int8"]
    assert "over the 2 pairs drawn; " in found.words
    write_rows(drawn, [{"network": NET, "pe_type": each} for each in (*names[:2], "int16")])
    assert "over 2 of the 3 pairs drawn; " in rank(ranked, measured, drawn).words
    write_rows(ranked, [score_row(each, 70.0, "of-another-recipe") for each in names])
    with pytest.raises(RunError, match="0 pairs"):
        rank(ranked, measured, drawn)


@pytest.mark.parametrize("text", ["", "network,pe_type\n", "net,pe_type\na,int8\n"])
def test_a_file_without_pairs_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match="must be a CSV with the columns network and pe_type"):
        read_pairs(tmp_path / "pairs.csv")


def test_shipped_rows_are_within_their_ranges_and_single() -> None:
    rows = read_measured(MEASURED)
    assert len({each.key for each in rows}) == len(rows)
    assert list(rows) == sorted(rows)
    for each in rows:
        assert each.network in (*list_workloads(), *members())
        assert each.pe_type in list_pe_types()
        assert 10 < each.top1_percent < 100
        assert (each.evidence, each.test_images) == ("measured", 10_000)


def test_shipped_rows_are_of_the_recipes_that_there_are_now() -> None:
    for each in read_measured(MEASURED):
        assert each.recipe_sha256 == RECIPES[each.recipe][each.dataset].digest
    rows = read_rows(RANKED)
    assert {(row["network"], row["pe_type"]) for row in rows} == set(product(members(), list_pe_types()))
    assert len(rows) == 216 * 6
    assert {row["recipe_sha256"] for row in rows} == {SUPERNET.digest}


def test_published_rows_have_a_source_and_known_pe_types() -> None:
    rows = read_rows(TABLES / "published.csv")
    assert rows
    for each in rows:
        assert each["source"]
        assert each["evidence"] == "published"
        assert each["pe_type"] in ("", *list_pe_types())
        assert 50 < float(each["top1_percent"]) < 100


def test_pairs_are_members_of_the_family() -> None:
    pairs = [(each["network"], each["pe_type"]) for each in read_rows(TABLES / "pairs.csv")]
    assert len(set(pairs)) == len(pairs) >= 20
    assert {name for name, _ in pairs} <= set(members())
    assert {pe_type for _, pe_type in pairs} <= set(list_pe_types())


def test_the_family_has_216_members_whose_names_say_what_they_are() -> None:
    assert len(set(members())) == 216
    for name in members():
        widths, blocks = parse_name(name)
        layers = resnet_cifar10(widths, blocks)
        convolutions = sum(layer.count for layer in layers if layer.kind == "conv")
        assert convolutions == 1 + 2 * sum(blocks)
        assert (layers[-1].C, layers[-1].M) == (widths[2], 10)


@pytest.mark.parametrize("name", ["resnet-cifar10", "resnet-cifar10-w8-16-32-d1-1-3", "resnet-cifar10-w8-16-32"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="must be a member of the family"):
        parse_name(name)


@pytest.mark.parametrize("command", ["train", "supernet", "score", "alone", "demo"])
def test_without_pytorch_one_line_says_what_to_install(command: str, tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None; sys.argv[0] = 'accuracy'\n"
        "from characterization.accuracy.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, command],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "DSE_CACHE": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert done.stderr == "error: torch is missing: pip install 'dse[train]'\n"
    assert done.returncode == 2


def test_tables_need_no_pytorch() -> None:
    script = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['accuracy', 'table']\n"
        "from characterization.accuracy.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
