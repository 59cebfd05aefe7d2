"""The control API: what a test or a user says to a running simulation, as JSON under `/_control/` on every venue's port.

Thin: every route calls one method of `Simulation`. Wrong input is answered with 400 and a sentence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from perptape.simulation import truth
from perptape.simulation.burst import Burst
from perptape.simulation.faults import KINDS, Fault

if TYPE_CHECKING:
    from perptape.simulation.server import Simulation
    from perptape.simulation.truth import Session

PREFIX = "/_control/"
Handler = Callable[["Simulation", Mapping[str, str], Any], Any]


async def answer(simulation: Simulation, http: web.Request) -> web.Response:
    """Carries out one control request."""
    handler = _ROUTES.get((http.method, http.path.removeprefix(PREFIX)))
    if handler is None:
        known = ", ".join(f"{method} {PREFIX}{name}" for method, name in _ROUTES)
        return _json({"error": f"no {http.method} {http.path}: one of {known}"}, 404)
    raw = await http.read()
    try:
        result = handler(simulation, dict(http.query), orjson.loads(raw) if raw else {})
        if isinstance(result, Awaitable):
            result = await result
    except KeyError as error:
        return _json({"error": f"{error.args[0]} is missing, or there is none of that name"}, 400)
    except (TypeError, ValueError, ArithmeticError) as error:
        return _json({"error": f"{type(error).__name__}: {error}"}, 400)
    return _json(result)


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(content, default=str), content_type="application/json")


def _whole(query: Mapping[str, str], name: str, default: int | None = None) -> int:
    if name in query:
        return int(query[name])
    if default is None:
        raise ValueError(f"{name} is missing")
    return default


def _add_faults(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    given: Iterable[Any] = body if isinstance(body, list) else [body]
    faults = [Fault.of(one) for one in given]
    for fault in faults:
        if fault.venue is not None and fault.venue not in simulation.endpoints:
            raise ValueError(f"no venue {fault.venue!r} is served: one of {', '.join(simulation.endpoints)}")
    return {"ids": simulation.faults.add(faults)}


def _end_faults(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    simulation.faults.clear(int(query["id"]) if "id" in query else None)
    return {}


def _inject(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    return simulation.inject(body["venue"], body["contract"], int(body.get("count", 1)), bool(body.get("equal", False)))


async def _burst(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    burst = Burst(**{**body, "contracts": tuple(body["contracts"])})
    return {"id": await simulation.start_burst(burst)}


def _bursts(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    return [report.as_json() for report in simulation.bursts]


def _skew(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    simulation.skew(body["venue"], float(body["ms"]))
    return {}


def _stamp(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    simulation.stamp_by(body["venue"], body["stamp"])
    return {}


def _delist(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    simulation.delist(body["venue"], body["contract"], body.get("at"))
    return {}


def _relist(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    simulation.relist(body["venue"], body["contract"], Decimal(str(body["contract_size"])), body.get("at"))
    return {}


def _rate(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    simulation.liquidation_rate(body["venue"], body["contract"], float(body["per_second"]))
    return {}


def _disconnect(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    return {"disconnected": simulation.disconnect(body["venue"], bool(body.get("abort", False)))}


def _truth(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    """Every connection; with `events=0` only how many pushes, frames and events there were on it."""
    sessions = simulation.truth.sessions if "venue" not in query else simulation.truth.of(query["venue"])
    return [_session(session, _whole(query, "since", 0), query.get("events") != "0") for session in sessions]


def _session(session: Session, since: int, with_events: bool) -> dict[str, Any]:
    sent = [push for push in session.sent if push.at >= since]
    return {
        "id": session.id,
        "venue": session.venue,
        "path": session.path,
        "address": session.address,
        "opened": session.opened,
        "opened_mono": session.opened_mono,
        "closed": session.closed,
        "closed_mono": session.closed_mono,
        "reason": session.reason,
        "subscriptions": session.subscriptions,
        "control": {name: dict(zip(("count", "first", "last"), seen, strict=True)) for name, seen in session.control.items()},
        "forgotten": session.forgotten,
        "pushes": len(sent),
        "frames": sum(push.frames for push in sent),
        "liquidations": sum(len(push.liquidations) for push in sent),
        "sent": sent if with_events else [],
    }


def _requests(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    return simulation.truth.requests(query.get("venue"), _whole(query, "since", 0), query.get("path", ""))


def _open_interest(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    asked = query["venue"], query["contract"], _whole(query, "start"), _whole(query, "end"), _whole(query, "period", 300_000)
    rows = truth.open_interest(simulation.market, *asked)
    return [{"time": time, "base": base, "contracts": contracts} for time, base, contracts in rows]


def _funding(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    asked = query["venue"], query["contract"], _whole(query, "start"), _whole(query, "end")
    return truth.funding(simulation.market, *asked)


def _liquidations(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    asked = query["venue"], query["contract"], _whole(query, "start"), _whole(query, "end")
    return truth.liquidations(simulation.market, *asked)


def _lives(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    found = simulation.market.lifetimes(query["venue"], query["contract"])
    return [{"listed": one.listed, "delisted": one.delisted, "contract_size": one.contract_size} for one in found]


def _clock(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    return {venue: simulation.now(venue) for venue in simulation.endpoints}


def _forget(simulation: Simulation, query: Mapping[str, str], body: Any) -> Any:
    simulation.truth.forget()
    return {}


_ROUTES: Mapping[tuple[str, str], Handler] = {
    ("GET", "kinds"): lambda simulation, query, body: KINDS,
    ("GET", "faults"): lambda simulation, query, body: simulation.faults.report(),
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _end_faults,
    ("POST", "inject"): _inject,
    ("POST", "burst"): _burst,
    ("GET", "bursts"): _bursts,
    ("POST", "skew"): _skew,
    ("POST", "stamp"): _stamp,
    ("POST", "delist"): _delist,
    ("POST", "relist"): _relist,
    ("POST", "rate"): _rate,
    ("POST", "disconnect"): _disconnect,
    ("GET", "weather"): lambda simulation, query, body: simulation.weathered,
    ("GET", "truth"): _truth,
    ("GET", "requests"): _requests,
    ("GET", "stalls"): lambda simulation, query, body: list(simulation.truth.stalls),
    ("GET", "limits"): lambda simulation, query, body: simulation.limits_report(),
    ("GET", "clock"): _clock,
    ("GET", "endpoints"): lambda simulation, query, body: simulation.endpoints,
    ("GET", "lives"): _lives,
    ("GET", "open_interest"): _open_interest,
    ("GET", "funding"): _funding,
    ("GET", "liquidations"): _liquidations,
    ("POST", "forget"): _forget,
}
