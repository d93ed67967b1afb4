import pytest

from shared.classify import Classification, Complexity, classify_local, classify_request
from shared.messages import ChatRequest
from shared.model import Capability, Category

TOOL: dict[str, object] = {"type": "function", "function": {"name": "get_weather"}}


def classify(*turns: str, **extra: object) -> Classification:
    """Turns alternate between user and assistant and end with the user."""
    roles = ["user", "assistant"]
    said = [{"role": roles[index % 2], "content": text} for index, text in enumerate(turns)]
    return classify_local({"messages": said, **extra})


# One line for each distinction that a list of keywords gets wrong.
@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Draw a cat", "IMAGE_GEN"),
        ("Explain how image generation works", "MEDIUM"),
        ("draw a conclusion from these figures for me please", "MEDIUM"),
        ("Don't draw anything, describe the castle in words", "MEDIUM"),
        ("Don't generate an image of it, only explain the composition", "MEDIUM"),
        ("Create an image classifier in PyTorch", "CODING"),
        ("Draw a circle with HTML canvas", "CODING"),
        ("Write a story about a painting of a ghost", "MEDIUM"),
        ("Make a video of a sunrise", "VIDEO_GEN"),
        ("Write a video script about recycling", "MEDIUM"),
        ("Create an HTML page with a video player", "CODING"),
        ("How does a video codec work?", "MEDIUM"),
        ("Book a table for two at eight", "AGENTIC"),
        ("Book recommendations for a rainy weekend", "MEDIUM"),
        ("Send an email to John about the delay", "AGENTIC"),
        ("Write an email to John about the delay", "MEDIUM"),
        ("Write a script that sends an email to all users", "CODING"),
        ("Run the tests on the server", "AGENTIC"),
        ("Translate 'good evening' into Japanese", "MULTILINGUAL"),
        ("Translate this Python function to Java", "CODING"),
        ("Write a birthday card text in Italian", "MULTILINGUAL"),
        ("What language do they speak in Brazil?", "SIMPLE"),
        ("Who designs cathedrals in Italian cities?", "SIMPLE"),
        ("Write a SQL query for the newest orders", "CODING"),
        ("What year was Python released?", "SIMPLE"),
        ("What is the dress code at a wedding?", "SIMPLE"),
        ("A shop sells 3 pens for 2 dollars. How much do 12 pens cost?", "REASONING"),
        ("How many people live in Iceland?", "SIMPLE"),
        ("Prove that there are infinitely many primes", "REASONING"),
        ("Analyze the poem's symbolism for me", "MEDIUM"),
        ("hello", "SIMPLE"),
    ],
)
def test_distinctions(text: str, category: str) -> None:
    assert classify(text).category == category


def test_the_order_of_the_requirements_decides() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    long = "word " * 90_000
    part = {"type": "text", "text": f"Make a video. {long}"}
    both = {"messages": [{"role": "user", "content": [part, picture]}], "tools": [TOOL]}
    assert classify_local(both).category is Category.VISION_IN
    assert classify(f"Make a video. {long}", tools=[TOOL]).category is Category.LONG_CONTEXT
    assert classify("Make a video of a painting", tools=[TOOL]).category is Category.VIDEO_GEN
    assert classify("Draw a cat", tools=[TOOL]).category is Category.IMAGE_GEN
    assert classify("¿Qué hora es en Lima?", tools=[TOOL]).category is Category.AGENTIC
    assert classify("Schreibe bitte eine Funktion in Python").category is Category.MULTILINGUAL
    assert classify("Write a function that solves x^2 = 4").category is Category.CODING


@pytest.mark.parametrize(
    ("first", "follow", "category"),
    [
        ("Write a parser in Python", "now add error handling", "CODING"),
        ("Write a parser in Python", "make it shorter", "CODING"),
        ("Draw a red bicycle", "make the wall blue instead", "IMAGE_GEN"),
        ("Draw a red bicycle", "why are bicycles popular in Denmark?", "MEDIUM"),
        ("Generate a video of waves", "make it longer", "VIDEO_GEN"),
        ("Write a welcome message for guests", "and now in German", "MULTILINGUAL"),
        ("Write a product description for a mug", "make it more playful", "MEDIUM"),
        ("Translate 'good night' into Korean", "and 'good morning'?", "MULTILINGUAL"),
        ("Write a parser in Python", "thanks!", "SIMPLE"),
        ("Write a parser in Python", "Who wrote Hamlet?", "SIMPLE"),
        ("Wie spät ist es in Rom gerade?", "continue", "SIMPLE"),
        ("hello", "again", "SIMPLE"),
    ],
)
def test_a_follow_up_belongs_to_what_it_follows(first: str, follow: str, category: str) -> None:
    assert classify(first, "Here it is.", follow).category == category


def test_a_chain_of_follow_ups_goes_back_to_its_beginning() -> None:
    result = classify("Write a class in Java", "ok", "make it final", "ok", "and shorter")
    assert result.category is Category.CODING
    assert result.reasoning.startswith("follows up on")
    assert result.confidence < classify("Write a class in Java").confidence


def test_quoted_text_and_code_blocks_are_not_orders() -> None:
    assert classify('Fix the typo in: "Draw a pictur of a cat"').category is Category.SIMPLE
    result = classify("What is wrong here?\n```\ndraw a picture of a cat\nfor x in y: pass\n```")
    assert result.category is Category.CODING


def test_pasted_material_does_not_decide() -> None:
    contract = "The tenant shall pay the rent. The contract is subject to law and regulation. " * 20
    assert classify(f"Write a haiku about this:\n\n{contract}").category is Category.MEDIUM
    assert classify(f"{contract}\n\nTranslate it to Spanish").category is Category.MULTILINGUAL


def test_an_image_earlier_in_the_conversation_still_needs_vision() -> None:
    image: dict[str, object] = {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}
    said = [
        {"role": "user", "content": [image, {"type": "text", "text": "What car is this?"}]},
        {"role": "assistant", "content": "A Beetle."},
        {"role": "user", "content": "Which year?"},
    ]
    result = classify_local({"messages": said})
    assert result.category is Category.VISION_IN
    assert result.confidence < classify_local({"messages": said[:1]}).confidence


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("What is the capital of France?", "en"),
        ("¿Dónde está la biblioteca?", "es"),
        ("Où est la gare, s'il vous plaît ?", "fr"),
        ("Wo ist der Bahnhof?", "de"),
        ("Dove si trova la stazione?", "it"),
        ("Onde fica a estação de trem, por favor? Não sei", "pt"),
        ("Waar is het station en hoe kom ik daar?", "nl"),
        ("Var är stationen och hur kommer jag dit?", "sv"),
        ("Hvor er stationen, og hvad koster det at køre med tog?", "da"),
        ("Missä on asema ja miten sinne voi mennä?", "fi"),
        ("Gdzie jest dworzec i jak się tam dostać?", "pl"),
        ("Kde je nádraží a jak se tam dostanu?", "cs"),
        ("Unde este gara și cum ajung acolo?", "ro"),
        ("Hol van az állomás és hogyan jutok oda?", "hu"),
        ("İstasyon nerede ve oraya nasıl giderim?", "tr"),
        ("Nhà ga ở đâu và làm thế nào để đến đó?", "vi"),
        ("Di mana stasiun dan bagaimana saya bisa ke sana?", "id"),
        ("Где находится вокзал и как туда добраться?", "ru"),
        ("Де знаходиться вокзал і як туди дістатися?", "uk"),
        ("Къде е гарата и как да стигна дотам?", "bg"),
        ("駅はどこですか", "ja"),
        ("火车站在哪里", "zh"),
        ("역이 어디에 있나요", "ko"),
        ("أين المحطة", "ar"),
        ("ایستگاه کجاست؟ گچ پژ", "fa"),
        ("اسٹیشن کہاں ہے", "ur"),
        ("איפה התחנה", "he"),
        ("स्टेशन कहाँ है", "hi"),
        ("Πού είναι ο σταθμός;", "el"),
        ("สถานีอยู่ที่ไหน", "th"),
        ("12345 67", "und"),
        ("", "und"),
        ("Solve x + y = 5 and x - y = 1", "en"),
        ("What does 你好 mean and how do I pronounce it?", "en"),
    ],
)
def test_languages(text: str, code: str) -> None:
    assert classify(text).language == code


def test_confidence_is_low_where_there_is_little_to_judge_by() -> None:
    assert classify("").confidence <= 0.3
    assert classify_local({}).confidence <= 0.3
    assert classify("asdf qwer").confidence < 0.5
    assert classify("Draw me a picture of a cat").confidence > 0.85


def test_complexity_and_capabilities() -> None:
    assert classify("hello").complexity is Complexity.LOW
    assert classify("word " * 110_000).complexity is Complexity.HIGH
    assert classify("Write a function").complexity is Complexity.LOW
    assert classify("Write a story. " + "It has many turns. " * 40).complexity is Complexity.HIGH
    assert classify("Draw a cat").capabilities == {Capability.IMAGE_GEN}
    assert classify("Make a video of rain").capabilities == {Capability.VIDEO_GEN}
    assert classify("hello").capabilities == {Capability.TEXT}
    sound = classify("what is said?", attachments=[{"mime_type": "audio/mpeg"}])
    assert sound.capabilities == {Capability.TEXT, Capability.AUDIO_IN}


def test_a_role_that_nobody_knows_is_read_all_the_same() -> None:
    odd = {"messages": ["x", {"role": "human", "content": "Draw a cat"}, {"role": "user"}]}
    assert classify_local(odd).category is Category.SIMPLE
    assert classify_local({"messages": odd["messages"][:2]}).category is Category.IMAGE_GEN
    assert classify_local({"messages": [{"role": "system", "content": "Draw"}]}).confidence < 0.3
    parts = {"role": "user", "content": ["Draw", {"type": "text", "text": "a cat"}, 5]}
    assert not classify_local({"messages": [parts]}).multimodal


def test_the_receipt_has_the_contracts_fields() -> None:
    request = ChatRequest({}, "auto", [{"role": "user", "content": "Draw a cat"}], 12)
    result = classify_request(request)
    assert result.confidence >= 0.85
    assert result.to_json() == {
        "category": "IMAGE_GEN",
        "confidence": result.confidence,
        "complexity": "LOW",
        "reasoning": "asks to draw something",
        "source": "local",
        "language": "en",
        "tokens": 12,
    }


def test_a_huge_text_is_judged_by_its_ends() -> None:
    body = "The harbour was there before the town. " * 9000
    assert classify(f"Translate this into French: {body}").category is Category.MULTILINGUAL
    assert classify(f"{body}\nTranslate all this into French").category is Category.MULTILINGUAL
