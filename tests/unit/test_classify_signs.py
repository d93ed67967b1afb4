"""Syntax, formulas and forms of logic that the rules seek only where a sign of them stands."""

from __future__ import annotations

import pytest

from shared.classify.language import detect
from shared.classify.topics import is_code, is_reasoning
from shared.classify.turn import read_turn


@pytest.mark.parametrize(
    "text",
    [
        "def area(w): pass",
        "class Stack: pass;",
        "function (a)",
        "let total = 4",
        "int total = 4",
        "while (true)",
        "</table>",
        "close(it);",
        "it ends;\nhere",
        "import os\nhere;",
        "paper.fold(2)",
        "[aTypeError: what",
        "[anIOException came",
        "{count++",
        "a => b",
        "#include this",
        "a == b",
        "(a && b",
        "[at least \\d",
        "(?:a)",
    ],
)
def test_syntax_of_code(text: str) -> None:
    assert "code syntax" in is_code(read_turn(text)).why


@pytest.mark.parametrize(
    "text", ["a (small) house", "1 < 2, he said", "see [1]; and walk on", "#7"]
)
def test_signs_alone_are_no_code(text: str) -> None:
    assert is_code(read_turn(text)).score == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "3 * 4",
        "3 - 4",
        "1/2",
        "20% of it",
        "2x + 3 over there",
        "x^2",
        "(a) ^ 2",
        "k = 3",
        "f(x) is even",
        "√2",
        "[[1, 2]]",
    ],
)
def test_formulas(text: str) -> None:
    assert "a formula" in is_reasoning(read_turn(text)).why


@pytest.mark.parametrize("text", ["box-3", "11 January", "a well-known (small) town", "max = all"])
def test_no_formulas(text: str) -> None:
    assert "a formula" not in is_reasoning(read_turn(text)).why


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("If it rains, then we stay", True),
        ("how do you find out", True),
        ("show how do you find out", True),
        ("somehow do you find out", False),  # "how" has to begin a word
        ("all cats are grey", True),
    ],
)
def test_forms_of_logic_begin_at_a_word(text: str, found: bool) -> None:
    assert ("a logical form" in is_reasoning(read_turn(text)).why) is found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("What is the way to the old house and how far is it?", "en"),
        ("Counters per model, provider and day", "en"),  # "per" is Catalan and Italian too
        ("l'homme et la mer", "fr"),
        ("Wie ist das Wetter und was kann ich machen", "de"),
        ("Kako naj napišem prošnjo za službo in kaj je pomembno?", "sl"),
        ("Kuidas ma saan oma koera õpetada ja miks ta ei kuula?", "et"),
        ("Kā es varu iemācīties latviešu valodu un kur ir labi kursi?", "lv"),
        ("Kodėl dangus yra mėlynas ir kaip tai paaiškinti vaikui?", "lt"),
        ("Hvernig get ég sagt frá ferðinni og hvað er það besta?", "is"),
        ("Hoekom is die lug blou en hoe verduidelik ek dit vir my kind?", "af"),
        ("Pse është deti i kripur dhe si mund ta shpjegoj për një fëmijë?", "sq"),
        ("Dəniz niyə duzludur və bunu uşağa necə izah edim, zəhmət olmasa?", "az"),
        ("Zergatik da itsasoa gazia eta nola azaldu hau ume bati?", "eu"),
        ("Pam mae'r môr yn hallt, a sut mae esbonio hyn yn syml?", "cy"),
        ("Cén fáth go bhfuil an fharraige goirt, agus conas é a mhíniú?", "ga"),
        ("Poukisa lanmè a sale e kijan pou mwen eksplike sa bay yon timoun?", "ht"),
        ("Kial la maro estas sala kaj kiel mi klarigu tion al infano?", "eo"),
        ("Waa maxay sababta baddu u dhanaan tahay, sideen u sharxaa?", "so"),
        ("Me yasa ruwan teku yake da gishiri kuma yaya zan bayyana wannan?", "ha"),
    ],
)
def test_languages(text: str, code: str) -> None:
    turn = read_turn(text)
    assert detect(turn.text, turn.tokens).code == code
