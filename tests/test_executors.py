"""Executors: the same payloads wherever blocks are evaluated, bounded memory, and losses that do not end a run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import count

import numpy as np
import pyarrow as pa
import pytest

from dse import executors
from dse.errors import RunError
from dse.executors import MAX_LOSSES, in_flight, in_processes, in_this_process
from dse.payload import Counts, decode, encode
from dse.payload import count as counted
from dse.space import Block, Designs

NUMBERS = range(7)


def block(number: int) -> Block:
    return Block(np.array([number]), Designs.of("int8", "row_stationary", {"rows": [number]}))


def work() -> Iterator[tuple[int, Block]]:
    return ((number, block(number)) for number in NUMBERS)


def unit(block: Block) -> pa.Table:
    return pa.table({"rows": block.designs.rows, "feasible": block.designs.rows > 2})


def deadly(block: Block) -> pa.Table:
    if block.design_ids[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return unit(block)


def failing(block: Block) -> pa.Table:
    raise RunError(f"not {block.design_ids[0]}")


class Pool:
    """Futures that are done when asked for, each with the outcome that `outcomes` has for its block in turn."""

    def __init__(self, outcomes: dict[int, list[Exception]]) -> None:
        self.outcomes, self.submitted, self.futures = outcomes, list[int](), list[Future[bytes]]()

    def submit(self, block: Block) -> Future[bytes]:
        number = int(block.design_ids[0])
        future: Future[bytes] = Future()
        self.submitted.append(number)
        self.futures.append(future)
        if errors := self.outcomes.get(number):
            future.set_exception(errors.pop(0))
        else:
            future.set_result(encode(unit(block)))
        return future


class LostError(Exception):
    """Of a worker that is gone."""


def test_other_processes_give_the_same_payloads() -> None:
    here = dict(in_this_process(unit, work()))
    assert sorted(here) == list(NUMBERS)
    assert dict(in_processes(2)(unit, work())) == here
    assert list(in_processes(2)(unit, iter([(5, block(5))]))) == [(5, here[5])]  # one block: this process


def test_a_worker_process_that_is_killed_is_one_message() -> None:
    with pytest.raises(RunError, match="a worker process died: killed, or out of memory; what is finished is kept"):
        list(in_processes(2)(deadly, work()))


def test_an_error_that_ends_the_run_comes_home_from_another_process() -> None:
    with pytest.raises(RunError, match=r"^not \d$"):
        list(in_processes(2)(failing, work()))


def test_memory_does_not_grow_with_the_space() -> None:
    pool = Pool({})
    endless = ((number, block(number)) for number in count())
    results = in_flight(pool.submit, endless, lambda: 5)
    for done in range(40):
        next(results)
        assert len(pool.submitted) <= done + 1 + 5
    results.close()


def test_a_block_that_is_lost_is_submitted_again_but_not_for_ever() -> None:
    pool = Pool({2: [LostError()] * MAX_LOSSES})
    assert sorted(dict(in_flight(pool.submit, work(), lambda: 2, lost=(LostError,)))) == list(NUMBERS)
    assert pool.submitted.count(2) == 1 + MAX_LOSSES
    with pytest.raises(LostError):
        list(in_flight(Pool({2: [LostError()] * (MAX_LOSSES + 1)}).submit, work(), lambda: 2, lost=(LostError,)))
    with pytest.raises(KeyError):
        list(in_flight(Pool({2: [KeyError()]}).submit, work(), lambda: 2, lost=(LostError,)))


def test_who_waits_in_vain_is_told_and_can_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "PATIENCE_S", 0.01)
    never: list[Future[bytes]] = []
    told: list[int] = []

    def submit(block: Block) -> Future[bytes]:
        never.append(Future())
        return never[-1]

    def idle() -> None:
        told.append(1)
        if len(told) == 3:
            raise RunError("gone")

    with pytest.raises(RunError, match="gone"):
        list(in_flight(submit, work(), lambda: 4, idle))
    assert len(never) == 4
    assert all(future.cancelled() for future in never)


def test_a_payload_is_the_table_and_knows_its_counts() -> None:
    table = pa.concat_tables([unit(block(1)), unit(block(3)), unit(block(4))])
    assert decode(encode(table)).equals(table)
    assert counted(encode(table)) == Counts(3, 2)
    assert counted(encode(table.select(["rows"]))) == Counts(3, 3)
    assert counted(encode(table[:0])) == Counts(0, 0)
    assert Counts.sum([Counts(3, 2), Counts(1, 1)]).share == 0.75
    assert Counts.sum([]).share is None
