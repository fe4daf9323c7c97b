"""Processes that share work out among themselves by locks, so that several commands can be at the same work, too."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from filelock import FileLock, Timeout

Item = TypeVar("Item")


def one_threaded(processes: int) -> ProcessPoolExecutor:
    """So many processes, one thread each: threads are slower on small networks."""
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,))


def in_processes(processes: int, task: Callable[[], None]) -> None:
    """The same task in several processes at once."""
    with one_threaded(processes) as pool:
        for future in [pool.submit(task) for _ in range(processes)]:
            future.result()


def unclaimed(items: Iterable[Item], lock: Callable[[Item], Path]) -> Iterator[Item]:
    """The items that no other process is at, in order; each is locked until the next is asked for."""
    for item in items:
        try:
            with FileLock(lock(item), timeout=0):
                yield item
        except Timeout:
            continue


def say(what: str, text: str) -> None:
    """A line on stderr with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {what}: {text}", file=sys.stderr, flush=True)
