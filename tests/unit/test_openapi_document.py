"""docs/openapi.json against the code it describes: valid, whole, and with the code's own words."""

from __future__ import annotations

import json
from typing import cast

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared import VERSION, errors, messages
from shared.edge import chat_request, moderations_request, parse_options
from shared.edge.idempotency import MAX_KEY_CHARS
from shared.edge.parse_images import IMAGE_TYPES
from shared.edge.parse_messages import MAX_MESSAGES
from shared.edge.parse_tools import MAX_TOOLS
from shared.messages import JsonObject
from shared.model import Capability, Category, Health, Lifecycle
from shared.safety.moderation import OPENAI_CATEGORIES
from shared.safety.verdict import Severity, Stage
from shared.safety.violations import CATEGORIES, Kind
from shared.settings import PROVIDERS
from tests.support.asgi_client import call
from tests.support.chat_function import chat_function as function_of
from tests.support.openapi import DOCUMENT, METHODS, schema_named
from tests.support.simulation import at, fields, items

PATHS = fields(DOCUMENT["paths"])


def subclasses(base: type[errors.CodeexError]) -> list[type[errors.CodeexError]]:
    """Every class below ``base`` that can be raised."""
    direct = base.__subclasses__()
    return direct + [deeper for one in direct for deeper in subclasses(one)]


def enum(schema: str, *path: str | int) -> set[str | None]:
    """The values that the description allows there."""
    return cast(set[str | None], set(items(at(schema_named(schema), *path, "enum"))))


FUNCTIONS = ("chat", "jobs", "admin")


def described(path: str) -> set[str]:
    return {name.upper() for name in fields(PATHS[path]) if name in METHODS}


def test_it_is_valid_openapi_3_1() -> None:
    assert str(DOCUMENT["openapi"]).startswith("3.1.")
    assert at(DOCUMENT, "info", "version") == VERSION
    problems = [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()]
    assert problems == []


def served(function: str) -> dict[str, set[str]]:
    """What a public function serves: methods by path. Its root is left out: what is said there is
    Firebase's own protocol (docs/clients.md), and on the local address that path is a page."""
    routes = function_of(function).routes
    found = {path: set(methods) for path, methods in (routes.exact | routes.patterns).items()}
    assert found.pop("/") == {"POST"}
    return found | {"/health": {"GET"}}


def test_it_has_every_path_and_method_of_the_public_functions_and_no_other() -> None:
    everything: dict[str, set[str]] = {}
    for function in FUNCTIONS:
        everything |= served(function)
    assert {path: described(path) for path in PATHS} == everything


@pytest.mark.parametrize("path", PATHS)
async def test_the_function_takes_exactly_the_methods_described(path: str) -> None:
    function = function_of(next(name for name in FUNCTIONS if path in served(name)))
    address = path.replace("{id}", "groq-gpt-oss-120b")
    headers = {"authorization": "Bearer dev-admin"}
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        answer = await call(function, address, method, headers=headers)
        assert (answer.status != 405) == (method in described(path)), method
        # There is no such job, and no version to go back to; every path itself is there.
        assert answer.status != 404 or "there is nothing at" not in answer.text


def test_every_error_code_and_type_is_described_and_no_other() -> None:
    raised = subclasses(errors.CodeexError)
    assert enum("ErrorObject", "properties", "code") == {one.code for one in raised} | {"queued"}
    assert enum("ErrorObject", "properties", "type") == {one.type for one in raised}


def test_every_post_takes_an_idempotency_key_and_says_what_another_body_gets() -> None:
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    for path, operations in PATHS.items():
        if "post" in fields(operations):
            assert key in items(at(PATHS, path, "post", "parameters")), path
            assert "409" in fields(at(PATHS, path, "post", "responses")), path
    schema = fields(at(DOCUMENT, "components", "parameters", "IdempotencyKey", "schema"))
    assert schema["maxLength"] == MAX_KEY_CHARS


def test_every_status_described_is_one_the_errors_have() -> None:
    known = {str(one.status) for one in subclasses(errors.CodeexError)}
    for path, operations in PATHS.items():
        for method in METHODS & fields(operations).keys():
            statuses = set(fields(at(PATHS, path, method, "responses")))
            assert "200" in statuses
            assert statuses - {"200"} <= known


def test_every_field_a_chat_takes_is_described_and_no_other() -> None:
    asked = set(fields(at(schema_named("ChatFields"), "properties"))) | {"model"}
    assert asked == set(chat_request._FIELDS)
    options = set(fields(at(schema_named("RequestOptions"), "properties")))
    assert options == set(parse_options._KEYS)


def test_the_limits_described_are_the_ones_that_hold() -> None:
    chat = fields(at(schema_named("ChatFields"), "properties"))
    assert at(chat, "messages", "maxItems") == MAX_MESSAGES
    assert at(chat, "tools", "maxItems") == MAX_TOOLS
    assert at(chat, "n", "maximum") == chat_request.MAX_N
    assert at(chat, "max_tokens", "maximum") == chat_request.MAX_OUTPUT_TOKENS
    assert at(chat, "stop", "anyOf", 1, "maxItems") == chat_request.MAX_STOPS
    assert at(chat, "top_logprobs", "maximum") == chat_request.MAX_TOP_LOGPROBS
    efforts = enum("ChatFields", "properties", "reasoning_effort")
    assert efforts == {*chat_request.REASONING_EFFORTS, None}
    judged = fields(at(schema_named("ModerationsRequest"), "properties", "input"))
    assert at(judged, "oneOf", 1, "maxItems") == moderations_request.MAX_INPUTS
    assert at(judged, "oneOf", 2, "maxContains") == moderations_request.MAX_IMAGES
    assert at(schema_named("ModeratedText"), "maxLength") == moderations_request.MAX_CHARACTERS
    options = fields(at(schema_named("RequestOptions"), "properties"))
    assert at(options, "deadline_seconds", "maximum") == parse_options.MAX_DEADLINE_S
    assert at(options, "priority", "maximum") == parse_options.MAX_PRIORITY
    usual = messages.RequestOptions()
    assert at(options, "patience_seconds", "default") == usual.patience_s
    assert at(options, "priority", "default") == usual.priority
    pattern = at(schema_named("ImagePart"), "properties", "image_url", "properties", "url")
    assert "|".join(IMAGE_TYPES) in str(fields(pattern)["pattern"])


def test_enumerations_are_the_codes_own() -> None:
    assert enum("Category") == set(Category)
    assert enum("Lifecycle") == set(Lifecycle)
    assert enum("ViolationCategory") == set(CATEGORIES)
    assert enum("Severity") == set(Severity)
    assert enum("Stage") == set(Stage)
    of_violation = ("properties", "data", "items", "properties")
    assert enum("Violations", *of_violation, "kind") == set(Kind)
    assert set(items(schema_named("ModerationCategories")["required"])) == set(OPENAI_CATEGORIES)
    of_model = ("properties", "codeex", "properties")
    assert enum("Model", *of_model, "health") == set(Health)
    assert enum("Model", *of_model, "capabilities", "items") == set(Capability)
    providers = {*PROVIDERS, "local"}
    assert enum("Candidate", "properties", "provider") == providers
    assert enum("Attempt", "properties", "provider") == providers
    listed = ("properties", "avoid_providers", "items")
    assert enum("RequestOptions", *listed) == providers


def test_every_reference_leads_somewhere_and_every_part_is_used() -> None:
    named = set()
    todo: list[object] = [DOCUMENT]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                named.add(value["$ref"])
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
    parts = fields(DOCUMENT["components"])
    there = {
        f"#/components/{kind}/{name}"
        for kind, members in parts.items()
        if kind != "securitySchemes"
        for name in fields(members)
    }
    assert named == there


def test_examples_of_requests_are_requests() -> None:
    for name in ("ChatRequest", "RouteRequest"):
        for example in items(schema_named(name)["examples"]):
            body: JsonObject = {"model": "auto", **fields(example)}
            parsed = chat_request.parse_chat_request(json.dumps(body).encode(), is_admin=False)
            assert parsed.messages
