"""All eleven categories route to a living model with a reason (R27.6), asked of POST /v1/route."""

from __future__ import annotations

import pytest

from shared.messages import JsonObject, JsonValue
from shared.model import Category
from tests.support.openapi import check_answer
from tests.support.router_client import RouterClient
from tests.support.simulation import fields, items

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAE"
    "hQGAhKmMIQAAAABJRU5ErkJggg=="
)
CALENDAR: JsonValue = {"type": "function", "function": {"name": "add_to_calendar"}}


def user(content: JsonValue, **more: JsonValue) -> JsonObject:
    return {"messages": [{"role": "user", "content": content}], **more}


REQUESTS: dict[str, tuple[Category, JsonObject]] = {
    "a short fact": (Category.SIMPLE, user("What is the capital of Norway?")),
    "small talk": (Category.SIMPLE, user("Good morning, how are you?")),
    "an explanation": (Category.MEDIUM, user("Explain how vaccines work.")),
    "advice": (Category.MEDIUM, user("Give me some advice on how to sleep better at night.")),
    "a plan": (
        Category.COMPLEX,
        user("Plan our move to a new warehouse with a fixed budget and three deadlines."),
    ),
    "a strategy": (
        Category.COMPLEX,
        user(
            "Draw up a market entry strategy for a small brewery in Japan, given import law, a "
            "budget of 200,000 euros and one year of time. Compare the risks of each option."
        ),
    ),
    "a repair": (Category.CODING, user("Why does this function raise a KeyError?")),
    "a program": (Category.CODING, user("Write a Python function that merges two sorted lists.")),
    "a proof": (Category.REASONING, user("Prove that the square root of 2 is irrational.")),
    "a puzzle": (
        Category.REASONING,
        user(
            "Three switches control three lamps in another room. You may enter that room once. "
            "Which switch belongs to which lamp? Solve the puzzle step by step."
        ),
    ),
    "a picture to look at": (
        Category.VISION_IN,
        user(
            [
                {"type": "text", "text": "What is in this picture?"},
                {"type": "image_url", "image_url": {"url": PIXEL}},
            ]
        ),
    ),
    "a picture to make": (Category.IMAGE_GEN, user("Draw a red fox in the snow.")),
    "a video to make": (Category.VIDEO_GEN, user("Make a short video of waves at dawn.")),
    "Spanish": (Category.MULTILINGUAL, user("¿Cómo se dice esto en francés?")),
    "a translation": (
        Category.MULTILINGUAL,
        user("Translate into German: the train leaves at noon."),
    ),
    "Japanese": (Category.MULTILINGUAL, user("東京の明日の天気はどうですか。")),
    "a booking": (Category.AGENTIC, user("Book a table for four tonight.")),
    "tools given": (Category.AGENTIC, user("I meet Ana at noon.", tools=[CALENDAR])),
    "a long text": (Category.LONG_CONTEXT, user("Summarize this book. " + "The sea. " * 60_000)),
}


@pytest.mark.parametrize(("category", "body"), REQUESTS.values(), ids=REQUESTS)
def test_a_category_routes_to_a_living_model_with_a_reason(
    router: RouterClient, category: Category, body: JsonObject
) -> None:
    answer = router.post("/v1/route", body)
    assert answer.status == 200, answer.body[:500]
    check_answer(answer, "post", "/v1/route")
    classification, plan = fields(answer.json()["classification"]), fields(answer.json()["plan"])
    assert (classification["category"], plan["category"]) == (category, category)
    assert classification["reasoning"]
    first = fields(items(plan["chain"])[0])
    model = router.get(f"/v1/models/{first['model']}").json()
    told = fields(model["codeex"])
    assert told["status"] in ("ACTIVE", "DYING")
    assert told["enabled"] is True
    assert str(told["name"]) in str(plan["reason"])
    assert str(category) in str(plan["reason"])


def test_every_category_is_asked_for() -> None:
    assert {category for category, _ in REQUESTS.values()} == set(Category)
