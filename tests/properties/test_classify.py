"""P11-P16: what holds of every classification, whatever the request looks like."""

from hypothesis import given
from hypothesis import strategies as st

from shared.classify import Classification, Complexity, classify_local, classify_request
from shared.messages import ChatRequest, JsonObject
from shared.model import Capability, Category
from shared.tokens import estimate_tokens

# Texts of every kind: random signs, and pieces of real requests glued together.
pieces = st.sampled_from(
    [
        "draw a cat ",
        "make a video of rain. ",
        "write a function ",
        "```\ncode\n",
        "``` ",
        "translate this to French ",
        "book a table ",
        "what is 2 + 2? ",
        "if all ",
        "Wie geht es dir? ",
        "我们 ",
        '"quoted text" ',
        "\n\n",
        ", and then ",
        "can you please ",
        "help me ",
        "?",
        ":\n",
        "İ",
        "\ud800",
        "x" * 2000,
    ]
)
texts = st.one_of(
    st.text(max_size=200),
    st.lists(pieces, max_size=12).map("".join),
    st.text(st.characters(), max_size=40),
)
garbage: st.SearchStrategy[object] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, st.binary(max_size=20)),
    lambda below: st.one_of(
        st.lists(below, max_size=4),
        st.dictionaries(st.one_of(texts, st.integers()), below, max_size=4),
        st.tuples(below, below),
    ),
    max_leaves=12,
)
roles = st.sampled_from(["user", "assistant", "system", "tool", "model", "", None, 3])
text_parts = st.fixed_dictionaries({"type": st.just("text"), "text": st.one_of(texts, garbage)})
contents = st.one_of(texts, st.lists(st.one_of(text_parts, garbage), max_size=4), garbage)
messages = st.one_of(
    st.fixed_dictionaries({"role": roles, "content": contents}),
    st.fixed_dictionaries({"role": roles, "content": contents, "attachments": garbage}),
    garbage,
)
requests = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "messages": st.one_of(st.lists(messages, max_size=5), garbage),
            "tools": garbage,
            "attachments": garbage,
        },
    ),
    st.dictionaries(texts, garbage, max_size=3),
)
speech = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": texts}),
    max_size=4,
)


@given(requests)
def test_p11_category_is_one_of_eleven(request: dict[str, object]) -> None:
    assert classify_local(request).category in set(Category)


@given(requests)
def test_p12_confidence_is_between_0_and_1(request: dict[str, object]) -> None:
    assert 0.0 <= classify_local(request).confidence <= 1.0


@given(requests)
def test_p13_the_reason_is_not_empty(request: dict[str, object]) -> None:
    assert classify_local(request).reasoning.strip()


@given(requests)
def test_p14_complexity_is_low_medium_or_high(request: dict[str, object]) -> None:
    assert classify_local(request).complexity in set(Complexity)


@given(requests)
def test_p15_the_token_estimate_is_positive(request: dict[str, object]) -> None:
    assert classify_local(request).tokens > 0


@given(st.lists(texts, min_size=1, max_size=5))
def test_p15_the_token_estimate_covers_every_message(contents: list[str]) -> None:
    result = classify_local({"messages": [{"role": "user", "content": text} for text in contents]})
    assert result.tokens >= sum(estimate_tokens(text) for text in contents if text)


names = st.text("abcdefghij_-", min_size=1, max_size=10)
image_ends = st.sampled_from(["png", "jpg", "jpeg", "webp", "heic", "heif", "PNG"])
audio_ends = st.sampled_from(["mp3", "wav", "m4a", "webm", "ogg"])
images: st.SearchStrategy[object] = st.one_of(
    st.builds(lambda name, end: f"{name}.{end}", names, image_ends),
    st.builds(lambda end: {"mime_type": f"image/{end.lower()}", "data": "AAAA"}, image_ends),
    st.builds(lambda name, end: {"filename": f"{name}.{end}"}, names, image_ends),
    st.just({"type": "image", "url": "https://example.com/1"}),
    st.just({"type": "image_url", "image_url": {"url": "https://example.com/1"}}),
    st.just({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
    st.just({"file": {"bytes": b"\x89PNG\r\n"}}),
    st.just({"data": "iVBORw0KGgoAAAANSUhEUg"}),
)
audio: st.SearchStrategy[object] = st.one_of(
    st.builds(lambda name, end: f"{name}.{end}", names, audio_ends),
    st.builds(lambda end: {"content_type": f"audio/{end}", "size": 5}, audio_ends),
    st.just({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
    st.just({"kind": "audio"}),
)


@given(speech, images, st.booleans())
def test_p16_an_attached_image_is_detected(
    said: list[dict[str, object]], image: object, as_part: bool
) -> None:
    result = _with_attachment(said, image, as_part)
    assert result.multimodal
    assert result.category is Category.VISION_IN
    assert Capability.VISION in result.capabilities


@given(speech, audio, st.booleans())
def test_p16_attached_audio_is_detected(
    said: list[dict[str, object]], sound: object, as_part: bool
) -> None:
    result = _with_attachment(said, sound, as_part)
    assert result.multimodal
    assert Capability.AUDIO_IN in result.capabilities


@given(speech)
def test_p16_text_alone_is_not_multimodal(said: list[dict[str, object]]) -> None:
    assert not classify_local({"messages": said, "attachments": []}).multimodal


def _with_attachment(
    said: list[dict[str, object]], attachment: object, as_part: bool
) -> Classification:
    """The conversation with the attachment as a content part (where it can be one) or beside it."""
    if as_part and isinstance(attachment, dict):
        part: dict[str, object] = {"role": "user", "content": [attachment]}
        return classify_local({"messages": [*said, part]})
    return classify_local({"messages": said, "attachments": [attachment]})


@given(speech, st.integers(1, 10**6), st.booleans())
def test_a_checked_request_is_judged_like_the_same_one_unchecked(
    said: list[JsonObject], tokens: int, tools: bool
) -> None:
    body: JsonObject = {"messages": [*said], "tools": [{"type": "function"}] if tools else None}
    checked = classify_request(ChatRequest(body, "auto", said, tokens))
    plain = classify_local(body)
    assert checked.tokens == tokens
    if max(tokens, plain.tokens) <= 100_000:
        assert (checked.category, checked.confidence) == (plain.category, plain.confidence)
    if tokens > 100_000:
        assert checked.category is Category.LONG_CONTEXT
