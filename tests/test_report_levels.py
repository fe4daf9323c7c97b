"""Gains at equal accuracy: of every level the best points of all that keep to it, and no gains beside them."""

from __future__ import annotations

import itertools
import math

import pytest

from dse.metrics import METRICS
from dse.report.fronts import pareto
from dse.report.full import report
from dse.report.levels import STEPS, level_rows, level_table, level_tables, levels_markdown
from dse.report.run import open_run
from dse.report.tables import short
from dse.report.usable import load_points
from tests.synthetic_run import JOINT, SMALL, TYPES, accuracy, rated, write_rated_run

pytestmark = pytest.mark.usefixtures("undrawn")
DROPS = ("accuracy_drop", "perf_per_area", "energy")


def bound_of(rows):
    return next(name for name in rows[0] if "_at_" in name)


def levels_of(rows):
    """Level -> the rows of it."""
    found = {}
    for row in rows:
        found.setdefault(row[bound_of(rows)], []).append(row)
    return found


def run_of(path, percents, objectives=JOINT, **others):
    """A run of two networks with these accuracies by PE type."""
    own = {
        network: [accuracy(name, value, drop_percent=known["fp32"] - value) for name, value in known.items()]
        for network, known in zip(("resnet20-cifar10", "vgg16"), percents, strict=True)
    }
    return open_run(write_rated_run(path, own, objectives, workloads=tuple(own), space=SMALL, **others))


@pytest.mark.parametrize("metrics", [JOINT, DROPS])
def test_the_best_of_a_type_at_a_level_is_that_of_all_its_points_that_keep_to_it(metrics, ordinary):
    level = METRICS[metrics[0]]
    rows = level_rows(ordinary, load_points(ordinary, metrics), metrics)
    usable = [row for row in ordinary.table().to_pylist() if row[level.column] is not None]
    sign = 1 if level.maximize else -1
    for row in rows:
        column = METRICS[row["metric"]].column
        own = [each for each in usable if each["pe_type"] == row["pe_type"]]
        enough = [each[column] for each in own if sign * (each[level.column] - row[bound_of(rows)]) >= -1e-9]
        assert row["best"] == (max if METRICS[row["metric"]].maximize else min)(enough)
        assert sign * (row[level.column] - row[bound_of(rows)]) >= -1e-9
    for bound, own in levels_of(rows).items():
        reached = {each["pe_type"] for each in usable if sign * (each[level.column] - bound) >= -1e-9}
        assert {row["pe_type"] for row in own} == reached  # every type that is so accurate has its row


@pytest.mark.parametrize("metrics", [JOINT, DROPS])
def test_gains_at_a_level_are_over_the_baselines_at_the_same_level(metrics, ordinary):
    rows = level_rows(ordinary, load_points(ordinary, metrics), metrics)
    blank = 0
    for own in levels_of(rows).values():
        best = {(row["metric"], row["pe_type"]): row["best"] for row in own}
        for row in own:
            for baseline in ("int16", "int8"):
                reference = best.get((row["metric"], baseline))
                gain = row[f"gain_vs_{baseline}"]
                blank += gain is None
                if reference is None:
                    assert gain is None
                else:
                    ratio = row["best"] / reference
                    assert gain == pytest.approx(ratio if METRICS[row["metric"]].maximize else 1 / ratio)
    assert blank or metrics == DROPS  # vgg16 has no INT8


def test_a_small_inaccurate_network_gains_nothing_at_levels_that_it_does_not_reach(tmp_path):
    """LightPE-1 runs the small network far below the accuracy that INT16 has on it."""
    small = dict.fromkeys(TYPES, 90.0) | {"lightpe1": 60.0}
    run = run_of(tmp_path, (small, dict.fromkeys(TYPES, 94.0)))
    rows = level_rows(run, load_points(run, JOINT), JOINT)
    lightpe1 = {row[bound_of(rows)]: row for row in rows if (row["pe_type"], row["metric"]) == ("lightpe1", "energy")}
    assert lightpe1[max(lightpe1)]["network"] == "vgg16"
    assert lightpe1[90.0]["network"] == "vgg16"
    assert lightpe1[90.0]["gain_vs_int16"] < 1 < lightpe1[60.0]["gain_vs_int16"]
    assert lightpe1[60.0]["network"] == "resnet20-cifar10"


def test_a_level_repeats_no_points_of_the_next_stricter_one_and_levels_are_few(tmp_path):
    wide = run_of(tmp_path / "wide", (dict.fromkeys(TYPES, 40.0), dict.fromkeys(TYPES, 93.0)))
    assert list(levels_of(level_rows(wide, load_points(wide, JOINT), JOINT))) == [93.0, 40.0]
    spread = run_of(
        tmp_path / "spread", [{name: start + 3.3 * i for i, name in enumerate(TYPES)} for start in (41, 70)]
    )
    levels = levels_of(level_rows(spread, load_points(spread, JOINT), JOINT))
    assert 4 <= len(levels) <= 8
    points = [[{**row, bound_of(own): None} for row in own] for own in levels.values()]
    assert all(first != second for first, second in itertools.pairwise(points))


def test_types_a_tenth_of_a_point_apart_get_levels_of_their_own(tmp_path):
    close = {name: 91.65 - 0.1 * i for i, name in enumerate(TYPES)}
    run = run_of(tmp_path, (close, close))
    assert list(levels_of(level_rows(run, load_points(run, JOINT), JOINT))) == [91.6, 91.5, 91.4, 91.3, 91.2, 91.1]


def test_an_accuracy_that_just_keeps_to_a_level_counts_whatever_floats_make_of_it(tmp_path):
    run = run_of(tmp_path, (dict.fromkeys(TYPES, math.nextafter(91.3, 0)),) * 2)
    assert list(levels_of(level_rows(run, load_points(run, JOINT), JOINT))) == [91.3]


def test_levels_are_multiples_of_a_round_step(ordinary):
    for metrics in (JOINT, DROPS):
        bounds = list(levels_of(level_rows(ordinary, load_points(ordinary, metrics), metrics)))
        assert any(all(math.isclose(bound / step, round(bound / step), abs_tol=1e-6) for bound in bounds)
                   for step in STEPS)  # fmt: skip


def test_rows_state_network_and_design(joint):
    (row, *_) = level_rows(joint, load_points(joint, JOINT), JOINT)
    columns = [
        "network",
        "accuracy_percent",
        "accuracy_error_percent",
        "accuracy_evidence",
        "dataflow",
        "rows",
        "glb_kib",
    ]
    assert {*columns, "clock_mhz"} <= set(row)
    points = joint.table().to_pylist()
    axes = ("rows", "cols", "glb_kib", "dram_gb_s", "clock_mhz", "pe_type")
    assert any(all(each[axis] == row[axis] for axis in axes) and each["workload"] == row["network"] for each in points)


@pytest.mark.parametrize(("types", "over"), [(("int8", "lightpe1"), "INT8"), (("fp32", "lightpe1"), "")])
def test_a_baseline_that_is_not_there_is_not_named(tmp_path, types, over):
    percents = [dict.fromkeys(("fp32", *types), value) for value in (90.0, 91.0)]
    run = run_of(tmp_path, percents, pe_types=types)
    levels = level_table(run, load_points(run, JOINT), JOINT)
    text = levels_markdown(levels)
    assert "INT16" not in text
    assert (f"times better than the best {over} design" in text) == bool(over)
    row = levels.records()[0]
    cell = f"{row['gain_vs_int8']:.2f}" if over else short(row["best"])
    assert f"| {cell} |" in text


# Where they are shown.


def test_where_networks_compete_no_gain_compares_points_of_different_accuracy(joint, ordinary, tmp_path):
    for run, metrics in ((joint, JOINT), (joint, ("perf_per_area", "energy")), (ordinary, ("accuracy", "energy"))):
        found = pareto(run, metrics, tmp_path)
        assert found.gains.rows == ()
        assert not any("_vs_int" in column for column in (*found.best.columns, *found.front.columns))
        assert "xI16" not in found.table()
        assert bool(found.levels.rows) == ("accuracy" in metrics)
        assert ("at equal accuracy" in found.table()) == ("accuracy" in metrics)
        assert any(message.startswith("no gains") for message in found.messages) == ("accuracy" not in metrics)
    report(joint, tmp_path)
    page, gains = ((tmp_path / name).read_text() for name in ("report.md", "gains.md"))
    assert not (tmp_path / "gains.csv").exists()
    assert "_vs_int" not in (tmp_path / "fronts.csv").read_text().splitlines()[1]
    provenance, gains = gains.split("\n\n", 1)
    assert provenance == f"<!-- {joint.provenance} -->"
    assert gains in page
    assert "cifar10: energy per inference at equal accuracy, times better than the best INT16 / INT8 design" in gains
    assert "times better than the best INT16 design (" not in page


def test_where_networks_do_not_compete_gains_are_as_ever(ordinary, tmp_path):
    found = pareto(ordinary, ("perf_per_area", "energy"), tmp_path)
    assert found.levels.rows == ()
    assert found.gains.rows
    assert "perf_per_area_vs_int16" in found.front.columns
    assert "xI16" in found.table()
    assert '"accuracy_levels"' not in found.json()


def test_short_tables_have_the_gains_of_the_rows(joint):
    levels = level_table(joint, load_points(joint, JOINT), JOINT)
    rows = levels.records()
    (table,) = [table for table in level_tables(levels) if table.name == "energy"]
    for line in table.records():
        bound = float(line["accuracy at least, %"])
        own = {row["pe_type"]: row for row in rows if (row[bound_of(rows)], row["metric"]) == (bound, "energy")}
        gain = own["lightpe1"]["gain_vs_int16"] if "lightpe1" in own else None
        cell = line["LightPE-1"].split(" / ")[0]
        assert cell == ("\N{EN DASH}" if gain is None else f"{gain:.2f}")
        assert line["best, mJ"].split(",")[0] == f"{min(row['best'] for row in own.values()):.3g}"


def test_a_drop_is_a_ceiling_and_mixed_evidence_is_said(tmp_path):
    mixed = rated()
    mixed["vgg16"] = [{**each, "evidence": "published"} for each in mixed["vgg16"]]
    run = open_run(write_rated_run(tmp_path, mixed, DROPS, space=SMALL))
    text = levels_markdown(level_table(run, load_points(run, DROPS), DROPS))
    assert "below FP32 at most, points" in text
    assert "at least" not in text
    assert "at equal drop of accuracy" in text
    assert "Accuracies are measured and published: compare within one level of evidence" in text
