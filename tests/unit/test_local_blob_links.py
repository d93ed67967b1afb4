"""The links of the local address: ranges, heads, browsers, clients that leave."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.types import Message

from local.blob_links import BlobLinks
from shared.storage.blobs import BlobStore
from shared.storage.blobs_folder import FolderBlobs
from tests.support.asgi_client import AsgiAnswer, call
from tests.support.virtual_time import ManualClock

DATA = bytes(range(256)) * 10_000  # several steps


class Address:
    """The handler over a folder with one blob of 2,560,000 bytes, ``a``."""

    def __init__(self, root: Path) -> None:
        self.folder = FolderBlobs(root, clock=ManualClock())
        self.store = BlobStore(self.folder)
        self.app = BlobLinks(self.folder)

    async def ask(self, link: str, method: str = "GET", **headers: str) -> AsgiAnswer:
        path, _, query = link.partition("?")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await call(self.app, path, method, query=query, headers=named)


@pytest.fixture
async def address(tmp_path: Path) -> Address:
    made = Address(tmp_path)
    await made.store.put("a", DATA, "text/html")
    return made


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, len(DATA)),
        ("bytes=-7", len(DATA) - 7, len(DATA)),
        ("bytes=100-99999999", 100, len(DATA)),
        ("bytes=1048570-1048590", 1_048_570, 1_048_591),
    ],
)
async def test_range_is_what_was_asked_for(
    address: Address, header: str, start: int, end: int
) -> None:
    answer = await address.ask(await address.store.signed_url("a", 60), Range=header)
    assert answer.status == 206
    assert answer.body == DATA[start:end]
    assert answer.headers["content-length"] == str(end - start)
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(DATA)}"


@pytest.mark.parametrize("header", ["bytes=-", "bytes=9-3", "bytes=1-2,5-6", "lines=1-2", "x"])
async def test_what_is_no_single_range_gets_everything(address: Address, header: str) -> None:
    answer = await address.ask(await address.store.signed_url("a", 60), Range=header)
    assert (answer.status, answer.body) == (200, DATA)


@pytest.mark.parametrize("header", ["bytes=2560000-", "bytes=9999999-99999999", "bytes=-0"])
async def test_range_outside_is_told(address: Address, header: str) -> None:
    answer = await address.ask(await address.store.signed_url("a", 60), Range=header)
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["content-range"] == "bytes */2560000"


async def test_head_tells_size_and_sends_nothing(address: Address) -> None:
    answer = await address.ask(await address.store.signed_url("a", 60), "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == "2560000"
    assert answer.headers["accept-ranges"] == "bytes"


async def test_stored_page_cannot_act_for_the_address(address: Address) -> None:
    answer = await address.ask(await address.store.signed_url("a", 60))
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_browser_of_another_origin_may_ask_first(address: Address) -> None:
    answer = await address.ask("/blobs/a", "OPTIONS")
    assert answer.status == 204
    assert "PUT" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize("method", ["DELETE", "POST", "PATCH"])
async def test_no_link_is_for_another_method(address: Address, method: str) -> None:
    link = await address.store.signed_url("a", 60)
    assert (await address.ask(link, method)).status == 403


@pytest.mark.parametrize(
    "query", ["", "expires=1", "expires=x&signature=y", "expires=9999999999999&signature=%FF"]
)
async def test_bad_link_is_refused_plainly(address: Address, query: str) -> None:
    for name in ("a", "nothing", "../secret", "a\udcff"):
        answer = await address.ask(f"/blobs/{name}?{query}")
        assert answer.status == 403


async def test_upload_with_a_type_that_is_none_is_refused(address: Address) -> None:
    link = await address.store.signed_url("up", 60, "PUT")
    answer = await address.ask(link, "PUT", Content_Type="???")
    assert answer.status == 400
    assert [each.name for each in await address.store.list()] == ["a"]


async def test_client_that_leaves_in_its_upload_leaves_nothing(address: Address) -> None:
    link = await address.store.signed_url("up", 60, "PUT")
    messages: list[Message] = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    path, _, query = link.partition("?")
    scope = {"type": "http", "method": "PUT", "path": path, "query_string": query.encode()}
    await address.app({**scope, "headers": []}, receive, send)
    assert sent == []
    assert [each.name for each in await address.store.list()] == ["a"]


async def test_blob_replaced_while_it_is_sent_ends_the_answer(address: Address) -> None:
    link = await address.store.signed_url("a", 60)
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("a GET has no body to read")

    async def send(message: Message) -> None:
        if not sent:
            await address.store.put("a", b"other", "text/plain")
        sent.append(message)

    path, _, query = link.partition("?")
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode()}
    await address.app({**scope, "headers": []}, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    assert DATA.startswith(body)
    assert len(body) < len(DATA)
    assert all(message.get("more_body") for message in sent[1:])
