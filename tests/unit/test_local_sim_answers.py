"""What simulated models say: marked, deterministic, and a little to the point."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sim.answers import answer
from local.sim.arithmetic import solve
from local.sim.prompt import SimImage, SimPrompt, SimTool, pieces
from shared.messages import JsonObject

WEATHER = SimTool(
    "get_weather",
    "The weather of a city today",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
ADD = SimTool(
    "add",
    "Adds two numbers",
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)


def prompt(text: str, tools: list[SimTool] | None = None) -> SimPrompt:
    return SimPrompt("m-1", user=text, history=f"user: {text}", tools=tools or [])


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("Hello!", "Hello!"),
        ("What is 17 * 23?", "17 * 23 = 391"),
        ("What is 7 times 6?", "7 * 6 = 42"),
        ("Write a Python function", "```python"),
        ("a TypeScript class please", "```typescript"),
        ("some sql", "```sql"),
        ("html code", "```html"),
        ("Explain gravity", "### Explain gravity"),
        ("Reply with: pong", "pong"),
        ("The sky is blue.", "You said: The sky is blue."),
        ("", "no question"),
    ],
)
def test_answers_are_marked_and_to_the_point(question: str, part: str) -> None:
    said = answer(prompt(question)).text
    assert said.startswith("[simulated m-1]")
    assert part in said
    assert said == answer(prompt(question)).text


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("2+2", "4"),
        ("(2 + 3) * 4", "20"),
        ("10 / 4", "2.5"),
        ("2 ** 10", "1024"),
        ("1 - 5", "-4"),
        ("7 % 4", "3"),
        ("12 divided by 4", "3"),
        ("0.5 * 0.5", "0.25"),
    ],
)
def test_small_sums_are_worked_out(text: str, result: str) -> None:
    solved = solve(f"what is {text}?")
    assert solved is not None
    assert solved[1] == result


@pytest.mark.parametrize(
    "text", ["no sum", "1 / 0", "9 ** 9999", "version 3.8-flash", "2 +", "((2 + 3"]
)
def test_what_is_no_sum_stays_unsolved(text: str) -> None:
    assert solve(text) is None


@given(st.text(alphabet="0123456789+-*/%() .", max_size=40))
def test_no_sum_is_a_crash(text: str) -> None:
    solved = solve(text)
    assert solved is None or solved[1] != ""


def test_a_tool_is_called_when_the_question_means_it() -> None:
    calls = answer(prompt("What is the weather in Paris?", [ADD, WEATHER])).tool_calls
    assert [(call.name, call.arguments) for call in calls] == [("get_weather", {"city": "Paris"})]


def test_several_names_are_several_calls_unless_forbidden() -> None:
    asked = prompt("Weather in Paris and Rome?", [WEATHER])
    assert [c.arguments["city"] for c in answer(asked).tool_calls] == ["Paris", "Rome"]
    assert len({call.id for call in answer(asked).tool_calls}) == 2
    asked.parallel_tools = False
    assert len(answer(asked).tool_calls) == 1


def test_numbers_of_the_question_become_arguments_in_order() -> None:
    calls = answer(prompt("add 4 and 38", [ADD])).tool_calls
    assert calls[0].arguments == {"a": 4, "b": 38}


def test_a_question_that_means_no_tool_is_answered_in_text() -> None:
    said = answer(prompt("Hello!", [WEATHER, ADD]))
    assert said.tool_calls == []
    assert "Hello" in said.text


def test_a_forced_tool_is_called_whatever_was_asked() -> None:
    asked = prompt("Hello!", [WEATHER, ADD])
    asked.force_tool = "add"
    assert answer(asked).tool_calls[0].name == "add"
    asked.force_tool = ""
    assert answer(asked).tool_calls


def test_a_tools_result_is_used() -> None:
    asked = prompt("What is the weather in Paris?", [WEATHER])
    asked.tool_results = [("get_weather", '{"sky": "clear"}')]
    said = answer(asked)
    assert said.tool_calls == []
    assert '`get_weather` says: {"sky": "clear"}' in said.text


def test_structured_output_is_json_of_the_schema() -> None:
    asked = prompt("Is this safe?")
    asked.output = "json_schema"
    asked.schema = {
        "type": "object",
        "properties": {
            "violation": {"enum": [0, 1]},
            "category": {"enum": ["HATE_SPEECH", "VIOLENCE"]},
            "rationale": {"type": "string"},
        },
        "required": ["violation", "category", "rationale"],
    }
    made: JsonObject = json.loads(answer(asked).text)
    assert made["violation"] == 0
    assert set(made) == {"violation", "category", "rationale"}
    asked.output = "json_object"
    assert json.loads(answer(asked).text)["simulated"] is True


def test_images_are_acknowledged_with_format_and_size() -> None:
    asked = prompt("What is this?")
    asked.images = [SimImage("image/png", 1234), SimImage("image", None)]
    said = answer(asked).text
    assert "1. image/png, 1,234 bytes" in said
    assert "2. image, given by its address" in said


@given(limit=st.integers(1, 60), thinks=st.booleans())
def test_the_token_limit_holds_and_leaves_some_text(limit: int, thinks: bool) -> None:
    asked = prompt("Explain gravity to me")
    asked.thinks = thinks
    whole = answer(asked)
    asked.max_tokens = limit
    made = answer(asked)
    assert made.completion_tokens <= max(limit, 1)
    assert made.text
    assert made.cut_off == (made.text != whole.text)
    assert whole.text.startswith(made.text)


def test_a_stop_sequence_ends_the_text_before_itself() -> None:
    asked = prompt("Reply with: one two three")
    asked.stop = ("two",)
    made = answer(asked)
    assert made.text.endswith("one ")
    assert not made.cut_off


@given(st.text(max_size=80))
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
