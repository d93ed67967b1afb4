"""The trained weights: the file, what it takes to load it, and that it says the same every time."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from shared.classify import classify_local
from shared.classify.features import ROWS, place, read_features, word_hash
from shared.classify.result import UNSURE
from shared.classify.turn import read_turn
from shared.classify.weights import MIDDLE, PATH, decode, weights
from shared.model import Category


def _file(head: dict[str, object], size: int) -> bytes:
    return json.dumps(head).encode() + b"\n" + bytes(size)


def test_the_file_is_small_and_loads_in_milliseconds() -> None:
    assert PATH.stat().st_size < 2_000_000
    times = []
    for _ in range(5):
        start = time.perf_counter()
        decode(PATH.read_bytes())
        times.append(time.perf_counter() - start)
    assert min(times) < 0.02


def test_nothing_is_read_and_no_framework_loaded_before_a_classification() -> None:
    code = (
        "import sys, shared.classify, shared.classify.weights as w;"
        "assert w.weights.cache_info().currsize == 0;"
        "shared.classify.classify_local({'messages': [{'role': 'user', 'content': 'hi you two'}]});"
        "print([name for name in ('numpy', 'sklearn', 'scipy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_weights_know_the_categories_that_words_can_have() -> None:
    known = weights().head
    assert set(Category) - set(known.categories) == {Category.VISION_IN, Category.LONG_CONTEXT}
    assert len(known.categories) == len(known.bias) == 9


@pytest.mark.parametrize("size", [0, ROWS, 3 * ROWS + 1])
def test_a_file_that_does_not_fit_its_head_is_refused(size: int) -> None:
    head: dict[str, object] = {
        "categories": ["SIMPLE"],
        "bias": [0.0],
        "step": 0.1,
        "form": 1.0,
        "anchor": 20.0,
    }
    decode(_file(head, 3 * ROWS))
    with pytest.raises(ValueError, match="do not fit"):
        decode(_file(head, size))
    with pytest.raises(ValueError, match="do not fit"):
        decode(_file({**head, "bias": []}, 3 * ROWS))


def test_probabilities_add_up_and_repeat() -> None:
    features = read_features(read_turn("Could you check whether my parcel has arrived?"), [])
    chances, known = weights().judge(features)
    assert known > 0.9
    assert sum(chances.values()) == pytest.approx(1.0)
    assert all(0.0 <= chance <= 1.0 for chance in chances.values())
    assert (chances, known) == weights().judge(features)


def test_judging_is_the_same_in_every_process() -> None:
    code = (
        "from shared.classify import classify_local;"
        "text = 'Compare three ways to finance the new plant and say which you would take';"
        "print(classify_local({'messages': [{'role': 'user', 'content': text}]}).to_json())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_words_no_prompt_has_are_known_by_their_meaning() -> None:
    """ "Bankruptcy" and "legislature" stand in no prompt that the weights were trained on."""
    known = weights()

    def weight(word: str, category: Category) -> int:
        row, mark = place(word_hash(word))
        assert known.marks[row] == mark
        return known.rows[row * 9 + known.head.categories.index(category)] - MIDDLE

    assert weight("bankruptcy", Category.COMPLEX) > weight("bankruptcy", Category.SIMPLE)
    assert weight("legislature", Category.COMPLEX) > weight("legislature", Category.REASONING)
    assert weight("java", Category.CODING) > weight("java", Category.COMPLEX)


def test_gibberish_is_unsure() -> None:
    request = {"messages": [{"role": "user", "content": "qwpx zrtk vlmn bdfg hjkl"}]}
    result = classify_local(request)
    assert result.confidence < UNSURE
    assert result.unsure
    assert result.reasoning


def test_a_reason_names_words_where_no_rule_has_one() -> None:
    request = {"messages": [{"role": "user", "content": "the vendor and the lender both threaten"}]}
    assert classify_local(request).reasoning
    assert weights().telling(Category.SIMPLE, read_features(read_turn("?"), []), 3) == []
