"""When two requests are the same to a classifier: the same words, whatever their numbers,
quotations and pasted material (R13.5).

"Translate 'good morning' into French" and "translate 'see you' into french!" ask for one kind of
thing. So what is a matter of the case is taken out, and what names the task stays. Only a keyed
hash of what remains is kept, never a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Characters of a turn that count, from its head and its tail: orders stand first or last. A model
# is shown no more, so nothing it judged by is missing from the key.
HEAD, TAIL = 3200, 1600
# Without so many words of its own a text is no case of something: what it quotes is what it says.
_OWN_WORDS = 3
# Each pattern ends its search where another match could begin, so that no text costs more than its
# length: this runs on what strangers write, in the event loop.
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_QUOTED = re.compile(
    r"\"[^\"\n]{1,400}\"|“[^“”\n]{1,400}”|«[^«»\n]{1,400}»|(?<!\w)'[^'\n]{2,400}'(?!\w)"
)
_ADDRESS = re.compile(r"(?<![^\s@])(?:https?://\S+|[^\s@]{1,80}@[^\s@]{1,255})")
_NUMBER = re.compile(r"\d[\d.,:/%-]*")
_MARKS = re.compile(r"[^\w\s#@<>]+|_+")
_STANDS_FOR = frozenset({"<code>", "<quote>", "<link>", "#"})


def head_and_tail(text: str) -> str:
    """What counts of a turn, with a gap where the middle was left out."""
    if len(text) <= HEAD + TAIL:
        return text
    return f"{text[:HEAD]}\n[...]\n{text[-TAIL:]}"


def normal_form(text: str) -> str:
    """A text as it counts: lower case, without punctuation; numbers, addresses, quotations and code
    blocks each as one mark, unless there is little else."""
    text = head_and_tail(text)
    case = _FENCE.sub(" <code> ", text)
    case = _QUOTED.sub(" <quote> ", case)
    case = _plain(_ADDRESS.sub(" <link> ", case))
    own = sum(word not in _STANDS_FOR for word in case.split())
    return case if own >= _OWN_WORDS else _plain(text)


def similarity_key(turns: Sequence[str], facts: Sequence[str | int | bool]) -> int:
    """A hash (Python's keyed SipHash, another key in each process) of the user's turns, newest
    first, and of what else the category may hang on."""
    return hash((tuple(normal_form(turn) for turn in turns), tuple(facts)))


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub(" ", _NUMBER.sub(" # ", text).lower()).split())
