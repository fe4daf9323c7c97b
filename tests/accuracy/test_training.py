"""Training on tiny data: killed and resumed it comes to the same numbers; recipes and rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

import torch
from filelock import FileLock

from characterization.accuracy import runs, supernet
from characterization.accuracy.data import Dataset, Images
from characterization.accuracy.networks import find_network
from characterization.accuracy.quantizers import calibrate, quantized_layers, set_pe_type
from characterization.accuracy.ranking import alone_jobs
from characterization.accuracy.recipe import RECIPES, SUPERNET, Phase, Recipe
from characterization.accuracy.rows import PAIRS, Measured, read_pairs
from characterization.accuracy.train import (
    Lessons,
    Report,
    batches,
    calibration_images,
    fit,
    generator,
    plain,
    recalibrate,
    save,
    top1_percent,
)
from dse.errors import InputError, RunError
from workloads.families import members

TINY = Recipe(
    "tiny", Phase(3, 0.05, 1.0), Phase(1, 0.01, 0.1), batch=16, calibration_images=16, recalibration_images=32
)
NETWORK = "vgg8-fashion-mnist"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def tiny(channels: int = 1, size: int = 28, name: str = "fashion-mnist") -> Dataset:
    """64 images of two classes that differ in brightness."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 64)
    pixels = random.integers(0, 100, (64, size, size, channels)) + 100 * labels[:, None, None, None]
    images = Images(pixels.astype(np.uint8), labels)
    return Dataset(name, images, images, 2, 0)


class KilledError(Exception):
    """Stands for a kill."""


def quiet(text: str) -> None:
    """No report."""


def trained(checkpoint: Path, kill_after: int | None = None) -> dict[str, torch.Tensor]:
    """Weights after training, killed after so many epochs and started again."""
    epochs = 0

    def report(text: str) -> None:
        nonlocal epochs
        epochs += 1
        if epochs == kill_after:
            raise KilledError

    for _ in range(2):
        net = find_network(NETWORK).build(0)
        try:
            fit(net, plain(net), tiny(), TINY, "base", 0, checkpoint, report)
        except KilledError:
            continue
    return net.state_dict()


@pytest.mark.parametrize("kill_after", [1, 2])
def test_a_killed_training_resumes_to_the_same_weights(tmp_path: Path, kill_after: int) -> None:
    whole, killed = trained(tmp_path / "whole.pt"), trained(tmp_path / "killed.pt", kill_after)
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_a_half_written_checkpoint_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "base.tmp").write_bytes(b"half")
    net = find_network(NETWORK).build(0)
    fit(net, plain(net), tiny(), TINY, "base", 0, tmp_path / "base.pt", quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["base.pt"]


def test_all_pe_types_see_the_same_images_in_the_same_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[torch.Tensor]] = {"fp32": [], "lightpe1": []}

    def watched(net: torch.nn.Module) -> Lessons:
        lesson = plain(net)(np.random.default_rng(0))

        def watch(x: torch.Tensor, labels: torch.Tensor) -> tuple[float, int]:
            seen[str(quantized_layers(net)[0].pe_type)].append(x)
            return lesson(x, labels)

        return lambda random: watch

    monkeypatch.setattr(runs, "load_dataset", lambda name: tiny())
    monkeypatch.setattr(runs, "plain", watched)
    monkeypatch.setitem(RECIPES, "tiny", {"fashion-mnist": TINY})
    job = runs.Job(NETWORK, 0, "tiny", tuple(seen))
    for pe_type in seen:
        runs.measure(job, pe_type, find_network(NETWORK).build(0), 0.0, tmp_path, quiet)
    assert sum(len(x) for x in seen["fp32"]) == 64
    assert all(torch.equal(a, b) for a, b in zip(*seen.values(), strict=True))


def test_augmented_images_are_shifted_or_flipped_ones() -> None:
    dataset = tiny(size=6)
    padded = np.pad(dataset.train.pixels, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for x, labels in batches(dataset, 64, 16, generator(1, "base", 0)):
        image = (x[0].permute(1, 2, 0) * 64 + 128).numpy()
        found = [
            index
            for index, source in enumerate(padded)
            for top in range(5)
            for left in range(5)
            for part in (source[top : top + 6, left : left + 6],)
            if (part == image).all() or (part[:, ::-1] == image).all()
        ]
        assert len(found) == 1
        assert dataset.train.labels[found[0]] == labels[0]


def test_a_run_gives_one_row_per_pe_type_and_no_row_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "tiny", {"fashion-mnist": TINY})
    monkeypatch.setattr(runs, "load_dataset", lambda name: tiny())
    rows: list[Measured] = []
    monkeypatch.setattr(runs, "read_measured", lambda: tuple(rows))

    def keep(row: Measured, right: NDArray[np.bool_]) -> None:
        assert row.top1_percent == pytest.approx(100 * right.mean())
        assert len(right) == row.test_images
        rows.append(row)

    job = runs.Job(NETWORK, 0, "tiny", ("fp32", "lightpe1"))
    runs.run_job(job, tmp_path, keep, quiet)
    assert [row.pe_type for row in rows] == ["fp32", "lightpe1"]
    assert all(row.top1_percent > 90 for row in rows)  # two classes that are easy to tell apart
    assert {(row.dataset, row.base_epochs, row.tune_epochs, row.test_images) for row in rows} == {
        ("fashion-mnist", 3, 1, 64)
    }
    runs.run_job(job, tmp_path, keep, quiet)
    assert len(rows) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["base.pt"]


def test_recalibration_forgets_the_statistics_before() -> None:
    dataset, net = tiny(), find_network(NETWORK).build(0)
    images = calibration_images(dataset, 32)
    recalibrate(net, images)
    expected = {name: buffer.clone() for name, buffer in net.named_buffers()}
    for name, buffer in net.named_buffers():
        if "running" in name:
            buffer.fill_(7.0)
    recalibrate(net, images)
    assert all(torch.equal(buffer, expected[name]) for name, buffer in net.named_buffers())
    assert top1_percent(net, dataset.test) == top1_percent(net, dataset.test)


def test_the_digest_changes_with_what_decides_and_not_with_the_name() -> None:
    assert replace(TINY, name="other").digest == TINY.digest
    assert replace(TINY, tune=Phase(1, 0.02, 0.1)).digest != TINY.digest
    assert replace(TINY, method=2).digest != TINY.digest


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    phase = Phase(10, 0.2, 1.0)
    rates = [phase.rate(epoch / 10) for epoch in range(101)]
    assert rates[0] == 0
    assert max(rates) == pytest.approx(0.2, rel=0.05)
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_members_are_slices_of_the_largest() -> None:
    largest = find_network(members()[-1]).build(0)
    own = supernet.sliced(largest.state_dict(), largest)
    assert all(torch.equal(own[name], value) for name, value in largest.state_dict().items())
    smallest = find_network(members()[0]).build(0)
    smallest.load_state_dict(supernet.sliced(largest.state_dict(), smallest))
    assert torch.equal(smallest.conv2_1.a.weight, largest.conv2_1.a.weight[:8, :8])


SHARED = replace(SUPERNET, base=Phase(2, 0.05, 1.0), tune=Phase(1, 0.01, 0.1), batch=32, calibration_images=8)


@pytest.mark.parametrize("pe_type", [None, "lightpe1"])
def test_a_killed_supernet_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pe_type: str | None
) -> None:
    recipe = replace(SHARED, tune=Phase(2, 0.01, 0.1))
    dataset = tiny(3, 32, "cifar10")

    def weights(folder: str, kill: bool) -> dict[str, torch.Tensor]:
        monkeypatch.setenv("DSE_CACHE", str(tmp_path / folder))
        shared = find_network(members()[-1]).build(1).state_dict()
        if pe_type:
            save(supernet.checkpoint(recipe, None), {"epoch": 2, "net": shared})

        def train(report: Report) -> torch.nn.Module:
            if pe_type:
                return supernet.tune_shared(recipe, pe_type, dataset, report)
            return supernet.train_shared(recipe, dataset, report)

        def report(text: str) -> None:
            if " 1/2 " in text:
                raise KilledError

        if kill:
            with pytest.raises(KilledError):
                train(report)
        return train(quiet).state_dict()

    whole, killed = weights("whole", False), weights("killed", True)
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_tuning_leaves_the_shared_weights_and_calibrates_for_its_pe_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path))
    dataset, shared = tiny(3, 32, "cifar10"), find_network(members()[-1]).build(1).state_dict()
    save(supernet.checkpoint(SHARED, None), {"epoch": 2, "net": shared})
    tuned = {name: supernet.tune_shared(SHARED, name, dataset, quiet).state_dict() for name in ("fp32", "lightpe1")}
    assert all(torch.equal(supernet.load_weights(SHARED, None)[name], value) for name, value in shared.items())
    assert all(not torch.equal(own["conv1.weight"], shared["conv1.weight"]) for own in tuned.values())
    assert (tuned["fp32"]["conv1.step"], tuned["fp32"]["fc.step"]) == (1, 1)
    assert tuned["lightpe1"]["fc.step"] != 1


@pytest.mark.parametrize(("pe_type", "epochs"), [(None, 2), ("int8", 1)])
def test_weights_wait_for_the_whole_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pe_type: str | None, epochs: int
) -> None:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path))
    with pytest.raises(RunError, match=f"0 of {epochs} epochs"):
        supernet.load_weights(SHARED, pe_type)
    save(supernet.checkpoint(SHARED, pe_type), {"epoch": epochs - 1, "net": {}})
    with pytest.raises(RunError, match=f"{epochs - 1} of {epochs} epochs"):
        supernet.load_weights(SHARED, pe_type)
    save(supernet.checkpoint(SHARED, pe_type), {"epoch": epochs, "net": {}})
    assert supernet.load_weights(SHARED, pe_type) == {}


def test_a_score_is_that_of_the_tuned_slice_whose_statistics_alone_are_new() -> None:
    dataset, largest = tiny(3, 32, "cifar10"), find_network(members()[-1]).build(0)
    set_pe_type(largest, "lightpe1")
    calibrate(largest, calibration_images(dataset, 8))
    weights = largest.state_dict()
    before = {name: value.clone() for name, value in weights.items()}
    score = supernet.score_percent(weights, members()[3], "lightpe1", dataset, dataset.test, SHARED)
    member = find_network(members()[3]).build(5)
    member.load_state_dict(supernet.sliced(before, member))
    set_pe_type(member, "lightpe1")
    recalibrate(member, calibration_images(dataset, SHARED.recalibration_images))
    assert score == top1_percent(member, dataset.test)
    assert all(torch.equal(before[name], value) for name, value in weights.items())


def test_images_held_out_are_none_that_train() -> None:
    dataset = tiny(3, 32, "cifar10")
    kept, heldout = supernet.split(dataset, 20)
    whole = {image.tobytes() for image in dataset.train.pixels}
    parts = [{image.tobytes() for image in images.pixels} for images in (kept.train, heldout)]
    assert [len(part) for part in parts] == [44, 20]
    assert parts[0] | parts[1] == whole
    assert [len(images.labels) for images in (kept.train, heldout)] == [44, 20]
    assert kept.test is dataset.test


def test_shared_weights_stand_while_only_their_tuning_changes() -> None:
    longer, other = replace(SUPERNET, tune=Phase(3, 0.05, 0.1)), replace(SUPERNET, drawn=3)
    paths = [supernet.checkpoint(recipe, None) for recipe in (SUPERNET, longer, other)]
    assert paths[0] == paths[1] != paths[2]
    tuned = {supernet.checkpoint(recipe, "int8") for recipe in (SUPERNET, longer, other)}
    assert len(tuned) == 3


def test_pairs_follow_from_the_seed_and_differ() -> None:
    drawn = supernet.draws(20)
    assert drawn == read_pairs(PAIRS)
    assert len(set(drawn)) == 20
    assert drawn != supernet.draws(20, seed=1)


def test_networks_trained_alone_are_jobs_by_seed_and_network() -> None:
    pairs = ((members()[0], "int8"), (members()[1], "fp32"), (members()[0], "lightpe1"))
    jobs = alone_jobs(pairs, (0, 1))
    assert [(job.network, job.seed) for job in jobs] == [(members()[i], seed) for seed in (0, 1) for i in (0, 1)]
    assert jobs[0].pe_types == ("int8", "lightpe1")


@pytest.mark.parametrize("pair", [("resnet50", "int8"), (members()[0], "int9"), ("vgg8-fashion-mnist", "int8")])
def test_pairs_that_cannot_be_trained_alone_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(InputError, match=r"must be|unknown|is not for"):
        alone_jobs((pair,), (0,))


def test_work_that_another_process_is_at_is_not_said_to_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path))
    monkeypatch.setattr(runs, "load_dataset", lambda name: tiny())
    monkeypatch.setattr(runs, "read_measured", lambda: ())
    jobs = runs.plan((NETWORK,), (7,), "demo", ("int8", "fp32"))
    with FileLock(runs.checkpoints() / jobs[0].name / "lock"), pytest.raises(RunError, match="at 2 rows"):
        runs.train(jobs, 1)


def test_a_pe_type_that_there_is_not_is_refused_before_training() -> None:
    with pytest.raises(InputError, match="unknown PE type"):
        runs.plan((NETWORK,), (0,), "demo", ("int9",))


def test_a_quantized_network_learns(tmp_path: Path) -> None:
    net = find_network(NETWORK).build(0)
    set_pe_type(net, "lightpe1")
    calibrate(net, calibration_images(tiny(), 16))
    fit(net, plain(net), tiny(), TINY, "base", 0, tmp_path / "base.pt", quiet)
    recalibrate(net, calibration_images(tiny(), 64))
    assert top1_percent(net, tiny().test) > 90
