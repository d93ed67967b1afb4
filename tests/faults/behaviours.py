"""What a provider may do with a request, well and badly. Each is one function of wire and request.

Behaviours that make sense on streams alone fall back to their nearest likeness on a plain call:
a stream cut in its middle is a body cut in its middle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from tests.faults.answers import SENTENCES
from tests.faults.server import Ask, Play
from tests.faults.wires import Error, Events, Wire
from tests.support.wire_server import (
    LAST_CHUNK,
    Cut,
    Hang,
    Pause,
    Reset,
    Step,
    chunk,
    chunked,
    head,
    plain,
    to_bytes,
)

Behaviour = Callable[[Wire, Ask], Play]


def healthy(wire: Wire, ask: Ask) -> Play:
    """The right answer, quickly."""
    return saying(SENTENCES)(wire, ask)


def saying(pieces: Sequence[str], *, finish: str = "stop", usage: bool = True) -> Behaviour:
    """Another text than the usual one, or another end."""

    def behave(wire: Wire, ask: Ask) -> Play:
        if ask.stream:
            return stream(_events(wire, ask, pieces, finish=finish, usage=usage).all)
        return whole(_body(wire, ask, "".join(pieces), finish=finish, usage=usage))

    return behave


def stream(parts: Iterable[Step], *, headers: Mapping[str, str] | None = None) -> Play:
    """A chunked event stream that ends as it should, its parts sent one by one."""
    return Play(chunked(parts, headers=headers).steps, spent=True)


def whole(body: object, *, status: int = 200, spent: bool = True) -> Play:
    """A JSON body with its length."""
    return Play(plain(body, status).steps, spent=spent)


# ------------------------------------------------------------------------------ before a word


def fails(kind: str, *, headers: Mapping[str, str] | None = None) -> Behaviour:
    """An error response of this kind."""

    def behave(wire: Wire, ask: Ask) -> Play:
        error = wire.error(kind)
        return Play(plain(error.body, error.status, headers).steps)

    return behave


def refuses(wire: Wire, ask: Ask) -> Play:
    """The prompt is refused by the provider's safety system, in its own way."""
    error = wire.refusal()
    if error.status == 200 and ask.stream:
        return stream([_event(error)])
    return Play(plain(error.body, error.status).steps)


def page(status: int) -> Behaviour:
    """A page of something in between, not the provider's own words."""
    html = "<!DOCTYPE html><html><head><title>Oops</title></head><body><h1>Oops</h1></body></html>"

    def behave(wire: Wire, ask: Ask) -> Play:
        return Play(plain(html, status, content_type="text/html").steps)

    return behave


def sends(*steps: Step) -> Behaviour:
    """Bytes, pauses and ends as given."""
    return lambda wire, ask: Play(steps)


resets = sends(Reset())
hangs_up = sends(Cut())
silent = sends(Hang())


def silent_after_headers(wire: Wire, ask: Ask) -> Play:
    """A status line, then nothing, for ever."""
    return Play((_head(ask), Hang()))


def cut_after_headers(wire: Wire, ask: Ask) -> Play:
    """A status line, then the connection is closed."""
    return Play((_head(ask), Cut()))


def comments_only(wire: Wire, ask: Ask) -> Play:
    """Signs of life without an answer, for ever; on a plain call blanks (they are valid JSON)."""
    sign = chunk(b": still here\n\n" if ask.stream else b" ")
    return Play((_head(ask), *[step for _ in range(100) for step in (sign, Pause(0.1))], Hang()))


def slowly(seconds: float) -> Behaviour:
    """The right answer, its first word late."""

    def behave(wire: Wire, ask: Ask) -> Play:
        play = healthy(wire, ask)
        if not ask.stream:
            return Play((Pause(seconds), *play.steps), spent=True)
        return Play((play.steps[0], Pause(seconds), *play.steps[1:]), spent=True)

    return behave


def redirects(to: str) -> Behaviour:
    """Elsewhere, please: an address to which no key may follow."""
    return lambda wire, ask: Play(plain(b"", 307, {"Location": to}).steps)


# ------------------------------------------------------------------------------ in the middle


def breaks(after: int, how: Step | None, *, inside: bool = False) -> Behaviour:
    """Says ``after`` pieces, then ``how`` (None: a clean end of the body without the answer's).

    ``inside``: half of the next piece too, so that the break goes through an event; there it
    goes through a letter where it can.
    """

    def behave(wire: Wire, ask: Ask) -> Play:
        if not ask.stream:
            return _broken_body(to_bytes(_body(wire, ask, "".join(SENTENCES))), how)
        events = _events(wire, ask, SENTENCES)
        parts: list[Step] = [*events.opening, *events.pieces[:after]]
        if inside and after < len(events.pieces):
            following = events.pieces[after]
            parts.append(following[: _inside_a_letter(following)])
        body = chunked(parts, end=how is None).steps
        return Play(body if how is None else (*body, how), spent=True)

    return behave


def says_then(after: int, *parts: bytes, finished: bool = False) -> Behaviour:
    """Says ``after`` pieces, then these bytes as they are, and goes on as if nothing were."""

    def behave(wire: Wire, ask: Ask) -> Play:
        if not ask.stream:
            body = to_bytes(_body(wire, ask, "".join(SENTENCES)))
            return whole(body[: len(body) // 2] + b"".join(parts) + body[len(body) // 2 :])
        events = _events(wire, ask, SENTENCES)
        rest = () if finished else (*events.pieces[after:], *events.finish, *events.tail)
        return stream([*events.opening, *events.pieces[:after], *parts, *rest])

    return behave


def error_after(after: int, kind: str) -> Behaviour:
    """An error as an event of a 200 after ``after`` pieces (0: the first); plain: as its body."""

    def behave(wire: Wire, ask: Ask) -> Play:
        error = wire.error(kind)
        if not ask.stream:
            return whole(error.body, spent=False)
        events = _events(wire, ask, SENTENCES)
        said = (*events.opening, *events.pieces[:after]) if after else ()
        play = stream([*said, _event(error)])
        return Play(play.steps, spent=after > 0)

    return behave


def drips(gap: float, pieces: int) -> Behaviour:
    """The right answer in ``pieces`` with ``gap`` seconds before each but the first."""
    size = -(-len(SENTENCES) // pieces)
    joined = ["".join(SENTENCES[start : start + size]) for start in range(0, len(SENTENCES), size)]

    def behave(wire: Wire, ask: Ask) -> Play:
        if not ask.stream:
            body = to_bytes(_body(wire, ask, "".join(SENTENCES)))
            play = plain(body).steps[0]
            assert isinstance(play, bytes)
            third = len(play) // 3
            parts = (play[:third], play[third : 2 * third], play[2 * third :])
            return Play(_spaced(parts, gap), spent=True)
        events = _events(wire, ask, joined)
        head_step, *rest = stream(events.all).steps
        return Play((head_step, *_spaced(rest, gap)), spent=True)

    return behave


# ---------------------------------------------------------------------------- odd but right


def packets(*sizes: int) -> Behaviour:
    """The right answer, its bytes in packets of these sizes in turn, framing and all."""

    def behave(wire: Wire, ask: Ask) -> Play:
        joined = b"".join(step for step in healthy(wire, ask).steps if isinstance(step, bytes))
        parts: list[Step] = []
        start = turn = 0
        while start < len(joined):
            size = sizes[turn % len(sizes)]
            parts.append(joined[start : start + size])
            start, turn = start + size, turn + 1
        return Play(tuple(parts), spent=True)

    return behave


def letters_split(wire: Wire, ask: Ask) -> Play:
    """Every letter of more than one byte comes in as many packets as it has bytes (P71)."""
    steps: list[Step] = []
    for step in healthy(wire, ask).steps:
        assert isinstance(step, bytes)
        start = 0
        for place, byte in enumerate(step):
            if byte >= 0x80:
                steps.append(step[start : place + 1])
                start = place + 1
        steps.append(step[start:])
    return Play(tuple(step for step in steps if step), spent=True)


def rewritten(change: Callable[[Events], Iterable[bytes]]) -> Behaviour:
    """A right answer whose events are written in another way; plain: healthy."""

    def behave(wire: Wire, ask: Ask) -> Play:
        if not ask.stream:
            return healthy(wire, ask)
        return stream(tuple(change(_events(wire, ask, SENTENCES))))

    return behave


def with_thoughts(wire: Wire, ask: Ask) -> Play:
    """Thoughts before the text; they are no part of it."""
    if not ask.stream:
        return healthy(wire, ask)
    return stream(wire.events(thinking=True).all)


def truncated(wire: Wire, ask: Ask) -> Play:
    """A body shorter than its Content-Length says."""
    if ask.stream:
        return breaks(4, Cut(), inside=True)(wire, ask)
    body = to_bytes(_body(wire, ask, "".join(SENTENCES)))
    start = head(200, {"Content-Type": "application/json", "Content-Length": str(len(body) + 400)})
    return Play((start + body, Cut()), spent=True)


def nothing(wire: Wire, ask: Ask) -> Play:
    """A 200 without a body."""
    return Play(plain(b"").steps)


def blank(wire: Wire, ask: Ask) -> Play:
    """A well-formed answer that says nothing."""
    return saying(("",))(wire, ask)


# ------------------------------------------------------------------------------- tool calls


def bad_arguments(wire: Wire, ask: Ask) -> Play:
    """A tool call whose arguments are cut in the middle, ended as if it were whole."""
    broken = '{"harbour":"Åles'
    if ask.stream:
        return stream(wire.call_events(arguments=broken).all)
    return whole(wire.whole_call(arguments=broken))


def no_prefix(wire: Wire, ask: Ask) -> Play:
    """Healthy, but refuses to go on from an assistant's message."""
    return fails("prefix")(wire, ask) if ask.prefixed else healthy(wire, ask)


# ------------------------------------------------------------------------------------ inside


def _events(
    wire: Wire, ask: Ask, pieces: Sequence[str], *, finish: str = "stop", usage: bool = True
) -> Events:
    """The stream a request is due: a tool call where tools are offered."""
    if ask.tools:
        return wire.call_events()
    return wire.events(pieces, finish=finish, usage=usage)


def _body(
    wire: Wire, ask: Ask, text: str, *, finish: str = "stop", usage: bool = True
) -> dict[str, object]:
    return wire.whole_call() if ask.tools else wire.whole(text, finish=finish, usage=usage)


def _event(error: Error) -> bytes:
    return b"data: " + json.dumps(error.body).encode() + b"\n\n"


def _head(ask: Ask) -> bytes:
    kind = "text/event-stream" if ask.stream else "application/json"
    return head(200, {"Content-Type": kind, "Transfer-Encoding": "chunked"})


def _broken_body(body: bytes, how: Step | None) -> Play:
    half = body[: _inside_a_letter(body)]
    if how is None:
        return whole(half)
    start = head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
    return Play((start + half, how), spent=True)


def _inside_a_letter(event: bytes) -> int:
    """A place near the middle, inside a letter of several bytes where there is one."""
    middle = len(event) // 2
    for place in range(middle, len(event)):
        if 0x80 <= event[place] < 0xC0:
            return place
    return middle


def _spaced(parts: Sequence[Step], gap: float) -> tuple[Step, ...]:
    steps: list[Step] = [parts[0]]
    for part in parts[1:]:
        if part != LAST_CHUNK:
            steps.append(Pause(gap))
        steps.append(part)
    return tuple(steps)
