"""What of a stream has left for the client, and what is held back so that it can be asked again.

Text and reasoning leave as they come. Tool calls leave whole, when their choice has ended: half a
call helps no client, and as long as it is held, a break inside it is mended unseen (R23.4).
"""

from __future__ import annotations

from msgspec.structs import replace

from shared.messages import ChatRequest, Chunk
from shared.tokens import estimate_tokens


class Released:
    """Sifts the batches of one request's streams, the first model's and any that goes on.

    ``began``: something has left. ``continued``: another model has gone on, or was looked for.
    ``quiet``: a second model's reasoning is kept back, since the client has had the first one's.
    """

    __slots__ = (
        "_alone",
        "_choices",
        "_held",
        "_mark",
        "_texts",
        "_unended",
        "began",
        "continued",
        "quiet",
    )

    def __init__(self, request: ChatRequest) -> None:
        self._choices = request.n
        self._unended = request.n
        self._texts: list[str] = []
        self._mark = 0
        self._held: list[Chunk] = []
        self.began = False
        self.continued = False
        self.quiet = False
        # Several choices break at different places; log probabilities belong to one model's tokens.
        self._alone = request.n == 1 and not request.body.get("logprobs")

    @property
    def may_go_on(self) -> bool:
        """Whether another model may continue what has left: once."""
        return self._alone and not self.continued

    @property
    def finished(self) -> bool:
        """Whether every choice has had its end."""
        return self._unended <= 0

    @property
    def text(self) -> str:
        """All text that has left."""
        return "".join(self._texts)

    def begin(self) -> None:
        """Another model's stream begins: what was held of the last one is forgotten."""
        self._held.clear()
        self._unended = self._choices
        self._mark = len(self._texts)

    def own_tokens(self) -> int:
        """Estimated tokens of the text that has left of the stream under way; 0 if none has."""
        own = "".join(self._texts[self._mark :])
        return estimate_tokens(own) if own else 0

    def take(self, batch: list[Chunk]) -> list[Chunk]:
        """What of ``batch`` may leave now, possibly nothing."""
        for chunk in batch:
            if chunk.tool_calls or chunk.finish_reason or self.quiet:
                return self._sift(batch)
        for chunk in batch:
            if chunk.text:
                self._texts.append(chunk.text)
        self.began = self.began or any(chunk.meaningful for chunk in batch)
        return batch

    def rest(self) -> list[Chunk]:
        """What is still held at the end of a stream that told no end of its own."""
        held, self._held = self._held, []
        self.began = self.began or bool(held)
        return held

    def _sift(self, batch: list[Chunk]) -> list[Chunk]:
        out: list[Chunk] = []
        for chunk in batch:
            if chunk.tool_calls:
                self._held.append(Chunk(chunk.index, tool_calls=chunk.tool_calls))
                chunk = replace(chunk, tool_calls=None)
            if self.quiet and chunk.reasoning:
                chunk = replace(chunk, reasoning="")
            if chunk.finish_reason:
                self._unended -= 1
                out += [held for held in self._held if held.index == chunk.index]
                self._held = [held for held in self._held if held.index != chunk.index]
            if chunk.text:
                self._texts.append(chunk.text)
            if chunk.meaningful or chunk.usage is not None:
                out.append(chunk)
        self.began = self.began or any(chunk.meaningful for chunk in out)
        return out
