"""What the simulated models say: plausible, marked as simulated, the same for the same prompt."""

from __future__ import annotations

import hashlib
import json
import re

from local.sim.arithmetic import solve
from local.sim.classifiers import is_classifier, opinion
from local.sim.guards import is_guard, judgement
from local.sim.latency import Work
from local.sim.prompt import SimPrompt, SimReply, SimToolCall, pieces
from local.sim.schema import Hints, sample
from local.sim.tool_choice import choose_calls
from shared.messages import JsonObject

_GREETING = re.compile(
    r"^\W*(hi|hello|hey|good (morning|evening|day)|hallo|guten tag|bonjour|hola|servus)\b", re.I
)
_CODE = re.compile(
    r"\b(code|function|program|script|class|regex|sql|python|javascript|typescript|rust|java|html"
    r"|algorithm|implement|refactor|bug|funktion|programm)\b",
    re.I,
)
_EXPLAIN = re.compile(
    r"\b(explain|why|how|describe|compare|difference|overview|steps|plan|list|summari[sz]e"
    r"|advantages|erkl\w+|warum|wie|beschreib\w+)\b",
    re.I,
)
_LANGUAGES = ("typescript", "javascript", "python", "rust", "java", "sql", "html", "go")
_EXACTLY = re.compile(r"\b(?:say|reply with|answer with|respond with|repeat)\s*:?\s*(.+)", re.I)
_SHORT = 160  # characters of the question that are echoed


def answer(prompt: SimPrompt) -> SimReply:
    """The reply of ``prompt.model``. Deterministic: it depends on nothing but the prompt."""
    if is_guard(prompt):
        return _limited(SimReply(judgement(prompt), _reasoning(prompt, "By the policy.")), prompt)
    if is_classifier(prompt):
        return _limited(SimReply(opinion(prompt), _reasoning(prompt, "It is sorted.")), prompt)
    if prompt.force_tool is not None or (prompt.tools and not prompt.tool_results):
        calls = choose_calls(prompt)
        if calls:
            reasoning = _reasoning(prompt, f"Calling {calls[0][0]} answers this.")
            return SimReply(reasoning=reasoning, tool_calls=_with_ids(prompt, calls))
    if prompt.output != "text":
        made = SimReply(_structured(prompt), _reasoning(prompt, "They want JSON."))
    else:
        made = SimReply(_text(prompt), _reasoning(prompt, "A short answer will do."))
    return _limited(made, prompt)


def work_of(prompt: SimPrompt) -> Work:
    """What it is to answer, for how long that takes."""
    if is_guard(prompt) or is_classifier(prompt):
        return "judgement"
    return "vision" if prompt.images else "text"


def _text(prompt: SimPrompt) -> str:
    mark = f"[simulated {prompt.model}]"
    if prompt.prefix:  # a trailing assistant message is gone on with, not repeated
        return f" ... and that is how {mark} goes on from there."
    content = _content(prompt)
    return f"{mark}\n\n{content}" if content.startswith("#") else f"{mark} {content}"


def _content(prompt: SimPrompt) -> str:
    question = prompt.user.strip()
    if prompt.tool_results:
        said = "\n".join(f"- `{name}` says: {content}" for name, content in prompt.tool_results)
        return f"Here is what I found:\n\n{said}"
    if prompt.images:
        return _images(prompt)
    sum_ = solve(question)
    if sum_ is not None:
        return f"{sum_[0]} = {sum_[1]}"
    if _GREETING.match(question) and len(question) < 60:
        return "Hello! I am a stand-in for the real model. Ask me anything, or try a small sum."
    exact = _EXACTLY.search(question)
    if exact is not None and len(exact.group(1)) <= _SHORT:
        return exact.group(1).strip().strip("\"'")
    if _CODE.search(question):
        return _code(question)
    if _EXPLAIN.search(question):
        return _explanation(question)
    if not question:
        return "There was no question in your message."
    return f"You said: {_echo(question)} A real model would answer this; I only show the way there."


def _images(prompt: SimPrompt) -> str:
    lines = [
        f"{number}. {image.media_type}, "
        + ("given by its address" if image.size_bytes is None else f"{image.size_bytes:,} bytes")
        for number, image in enumerate(prompt.images, start=1)
    ]
    many = "an image" if len(lines) == 1 else f"{len(lines)} images"
    question = f"\n\nYou asked: {_echo(prompt.user)}" if prompt.user.strip() else ""
    return f"I received {many}:\n\n" + "\n".join(lines) + question


def _code(question: str) -> str:
    lowered = question.lower()
    language = next((name for name in _LANGUAGES if name in lowered), "python")
    if language in ("javascript", "typescript"):
        body = 'export function answer() {\n  return "simulated";\n}'
    elif language == "sql":
        body = "SELECT 'simulated' AS answer;"
    elif language == "html":
        body = "<p>simulated</p>"
    else:
        language = "python"
        body = 'def answer() -> str:\n    """What was asked for, once a real model is here."""\n'
        body += '    return "simulated"'
    return (
        f"For _{_echo(question)}_ a first version:\n\n```{language}\n{body}\n```\n\n"
        "It returns a constant, because this model is simulated."
    )


def _explanation(question: str) -> str:
    return (
        f"### {_echo(question)}\n\n"
        "1. **What it is.** A question for a real model, answered by a stand-in.\n"
        "2. **How it works.** The router classified it, chose a chain of models and asked this "
        "one; the receipt below the answer shows each step.\n"
        "3. **What to do next.** Put a key into `.env` and ask again.\n\n"
        "| step | who |\n| --- | --- |\n| classify | router |\n| answer | simulator |\n"
    )


def _echo(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else line[: _SHORT - 3].rstrip() + "..."


def _structured(prompt: SimPrompt) -> str:
    if prompt.output == "json_schema":
        value = sample(prompt.schema, Hints.of(prompt.user))
        return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    made: JsonObject = {"answer": _content(prompt), "simulated": True, "model": prompt.model}
    return json.dumps(made, ensure_ascii=False)


def _reasoning(prompt: SimPrompt, conclusion: str) -> str:
    if not prompt.thinks:
        return ""
    asked = _echo(prompt.user or "something")[:60]
    return f'[simulated reasoning] The user asks: "{asked}". {conclusion}'


def _with_ids(prompt: SimPrompt, calls: list[tuple[str, JsonObject]]) -> list[SimToolCall]:
    seed = hashlib.sha256(f"{prompt.model}\0{prompt.history}".encode()).hexdigest()
    return [
        SimToolCall(f"call_{seed[:16]}{number}", name, arguments)
        for number, (name, arguments) in enumerate(calls)
    ]


def _limited(reply: SimReply, prompt: SimPrompt) -> SimReply:
    """Apply stop sequences and the token limit; reasoning takes at most half of the limit."""
    for stop in prompt.stop:
        if stop:
            reply.text = reply.text.split(stop, 1)[0]
    if prompt.max_tokens is None:
        return reply
    reasoning, text = pieces(reply.reasoning), pieces(reply.text)
    if len(reasoning) + len(text) > prompt.max_tokens:
        kept = reasoning[: max(prompt.max_tokens // 2, prompt.max_tokens - len(text))]
        reply.reasoning = "".join(kept)
        room = max(1, prompt.max_tokens - len(kept))
        reply.cut_off = len(text) > room
        reply.text = "".join(text[:room])
    return reply
