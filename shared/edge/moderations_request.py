"""The body of ``POST /v1/moderations`` (OpenAI's shape)."""

from __future__ import annotations

from msgspec import Struct

from shared.edge.json_body import array, json_object, kind, load_object, string, wrong
from shared.edge.parse_images import check_image_part
from shared.errors import ModelNotFound
from shared.messages import JsonObject, JsonValue
from shared.pipeline.moderations import ModerationInput

# Every input is a guard's call, and those are the scarcest thing there is (R14).
MAX_INPUTS = 16
MAX_CHARACTERS = 100_000  # of all inputs together
MAX_IMAGES = 4
# OpenAI's own models, which its SDK and those who follow it name, and nothing else.
_THEIRS = ("omni-moderation-", "text-moderation-")


class ModerationsRequest(Struct, frozen=True):
    """What is to be judged."""

    inputs: list[ModerationInput]


def parse_moderations_request(body: bytes) -> ModerationsRequest:
    """The request that ``body`` (JSON, UTF-8) holds.

    ``model`` may be left out: the guard chain judges. Raises ``InvalidRequest`` with the field's
    path in ``param``, ``ModelNotFound`` and ``PayloadTooLarge``.
    """
    loaded = load_object(body)
    _check_model(loaded.get("model"))
    inputs = _inputs(loaded.get("input"))
    characters = sum(len(item.text) for item in inputs)
    if characters > MAX_CHARACTERS:
        wrong(
            "input",
            f"has {characters:,} characters and the limit is {MAX_CHARACTERS:,}: send less at once",
        )
    return ModerationsRequest(inputs)


def _check_model(model: JsonValue) -> None:
    if model is None:
        return
    name = string(model, "model")
    if name != "auto" and not name.startswith(_THEIRS):
        raise ModelNotFound(
            "model: the guards are chosen by the router: leave it out, or send auto or a name "
            "of OpenAI's such as omni-moderation-latest",
            param="model",
        )


def _inputs(value: JsonValue) -> list[ModerationInput]:
    if isinstance(value, str):
        return [ModerationInput(_text(value, "input"))]
    if not isinstance(value, list):
        wrong("input", f"expected a string, an array of strings or of parts, found {kind(value)}")
    if not value:
        wrong("input", "is empty: send at least one text")
    if isinstance(value[0], dict):
        return [_parts(value)]
    if len(value) > MAX_INPUTS:
        wrong(
            "input", f"has {len(value):,} texts and the limit is {MAX_INPUTS}: send them in turns"
        )
    return [
        ModerationInput(_text(string(item, f"input[{index}]"), f"input[{index}]"))
        for index, item in enumerate(value)
    ]


def _parts(value: list[JsonValue]) -> ModerationInput:
    """Parts are one input: its texts and its images belong together."""
    texts: list[str] = []
    images: list[JsonObject] = []
    for index, item in enumerate(array(value, "input")):
        path = f"input[{index}]"
        part = json_object(item, path)
        match part.get("type"):
            case "text":
                texts.append(_text(string(part.get("text"), f"{path}.text"), f"{path}.text"))
            case "image_url":
                check_image_part(part, path)
                images.append({"type": "image_url", "image_url": part["image_url"]})
            case _:
                wrong(f"{path}.type", "must be text or image_url")
    if len(images) > MAX_IMAGES:
        wrong("input", f"has {len(images)} images and the limit is {MAX_IMAGES}")
    return ModerationInput("\n".join(texts), tuple(images))


def _text(value: str, param: str) -> str:
    if not value.strip():
        wrong(param, "is empty: send a text of at least one character that is no blank")
    return value
