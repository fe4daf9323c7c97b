"""Laws of the non-dominated set, against the definition applied to every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import pareto
from dse.pareto import non_dominated


def by_definition(points, maximize):
    """The definition, pair by pair."""
    signed = [[-value if up else value for value, up in zip(point, maximize, strict=True)] for point in points]
    dominated = [any(all(x <= y for x, y in zip(a, b, strict=True)) and a != b for a in signed) for b in signed]
    return ~np.array(dominated, bool)


@st.composite
def clouds(draw, max_points=60):
    """Few distinct values, so that ties and duplicates are the rule."""
    objectives = draw(st.integers(1, 5))
    row = st.lists(st.integers(-3, 6).map(float), min_size=objectives, max_size=objectives)
    points = draw(st.lists(row, min_size=1, max_size=max_points))
    maximize = draw(st.lists(st.booleans(), min_size=objectives, max_size=objectives))
    return points, maximize


@settings(max_examples=300)
@given(clouds())
def test_equals_the_definition(cloud):
    points, maximize = cloud
    assert non_dominated(points, maximize).tolist() == by_definition(points, maximize).tolist()


@settings(max_examples=60)
@given(clouds(max_points=40), st.sampled_from([0, 1, 9]))
def test_equals_the_definition_when_every_split_is_taken(cloud, small):
    points, maximize = cloud
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pareto, "_SMALL", small + 1)
        assert non_dominated(points, maximize).tolist() == by_definition(points, maximize).tolist()


@settings(max_examples=60)
@given(clouds(), st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_the_points(cloud, random):
    points, maximize = cloud
    order = list(range(len(points)))
    random.shuffle(order)
    flags = non_dominated(points, maximize)
    assert non_dominated(np.array(points)[order], maximize).tolist() == flags[order].tolist()


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_large_clouds_of_distinct_values_equal_the_definition(objectives):
    rng = np.random.default_rng(objectives)
    points = rng.normal(size=(3000, objectives))
    flags = non_dominated(points, [False] * objectives)
    front = points[flags]
    beaten = (front[None] <= points[:, None]).all(axis=2) & (front[None] < points[:, None]).any(axis=2)
    assert beaten.any(axis=1).tolist() == (~flags).tolist()


def test_front_of_one_point_is_that_point():
    assert non_dominated([[1.0, 2.0]], [True, False]).tolist() == [True]


def test_no_points_have_no_front():
    assert non_dominated(np.empty((0, 3)), [True] * 3).tolist() == []


def test_all_copies_of_a_front_point_are_kept():
    points = [[1, 5], [2, 3], [1, 5], [2, 4], [2, 3]]
    assert non_dominated(points, [False, False]).tolist() == [True, True, True, False, True]


def test_negative_zero_equals_zero():
    assert non_dominated([[0.0, 1.0], [-0.0, 1.0]], [True, False]).tolist() == [True, True]


@pytest.mark.parametrize(
    ("objectives", "maximize"), [([[np.nan, 1.0]], [True, True]), ([[1.0]], [True, False]), ([[]], [])]
)
def test_nan_and_wrong_shapes_are_refused(objectives, maximize):
    with pytest.raises(ValueError, match="objectives must"):
        non_dominated(objectives, maximize)
