"""Pages of other origins: preflights need no token, answers can be read by those allowed."""

from __future__ import annotations

import pytest

from shared.edge.cors import CorsPolicy, hosting_origins
from shared.messages import JsonObject
from tests.support.edge_driver import TOKEN, House, Sent
from tests.support.virtual_time import run_virtual

OWN = "https://demo-edge.web.app"
ASKING = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-lang",
}
CHAT = "/v1/chat/completions"
MESSAGES: JsonObject = {"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}


def ask(path: str, *, origin: str | None = OWN, stream: bool = False, **headers: str) -> Sent:
    async def main() -> Sent:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"origin": origin} if origin else {}
        body = {**MESSAGES, "stream": stream} if path == CHAT else None
        return await House(GOOGLE_CLOUD_PROJECT="demo-edge").call(
            path, body, headers={**TOKEN, **sent}
        )

    return run_virtual(main())


def preflight(origin: str, path: str = CHAT, allowed: str = "") -> Sent:
    async def main() -> Sent:
        house = House(GOOGLE_CLOUD_PROJECT="demo-edge", ALLOWED_ORIGINS=allowed)
        return await house.call(path, method="OPTIONS", headers={"origin": origin, **ASKING})

    return run_virtual(main())


@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/health", "/v1/not-there-yet"])
def test_a_preflight_needs_no_token(path: str) -> None:
    answer = preflight(OWN, path)
    assert answer.status == 204
    assert answer.body == b""
    assert "content-length" not in answer.headers
    assert answer.headers["access-control-allow-origin"] == OWN
    assert "POST" in answer.headers["access-control-allow-methods"]
    asked = ASKING["access-control-request-headers"]
    assert answer.headers["access-control-allow-headers"] == asked
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["x-request-id"]


def test_a_preflight_of_a_stranger_allows_nothing() -> None:
    answer = preflight("https://evil.example")
    assert answer.status == 204
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_options_that_is_no_preflight_needs_a_token() -> None:
    async def main() -> Sent:
        return await House().call(CHAT, method="OPTIONS", headers={"origin": OWN})

    assert run_virtual(main()).status == 401


@pytest.mark.parametrize("stream", [False, True])
def test_a_page_can_read_answers_and_their_headers(stream: bool) -> None:
    answer = ask(CHAT, stream=stream)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == OWN
    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert {"x-request-id", "x-codeex-model", "x-ratelimit-limit-requests"} <= set(exposed)
    assert {"retry-after", "location"} <= set(exposed)


def test_a_page_can_read_errors() -> None:
    for answer in (ask("/nothing"), ask("/v1/models", authorization="Bearer wrong")):
        assert answer.status in (401, 404)
        assert answer.headers["access-control-allow-origin"] == OWN


def test_nobody_elses_answers_carry_the_headers() -> None:
    for origin in (None, "https://evil.example", "null", "https://demo-edge.web.app.evil.example"):
        assert "access-control-allow-origin" not in ask("/v1/models", origin=origin).headers


def test_the_operators_origins_replace_the_sites() -> None:
    allowed = "https://app.example/, http://localhost:*"
    for origin in ("https://app.example", "http://localhost:5173", "http://localhost"):
        answer = preflight(origin, allowed=allowed)
        assert answer.headers["access-control-allow-origin"] == origin
    for origin in (OWN, "http://localhost:5173.evil.example", "http://localhost.evil.example"):
        assert "access-control-allow-origin" not in preflight(origin, allowed=allowed).headers


def test_a_star_allows_everybody_and_no_project_nobody() -> None:
    assert CorsPolicy(["*"]).allows("https://anywhere.example")
    assert not CorsPolicy(hosting_origins(None)).allows("https://.web.app")
    sites = CorsPolicy(hosting_origins("my-app"))
    assert sites.allows("https://my-app.web.app")
    assert sites.allows("https://my-app.firebaseapp.com")


def test_header_names_that_are_none_are_not_repeated() -> None:
    async def main() -> Sent:
        headers = {"origin": OWN, **ASKING, "access-control-request-headers": "a\u00ff<b>"}
        house = House(GOOGLE_CLOUD_PROJECT="demo-edge")
        return await house.call(CHAT, method="OPTIONS", headers=headers)

    answer = run_virtual(main())
    assert answer.status == 204
    assert "access-control-allow-headers" not in answer.headers
