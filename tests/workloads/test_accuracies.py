"""Accuracy tables: what counts, what it is worth, and one clear message per fault of a user's table."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.errors import InputError
from workloads.accuracies import LEVELS, Run, accuracies, read_runs, shipped_runs, with_accuracies
from workloads.loader import load_workload

HEADER = "network,pe_type,accuracy_percent,evidence,source"
NETWORKS, PE_TYPES = ("vgg16", "resnet50"), ("fp32", "int8")
percents = st.floats(0, 100, allow_nan=False)


def run(
    pe_type: str, percent: float, seed: int = 0, evidence: str = "measured", error: float | None = 0.4,
    origin: str = "one table",
) -> Run:  # fmt: skip
    return Run("vgg16", pe_type, "imagenet", percent, error, evidence, "a test", origin, seed)


@given(st.lists(percents, min_size=1, max_size=5), st.lists(percents, min_size=1, max_size=5))
def test_a_value_is_the_mean_of_its_seeds_and_a_drop_that_of_the_seeds_both_have(
    own: list[float], reference: list[float]
) -> None:
    runs = [run("int8", value, seed) for seed, value in enumerate(own)]
    runs += [run("fp32", value, seed) for seed, value in enumerate(reference)]
    found = accuracies(runs)["vgg16"]
    paired = [ours - theirs for ours, theirs in zip(reference, own, strict=False)]
    assert found["int8"].percent == pytest.approx(statistics.fmean(own), abs=1e-9)
    assert found["int8"].drop_percent == pytest.approx(statistics.fmean(paired), abs=1e-9)
    assert found["fp32"].drop_percent == 0
    assert found["int8"].runs == len(own)
    assert (found["int8"].drop_error_percent is None) == (len(paired) < 2)
    assert found["int8"].error_percent is not None
    assert found["int8"].error_percent >= 0.4


def test_means_that_are_equal_on_paper_are_equal() -> None:
    """88.77 and 89.07 have a mean of 88.91999999999999 in floats: a limit of 88.92 is to be met."""
    value = accuracies([run("int8", 88.77, 0), run("int8", 89.07, 1)])["vgg16"]["int8"]
    other = accuracies([run("int8", 88.92)])["vgg16"]["int8"]
    assert value.percent == other.percent == 88.92


def test_a_user_s_fp32_leaves_the_drops_of_shipped_values() -> None:
    network = load_workload("resnet20-cifar10")
    own = [Run("resnet20-cifar10", "fp32", "cifar10", 95.0, None, "measured", "mine", "mine.csv")]
    (alone,), (both,) = (
        with_accuracies([network], each, shipped_runs(("measured",)), ("measured",)) for each in ((), own)
    )
    shipped, kept = alone.accuracy("int8"), both.accuracy("int8")
    assert shipped is not None
    assert shipped.drop_percent is not None
    assert kept == shipped
    fp32 = both.accuracy("fp32")
    assert fp32 is not None
    assert (fp32.percent, fp32.drop_percent) == (95.0, 0.0)


def test_the_most_trusted_level_that_counts_gives_the_value() -> None:
    runs = [run("int8", 70 + place, evidence=level) for place, level in enumerate(reversed(LEVELS))]
    for allowed in (LEVELS, LEVELS[1:], LEVELS[2:]):
        value = accuracies(runs, allowed)["vgg16"]["int8"]
        assert value.evidence == allowed[0]
    assert accuracies(runs, ()) == {}


def test_no_value_comes_from_other_evidence_than_its_reference() -> None:
    runs = [run("int8", 70.0, evidence="published"), run("fp32", 80.0, evidence="ranked")]
    assert accuracies(runs)["vgg16"]["int8"].drop_percent is None


def test_values_of_two_origins_are_neither_averaged_nor_compared() -> None:
    runs = [run("int8", 91.0, origin="mine"), run("int8", 80.0), run("fp32", 90.0), run("fp32", 94.0, seed=1)]
    found = accuracies(runs)["vgg16"]
    assert found["int8"].percent == 91.0
    assert found["int8"].drop_percent is None
    assert found["fp32"].percent == 92.0


def test_shipped_values_are_for_the_layers_of_the_shipped_network_only() -> None:
    whole = load_workload("vgg16")
    named_alike = replace(whole, layers=whole.layers[:1])
    shipped = [run("int8", 70.0)]
    found = with_accuracies([whole, named_alike], (), shipped, LEVELS)
    assert [len(each.accuracies) for each in found] == [1, 0]
    own = with_accuracies([named_alike], [run("int8", 60.0, origin="mine")], shipped, LEVELS)
    assert [each.percent for each in own[0].accuracies] == [60.0]


def test_a_value_at_a_level_that_does_not_count_leaves_the_shipped_one() -> None:
    own, shipped = [run("int8", 60.0, evidence="ranked", origin="mine")], [run("int8", 70.0)]
    (workload,) = with_accuracies([load_workload("vgg16")], own, shipped, ("measured",))
    assert [each.percent for each in workload.accuracies] == [70.0]


def test_a_network_has_one_data_set() -> None:
    unnamed = replace(run("fp32", 70.0), dataset="")
    (workload,) = with_accuracies([load_workload("vgg16")], [run("int8", 70.0), unnamed], (), LEVELS)
    assert workload.dataset == "imagenet"
    assert {each.dataset for each in workload.accuracies} == {"imagenet"}
    with pytest.raises(InputError, match=r"of one data set.*got 'imagenet: int8; other: fp32'"):
        with_accuracies([load_workload("vgg16")], [run("int8", 70.0), replace(unnamed, dataset="other")], (), LEVELS)


def test_shipped_values_of_another_data_set_than_the_user_s_do_not_count() -> None:
    shipped = [replace(run("fp32", 70.0), network="vgg8-cifar10", dataset="cifar10")]
    mine = replace(run("int8", 60.0), network="vgg8-cifar10", dataset="images")
    for own, types in ((mine, ["int8"]), (replace(mine, dataset="cifar10"), ["int8", "fp32"])):
        (workload,) = with_accuracies([load_workload("vgg8-cifar10")], [own], shipped, LEVELS)
        assert {each.pe_type for each in workload.accuracies} == set(types)
        assert workload.dataset == own.dataset


def test_what_no_table_has_is_missing() -> None:
    (workload,) = with_accuracies([load_workload("vgg16")], [run("int8", 70.0, error=None)], (), LEVELS)
    known = workload.accuracy("int8")
    assert known is not None
    assert known.error_percent is None
    assert workload.accuracy("fp32") is None
    assert all(math.isnan(value) for value in workload.accuracy_and_drop("fp32"))


def test_shipped_values_are_percentages_of_known_evidence_with_a_source() -> None:
    for each in shipped_runs():
        assert 0 <= each.percent <= 100, each
        assert each.evidence in LEVELS, each
        assert each.source, each
        assert each.dataset, each


NOT_PERCENT = ":2 column accuracy_percent: must be a percentage from 0 to 100, got"
FAULTS = {
    "percent above 100": ("vgg16,int8,150,measured,x", f"{NOT_PERCENT} '150'"),
    "percent no number": ("vgg16,int8,nan,measured,x", f"{NOT_PERCENT} 'nan'"),
    "PE type missing": ("vgg16,,90,measured,x", ":2 column pe_type: must not be empty"),
    "PE type unknown": ("vgg16,int9,90,measured,x",
        ":2 column pe_type: unknown PE type, got 'int9' (did you mean `int8`?)"),
    "network of another study": ("vgg19,int8,90,measured,x",
        ":2 column network: unknown network, got 'vgg19' (did you mean `vgg16`?)"),
    "evidence unknown": ("vgg16,int8,90,guessed,x",
        ":2 column evidence: unknown level of evidence, got 'guessed' (known: measured, published, ranked)"),
    "source missing": ("vgg16,int8,90,measured,", ":2 column source: must not be empty"),
    "row twice": ("vgg16,int8,90,measured,x\nvgg16,int8,91,measured,y", ":3: repeats line 2, got 'vgg16, int8'"),
    "row short": ("vgg16,int8", ":2: must have 5 values, has 2"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_table_has_one_clear_message(tmp_path: Path, fault: str) -> None:
    rows, message = FAULTS[fault]
    (tmp_path / "mine.csv").write_text(f"{HEADER}\n{rows}\n")
    with pytest.raises(InputError) as caught:
        read_runs(tmp_path / "mine.csv", NETWORKS, PE_TYPES, "mine.csv")
    assert [str(problem) for problem in caught.value.problems] == [f"mine.csv{message}"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("network,pe_type,evidence,source", "mine.csv:1: column `accuracy_percent` is missing"),
        (f"{HEADER},acuracy", "mine.csv:1: unknown column, got 'acuracy' (did you mean `accuracy_percent`?)"),
        (f"{HEADER},source", "mine.csv:1: column is there twice, got 'source'"),
    ],
)
def test_each_fault_of_the_header_has_one_clear_message(tmp_path: Path, header: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(f"{header}\nx\n")
    with pytest.raises(InputError) as caught:
        read_runs(tmp_path / "mine.csv", NETWORKS, PE_TYPES, "mine.csv")
    assert [str(problem) for problem in caught.value.problems] == [message]


def test_all_faults_come_at_once_and_a_flood_is_cut_short(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(f"{HEADER}\n" + "vgg16,int8,150,measured,\n" * 40)
    with pytest.raises(InputError) as caught:
        read_runs(tmp_path / "mine.csv", NETWORKS, PE_TYPES)
    assert len(caught.value.problems) == 21
    assert str(caught.value.problems[-1]).endswith("and 60 more problems")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"{HEADER}\nvgg16,int8,0.912,measured,me\nvgg16,fp32,1,measured,me\n",
            "must be percentages; all are at most 1",
        ),
        (f"{HEADER.replace(',', ';')}\nvgg16;int8;91;measured;me\n", "values must be separated by commas"),
    ],
)
def test_tables_in_another_form_get_one_message_that_says_which(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        read_runs(tmp_path / "mine.csv", NETWORKS, PE_TYPES)
    assert len(caught.value.problems) == 1
    assert message in str(caught.value)
