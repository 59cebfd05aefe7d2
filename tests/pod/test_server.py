"""What a pod that stays answers, and to whom."""

import asyncio

import aiohttp
import pytest

from perptape.pod.server import Board, answer, encoded, serve


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /livez HTTP/1.1", 200),
        ("GET /readyz HTTP/1.1", 503),
        ("GET /status HTTP/1.1", 503),
        ("GET /metrics HTTP/1.1", 503),
        ("POST /status HTTP/1.1", 405),
        ("GET /etc/passwd HTTP/1.1", 404),
        ("GET /../status HTTP/1.1", 404),
        ("\x16\x03\x01", 400),
        ("", 400),
    ],
)
def test_before_there_is_anything_to_tell_it_lives_and_is_not_ready(line, status):
    assert answer(Board(), line).status == status


def test_it_tells_what_the_board_says_at_that_moment():
    why = ["binance is not reached"]
    board = Board(lambda: "{}", lambda: "perptape_ready 0\n", lambda: why[0])
    assert answer(board, "GET /readyz HTTP/1.1").text == "binance is not reached\n"
    why[0] = ""
    assert answer(board, "GET /readyz HTTP/1.1").status == 200
    assert answer(board, "GET /status?x=1 HTTP/1.1").form == "application/json"
    assert answer(board, "GET /metrics HTTP/1.1").form.startswith("text/plain; version=0.0.4")


def test_a_head_request_gets_no_body():
    assert encoded(answer(Board(), "HEAD /livez HTTP/1.1"), head=True).endswith(b"\r\n\r\n")


async def test_clients_of_all_kinds_are_answered_and_a_silent_one_keeps_nobody_waiting():
    board = Board(status=lambda: '{"run":"ü"}')
    async with await serve(board, 0, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        _, silent = await asyncio.open_connection("127.0.0.1", port)  # says nothing
        reader, broken = await asyncio.open_connection("127.0.0.1", port)
        broken.write(b"x" * 20_000)  # no request at all
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                async with session.get(f"http://127.0.0.1:{port}/status") as told:
                    assert (told.status, await told.json()) == (200, {"run": "ü"})
                async with session.get(f"http://127.0.0.1:{port}/readyz") as told:
                    assert told.status == 503
        assert await reader.read() == b""
        silent.close()
        broken.close()
