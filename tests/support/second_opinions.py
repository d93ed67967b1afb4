"""Requests that are unsure, and what a scripted model says of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from shared.classify import classify_local
from shared.clock import Clock
from shared.messages import ChatRequest, JsonObject
from shared.model import Category
from tests.support.virtual_time import VirtualClock, run_virtual

FIRST = "groq-gpt-oss-20b"  # what lives behind the specification's classifier
SECOND = "cerebras-gpt-oss-120b"
LOCAL = replace(
    classify_local({"messages": [{"role": "user", "content": "hm"}]}), category=Category.MEDIUM
)


def answer(category: str = "COMPLEX", **more: object) -> str:
    said = {"category": category, "complexity": "HIGH", "confidence": 0.8, "reason": "a plan"}
    return json.dumps({**said, **more})


def request(text: str, **body: object) -> ChatRequest:
    messages: list[JsonObject] = [{"role": "user", "content": text}]
    whole: JsonObject = {"messages": [*messages], **body}  # type: ignore[dict-item]
    return ChatRequest(whole, "auto", messages, 20)


def on_virtual(main: Callable[[Clock], Awaitable[None]]) -> None:
    async def run() -> None:
        await main(VirtualClock(asyncio.get_running_loop()))

    run_virtual(run())
