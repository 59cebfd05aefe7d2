"""What blocks runs in a thread of its own, in order, and a process need not wait for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from perptape.collect.stream_thread import Thread


async def test_calls_run_elsewhere_in_their_order_and_their_results_come_back() -> None:
    thread, seen = Thread("test"), []
    here = threading.get_ident()
    await asyncio.gather(*(thread(lambda n=n: seen.append((n, threading.get_ident() != here))) for n in range(20)))
    assert seen == [(n, True) for n in range(20)]
    assert await thread(lambda: 42) == 42
    thread.close()


async def test_an_exception_comes_back_too_and_the_thread_lives_on() -> None:
    thread = Thread("test")

    def fails() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        await thread(fails)
    assert await thread(lambda: 1) == 1
    thread.close()


async def test_nobody_waits_for_a_call_that_hangs() -> None:
    thread, hung = Thread("test"), threading.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(thread(lambda: hung.wait(30)), 0.05)
    assert [one.daemon for one in threading.enumerate() if one.name == "test" and one.is_alive()][-1]
    hung.set()
    thread.close()
