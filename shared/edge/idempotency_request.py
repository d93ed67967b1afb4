"""How a request was made, as text beside its body: so that a worker can make it again.

Nothing in it lets anybody in: of the token there is only whom it was for.
"""

from __future__ import annotations

import orjson
from msgspec import Struct
from starlette.types import Receive

from shared.edge.asgi import HttpRequest
from shared.edge.call import Call
from shared.edge.identity import Identity
from shared.messages import JsonObject

# The headers that a handler reads.
_READ = ("accept", "content-type", "prefer")


class Asked(Struct, frozen=True):
    """``headers`` by lower-case name."""

    path: str
    query: str
    headers: dict[str, str]
    request_id: str
    identity: Identity

    @classmethod
    def of(cls, http: HttpRequest, call: Call) -> Asked:
        """What was asked, and by whom."""
        given = {name: http.header(name.encode()) for name in _READ}
        headers = {name: value for name, value in given.items() if value is not None}
        query = http.query.decode("latin-1")
        return cls(http.path, query, headers, call.request_id, call.identity)

    @classmethod
    def from_text(cls, text: str) -> Asked:
        """What ``to_text`` wrote."""
        data = orjson.loads(text)
        who = data["identity"]
        identity = Identity(
            who["uid"],
            admin=who["admin"],
            anonymous=who["anonymous"],
            tier=who["tier"],
            by_key=who["by_key"],
        )
        return cls(data["path"], data["query"], data["headers"], data["request_id"], identity)

    def to_text(self) -> str:
        """As JSON."""
        who = self.identity
        headers: JsonObject = {**self.headers}
        body: JsonObject = {
            "path": self.path,
            "query": self.query,
            "headers": headers,
            "request_id": self.request_id,
            "identity": {
                "uid": who.uid,
                "admin": who.admin,
                "anonymous": who.anonymous,
                "tier": who.tier,
                "by_key": who.by_key,
            },
        }
        return orjson.dumps(body).decode()

    def http(self, receive: Receive) -> HttpRequest:
        """The request, whose body comes from ``receive``."""
        headers = [(n.encode(), v.encode("latin-1")) for n, v in self.headers.items()]
        scope = {
            "type": "http",
            "method": "POST",
            "path": self.path,
            "query_string": self.query.encode("latin-1"),
            "headers": headers,
        }
        return HttpRequest(scope, receive)

    def call(self, started: float) -> Call:
        """A call of the same person under the same request id."""
        return Call(self.request_id, "POST", self.path, started, identity=self.identity)
