"""What every family of networks keeps to; a new row in FAMILIES is found by itself."""

from __future__ import annotations

import pytest

from dse.errors import InputError
from workloads.families import FAMILIES, MAX_VALUE, find_member
from workloads.loader import is_named, list_workloads, load_workload

EACH = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@EACH
def test_the_name_of_a_member_says_its_family_and_its_values_and_is_found_again(family):
    beginning = next(name for name, each in FAMILIES.items() if each is family)
    members = family.members({})
    assert len({member.name for member in members}) == len(members)
    assert not {member.name for member in members} & set(list_workloads())
    assert all(member.name.startswith(f"{beginning}-") for member in members)
    assert not is_named(beginning)
    for member in members[:: max(1, len(members) // 20)]:
        values = family.values_of(member.name)
        assert values.keys() == family.axes.keys()
        assert all(values[axis] in usual for axis, usual in family.axes.items())
        assert family.network(values) == member == find_member(member.name) == load_workload(member.name)


@EACH
def test_more_of_an_axis_is_never_fewer_macs(family):
    for axis, usual in family.axes.items():
        others = {name: values[:1] for name, values in family.axes.items() if name != axis}
        macs = [member.macs for member in family.members(others | {axis: sorted(usual)})]
        assert macs == sorted(macs)
        assert len(set(macs)) == len(macs)


@EACH
def test_values_need_not_be_usual_but_are_within_limits_and_written_in_one_way(family):
    smallest = {axis: values[0] for axis, values in family.axes.items()}
    for axis, usual in family.axes.items():
        other = max(usual) + 1
        assert is_named(family.member.format(**smallest | {axis: other}))
        for wrong in (0, MAX_VALUE + 1, f"0{other}", "", "x", "²"):
            name = family.member.format(**smallest | {axis: wrong})
            assert not is_named(name)
            with pytest.raises(InputError, match="must be a shipped network, a member of a family") as caught:
                load_workload(name)
            assert caught.value.problems[0].hint == f"networks of the family are named {family.member}"
