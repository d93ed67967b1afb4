"""One turn of the user, cut into words and clauses, with what each clause begins by doing.

Intent stands at the head of a clause: "draw a cat" asks for a picture, "how do painters draw a
cat" and "a tool that can draw a cat" do not. So every clause gets a head: its first word after
politeness ("could you please"), and whether that is an order, a wish or a question.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from msgspec import Struct

from shared.classify.words import words

# Of a long text, only these windows (characters) are examined: orders stand first or last.
HEAD_WINDOW = 900
TAIL_WINDOW = 500
# An instruction is followed by pasted material where at least this much comes after the gap.
_MATERIAL = 300
_MAX_HEADS = 16

_TOKEN = re.compile(r"[^\W_]+(?:['.+#-][^\W_]+)*[+#]{0,2}|[^\w ]")
# The same for ASCII, by a third quicker: its letters are a table, not Unicode's categories.
_ASCII_TOKEN = re.compile(r"[0-9A-Za-z]+(?:['.+#-][0-9A-Za-z]+)*[+#]{0,2}|[^0-9A-Za-z_ ]")
_QUOTED = re.compile(r'"[^"\n]{3,400}"|“[^“”\n]{3,400}”|«[^«»\n]{3,400}»|`[^`\n]{1,200}`')
_ENDS = frozenset(".?!;:\n…。？！")
_JOINS = words(", and then but")
_FILLERS = words(
    ", please pls plz hey hi hello dear ok okay yes sure well now then so and but also just "
    "first next finally kindly simply quickly again maybe perhaps alright assistant ai"
)
_MODALS = words("can could would will")
_YOU = words("you u ya")
_WANTS = words("want need like wish love")
_ADVERBS = words("would just really also still do currently")
_GET = words("have get see")
QUESTION_WORDS = words(
    "what what's whats who who's whom whose when when's where where's which why how how's is are "
    "was were do does did can could should would will has have had may might am isn't aren't"
)


class Kind(Enum):
    """How a clause begins."""

    ORDER = "order"  # its first word may be an imperative, or the clause is a plain phrase
    WISH = "wish"  # "I want", "can I have": what is wanted follows
    QUESTION = "question"


class Head(NamedTuple):
    """The head of a clause. ``at`` is the index of its first word, ``verb``, in the tokens.

    ``first`` is False where the clause is joined to one before it ("..., and book it").
    """

    kind: Kind
    verb: str
    at: int
    first: bool


class Turn(Struct):
    """``text`` is the examined part as written, ``tokens`` its words and signs in lower case
    (without quotations and code blocks), ``cased`` the same as written."""

    text: str
    tokens: list[str]
    cased: list[str]
    words: frozenset[str]
    heads: list[Head]
    fenced: bool
    length: int  # words of the instruction
    characters: int  # of the whole turn

    @property
    def lead(self) -> Head | None:
        """The first clause's head."""
        return self.heads[0] if self.heads else None

    def near(self, start: int, count: int) -> list[str]:
        """Up to ``count`` tokens from ``start``, within the clause."""
        found = self.tokens[start : start + count]
        for index, token in enumerate(found):
            if token in _ENDS:
                return found[:index]
        return found


def read_turn(text: str) -> Turn:
    """Cut ``text`` up. Never more than the two windows is looked at, whatever its length."""
    excerpt, fenced = _instruction(text)
    bare = _QUOTED.sub(' "" ', excerpt) if '"' in excerpt or not excerpt.isascii() else excerpt
    if "`" in bare:
        bare = _QUOTED.sub(' "" ', bare)
    bare = bare.replace("’", "'")
    cased = (_ASCII_TOKEN if bare.isascii() else _TOKEN).findall(bare)
    # No token has a blank in it, and a call for all is quicker than one for each.
    tokens = " ".join(cased).lower().split(" ") if cased else []
    plain = [token for token in tokens if token[0].isalnum()]
    return Turn(
        excerpt, tokens, cased, frozenset(plain), _heads(tokens), fenced, len(plain), len(text)
    )


def _instruction(text: str) -> tuple[str, bool]:
    """The part of a turn that says what to do, and whether it quotes a code block."""
    fenced = False
    if "```" in text[:20_000]:
        pieces = text[:20_000].split("```")
        fenced = any(len(block.strip()) > 3 for block in pieces[1::2])
        text = "\n".join(pieces[::2])
    if len(text) <= _MATERIAL:
        return text, fenced
    gap = text.find("\n\n", 0, HEAD_WINDOW)
    colon = text.find(":\n", 0, HEAD_WINDOW)
    if colon >= 0 and (gap < 0 or colon < gap):
        gap = colon + 1
    if gap > 0 and len(text) - gap > _MATERIAL:
        last = text.rfind("\n\n", max(gap + 2, len(text) - _MATERIAL))
        closing = text[last:] if last > 0 else ""
        return text[:gap] + "\n" + closing, fenced
    if len(text) <= HEAD_WINDOW + TAIL_WINDOW:
        return text, fenced
    return text[:HEAD_WINDOW] + "\n" + text[-TAIL_WINDOW:], fenced


def _heads(tokens: list[str]) -> list[Head]:
    heads: list[Head] = []
    total = len(tokens)
    first, fresh = True, True
    index = 0
    while index < total and len(heads) < _MAX_HEADS:
        token = tokens[index]
        if token in _ENDS:
            first = fresh = True
        elif fresh:
            head = _head(tokens, index, first)
            if head is None:
                break
            heads.append(head)
            first = fresh = False
            index = max(index, head.at)
        elif token in _JOINS:
            fresh = True
        index += 1
    return heads


def _head(tokens: list[str], index: int, first: bool) -> Head | None:
    """The head of the clause that starts at ``index``; None at the end of the text."""
    total = len(tokens)
    while index < total:
        token = tokens[index]
        follow = tokens[index + 1] if index + 1 < total else ""
        if token in _FILLERS or token in _ENDS:
            index += 1
        elif token in _MODALS and follow in _YOU:
            index += 2
        elif token in ("i", "we", "i'd", "we'd"):
            after = index + 1
            while after < total and tokens[after] in _ADVERBS:
                after += 1
            if after >= total or tokens[after] not in _WANTS:
                return Head(Kind.ORDER, token, index, first)
            if tokens[after + 1 : after + 3] != ["you", "to"]:
                return Head(Kind.WISH, "want", after, first)
            index = after + 3
        elif token in ("can", "could", "may") and follow in ("i", "we"):
            if index + 2 < total and tokens[index + 2] in _GET:
                return Head(Kind.WISH, "want", index + 2, first)
            return Head(Kind.QUESTION, token, index, first)
        elif token in ("help", "let") and follow in ("me", "us"):
            index += 3 if tokens[index + 2 : index + 3] in (["to"], ["with"]) else 2
        elif token in ("let's", "lets"):
            index += 1
        elif (token == "go" and follow == "ahead") or (token == "try" and follow == "to"):  # noqa: S105 - a word, not a password
            index += 2
        else:
            kind = Kind.QUESTION if token in QUESTION_WORDS else Kind.ORDER
            return Head(kind, token, index, first)
    return None
