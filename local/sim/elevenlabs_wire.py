"""ElevenLabs: models, voices, and speech that is a real, playable tone."""

from __future__ import annotations

import json
import re

from local.sim.audio import audio_of
from local.sim.errors import WireError
from local.sim.models import ServedModels
from local.sim.wire import SimAnswer, SimRequest, Target
from shared.messages import JsonObject, JsonValue
from shared.model import Capability

_SPEECH = re.compile(r"/v1/text-to-speech/([\w-]+)(/stream)?\Z")
# Default voices (reference 1.5); only these exist here.
_VOICES = {
    "JBFqnCBsd6RMkjVDRZzb": "George",
    "EXAVITQu4vr4xnSDxMaL": "Sarah",
    "FGY2WhTYpPnrIDTdsKH5": "Laura",
    "CwhRBWXzGAHq8TQ4Fs17": "Roger",
}
_FRAME_BYTES = 4_096
_MOST_CHARACTERS = 10_000


class ElevenLabsWire:
    """The provider ``elevenlabs``."""

    base_path = ""

    def __init__(self, models: ServedModels) -> None:
        self._models = models

    def key_of(self, request: SimRequest) -> str | None:
        """The header ``xi-api-key``."""
        return request.headers.get("xi-api-key")

    def target(self, request: SimRequest) -> Target:
        """The body's ``model_id``; multilingual v2 where none is named."""
        match = _SPEECH.search(request.path)
        if match is None or request.method != "POST":
            return Target()
        model_id = (request.object() or {}).get("model_id", "eleven_multilingual_v2")
        if not isinstance(model_id, str):
            return Target()
        card = self._models.find("elevenlabs", model_id)
        return Target(model_id, card, match.group(2) is not None)

    def answer(self, request: SimRequest, target: Target) -> SimAnswer:
        """Models, voices, subscription, speech. Raises ``WireError``."""
        if request.method == "GET":
            return SimAnswer([json.dumps(self._read(request.path)).encode()])
        match = _SPEECH.search(request.path)
        if match is None:
            raise WireError(404, "Not Found", "not_found")
        if match.group(1) not in _VOICES:
            raise WireError(404, f"A voice with voice_id {match.group(1)} was not found.")
        text = (request.object() or {}).get("text")
        if not isinstance(text, str) or not text:
            raise WireError(422, "field required", param="text")
        if target.card is None or Capability.AUDIO_OUT not in target.card.capabilities:
            raise WireError(404, f"Model {target.model_id} not found.", "model_not_found")
        if len(text) > _MOST_CHARACTERS:
            raise WireError(400, "The text is too long.", "max_character_limit_exceeded")
        made = audio_of(request.query.get("output_format", "mp3_44100_128"), len(text))
        if made is None:
            raise WireError(400, "This output format is not available.", "invalid_output_format")
        data, content_type = made
        frames = [data[at : at + _FRAME_BYTES] for at in range(0, len(data), _FRAME_BYTES)]
        headers = {"character-cost": str(len(text)), "request-id": "simulated"}
        return SimAnswer(frames, content_type, 200, headers, stream=target.stream, work="text")

    def _read(self, path: str) -> JsonValue:
        if path == "/v1/models":
            return [
                {
                    "model_id": card.provider_model_id,
                    "name": card.name,
                    "can_do_text_to_speech": Capability.AUDIO_OUT in card.capabilities,
                    "maximum_text_length_per_request": _MOST_CHARACTERS,
                    "languages": [{"language_id": "en", "name": "English"}],
                }
                for card in self._models.living("elevenlabs")
            ]
        if path in ("/v1/voices", "/v2/voices"):
            voices: list[JsonValue] = [
                {"voice_id": voice_id, "name": name, "category": "premade"}
                for voice_id, name in _VOICES.items()
            ]
            return {"voices": voices, "has_more": False}
        if path == "/v1/user/subscription":
            subscription: JsonObject = {"tier": "creator", "status": "active"}
            subscription.update({"character_count": 0, "character_limit": 100_000})
            return subscription
        raise WireError(404, "Not Found", "not_found")
