"""``POST /v1/moderations`` in OpenAI's shape, judged by the guard chain."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Send

from shared.clock import Clock, Deadline
from shared.edge.asgi import HttpRequest, refuse_form_bodies, send_json, unless_client_leaves
from shared.edge.call import Call
from shared.edge.moderations_request import parse_moderations_request
from shared.errors import FeatureDisabled
from shared.messages import JsonObject, JsonValue
from shared.pipeline.chat import PLAIN_DEADLINE_S
from shared.pipeline.moderations import Guard, ModerationInput, moderate
from shared.safety.moderation import moderation_of
from shared.safety.verdict import Verdict


class ModerationsEndpoint:
    """Says what ``guard`` thinks of a text. ``enabled``: whether guards are in force (R2.10)."""

    __slots__ = ("_clock", "_enabled", "_guard")

    def __init__(self, guard: Guard, enabled: Callable[[], bool], clock: Clock) -> None:
        self._guard = guard
        self._enabled = enabled
        self._clock = clock

    async def create(self, http: HttpRequest, send: Send, call: Call) -> None:
        """Judge every input, in order. Raises ``SafetyUnavailable`` where one cannot be."""
        refuse_form_bodies(http)
        request = parse_moderations_request(await http.body())
        if not self._enabled():
            raise FeatureDisabled(
                "the guards are switched off (ENABLE_SAFETY_GUARD); the operator can switch them on"
            )
        deadline = Deadline(self._clock, call.started + PLAIN_DEADLINE_S)
        verdicts = await unless_client_leaves(
            http.receive, moderate(self._guard, request.inputs, deadline)
        )
        await send_json(send, 200, call.headers(), _body(request.inputs, verdicts, call.request_id))


def _body(inputs: list[ModerationInput], verdicts: list[Verdict], request_id: str) -> JsonObject:
    """OpenAI's answer; ours in ``codeex``: the verdicts as they are, and what they took."""
    pairs = list(zip(inputs, verdicts, strict=True))
    results: list[JsonValue] = [
        moderation_of(verdict, has_text=bool(item.text)) for item, verdict in pairs
    ]
    own: list[JsonValue] = [
        {**verdict.to_json(), "images": _images(item, verdict)} for item, verdict in pairs
    ]
    return {
        "id": f"modr-{request_id}",
        "model": verdicts[0].judge,
        "results": results,
        "codeex": {
            "request_id": request_id,
            "verdicts": own,
            "guarded_tokens": sum(verdict.tokens for verdict in verdicts),
            "spent_tokens": sum(verdict.spent for verdict in verdicts),
            "calls": sum(verdict.calls for verdict in verdicts),
        },
    }


def _images(item: ModerationInput, verdict: Verdict) -> str | None:
    """Whether its images were seen; None: it has none."""
    if not item.images:
        return None
    return "seen" if verdict.images else "unseen"
