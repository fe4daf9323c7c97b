"""Where blocks are evaluated: in this process or in others of this machine. `dse.cluster` has other machines.

An executor takes a unit (a function of one block, or of anything else that travels, that returns a table) and numbered
blocks, and yields the number and the payload of each as it is done. It writes no file. All executors give the same
payloads, in an order of their own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing import connection, get_context
from threading import Thread
from typing import Protocol, TypeVar

import pyarrow as pa

from dse.errors import RunError
from dse.payload import encode

Item = TypeVar("Item")  # a block, or what takes its place
Unit = Callable[[Item], pa.Table]
Work = Iterable[tuple[int, Item]]
Results = Generator[tuple[int, bytes], None, None]


class Executor(Protocol):
    """Something that gets work done."""

    def __call__(self, unit: Unit[Item], work: Work[Item]) -> Results:
        """Numbers and payloads, as they are done."""
        ...


PATIENCE_S = 5.0
MAX_LOSSES = 3


def evaluated(unit: Unit[Item], block: Item) -> bytes:
    """The payload of one block."""
    return encode(unit(block))


def in_this_process(unit: Unit[Item], work: Work[Item]) -> Results:
    """One block after the other."""
    for index, block in work:
        yield index, evaluated(unit, block)


def in_processes(jobs: int) -> Executor:
    """An executor of `jobs` processes of this machine. They end with this one, however it ends.

    They are spawned, not forked: a forked one would hold the lock of the run directory and start with the threads of
    Arrow in an unknown state. A script that calls this needs `if __name__ == "__main__":` therefore.
    Raises RunError when a process dies.
    """

    def run(unit: Unit[Item], work: Work[Item]) -> Results:
        remaining = iter(work)
        first = list(islice(remaining, 2))
        if len(first) < 2:  # nothing to share
            yield from in_this_process(unit, first)
            return
        context = get_context("spawn")
        alive, our_end = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(jobs, context, _start_worker, (alive,))
        try:
            yield from in_flight(
                lambda block: pool.submit(evaluated, unit, block), chain(first, remaining), lambda: 2 * jobs
            )
        except BrokenProcessPool as error:
            rule = "a worker process died: killed, or out of memory; what is finished is kept"
            raise RunError(f"{rule}: run the same command again, with fewer --jobs if memory is short") from error
        finally:
            our_end.close()  # ends the workers, in the middle of a block if need be
            pool.shutdown(cancel_futures=True)
            alive.close()

    return run


def in_flight(
    submit: Callable[[Item], Future[bytes]],
    work: Work[Item],
    window: Callable[[], int],
    idle: Callable[[], None] = lambda: None,
    lost: tuple[type[BaseException], ...] = (),
) -> Results:
    """Results as they come, with at most `window()` blocks submitted: memory does not grow with the space.

    `idle` is called whenever nothing was finished for PATIENCE_S. A block whose future ends in one of the errors
    `lost` is submitted again, MAX_LOSSES times at most.
    """
    pending: dict[Future[bytes], tuple[int, Item, int]] = {}
    remaining = iter(work)
    try:
        while True:
            for index, block in islice(remaining, max(0, window() - len(pending))):
                pending[submit(block)] = (index, block, 0)
            if not pending:
                return
            done = wait(pending, PATIENCE_S, FIRST_COMPLETED).done
            if not done:
                idle()
            for future in done:
                index, block, losses = pending.pop(future)
                if losses < MAX_LOSSES and not future.cancelled() and isinstance(future.exception(), lost):
                    pending[submit(block)] = (index, block, losses + 1)
                else:
                    yield index, future.result()
    finally:
        for future in pending:
            future.cancel()


def _start_worker(alive: connection.Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    Thread(target=_leave_with_parent, args=(alive,), daemon=True).start()


def _leave_with_parent(alive: connection.Connection) -> None:
    """End this process when the other end of the pipe is closed, as that of a dead process is."""
    connection.wait([alive])
    os._exit(1)
