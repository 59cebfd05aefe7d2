"""The operator's HTTP server: the budget for pods, metrics for Prometheus, health for the kubelet. A tiny shell over Operation."""

import asyncio

from aiohttp import web
from pydantic import ValidationError

from perptape_api.names import BUDGET_PATH, EXCHANGES
from perptape_operator.budget import Post
from perptape_operator.operation import Operation

LONGEST_BODY = 4096


def application(operation: Operation) -> web.Application:
    """Everything that is served."""
    app = web.Application(client_max_size=LONGEST_BODY)

    async def healthz(_: web.Request) -> web.Response:
        return _said(operation.alive(), "no resync has ended for too long, or a task has died")

    async def readyz(_: web.Request) -> web.Response:
        return _said(operation.started, "the cluster has not been listed yet")

    async def metrics(_: web.Request) -> web.Response:
        body = await asyncio.to_thread(operation.counters.text)  # of many specs it takes seconds, in which pods post
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def budget(request: web.Request) -> web.Response:
        venue, remote = request.match_info["venue"], request.remote or ""
        if venue not in EXCHANGES:
            return web.json_response({"error": f"{venue} is no venue"}, status=404)
        if not operation.started:
            return web.json_response({"error": "the operator is still starting"}, status=503)
        pod = operation.asker(remote, venue)
        if pod is None:
            operation.counters.budget_posts.labels(venue, "unknown").inc()
            return web.json_response({"error": f"no pod of ours that asks {venue} has the address {remote}"}, status=403)
        try:
            post = Post.model_validate_json(await request.text())
        except (ValidationError, UnicodeDecodeError):
            operation.counters.budget_posts.labels(venue, "invalid").inc()
            return web.json_response({"error": "this is no post of a worker"}, status=400)
        operation.counters.budget_posts.labels(venue, "answered").inc()
        operation.hear_trouble(pod, post.trouble)
        answer = operation.pauses.answer(venue, remote, post, operation.cache.addresses())
        return web.json_response(answer.model_dump())

    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
            web.post(BUDGET_PATH, budget),
        ]
    )
    return app


async def serve(operation: Operation, port: int) -> web.AppRunner:
    """Serves on every address; the caller cleans the runner up."""
    runner = web.AppRunner(application(operation), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


def _said(well: bool, why: str) -> web.Response:
    return web.Response(text="ok\n") if well else web.Response(status=503, text=f"{why}\n")
