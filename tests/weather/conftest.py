"""Five simulated venues for each module; after every test the weather is calm and the clocks agree again."""

import itertools
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from perptape.interval import MINUTE
from perptape.store.tape import Tape
from support.simulator import simulator


@pytest.fixture(scope="module")
def venues(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("weather"), "--unlimited") as found:
        yield found


@pytest.fixture
def simulated(venues, tmp_path):
    """The module's simulator, with an empty folder to work in."""
    venues.folder = tmp_path
    venues.control("POST", "forget")
    yield venues
    venues.calm()
    venues.skew(**dict.fromkeys(venues.endpoints, 0))


class Between:
    """A proxy in front of a simulated venue: leaves parameters of the query and headers of the answer out."""

    def __init__(self, upstream, parameters=(), headers=()):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self):
                parts = urlsplit(self.path)
                query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in parameters])
                body = self.rfile.read(int(self.headers.get("content-length") or 0)) or None
                asked = urllib.request.Request(f"{upstream}{parts.path}?{query}", data=body, method=self.command)
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    content = answer.read()
                    self.send_response_only(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in ("content-length", "connection", *headers):
                            self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _pass

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def between():
    """`with between(endpoint, parameters=…, headers=…) as proxy`."""
    return Between


CONTRACTS = {"binance": "BTCUSDT", "bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP", "hyperliquid": "BTC", "deribit": "BTC-PERPETUAL"}


def _close(got, expected):
    assert set(expected) <= set(got), sorted(set(expected) - set(got))[:5]
    wrong = {time: (got[time], value) for time, value in expected.items() if abs(got[time] - value) > 1e-9 * max(abs(value), 1)}
    assert not wrong, wrong


@pytest.fixture(scope="session")
def whole():
    """Asserts that a catalog has no hole that was open when the last run began, that no check finds fault with it, and that its history is
    the truth, all of it."""
    from perptape.collect.report import standings

    def check(simulated, catalog, names, datasets=("open_interest", "funding"), unread=0):
        tape = Tape.open(str(catalog))
        assert len(found := tape.verify()) == unread, found
        for venue in names:
            for state in standings(tape, simulated.begun[venue], [venue], list(datasets)):
                assert state.length("open") == 0, state
                if state.grid not in ("5m", "settled"):
                    continue
                spans = [one.span for one in state.states if one.status == "complete"]
                start, end = spans[0].start, spans[-1].end
                rows = tape.read(state.dataset, [state.instrument], start, end)
                times = [time // 1_000_000 for time in rows["ts_event"].to_pylist()]
                assert len(set(times)) == len(times)
                if state.dataset == "open_interest":
                    got = dict(zip(times, rows["oi_base"].to_pylist(), strict=True))
                    expected = simulated.open_interest(venue, CONTRACTS[venue], start, end)
                    assert len(expected) > 200
                else:
                    got = dict(zip(times, map(float, rows["rate"].to_pylist()), strict=True))
                    expected = simulated.funding(venue, CONTRACTS[venue], start, end)
                    known = rows["interval"].to_pylist()[1:]
                    gaps = [(after - before) // MINUTE for before, after in itertools.pairwise(times)]
                    assert venue == "deribit" or known == gaps, "every interval but the first is the time since the settlement before"
                _close(got, expected)

    return check
