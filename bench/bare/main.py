"""The yardstick: functions-framework and aiohttp, passing bytes through and nothing else."""

import os
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

URL = os.environ["UPSTREAM_URL"] + "/chat/completions"
HEADERS = {"Authorization": "Bearer bench", "Content-Type": "application/json"}


class PassThrough:
    """Sends the body on and the answer back, streamed where the request says so."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        body = b"".join([part async for part in _parts(receive)])
        async with self._session.post(URL, data=body, headers=HEADERS) as answer:
            kind = answer.headers.get("content-type", "application/json").encode()
            headers = [(b"content-type", kind)]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            if b"event-stream" in kind:
                async for part in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            else:
                await send({"type": "http.response.body", "body": await answer.read()})


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        yield message.get("body", b"")


application = PassThrough()


@functions_framework.aio.http
async def bare(_request: Request) -> Response:
    """The bare pass-through. functions-framework takes any ASGI application as a response."""
    return cast(Response, application)
