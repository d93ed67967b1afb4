"""When two requests are the same to a classifier: the same words, whatever their numbers,
quotations and pasted material (R13.5).

"Translate 'good morning' into French" and "translate 'see you' into french!" ask for one kind of
thing. So what is a matter of the case is taken out, and what names the task stays. Only a keyed
hash of what remains is kept, never a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Characters of a turn that count: orders stand first or last.
_HEAD, _TAIL = 700, 300
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_QUOTED = re.compile(
    r"\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|«[^»\n]{1,400}»|(?<!\w)'[^'\n]{2,400}'(?!\w)"
)
_ADDRESS = re.compile(r"https?://\S+|\S+@\S+\.\S+")
_NUMBER = re.compile(r"\d[\d.,:/%-]*")
_MARKS = re.compile(r"[^\w\s#@<>]+|_+")
_SPACE = re.compile(r"\s+")


def normal_form(text: str) -> str:
    """A text as it counts: lower case, without punctuation; numbers, addresses, quotations and code
    blocks each as one mark."""
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    text = _FENCE.sub(" <code> ", text)
    text = _QUOTED.sub(" <quote> ", text)
    text = _ADDRESS.sub(" <link> ", text)
    text = _NUMBER.sub(" # ", text)
    text = _MARKS.sub(" ", text.lower())
    return _SPACE.sub(" ", text).strip()


def similarity_key(turns: Sequence[str], facts: Sequence[str | int | bool]) -> int:
    """A hash (Python's keyed SipHash, another key in each process) of the user's turns, newest
    first, and of what else the category may hang on."""
    return hash((tuple(normal_form(turn) for turn in turns), tuple(facts)))
