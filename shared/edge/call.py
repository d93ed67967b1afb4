"""One HTTP call at the edge: who, what, when; and how it is written down when it ends."""

from __future__ import annotations

from msgspec import Struct

from shared.edge.allowance import allowance_headers
from shared.edge.asgi import Header
from shared.edge.dialect import OPENAI, Dialect
from shared.edge.identity import Identity
from shared.edge.sse_writer import SseWriter
from shared.limits.clients import Admission, ClientKey
from shared.messages import ChatRequest
from shared.pipeline.context import RequestContext

NOBODY = Identity(uid="")


class Call(Struct):
    """The state of one HTTP call. ``started`` is a monotonic reading in seconds."""

    request_id: str
    method: str
    path: str
    started: float
    identity: Identity = NOBODY
    status: int = 200
    code: str | None = None
    request: ChatRequest | None = None
    context: RequestContext | None = None
    writer: SseWriter | None = None  # the event stream, once there is one
    recorded: bool = False
    cors: tuple[Header, ...] = ()  # for a browser page of another origin
    client: ClientKey | None = None  # how the caller's own limit knows the caller
    allowance: Admission | None = None  # what is left of the caller's own limit
    dialect: Dialect = OPENAI  # how the caller is spoken to

    def headers(self) -> list[Header]:
        """The headers every response carries, with the caller's limit, model and provider once
        they are known."""
        headers: list[Header] = [(b"x-request-id", self.request_id.encode())]
        card = self.context.trace.answered if self.context is not None else None
        if card is not None:
            headers.append((b"x-codeex-model", card.id.encode()))
            headers.append((b"x-codeex-provider", card.provider.encode()))
        if self.allowance is not None:
            headers += allowance_headers(self.allowance)
        headers += self.cors
        return headers
