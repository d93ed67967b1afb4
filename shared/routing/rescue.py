"""Going on where a stream broke after text had left (R23.4, P72).

Two ways, and no third: a model whose card says ``accepts_prefix`` gets the released text as a
trailing assistant message and continues it; or another model is asked again unseen, and goes on
only where its own answer begins with exactly the released text. Otherwise the break is told to
the client: text is never repeated, never guessed.
"""

from __future__ import annotations

from shared.errors import ProviderFailure, Refused
from shared.messages import Chunk, JsonObject, Usage
from shared.model import ModelCard
from shared.providers.collect import as_stream
from shared.routing.opening import Opened, close, open_stream
from shared.routing.run import Run
from shared.routing.running import Running
from shared.tokens import estimate_tokens

# How many may be asked to go on, while the client waits in the middle of a sentence.
CANDIDATES = 3


async def go_on(run: Run, text: str) -> Opened | None:
    """A stream that continues after ``text``; None where nobody can.

    The attempts are in the trace. Nothing of what they repeat is in the opened stream.
    """
    for _ in range(CANDIDATES):
        running = await run.begin_at_once(takes_prefix)
        prefixed = running is not None
        if running is None:
            running = await run.begin_at_once(anybody)
        if running is None:
            return None
        try:
            opened = await (_continued if prefixed else _asked_again)(running, text)
        except ProviderFailure as failure:
            run.noted(running, failure)
            if isinstance(failure, Refused):
                # A refusal is never routed around.
                return None
        else:
            if opened is not None:
                run.answering(running)
                return opened
            run.diverged(running)
        finally:
            run.ended(running)
    return None


def takes_prefix(card: ModelCard) -> bool:
    """Whether the model continues a trailing assistant message; unknown means no."""
    return card.accepts_prefix


def anybody(card: ModelCard) -> bool:
    """Every model may be asked again."""
    return True


async def _continued(running: Running, text: str) -> Opened:
    """The continuation by a model that accepts a prefix."""
    call = running.call
    begun: JsonObject = {"role": "assistant", "content": text}
    call.messages = [*call.request.messages, begun]
    if call.request.max_tokens is not None:
        call.max_tokens = max(1, call.request.max_tokens - estimate_tokens(text))
    return await open_stream(running)


async def _asked_again(running: Running, text: str) -> Opened | None:
    """The rest of a new answer that begins with ``text``; None as soon as it does not."""
    match = _Match(text)
    if not running.streams:
        result = await running.provider.complete(running.call, running.timeouts)
        running.usage = result.usage
        rest = match.feed(as_stream(result))
        return Opened(running, rest, None) if rest is not None and match.reached else None
    source = running.provider.stream(running.call, running.timeouts)
    handed_over = False
    try:
        async for batch in source:
            rest = match.feed(batch)
            running.usage = match.usage
            if rest is None:
                break
            if match.reached:
                handed_over = True
                return Opened(running, rest, source)
    finally:
        if not handed_over:
            await close(source)
    # What it wrote in vain was written all the same.
    prompt = running.call.request.input_tokens
    running.usage = running.usage or Usage(prompt, match.tokens(), estimated=True)
    return None


class _Match:
    """Compares a new answer, piece by piece, with the text it has to begin with."""

    __slots__ = ("_at", "_text", "_waiting", "reached", "usage")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._waiting: list[Chunk] = []
        self.reached = False
        self.usage: Usage | None = None

    def tokens(self) -> int:
        """Estimated tokens of what has matched, at least 1."""
        return estimate_tokens(self._text[: self._at])

    def feed(self, batch: list[Chunk]) -> list[Chunk] | None:
        """What goes beyond the text (empty until it is reached); None: another answer."""
        beyond: list[Chunk] = []
        for chunk in batch:
            if chunk.usage is not None:
                self.usage = chunk.usage
            if self.reached:
                beyond.append(chunk)
                continue
            if chunk.text:
                expected = self._text[self._at : self._at + len(chunk.text)]
                if not chunk.text.startswith(expected):
                    return None
                self._at += len(expected)
                if self._at == len(self._text):
                    self.reached = True
                    beyond += self._waiting
                    beyond.append(Chunk(chunk.index, chunk.text[len(expected) :]))
            if chunk.finish_reason and not self.reached:
                return None
            if chunk.tool_calls or chunk.finish_reason or chunk.usage is not None:
                rest = Chunk(
                    chunk.index,
                    tool_calls=chunk.tool_calls,
                    finish_reason=chunk.finish_reason,
                    usage=chunk.usage,
                )
                (beyond if self.reached else self._waiting).append(rest)
        return beyond
