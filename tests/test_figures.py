"""Every figure keeps the contract: sizes, legible text, provenance, no dates; and shows the numbers it says."""

from __future__ import annotations

import importlib
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from dse.errors import InputError
from dse.metrics import METRICS
from dse.report import figures
from dse.report.breakdowns import breakdowns
from dse.report.figures import SkipFigureError, list_figures, load_figure, save
from dse.report.figures._style import (
    DOUBLE_IN,
    SINGLE_IN,
    STYLE,
    linear_limits,
    log_limits,
    plain_log_ticks,
    type_style,
)
from dse.report.figures.scatter import View, draw_pair
from dse.report.gains import GAIN_METRICS, fronts
from dse.report.run import open_run
from dse.report.usable import load_points
from pe_library.model import list_pe_types
from tests.synthetic_run import MIXED, SPACE, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return open_run(write_run(tmp_path_factory.mktemp("runs") / "synthetic"))


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context(STYLE):
        yield


def drawn(run, name):
    try:
        figure = load_figure(name).draw(run, load_points(run, GAIN_METRICS))
    except SkipFigureError as reason:
        pytest.skip(str(reason))
    figure.draw_without_rendering()
    return figure


def test_every_file_of_the_folder_is_a_figure():
    files = {path.stem for path in Path(figures.__file__).parent.glob("[!_]*.py")}
    assert set(list_figures()) == files
    for name in files:
        module = importlib.import_module(f"dse.report.figures.{name}")
        assert module.CAPTION.endswith(".")
        assert isinstance(module.ORDER, int)


def test_the_recipe_in_the_docs_makes_a_figure(run):
    docs = Path(__file__).parents[1] / "docs" / "figures.md"
    recipe = docs.read_text().split("```python\n")[1].split("```")[0]
    module: dict[str, object] = {}
    exec(recipe, module)
    figure = module["draw"](run, load_points(run, GAIN_METRICS))
    assert len(figure.axes[0].patches) == 6


def test_unknown_figures_are_input_errors():
    with pytest.raises(InputError, match="did you mean `scatter`"):
        load_figure("scater")


@pytest.fixture(scope="module", params=list_figures())
def figure(run, request):
    """Each figure of the folder, laid out."""
    with matplotlib.rc_context(STYLE):
        return drawn(run, request.param)


def test_text_is_at_least_7_points_at_column_width(figure):
    assert figure.get_figwidth() in (SINGLE_IN, DOUBLE_IN)
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_visible() and text.get_text()}
    assert min(sizes) >= 7


def test_nothing_is_cut_off(figure):
    box = figure.get_tightbbox()
    assert min(box.x0, box.y0) >= -0.01
    assert box.x1 <= figure.get_figwidth() + 0.01
    assert box.y1 <= figure.get_figheight() + 0.01


def test_the_breakdown_of_several_dataflows_names_those_of_the_best_designs(tmp_path):
    mixed = open_run(write_run(tmp_path / "mixed", ("int16", "int8"), ("vgg16", "alexnet"), MIXED))
    figure = drawn(mixed, "breakdown")
    test_nothing_is_cut_off(figure)
    best = breakdowns(mixed, load_points(mixed, GAIN_METRICS))
    shown = [text.get_text() for axis in figure.axes[:2] for text in axis.texts]
    assert [text.split()[1] for text in shown] == [
        row["dataflow"].removesuffix("_stationary") for row in best if row["clock_setting"] == "max"
    ]
    tops = [text.get_window_extent().y1 for axis in figure.axes[:2] for text in axis.texts]
    assert max(tops) <= figure.axes[0].get_window_extent().y1


def test_the_figure_of_dataflows_has_a_front_of_each_and_is_left_out_where_there_is_one(run, tmp_path):
    mixed = open_run(write_run(tmp_path / "mixed", ("int16", "int8"), ("vgg16", "alexnet"), MIXED))
    figure = drawn(mixed, "dataflows")
    test_nothing_is_cut_off(figure)
    test_text_is_at_least_7_points_at_column_width(figure)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["weight stationary", "row stationary", "best INT16"]
    points = load_points(mixed, GAIN_METRICS)
    for axis, (_, by_flow, _) in zip(figure.axes, fronts(points, ("perf_per_area", "energy"), "dataflow"), strict=True):
        drawn_points = [line.get_xydata().shape[0] for line in axis.lines if line.get_drawstyle() != "default"]
        assert drawn_points == [len(front) for front in by_flow.values()]
    with pytest.raises(SkipFigureError, match="one dataflow"):
        load_figure("dataflows").draw(run, load_points(run, GAIN_METRICS))


def test_files_carry_provenance_and_no_date(run, tmp_path):
    points = load_points(run, ("perf_per_area", "energy"))
    png, pdf = save(lambda: draw_pair(points, "perf_per_area", "energy"), tmp_path / "x", run.provenance)
    with Image.open(png) as image:
        assert image.info["Software"] == run.provenance
        assert image.width == pytest.approx(300 * DOUBLE_IN, abs=1)
    content = pdf.read_bytes()
    assert run.provenance.encode() in content
    assert b"Date" not in content


@pytest.mark.parametrize(
    "metric", sorted(name for name in METRICS if name != "perf_per_area" and not METRICS[name].of_network)
)
def test_any_pair_of_metrics_draws(run, metric):
    draw_pair(load_points(run, ("perf_per_area", metric)), metric, "perf_per_area").draw_without_rendering()


def test_a_run_of_one_design_draws(tmp_path):
    space = {axis: values[:1] for axis, values in SPACE.items()}
    run = open_run(write_run(tmp_path / "one", pe_types=("lightpe1",), workloads=("vgg16",), space=space))
    figure = draw_pair(load_points(run, ("perf_per_area", "energy")), "perf_per_area", "energy")
    figure.draw_without_rendering()


@pytest.mark.parametrize("x", ["perf_per_area", "latency"])
def test_front_lines_bound_the_designs_of_their_type(run, x):
    """On the side of worse x the line stays at or below the energy of every design of the type."""
    points = load_points(run, (x, "energy"))
    figure = draw_pair(points, x, "energy")
    sign = 1 if METRICS[x].maximize else -1
    for axis, (workload, by_type, _) in zip(figure.axes, fronts(points, (x, "energy")), strict=False):
        assert axis.get_title() == workload
        own = points.codes["workload"] == points.names["workload"].index(workload)
        scale = [points.values[m][_best_int16(points, own, m)] for m in (x, "energy")]
        for pe_type in by_type:
            color = type_style(pe_type).color
            line = next(li for li in axis.lines if li.get_color() == color and "steps" in li.get_drawstyle())
            members = own & (points.codes["pe_type"] == points.names["pe_type"].index(pe_type))
            across, up = (points.values[m][members] / s for m, s in zip((x, "energy"), scale, strict=True))
            for px, py in zip(line.get_xdata(), line.get_ydata(), strict=True):
                reaches = sign * across >= sign * px
                assert up[reaches].min() == pytest.approx(py)


def _best_int16(points, own, metric):
    members = own & (points.codes["pe_type"] == points.names["pe_type"].index("int16"))
    return points.best(np.flatnonzero(members), [metric])


def test_every_design_within_the_frame_is_drawn(run):
    points = load_points(run, ("perf_per_area", "energy"))
    figure = draw_pair(points, "perf_per_area", "energy")
    for axis, (_, group) in zip(figure.axes, points.groups("workload"), strict=False):
        image = axis.images[0].get_array()
        opaque = np.count_nonzero(image[..., 3])
        assert 50 < opaque <= len(group)


def test_views_give_the_good_end_the_room():
    assert View.of(True).scale == "linear"
    assert View.of(False).scale == "log"
    view = View.of(False)
    limits = view.limits([np.array([1.0, 1000.0])], [np.array([1.0, 2.0])])
    assert limits == pytest.approx((1 / 1.02, 6 * 1.02), rel=0.1)
    assert view.place(np.array(limits), limits).tolist() == pytest.approx([0.0, 1.0])


def test_types_differ_in_colour_and_marker():
    styles = [type_style(name) for name in list_pe_types()]
    assert len({style.color for style in styles}) == len({style.marker for style in styles}) == len(styles)
    assert type_style("gone").label == "gone"


def test_breakdown_bars_stack_to_the_totals(run):
    figure = drawn(run, "breakdown")
    tops = {}
    for axis in figure.axes[:3]:
        for bar in axis.patches:
            place = (axis.get_title(), round(bar.get_x(), 3))
            tops[place] = max(tops.get(place, 0), bar.get_y() + bar.get_height())
    assert len(tops) == 3 * 6
    for workload in ("vgg16", "alexnet", "resnet20-cifar10"):
        assert any(np.isclose(top, 1.0) for (name, _), top in tops.items() if name == workload)


@pytest.mark.parametrize("value", [1.1, 0.0235, 1662.0])
def test_a_logarithmic_axis_of_one_value_spans_a_factor_of_two_and_has_ticks(value):
    low, high = log_limits(value, value)
    assert low < value < high
    assert high / low == pytest.approx(2)
    axis = Figure().subplots()
    axis.set(xscale="log", xlim=(low, high))
    plain_log_ticks(axis.xaxis, low, high)
    assert sum(low <= tick <= high for tick in axis.get_xticks()) >= 2


def test_wide_logarithmic_axes_are_a_little_wider_than_their_values():
    assert log_limits(1.0, 100.0) == pytest.approx((100**-0.06, 100**1.06))


def test_a_linear_axis_spans_what_it_has_to_around_its_values():
    assert linear_limits(93.2, 93.2, 1.0) == pytest.approx((92.7, 93.7))
    assert linear_limits(70.0, 80.0, 1.0) == pytest.approx((69.4, 80.6))
