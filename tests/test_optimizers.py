"""Laws that every search algorithm keeps, found by its file name; the lattice, variation and hypervolume they share."""

from __future__ import annotations

import inspect
import itertools
import math
import subprocess
import sys

import numpy as np
import pytest

from dse.errors import InputError
from dse.optimizers import list_algorithms, load_algorithm
from dse.optimizers._exploration import BUDGET, EXHAUSTED, STAGNATION, Limits, Scores, Search, Trace, explore
from dse.optimizers._hypervolume import MARGIN, Scale, hypervolume
from dse.optimizers._lattice import IntArray, Knows, Lattice
from dse.optimizers._pymoo import generations
from dse.optimizers._variation import breed, crossed, mutated
from dse.pareto import non_dominated
from dse.report.convergence import convergence
from dse.space import DesignSpace

SPACE = DesignSpace(
    pe_type=("int16", "int8", "lightpe1"), dataflow=("row_stationary", "weight_stationary"), rows=(16, 8, 12, 32, 24),
    cols=(8, 14, 16), ifmap_spad_words=(12,), filter_spad_words=(32, 112, 224), psum_spad_words=(8, 24),
    glb_kib=(256, 64, 108), glb_bytes_per_cycle=(8,), dram_gb_s=(1.0, 2.0, 8.0), clock_mhz=(math.inf, 200.0),
    batch=(1,), spad_dataflows=("row_stationary",),
)  # fmt: skip
LATTICE = Lattice.of(SPACE)
EVERY = np.arange(SPACE.size)


def made_up_scores(objectives: int) -> Scores:
    """Scores of every design: smooth in the places of its values, PE types at odds with each other, some unusable."""
    places = LATTICE.points(EVERY) / np.maximum(LATTICE.sizes - 1, 1)
    pe_type, dataflow, rows, cols, _, filters, psums, glb, _, dram, clock, _ = places.T
    speed = (
        (1 + rows) * (1 + cols) * (1 + 0.3 * clock) * (1 + 0.2 * filters) * (0.7 + 0.3 * dram) / (1 + 0.2 * dataflow)
    )
    size = (1 + rows) * (1 + cols) * (1.5 - pe_type) + glb + 0.5 * filters + 0.2 * psums
    energy = 2 - pe_type * 0.8 + (glb - 0.6) ** 2 + 0.3 * np.abs(psums - rows) + 0.1 * clock
    costs = np.stack([1 / speed, energy, size, size * speed], axis=1)[:, :objectives]
    return Scores(costs, np.maximum(0, size - 6))


def run(name: str, objectives: int = 2, seed: int = 0, evaluations: int = 2000, stagnation: int | None = None) -> Trace:
    scores, asked = made_up_scores(objectives), set()

    def evaluator(ids: IntArray) -> Scores:
        assert (np.diff(ids) > 0).all()
        assert not asked & set(ids.tolist()), "a design is evaluated twice"
        asked.update(ids.tolist())
        return scores.take(ids)

    trace = explore(
        lambda knows: load_algorithm(name).search(LATTICE, knows, objectives, 40, seed),
        objectives, evaluator, Limits(evaluations, stagnation), lambda done: None,
    )  # fmt: skip
    assert len(trace.ids) == len(asked)
    return trace


def distinct(costs: np.ndarray) -> list[tuple[float, ...]]:
    return sorted({tuple(row) for row in costs.tolist()})


def exact_front(objectives: int) -> list[tuple[float, ...]]:
    scores = made_up_scores(objectives)
    usable = scores.costs[scores.violation == 0]
    return distinct(usable[non_dominated(usable, [False] * objectives)])


# Every algorithm.


@pytest.mark.parametrize("name", list_algorithms())
def test_evaluates_no_design_twice_and_no_more_than_the_budget(name: str) -> None:
    for evaluations in (1, 7, 100, 1001):
        trace = run(name, evaluations=evaluations)
        assert len(trace.ids) == evaluations == trace.rounds[-1]
        assert trace.stopped == BUDGET


@pytest.mark.parametrize("name", list_algorithms())
@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_same_seed_same_search_and_another_seed_another(name: str, objectives: int) -> None:
    one, same, other = (run(name, objectives, seed, 400) for seed in (5, 5, 6))
    assert one.ids.tolist() == same.ids.tolist()
    assert one.ids.tolist() != other.ids.tolist()


@pytest.mark.parametrize("name", list_algorithms())
def test_with_a_budget_beyond_the_space_ends_with_its_exact_front(name: str) -> None:
    trace = run(name, evaluations=10 * SPACE.size)
    assert trace.stopped == EXHAUSTED
    assert len(trace.ids) == SPACE.size
    assert distinct(trace.scores.costs[trace.front]) == exact_front(2)


@pytest.mark.parametrize("name", sorted(set(list_algorithms()) - {"random"}))
@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_reaches_almost_all_of_the_exact_front_with_a_fifth_of_the_designs(name: str, objectives: int) -> None:
    exact = np.array(exact_front(objectives))
    for seed in range(3):
        trace = run(name, objectives, seed, SPACE.size // 5)
        assert share(trace, exact) > 0.99


def test_random_search_falls_behind_them() -> None:
    exact = np.array(exact_front(2))
    assert share(run("random", evaluations=SPACE.size // 20), exact) < 0.99 * share(
        run("nsga2", evaluations=SPACE.size // 20), exact
    )


def share(trace: Trace, exact: np.ndarray) -> float:
    scale = Scale.of(exact)
    return hypervolume(trace.scores.costs[trace.front], scale) / hypervolume(exact, scale)


@pytest.mark.parametrize("name", list_algorithms())
def test_the_front_holds_usable_designs_only(name: str) -> None:
    trace = run(name, 3, evaluations=500)
    assert len(trace.front)
    assert (trace.scores.violation > 0).any(), "the search should have met unusable designs"
    assert (trace.scores.violation[trace.front] == 0).all()


@pytest.mark.parametrize("name", list_algorithms())
def test_where_no_design_is_usable_the_front_is_empty_and_the_search_goes_on(name: str) -> None:
    def evaluator(ids: IntArray) -> Scores:
        return Scores(np.zeros((len(ids), 2)), 1.0 + ids)

    def start(knows: Knows) -> Search:
        return load_algorithm(name).search(LATTICE, knows, 2, 10, 0)

    trace = explore(start, 2, evaluator, Limits(300, None), lambda done: None)
    assert len(trace.ids) == 300
    assert len(trace.front) == 0
    assert [row["hypervolume"] for row in convergence(trace)] == [0.0] * len(convergence(trace))


@pytest.mark.parametrize("name", list_algorithms())
def test_stops_after_so_many_evaluations_without_a_change_of_the_front(name: str) -> None:
    trace = run(name, evaluations=SPACE.size, stagnation=300)
    assert trace.stopped == STAGNATION
    before = trace.scores.take(np.arange(len(trace.ids) - 300))
    front = Trace(trace.ids, before, trace.rounds, "").front
    assert distinct(before.costs[front]) == distinct(trace.scores.costs[trace.front])


@pytest.mark.parametrize("name", list_algorithms())
@pytest.mark.parametrize("objectives", [2, 3])
def test_hypervolume_never_falls_along_the_convergence(name: str, objectives: int) -> None:
    rows = convergence(run(name, objectives, evaluations=700))
    volumes = [row["hypervolume"] for row in rows]
    assert volumes[0] < volumes[-1]
    assert all(low <= high * (1 + 1e-12) for low, high in itertools.pairwise(volumes))
    assert [row["evaluations"] for row in rows] == sorted({row["evaluations"] for row in rows})
    assert rows[-1]["evaluations"] == 700


@pytest.mark.parametrize("name", list_algorithms())
def test_one_design_is_a_space_too(name: str) -> None:
    axes = {key: values[:1] for key, values in SPACE.axes.items()}
    lattice = Lattice.of(DesignSpace(**axes, spad_dataflows=("row_stationary",)))

    def start(knows: Knows) -> Search:
        return load_algorithm(name).search(lattice, knows, 2, 8, 0)

    trace = explore(start, 2, lambda ids: Scores(np.ones((1, 2)), np.zeros(1)), Limits(50, None), lambda done: None)
    assert trace.ids.tolist() == [0]
    assert trace.stopped == EXHAUSTED


@pytest.mark.parametrize("name", list_algorithms())
def test_the_smallest_population_serves_four_objectives(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    scores = made_up_scores(4)
    trace = explore(
        lambda knows: load_algorithm(name).search(LATTICE, knows, 4, 4, 0),
        4, scores.take, Limits(150, None), lambda done: None,
    )  # fmt: skip
    assert len(trace.ids) == 150
    assert capsys.readouterr().out == "", "stdout is for data"


# Finding them.


def test_an_unknown_algorithm_is_an_error_that_names_the_closest() -> None:
    with pytest.raises(InputError, match="did you mean `nsga2`"):
        load_algorithm("nsga22")


def test_a_misspelt_option_of_the_wrapper_is_an_error() -> None:
    kinds = {parameter.kind for parameter in inspect.signature(generations).parameters.values()}
    assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    with pytest.raises(TypeError, match="pop_size"):
        generations("nsga2", LATTICE.points(EVERY[:10]), lambda *_: None, 2, pop_size=10, seed=0)  # type: ignore


@pytest.mark.parametrize(("missing", "algorithm"), [("pymoo", "nsga3"), ("moocore", "random")])
def test_a_missing_package_is_one_line_that_says_what_to_install(missing: str, algorithm: str, tmp_path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("schema: 1\nname: c\nworkloads: [resnet20-cifar10]\nspace: {rows: [8, 12]}\n")
    arguments = ["optimize", str(config), "--algorithm", algorithm, "-o", str(tmp_path / "out")]
    script = f"import sys; sys.modules[{missing!r}] = None; import cli; cli.cli({arguments!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"error: {missing} is missing: pip install 'dse[optimize]'\n"
    assert not (tmp_path / "out").exists()


# The lattice.


def test_points_and_ids_are_each_others_inverse() -> None:
    points = LATTICE.points(EVERY)
    assert LATTICE.ids(points).tolist() == EVERY.tolist()
    assert (points >= 0).all()
    assert (points < LATTICE.sizes).all()


def test_places_of_ordered_axes_rise_with_their_values() -> None:
    points = LATTICE.points(EVERY)
    axis = list(SPACE.axes).index("rows")
    (block,) = SPACE.select(EVERY[: SPACE.grids[0].size], SPACE.size)
    values = block.designs.rows
    assert [set(values[points[: len(values), axis] == place]) for place in range(5)] == [{8}, {12}, {16}, {24}, {32}]


def test_neighbours_are_one_step_along_one_axis_and_all_other_names() -> None:
    point = np.array([1, 0, 2, 0, 0, 1, 0, 2, 0, 1, 1, 0])
    near = LATTICE.neighbours(point[None])
    changed = near != point
    assert (changed.sum(axis=1) == 1).all()
    by_axis = {
        axis: sorted(near[changed[:, axis], axis].tolist()) for axis in range(len(point)) if changed[:, axis].any()
    }
    assert by_axis == {0: [0, 2], 1: [1], 2: [1, 3], 3: [1], 5: [0, 2], 6: [1], 7: [1], 9: [0, 2], 10: [0]}


def test_spread_points_take_each_value_equally_often() -> None:
    points = LATTICE.spread_points(180, np.random.default_rng(0))
    for column, size in zip(points.T, LATTICE.sizes, strict=True):
        assert np.bincount(column, minlength=size).tolist() == [180 // size] * size


@pytest.mark.parametrize("left", [0, 1, 5, 2000])
def test_unknown_ids_are_distinct_unknown_and_as_many_as_there_are(left: int) -> None:
    rng = np.random.default_rng(1)
    unknown = rng.permutation(SPACE.size)[:left]
    drawn = LATTICE.unknown_ids(50, lambda ids: ~np.isin(ids, unknown), rng)
    assert len(set(drawn.tolist())) == len(drawn) == min(50, left)
    assert np.isin(drawn, unknown).all()


# Variation.


def test_children_are_distinct_unknown_designs_of_the_space() -> None:
    rng = np.random.default_rng(2)
    parents = LATTICE.random_points(30, rng)
    known = EVERY[::2]
    children = breed(LATTICE, lambda ids: np.isin(ids, known), rng, parents, np.arange(30), 40)
    ids = LATTICE.ids(children)
    assert len(set(ids.tolist())) == 40
    assert not np.isin(ids, known).any()


def test_crossover_takes_every_axis_from_a_parent() -> None:
    rng = np.random.default_rng(3)
    first, second = LATTICE.random_points(200, rng), LATTICE.random_points(200, rng)
    children = crossed(first, second, rng)
    assert ((children == first) | (children == second)).all()
    assert 0.4 < np.mean((children == second)[first != second]) < 0.6


def test_mutation_changes_one_axis_on_average_and_stays_on_the_lattice() -> None:
    rng = np.random.default_rng(4)
    points = LATTICE.random_points(4000, rng)
    children = mutated(LATTICE, points, rng)
    assert ((children >= 0) & (children < LATTICE.sizes)).all()
    assert 0.7 < (children != points).sum(axis=1).mean() < 1.1  # a step beyond the end of an axis changes nothing
    assert (children[:, LATTICE.sizes == 1] == 0).all()


# Hypervolume.


def union_of_boxes(costs: np.ndarray, reference: float) -> float:
    """Inclusion and exclusion over every subset of points."""
    total = 0.0
    for count in range(1, len(costs) + 1):
        for subset in itertools.combinations(costs, count):
            corner = np.max(subset, axis=0)
            total -= (-1) ** count * float(np.prod(np.maximum(reference - corner, 0)))
    return total


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_hypervolume_equals_the_union_of_boxes(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    scale = Scale(np.zeros(objectives), np.ones(objectives))
    for _ in range(20):
        costs = rng.random((6, objectives)) * 1.3  # some are beyond the reference point
        assert hypervolume(costs, scale) == pytest.approx(union_of_boxes(costs, 1 + MARGIN), rel=1e-12)


def test_hypervolume_does_not_depend_on_units() -> None:
    costs = np.array([[1.0, 9.0], [2.0, 4.0], [5.0, 3.0]])
    units = np.array([1e-6, 1e9])
    assert hypervolume(costs * units, Scale.of(costs * units)) == pytest.approx(hypervolume(costs, Scale.of(costs)))


def test_a_front_of_one_point_has_the_volume_of_the_margin() -> None:
    costs = np.array([[0.0, -3.0]])
    assert hypervolume(costs, Scale.of(costs)) == pytest.approx((1 + MARGIN) ** 2)
