"""Figures of accuracy: what they show, that levels of evidence differ, and that names and bars stay readable."""

from __future__ import annotations

from itertools import combinations

import matplotlib
import numpy as np
import pytest

from dse.report.accuracy import ACCURACY
from dse.report.figures import NoSubjectError, load_figure
from dse.report.figures._accuracy import BARS, LEVEL_MARKER
from dse.report.figures._names import NAMED
from dse.report.figures._style import STYLE, type_style
from dse.report.gains import GAIN_METRICS, fronts
from dse.report.run import open_run
from dse.report.usable import load_points
from pe_library.model import list_pe_types
from tests import synthetic_run
from tests.synthetic_run import JOINT, RATED, SMALL, SPACE, accuracy, rated, write_rated_run, write_run
from tests.test_figures import test_nothing_is_cut_off as nothing_is_cut_off
from tests.test_figures import test_text_is_at_least_7_points_at_column_width as text_is_legible

FIGURES = ("accuracy_perf_per_area", "accuracy_energy", "coexploration")
FAMILY = "resnet-cifar10-"
MEMBERS = [f"{FAMILY}w{w}-{w + 8}-{w + 24}-d{d}-1-{d}" for w in (8, 12, 16, 24) for d in (1, 2)]


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context(STYLE):
        yield


def rated_run(path, known=None, joint=False, objectives=JOINT, keep="front", space=SMALL, **others):
    """A run with accuracies; `joint`: networks compete, usually with their front kept."""
    kept = (objectives, keep) if joint else (("perf_per_area", "energy"), "all")
    return open_run(write_rated_run(path / str(joint), known or rated(), *kept, space=space, **others))


def single_run(path, space=SMALL, **others):
    """A run of one network."""
    known = {"vgg16": others.pop("known", rated()["vgg16"])}
    return rated_run(path, known, joint=True, keep="all", workloads=("vgg16",), space=space, **others)


def family_run(path, monkeypatch, extra=(), objectives=JOINT, **others):
    """A run of which the networks are members of a family, the larger the better, and others; see `accuracy`."""
    for place, name in enumerate(MEMBERS):
        monkeypatch.setitem(synthetic_run.GMACS, name, 0.005 * 1.5**place)
    known = {
        name: [accuracy(pe, 70 + place - 0.5 * drop, **others) for pe, drop in synthetic_run.DROPS.items()]
        for place, name in enumerate(MEMBERS)
    }
    known |= {name: own for name, own in rated(evidence="measured").items() if name in extra}
    return rated_run(path, known, joint=True, objectives=objectives, workloads=(*MEMBERS, *extra))


def drawn(run, name):
    figure = load_figure(name).draw(run, load_points(run, run.kept or GAIN_METRICS))
    figure.draw_without_rendering()
    return figure


def markers(axis):
    """The lines of a panel that are markers of points."""
    return [line for line in axis.lines if line.get_marker() not in ("None", "_")]


def fills(figure):
    """How the markers in the panels of a figure are filled."""
    return [line.get_fillstyle() for axis in figure.axes for line in markers(axis)]


def bars(axis):
    """Lengths of the bars of single points."""
    return [np.ptp(bar.get_segments()[0][:, 1]) for bar in axis.collections]


def typical_bars(axis):
    """Ends of the grey bars that stand for all points."""
    return [line.get_ydata() for line in axis.lines if line.get_marker() == "_" and line.get_linestyle() == "-"]


@pytest.mark.parametrize(
    ("name", "joint"), [*((name, True) for name in FIGURES), *((name, False) for name in FIGURES[:2])]
)
def test_figures_of_accuracy_are_legible_and_whole(name, joint, tmp_path):
    figure = drawn(rated_run(tmp_path, joint=joint), name)
    nothing_is_cut_off(figure)
    text_is_legible(figure)


def test_figures_of_accuracy_are_left_out_of_runs_without(tmp_path):
    run = open_run(write_run(tmp_path / "run", ("int8",), ("vgg16",)))
    for name in FIGURES:
        with pytest.raises(NoSubjectError):
            drawn(run, name)
    with pytest.raises(NoSubjectError):
        drawn(rated_run(tmp_path), "coexploration")


def test_a_network_for_itself_has_the_best_design_of_each_type_with_its_error(tmp_path):
    run = rated_run(tmp_path)
    figure = drawn(run, "accuracy_energy")
    points = load_points(run, GAIN_METRICS)
    assert [axis.get_title() for axis in figure.axes] == ["resnet20-cifar10", "vgg16"]
    for axis in figure.axes:
        known = run.accuracies[axis.get_title()]
        groups = [each for each in points.groups("workload", "pe_type") if each[0][0] == axis.get_title()]
        best = {labels[1]: points.values["energy"][group].min() for labels, group in groups}
        shown = {tuple(line.get_xydata()[0]) for line in markers(axis)}
        assert shown == {(best[name], each.percent) for name, each in known.items()}
        assert bars(axis) == pytest.approx([0.6] * len(known))


def test_a_joint_run_has_the_front_of_each_type(tmp_path):
    run = rated_run(tmp_path, joint=True)
    points = load_points(run, JOINT)
    ((_, by_type, overall),) = fronts(points, ("accuracy", "perf_per_area"))
    (axis,) = drawn(run, "accuracy_perf_per_area").axes
    lines = [len(np.unique(line.get_xydata(), axis=0)) for line in axis.lines if "steps" in line.get_drawstyle()]
    values = np.stack([points.values[name] for name in ("perf_per_area", "accuracy")], axis=1)
    assert lines == [len(np.unique(values[front], axis=0)) for front in (overall, *by_type.values())]


# Levels of evidence.


def test_levels_of_evidence_never_look_alike_and_are_in_the_legend(tmp_path):
    known = rated()
    levels = {"fp32": "measured", "int16": "published", "lightpe1": "ranked"}
    known["vgg16"] = [{**each, "evidence": levels.get(each["pe_type"], "measured")} for each in known["vgg16"]]
    figure = drawn(rated_run(tmp_path, known), "accuracy_energy")
    assert set(fills(figure)) == {"full", "left", "none"}
    assert [text.get_text() for text in figure.legends[0].get_texts()][-3:] == ["measured", "published", "ranked"]
    assert [axis.get_title() for axis in figure.axes] == ["resnet20-cifar10", "vgg16, levels of evidence mixed"]
    alike = drawn(rated_run(tmp_path / "alike", rated(evidence="ranked")), "accuracy_energy")
    assert set(fills(alike)) == {"none"}
    assert alike.get_supylabel() == "Score, ranked (%)"  # no accuracy of anything


def test_the_mark_of_a_level_of_evidence_is_that_of_no_pe_type():
    assert LEVEL_MARKER not in {type_style(name).marker for name in (*list_pe_types(), "gone")}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_of_networks_that_compete_says_that_levels_are_mixed(name, tmp_path, monkeypatch):
    mixed = family_run(tmp_path, monkeypatch, ("vgg16",), evidence="ranked")
    for run, said in ((mixed, True), (family_run(tmp_path / "alike", monkeypatch, evidence="ranked"), False)):
        assert all(("levels of evidence mixed" in axis.get_title()) == said for axis in drawn(run, name).axes)


# Names of networks.


@pytest.mark.parametrize("objectives", [JOINT, ("accuracy", "energy")])
@pytest.mark.parametrize("extra", [(), ("resnet20-cifar10", "vgg16")])
def test_names_are_in_their_panel_over_no_point_and_no_name_and_each_once(extra, objectives, tmp_path, monkeypatch):
    run = family_run(tmp_path, monkeypatch, extra, objectives)
    figure = drawn(run, "coexploration")
    nothing_is_cut_off(figure)
    for axis in figure.axes:
        names, boxes = (
            [f(text) for text in axis.texts] for f in (lambda t: t.get_text(), lambda t: t.get_window_extent())
        )
        assert 3 <= len(names) <= NAMED
        assert len(set(names)) == len(names)
        assert set(names) <= {name.removeprefix(FAMILY) for name in run.accuracies}
        frame = axis.get_window_extent()
        assert all(frame.x0 <= box.x0 < box.x1 <= frame.x1 and frame.y0 <= box.y0 < box.y1 <= frame.y1 for box in boxes)
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
        places = axis.transData.transform([line.get_xydata()[0] for line in markers(axis)])
        assert not any(box.contains(*place) for box in boxes for place in places)


def test_names_take_no_room_from_the_panels_however_long(tmp_path, monkeypatch):
    figure = drawn(family_run(tmp_path, monkeypatch, ("vgg16",)), "coexploration")
    before = np.array([axis.get_position().bounds for axis in figure.axes])
    for text in [text for axis in figure.axes for text in axis.texts]:
        text.set_text(3 * text.get_text())
    figure.draw_without_rendering()
    assert np.array([axis.get_position().bounds for axis in figure.axes]) == pytest.approx(before)


def test_what_names_leave_out_is_said_under_the_figure(tmp_path, monkeypatch):
    figure = drawn(family_run(tmp_path, monkeypatch), "coexploration")
    assert figure.get_supxlabel() == f"Names beside points: all begin with {FAMILY}, left out here"
    some = drawn(family_run(tmp_path / "some", monkeypatch, ("vgg16",)), "coexploration").get_supxlabel()
    assert f"is short for {FAMILY}w" in some
    assert drawn(rated_run(tmp_path / "none", joint=True), "coexploration").get_supxlabel() == ""


def test_a_name_is_beside_a_point_of_its_network(tmp_path, monkeypatch):
    run = family_run(tmp_path, monkeypatch)
    points = load_points(run, JOINT)
    for axis, metric in zip(drawn(run, "coexploration").axes, JOINT[1:], strict=True):
        for text in axis.texts:
            own = points.codes["network"] == points.names["network"].index(FAMILY + text.get_text())
            places = np.stack([points.values[name][own] for name in (metric, ACCURACY)], axis=1)
            assert text.xy in set(map(tuple, places.tolist()))


def test_a_panel_of_one_network_says_so_in_its_title(tmp_path):
    figure = drawn(single_run(tmp_path), "coexploration")
    assert [axis.get_title() for axis in figure.axes] == ["cifar10, all points of vgg16"] * 2
    assert not any(axis.texts for axis in figure.axes)


# Axes and bars.


@pytest.mark.parametrize("name", FIGURES)
def test_a_panel_of_one_point_spans_a_percentage_point_and_a_factor_of_two(name, tmp_path):
    known = [accuracy("int8", 93.17, error_percent=None)]
    space = {axis: values[:1] for axis, values in SPACE.items()}
    for axis in drawn(single_run(tmp_path, space, known=known, pe_types=("int8",)), name).axes:
        assert len(markers(axis)) == 1
        assert axis.get_ylim() == pytest.approx((92.67, 93.67))
        low, high = axis.get_xlim()
        assert high / low == pytest.approx(2)
        assert sum(low <= tick <= high for tick in axis.get_xticks()) >= 2


def test_many_points_have_one_bar_of_the_median_error_apart_from_them(tmp_path, monkeypatch):
    for name in FIGURES[:2]:
        (axis,) = drawn(family_run(tmp_path / name, monkeypatch, error_percent=0.25), name).axes
        assert len(markers(axis)) > BARS
        assert bars(axis) == []
        (ends,) = typical_bars(axis)
        assert np.ptp(ends) == pytest.approx(0.5)
        assert [text.get_text() for text in axis.texts] == ["test error"]
        assert min(axis.get_ylim()) < min(ends) < max(ends) < max(axis.get_ylim())
        frame, box = axis.get_window_extent(), axis.texts[0].get_window_extent()
        places = axis.transData.transform([line.get_xydata()[0] for line in markers(axis)])
        beside = np.abs(places - ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)) / (frame.width, frame.height)
        assert beside.max(axis=1).min() > 0.25


def test_few_points_have_a_bar_each_and_within_the_panel(tmp_path):
    (axis,) = drawn(rated_run(tmp_path, joint=True), "accuracy_energy").axes
    assert len(markers(axis)) == len(bars(axis)) <= BARS
    assert typical_bars(axis) == []
    ends = np.concatenate([bar.get_segments()[0][:, 1] for bar in axis.collections])
    assert min(axis.get_ylim()) < ends.min() < ends.max() < max(axis.get_ylim())


@pytest.mark.parametrize("count", [1, 20])
def test_points_whose_error_is_not_known_have_no_bar(count, tmp_path, monkeypatch):
    run = family_run(tmp_path, monkeypatch, error_percent=None) if count > BARS else rated_run(
        tmp_path, rated(error_percent=None), joint=True
    )  # fmt: skip
    (axis,) = drawn(run, "accuracy_energy").axes
    assert bars(axis) == typical_bars(axis) == []


@pytest.mark.parametrize("name", FIGURES[:2])
def test_captions_say_that_overlapping_bars_are_no_comparison(name):
    assert "tested on the same images" in load_figure(name).CAPTION


def test_a_study_of_accuracy_drops_shows_drops_with_less_of_them_above(tmp_path):
    run = rated_run(tmp_path, joint=True, objectives=("accuracy_drop", "perf_per_area", "energy"))
    drops = {each.drop_percent for own in run.accuracies.values() for each in own.values()}
    for name in FIGURES:
        for axis in drawn(run, name).axes:
            assert {line.get_xydata()[0][1] for line in markers(axis)} <= drops
            assert axis.yaxis_inverted()
    assert set(RATED) == set(run.accuracies)
