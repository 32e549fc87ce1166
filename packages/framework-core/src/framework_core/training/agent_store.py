"""The store by which processes that torchrun started find each other: one of its own for each attempt.

torchrun's agent keeps one store for all attempts. What starts again in it finds the addresses of processes that are
gone, and waits for them.
"""

from __future__ import annotations

import os
import time
import uuid
from datetime import timedelta

from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]  # torch lists no names

OURS = "framework"
BEGUN = f"{OURS}/begun"
LOOK_EVERY = 0.05
"""Seconds between two looks for processes that are not there yet."""


def agent_store(limit: timedelta) -> Store | None:
    """The store of torchrun's agent; nothing where there is none.

    Args:
        limit: How long to wait for it.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != str(True):
        return None
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return TCPStore(host, port, int(os.environ["WORLD_SIZE"]), is_master=False, timeout=limit)


def of_this_attempt(store: Store, *, rank: int, processes: int, limit: timedelta) -> Store:
    """The part of the store in which nothing is but what processes of this attempt write.

    Each process shows a word of its own, and the first one answers to it with the attempt's name, until all have it:
    what a process of an earlier attempt has left is answered to as well, and nobody reads that.

    Raises:
        DistStoreError: The others did not come in time.
    """
    if rank:
        mine = uuid.uuid4().hex
        store.set(f"{OURS}/here/{rank}", mine)
        store.wait([f"{OURS}/attempt/{mine}"], limit)
        attempt = store.get(f"{OURS}/attempt/{mine}").decode()
        store.set(f"{OURS}/{attempt}/{rank}", "knows")
    else:
        attempt = uuid.uuid4().hex
        _answer(store, attempt, range(1, processes), limit)
    return PrefixStore(f"{OURS}/{attempt}", store)


def _answer(store: Store, attempt: str, ranks: range, limit: timedelta) -> None:
    waiting, end = set(ranks), time.monotonic() + limit.total_seconds()
    while waiting and time.monotonic() < end:
        for rank in sorted(waiting):
            if store.check([f"{OURS}/here/{rank}"]):
                store.set(f"{OURS}/attempt/{store.get(f'{OURS}/here/{rank}').decode()}", attempt)
            if store.check([f"{OURS}/{attempt}/{rank}"]):
                waiting.discard(rank)
        time.sleep(LOOK_EVERY)
    if waiting:
        store.wait([f"{OURS}/{attempt}/{rank}" for rank in sorted(waiting)], timedelta(seconds=1))
