"""Names of networks in short form, and what the legend of terminal tables says of them."""

from __future__ import annotations

import pytest

from dse.report.compact import compact, legend, names_note, short_names, varying

FAMILY = "resnet-cifar10-"
MEMBERS = [f"{FAMILY}w16-32-64-d1-{depth}-2" for depth in (1, 2)]
DESIGN = {
    "pe_type": "int8", "rows": 12, "cols": 14, "ifmap_spad_words": 12, "filter_spad_words": 224, "psum_spad_words": 24,
    "glb_kib": 108, "glb_bytes_per_cycle": 8, "dram_gb_s": 4.0, "batch": 1, "clock_mhz": 200.0,
    "dataflow": "row_stationary", "accuracy_percent": 90.0, "energy_mj": 1.0,
}  # fmt: skip


def rows(networks):
    """A row per network, as `dse pareto` has them where networks compete."""
    names = short_names(networks)[1]
    return [{**DESIGN, "workload": name, "network": names[name]} for name in networks]


def test_members_of_a_family_are_cut_at_its_name_however_much_more_they_share():
    beginning, short = short_names(MEMBERS)
    assert beginning == FAMILY
    assert list(short.values()) == ["w16-32-64-d1-1-2", "w16-32-64-d1-2-2"]


@pytest.mark.parametrize(
    ("networks", "beginning"),
    [
        (["net-w8-16-d1", "net-w8-16-d2"], "net-w8-16-"),
        (["net-w8-1-2", "net-w8-1-3"], "net-"),
        (["net-a", "net-1"], ""),
        (["vgg16", "vgg19"], ""),
        (["net", "net-a"], ""),
        ([*MEMBERS, "resnet-small"], "resnet-"),
        ([*MEMBERS, "vgg8-cifar10"], FAMILY),
        (["vgg8-cifar10", "vgg8-cifar10"], ""),
        (MEMBERS[:1], ""),
        ([], ""),
    ],
)
def test_names_are_cut_only_where_each_goes_on_with_a_letter(networks, beginning):
    found, short = short_names(networks)
    assert found == beginning
    assert set(short) == set(networks)
    assert len(set(short.values())) == len(short)
    for name, label in short.items():
        assert label == name.removeprefix(beginning)
        assert label[0].isalpha()


def test_what_short_names_leave_out_is_said_and_nothing_where_they_are_whole():
    assert names_note(short_names(MEMBERS)[1]) == f"all begin with {FAMILY}, left out here"
    some = names_note(short_names([*MEMBERS, "vgg8"])[1])
    assert some == f"w16-32-64-d1-1-2 is short for {FAMILY}w16-32-64-d1-1-2, and so on"
    one = names_note(short_names([MEMBERS[0], "vgg8"])[1])
    assert one == f"w16-32-64-d1-1-2 is short for {MEMBERS[0]}"
    assert names_note(short_names(["vgg16", "vgg19"])[1]) == ""


def test_the_legend_says_what_names_leave_out():
    assert f"network: all begin with {FAMILY}, left out here" in legend(rows(MEMBERS), ("accuracy",)).splitlines()
    assert "network" not in legend(rows(["vgg16", "alexnet"]), ("accuracy",))


def test_a_network_that_all_rows_share_is_named_in_full():
    shown = rows(MEMBERS)[:1]
    assert f"network {MEMBERS[0]}" in legend(shown, ("accuracy",))


def test_networks_that_compete_have_no_gains_beside_them_since_they_differ_in_accuracy():
    table = compact("", rows(MEMBERS), ("accuracy", "energy"), varying(rows(MEMBERS)))
    assert table.columns == ("PE type", "accuracy", "energy", "network")
    assert "xI16" not in legend(rows(MEMBERS), ("accuracy", "energy"))
