"""Small valid audio: a quiet tone as WAV or raw samples, silence as MP3, A-law and mu-law."""

from __future__ import annotations

import math
import re
import struct

_FORMAT = re.compile(r"(mp3|pcm|wav|ulaw|alaw)_(\d+)(?:_(\d+))?\Z")
_SECONDS_PER_CHARACTER = 0.06
_LONGEST_S = 10.0
_TONE_HZ = 440.0
# Sample rate -> (second header byte, rate index, samples per frame / 8) of MPEG layer III.
_MP3_RATES = {44_100: (0xFB, 0, 144), 22_050: (0xF3, 0, 72), 24_000: (0xF3, 1, 72)}
_MP3_BITRATES = {
    0xFB: {32: 1, 64: 5, 96: 7, 128: 9, 192: 11},  # MPEG 1
    0xF3: {32: 4, 48: 6},  # MPEG 2
}


def audio_of(output_format: str, characters: int) -> tuple[bytes, str] | None:
    """Audio and its content type for a text of that many characters; None: no such format."""
    match = _FORMAT.match(output_format)
    if match is None:
        return None
    kind, rate = match.group(1), int(match.group(2))
    if not 8_000 <= rate <= 48_000:
        return None
    seconds = min(_LONGEST_S, max(0.3, characters * _SECONDS_PER_CHARACTER))
    if kind == "mp3":
        frames = _mp3(rate, int(match.group(3) or 0), seconds)
        return None if frames is None else (frames, "audio/mpeg")
    if kind == "wav":
        return wav(_tone(rate, seconds), rate), "audio/wav"
    if kind == "pcm":
        return _tone(rate, seconds), "audio/pcm"
    silence = b"\xff" if kind == "ulaw" else b"\xd5"
    return silence * int(rate * seconds), "audio/basic"


def wav(samples: bytes, rate: int) -> bytes:
    """16-bit mono samples with the 44-byte header of a WAV file."""
    header = struct.pack(
        "<4sI4s4sIHHIIHH",
        b"RIFF",
        36 + len(samples),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        rate * 2,
        2,
        16,
    )
    return header + struct.pack("<4sI", b"data", len(samples)) + samples


def _tone(rate: int, seconds: float) -> bytes:
    count = int(rate * seconds)
    step = 2 * math.pi * _TONE_HZ / rate
    return struct.pack(f"<{count}h", *(int(3_000 * math.sin(step * n)) for n in range(count)))


def _mp3(rate: int, kilobits: int, seconds: float) -> bytes | None:
    """Frames whose side information is all zero: valid, decoded as silence."""
    version, rate_index, factor = _MP3_RATES.get(rate, (0, 0, 0))
    bitrate_index = _MP3_BITRATES.get(version, {}).get(kilobits)
    if bitrate_index is None:
        return None
    header = bytes([0xFF, version, (bitrate_index << 4) | (rate_index << 2), 0xC4])
    length = factor * kilobits * 1_000 // rate
    frame = header + bytes(length - len(header))
    return frame * max(1, math.ceil(seconds * rate / (factor * 8)))
