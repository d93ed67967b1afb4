"""The simulator's sockets: a port for each provider, chosen by the system, and the faults there."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import Callable

from aiohttp import web

from local.sim.elevenlabs_wire import ElevenLabsWire
from local.sim.errors import WireError, error_answer
from local.sim.faults import Fault, Faults
from local.sim.gemini_wire import GeminiWire
from local.sim.journal import Journal, Received
from local.sim.latency import FIRST_TOKEN_SHARE, Latency
from local.sim.limit_headers import LimitHeaders
from local.sim.models import ServedModels, names
from local.sim.openai_wire import OpenAiWire
from local.sim.wire import SimAnswer, SimRequest, SimWire, Target
from shared.catalog.registry import Catalog
from shared.clock import Clock

_HOST = "127.0.0.1"
_MOST_BODY_BYTES = 100 * 1024 * 1024
_GARBAGE = b'\x00\xff{"broken": [not json at all}}\n\n<html>'


class Simulator:
    """All simulated providers. ``start`` opens the ports, ``stop`` closes them at once."""

    def __init__(
        self,
        providers: tuple[str, ...],
        catalog: Catalog,
        clock: Clock,
        rng: random.Random,
        *,
        typical_latency: bool = False,
    ) -> None:
        models = ServedModels(catalog)
        self.providers = providers
        self.key = f"simulated-{secrets.token_hex(8)}"
        self.faults = Faults(providers, models.knows, rng)
        self.journal = Journal()
        self._clock = clock
        self._latency = Latency(typical_latency, rng)
        self._wires = {name: _wire(name, models, clock.wall) for name in providers}
        self._runners: list[web.AppRunner] = []

    async def start(self) -> dict[str, str]:
        """Open the ports; the base address of each provider. Raises ``OSError``."""
        urls: dict[str, str] = {}
        for name, wire in self._wires.items():
            app = web.Application(client_max_size=_MOST_BODY_BYTES)
            app.router.add_route("*", "/{path:.*}", _Door(name, wire, self).handle)
            # A client that leaves ends what is done for it, as at a real provider.
            runner = web.AppRunner(
                app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
            )
            await runner.setup()
            self._runners.append(runner)
            site = web.TCPSite(runner, _HOST, 0)
            await site.start()
            port = runner.addresses[0][1]
            urls[name] = f"http://{_HOST}:{port}{wire.base_path}"
        return urls

    async def stop(self) -> None:
        """Close every port and connection."""
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        self._runners.clear()

    @property
    def clock(self) -> Clock:
        """The clock that calls are dated and delayed by."""
        return self._clock

    @property
    def latency(self) -> Latency:
        """How long answers take."""
        return self._latency


def _wire(provider: str, models: ServedModels, now: Callable[[], float]) -> SimWire:
    if provider == "google":
        return GeminiWire(models)
    if provider == "elevenlabs":
        return ElevenLabsWire(models)
    return OpenAiWire(provider, models, LimitHeaders(now), now)


class _Door:
    """One provider's port."""

    def __init__(self, provider: str, wire: SimWire, simulator: Simulator) -> None:
        self._provider = provider
        self._wire = wire
        self._simulator = simulator

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one call, or fail it as a fault demands."""
        simulator = self._simulator
        call = simulator.journal.begin(
            self._provider, request.method, request.path, simulator.clock.wall()
        )
        try:
            return await self._serve(request, call)
        except asyncio.CancelledError:
            call.client_left = True
            raise
        finally:
            call.finished_at = simulator.clock.wall()

    async def _serve(self, request: web.Request, call: Received) -> web.StreamResponse:
        asked = await _read(request)
        call.keep_body(asked.json, len(asked.body))
        target = self._wire.target(asked)
        call.model, call.stream = target.model_id, target.stream
        fault = self._fault(target)
        if fault is not None:
            call.fault = fault.kind
            if fault.delay_ms:
                await self._simulator.clock.sleep(fault.delay_ms / 1000)
        answer = self._answer(asked, target, fault)
        return await _Sender(request, answer, fault, call, self._simulator).send()

    def _fault(self, target: Target) -> Fault | None:
        known = names(target.card) if target.card is not None else ()
        given = (target.model_id,) if target.model_id is not None else ()
        return self._simulator.faults.strike(self._provider, target.model_id, (*known, *given))

    def _answer(self, asked: SimRequest, target: Target, fault: Fault | None) -> SimAnswer:
        try:
            if fault is not None and fault.kind == "status":
                raise WireError(fault.status, "", retry_after=fault.retry_after)
            if self._wire.key_of(asked) != self._simulator.key:
                raise WireError(*_NO_KEY[self._provider])
            return self._wire.answer(asked, target)
        except WireError as error:
            made = error_answer(self._provider, error)
            return SimAnswer([made.body], status=made.status, headers=made.headers)


# Google tells a bad key by 400 and a reason; everybody else by 401.
_NO_KEY: dict[str, tuple[int, str, str]] = {
    "groq": (401, "Invalid API Key", "invalid_api_key"),
    "cerebras": (401, "Wrong API Key", "wrong_api_key"),
    "google": (400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"),
    "huggingface": (401, "Invalid username or password.", ""),
    "elevenlabs": (401, "Invalid API key", "invalid_api_key"),
}


async def _read(request: web.Request) -> SimRequest:
    body = await request.read()
    parsed = None
    if body:
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            parsed = None
    headers = {name.lower(): value for name, value in request.headers.items()}
    return SimRequest(request.method, request.path, dict(request.query), headers, body, parsed)


class _Sender:
    """Writes one answer, broken as the fault says."""

    def __init__(
        self,
        request: web.Request,
        answer: SimAnswer,
        fault: Fault | None,
        call: Received,
        simulator: Simulator,
    ) -> None:
        self._request = request
        self._answer = answer
        self._fault = fault
        self._call = call
        self._simulator = simulator

    async def send(self) -> web.StreamResponse:
        """Send it; returns when all is sent, or never (a ``hang`` ends when the client leaves)."""
        answer = self._answer
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_type = answer.content_type
        whole = sum(len(frame) for frame in answer.frames)
        ending = self._ending()
        limit = whole if ending is None else min(ending.after_bytes, whole - 1)
        if ending is not None and limit == 0 and ending.kind != "garbage":
            await self._end(ending, response)
            return response
        if not answer.stream and (ending is None or ending.kind != "garbage"):
            response.content_length = whole
        await self._write(response, limit)
        if ending is not None:
            await self._end(ending, response)
        return response

    def _ending(self) -> Fault | None:
        """The fault that ends this answer early, if any."""
        fault = self._fault
        return fault if fault is not None and fault.kind in ("hang", "cut", "garbage") else None

    async def _write(self, response: web.StreamResponse, limit: int) -> None:
        """The first ``limit`` bytes of the answer, at the pace of the drawn latency."""
        first_s, between_s = self._pace()
        if first_s:
            await self._simulator.clock.sleep(first_s)
        self._call.status = self._answer.status
        await response.prepare(self._request)
        for number, frame in enumerate(self._answer.frames):
            if limit <= 0:
                return
            if number and between_s:
                await self._simulator.clock.sleep(between_s)
            await response.write(frame[:limit])
            limit -= len(frame)

    def _pace(self) -> tuple[float, float]:
        """Seconds before the first frame and between frames."""
        answer, fault = self._answer, self._fault
        seconds = self._simulator.latency.draw(answer.work) if answer.work is not None else 0.0
        gaps = len(answer.frames) - 1
        if not answer.stream or gaps < 1:
            return seconds, 0.0
        first = seconds * FIRST_TOKEN_SHARE
        rest = seconds - first
        if fault is not None and fault.kind == "slow":
            rest += fault.delay_ms / 1000
        return first, rest / gaps

    async def _end(self, fault: Fault, response: web.StreamResponse) -> None:
        if fault.kind == "hang":
            await asyncio.Event().wait()
        elif fault.kind == "garbage":
            await response.write(_GARBAGE)
        elif self._request.transport is not None:
            self._request.transport.close()
