"""docs/openapi.json as a judge of answers."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import jsonschema_rs

from shared.messages import JsonObject, JsonValue
from tests.support.router_client import EVENT_STREAM, Answer
from tests.support.simulation import at, fields

_FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "openapi.json"
DOCUMENT: JsonObject = json.loads(_FILE.read_text(encoding="utf-8"))
METHODS = frozenset(("get", "put", "post", "delete", "options", "head", "patch", "trace"))


def schema_named(name: str) -> JsonObject:
    """A schema of the description, references unfollowed."""
    return fields(at(DOCUMENT, "components", "schemas", name))


def check(name: str, value: JsonValue) -> None:
    """Fails the test unless ``value`` is what the schema ``name`` says."""
    problems = [f"{e.instance_path}: {e.message}" for e in _validator(name).iter_errors(value)]
    assert problems == [], problems[:5]


def check_answer(answer: Answer, method: str, path: str) -> None:
    """Fails the test unless the description has this status for the operation, with this media
    type, these headers and this body."""
    responses = fields(at(DOCUMENT, "paths", path, method.lower(), "responses"))
    assert str(answer.status) in responses, (answer.status, answer.body[:300])
    described = _followed(responses[str(answer.status)])
    for name, reference in fields(described.get("headers", {})).items():
        header = _followed(reference)
        if header.get("required") is True:
            assert name.lower() in answer.headers, name
    content = fields(described["content"])
    assert answer.media_type in content
    schema = str(at(content, answer.media_type, "schema", "$ref")).rpartition("/")[2]
    if answer.media_type != EVENT_STREAM:
        check(schema, answer.json())
        return
    assert schema == "StreamEvent"
    events = answer.events()
    for event in events:
        check_event(event)
    assert events[-1] == "[DONE]" or "error" in json.loads(events[-1])


def check_event(event: str) -> None:
    """Fails the test unless the data of a stream's event is what the description says."""
    if event != "[DONE]":
        loaded = fields(json.loads(event))
        check("Error" if "error" in loaded else "ChatCompletionChunk", loaded)


def _followed(value: JsonValue) -> JsonObject:
    """The object, or the one it refers to."""
    found = fields(value)
    reference = found.get("$ref")
    if reference is None:
        return found
    steps = str(reference).removeprefix("#/").split("/")
    return fields(at(DOCUMENT, *steps))


@functools.cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
