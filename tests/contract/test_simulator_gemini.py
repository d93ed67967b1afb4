"""The simulator's Gemini wire and ElevenLabs over real sockets."""

from __future__ import annotations

import io
import json
import math
import wave
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared.messages import JsonObject, JsonValue
from tests.support.simulation import Answer, SimClient, at, fields, items, simulation

FLASH = "gemini-3.8-flash"
WEATHER: JsonObject = {
    "functionDeclarations": [
        {
            "name": "get_weather",
            "description": "The weather of a city",
            "parametersJsonSchema": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        }
    ]
}


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[SimClient]:
    async with simulation() as client:
        yield client


def user(text: str) -> JsonObject:
    return {"role": "user", "parts": [{"text": text}]}


def parts(body: JsonValue) -> list[JsonObject]:
    return [fields(part) for part in items(at(body, "candidates", 0, "content", "parts"))]


def error(answer: Answer) -> JsonObject:
    told = fields(answer.json()["error"])
    assert told["code"] == answer.status
    return told


async def test_a_plain_answer(sim: SimClient) -> None:
    body = (await sim.generate(FLASH, {"contents": [user("What is 6 * 7?")]})).json()
    assert parts(body) == [{"text": f"[simulated {FLASH}] 6 * 7 = 42"}]
    assert at(body, "usageMetadata", "thoughtsTokenCount")
    assert body["modelVersion"] == FLASH


async def test_a_stream_just_ends_with_finish_and_usage_last(sim: SimClient) -> None:
    body: JsonObject = {
        "contents": [user("Explain rain")],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
    }
    plain = parts((await sim.generate(FLASH, body)).json())
    streamed = await sim.generate(FLASH, body, "streamGenerateContent?alt=sse")
    events = [json.loads(event) for event in streamed.events("\r\n\r\n")]
    text = "".join(str(p["text"]) for e in events for p in parts(e) if "thought" not in p)
    assert text == plain[1]["text"]
    assert plain[0]["thought"] is True
    finishes = [e["candidates"][0].get("finishReason") for e in events]
    assert finishes == [None] * (len(events) - 1) + ["STOP"]
    assert "candidatesTokenCount" in events[-1]["usageMetadata"]


async def test_without_sse_a_stream_is_one_array(sim: SimClient) -> None:
    answer = await sim.generate(FLASH, {"contents": [user("Hello")]}, "streamGenerateContent")
    assert isinstance(json.loads(answer.text), list)


async def test_a_tools_round_trip_needs_its_signature(sim: SimClient) -> None:
    question = user("What is the weather in Paris and Rome?")
    asked: JsonObject = {"contents": [question], "tools": [WEATHER]}
    calls = parts((await sim.generate(FLASH, asked)).json())
    assert [at(call, "functionCall", "args") for call in calls] == [
        {"city": "Paris"},
        {"city": "Rome"},
    ]
    assert ["thoughtSignature" in call for call in calls] == [True, False]
    result: JsonObject = {"functionResponse": {"name": "get_weather", "response": {"sky": "clear"}}}

    def history(*replayed: JsonObject, results: int = 2) -> JsonObject:
        back: JsonObject = {"role": "user", "parts": [result] * results}
        return {
            "contents": [question, {"role": "model", "parts": [*replayed]}, back],
            "tools": [WEATHER],
        }

    done = await sim.generate(FLASH, history(*calls))
    assert '`get_weather` says: {"sky": "clear"}' in str(parts(done.json())[0]["text"])
    stand_in = {**calls[0], "thoughtSignature": "skip_thought_signature_validator"}
    assert (await sim.generate(FLASH, history(stand_in, calls[1]))).status == 200
    bare: JsonObject = {"functionCall": calls[0]["functionCall"]}
    refused = await sim.generate(FLASH, history(bare, calls[1]))
    assert "thought_signature" in str(error(refused)["message"])
    uneven = await sim.generate(FLASH, history(*calls, results=1))
    assert "number of function response parts" in str(error(uneven)["message"])


async def test_a_schema_is_satisfied(sim: SimClient) -> None:
    schema: JsonObject = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}}
    for field in ("responseSchema", "responseJsonSchema"):
        config: JsonObject = {"responseMimeType": "application/json", field: schema}
        body: JsonObject = {"contents": [user("Count to 5")], "generationConfig": config}
        assert json.loads(str(parts((await sim.generate(FLASH, body)).json())[0]["text"])) == {
            "n": 5
        }


async def test_the_token_limit_ends_in_max_tokens(sim: SimClient) -> None:
    body: JsonObject = {
        "contents": [user("Explain rain")],
        "generationConfig": {"maxOutputTokens": 9},
    }
    answer = (await sim.generate(FLASH, body)).json()
    assert at(answer, "candidates", 0, "finishReason") == "MAX_TOKENS"


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"contents": []}, "contents is not specified"),
        ({}, "contents is not specified"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "valid role"),
        ({"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
        ({"contents": [{"role": "user", "parts": [{"image": 1}]}]}, "oneof field"),
        ({"contents": [user("x")], "messages": []}, 'Unknown name "messages"'),
        ({"contents": [user("x")], "generationConfig": {"n": 2}}, 'Unknown name "n"'),
        ({"contents": [user("x")], "generationConfig": {"maxOutputTokens": 0}}, "positive"),
        (
            {
                "contents": [user("x")],
                "generationConfig": {
                    "thinkingConfig": {"thinkingLevel": "low", "thinkingBudget": 1}
                },
            },
            "only one of",
        ),
        (
            {
                "contents": [
                    {"role": "user", "parts": [{"inlineData": {"mimeType": "a/b", "data": "?"}}]}
                ]
            },
            "TYPE_BYTES",
        ),
    ],
)
async def test_what_google_refuses(sim: SimClient, body: JsonObject, part: str) -> None:
    answer = await sim.generate(FLASH, body)
    assert answer.status == 400
    assert error(answer)["status"] == "INVALID_ARGUMENT"
    assert part in str(error(answer)["message"])


async def test_a_dead_model_is_404_and_a_wrong_key_400(sim: SimClient) -> None:
    gone = await sim.generate("gemini-1.5-flash", {"contents": [user("Hello")]})
    assert (gone.status, error(gone)["status"]) == (404, "NOT_FOUND")
    wrong = await sim.call("google", "/v1beta/models", key="AIza-wrong")
    assert wrong.status == 400
    assert at(error(wrong), "details", 0, "reason") == "API_KEY_INVALID"


async def test_embeddings_are_alike_for_alike_texts(sim: SimClient) -> None:
    model = "gemini-embedding-001"
    texts = ["the cat sat on the mat", "a cat on the mat", "stock prices fell sharply"]
    requests: list[JsonValue] = [
        {"model": f"models/{model}", "content": {"parts": [{"text": text}]}} for text in texts
    ]
    batch = (await sim.generate(model, {"requests": requests}, "batchEmbedContents")).json()
    vectors = [items(at(entry, "values")) for entry in items(batch["embeddings"])]
    one, two, other = ([float(str(value)) for value in vector] for vector in vectors)
    assert len(one) == 3072
    assert math.isclose(sum(v * v for v in one), 1.0, abs_tol=1e-3)
    assert dot(one, two) > dot(one, other) + 0.2
    single: JsonObject = {"content": {"parts": [{"text": texts[0]}]}, "outputDimensionality": 768}
    cut = (await sim.generate(model, single, "embedContent")).json()
    assert at(cut, "embedding", "values") == one[:768]
    assert (await sim.generate(FLASH, single, "embedContent")).status == 404


def dot(one: list[float], two: list[float]) -> float:
    return sum(a * b for a, b in zip(one, two, strict=True))


async def test_the_model_list_names_methods(sim: SimClient) -> None:
    listed = items((await sim.call("google", "/v1beta/models?pageSize=1000")).json()["models"])
    by_name = {str(at(entry, "name")): entry for entry in listed}
    assert "generateContent" in items(at(by_name[f"models/{FLASH}"], "supportedGenerationMethods"))
    assert "models/gemini-1.5-flash" not in by_name
    assert (await sim.call("google", f"/v1beta/models/{FLASH}")).json()["name"] == f"models/{FLASH}"


# ------------------------------------------------------------------------------------ ElevenLabs

VOICE = "JBFqnCBsd6RMkjVDRZzb"


async def speech(sim: SimClient, path: str, body: JsonObject) -> tuple[int, str, bytes]:
    url = f"{sim.urls['elevenlabs']}/v1/text-to-speech/{path}"
    async with sim.session.post(url, json=body, headers=sim.headers("elevenlabs")) as response:
        return response.status, response.content_type, await response.read()


async def test_speech_is_a_playable_wav(sim: SimClient) -> None:
    status, kind, data = await speech(sim, f"{VOICE}?output_format=wav_22050", {"text": "Hello"})
    assert (status, kind) == (200, "audio/wav")
    with wave.open(io.BytesIO(data)) as played:
        assert (played.getframerate(), played.getnchannels()) == (22_050, 1)
        assert played.getnframes() >= 22_050 * 0.3 - 1


@pytest.mark.parametrize(
    ("rate", "bitrate"), [(44_100, 128), (44_100, 32), (22_050, 32), (24_000, 48)]
)
async def test_speech_is_whole_mp3_frames(sim: SimClient, rate: int, bitrate: int) -> None:
    path = f"{VOICE}/stream?output_format=mp3_{rate}_{bitrate}"
    status, kind, data = await speech(sim, path, {"text": "Hello", "model_id": "eleven_v4"})
    assert (status, kind) == (200, "audio/mpeg")
    length = (144 if rate == 44_100 else 72) * bitrate * 1000 // rate
    assert len(data) % length == 0
    assert all(data[at] == 0xFF for at in range(0, len(data), length))


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("unknown", {"text": "x"}, 404),
        (VOICE, {"text": ""}, 422),
        (VOICE, {}, 422),
        (VOICE, {"text": "x", "model_id": "none"}, 404),
        (VOICE, {"text": "x" * 10_001}, 400),
        (f"{VOICE}?output_format=opus_1", {"text": "x"}, 400),
        (f"{VOICE}?output_format=mp3_44100_1", {"text": "x"}, 400),
    ],
)
async def test_speech_refused(sim: SimClient, path: str, body: JsonObject, status: int) -> None:
    answered, _, data = await speech(sim, path, body)
    assert answered == status
    assert "detail" in json.loads(data)


async def test_elevenlabs_lists_models_and_voices(sim: SimClient) -> None:
    models = json.loads((await sim.call("elevenlabs", "/v1/models")).text)
    assert "eleven_v4" in [model["model_id"] for model in models]
    voices = (await sim.call("elevenlabs", "/v1/voices")).json()["voices"]
    assert VOICE in json.dumps(voices)
    assert (await sim.call("elevenlabs", "/v1/user/subscription")).json()["status"] == "active"
    assert (await sim.call("elevenlabs", "/v1/nothing")).status == 404
    assert (await sim.call("elevenlabs", "/v1/models", key="wrong")).status == 401
