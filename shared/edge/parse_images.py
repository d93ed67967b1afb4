"""Image parts of a chat message: a data URI with base64, or an https address."""

from __future__ import annotations

import re

from shared.edge.json_body import json_object, one_of, string, wrong
from shared.messages import JsonObject

# R8.4 (png, jpg, webp, heic, heif) and gif, which OpenAI's clients also send.
IMAGE_TYPES = ("png", "jpeg", "jpg", "webp", "gif", "heic", "heif")
_DETAILS = ("auto", "low", "high")
# Only the beginning of the base64 text is looked at: the rest is the provider's to decode, and
# reading 20 MB on the request path would hold up every other request.
# Strings, which `re` compiles at their first use and keeps: an instance starts without them.
_DATA_START = (
    r"data:image/(?:" + "|".join(IMAGE_TYPES) + r");base64,[A-Za-z0-9+/]{4,64}(?:[A-Za-z0-9+/=]|$)"
)
# Scheme, host and a path without blanks or control characters; longer addresses exist nowhere.
_HTTPS = r"https://[A-Za-z0-9\[][^\s\x00-\x20\x7f\"<>\\]{1,8190}"
_SCHEME = r"(?i)[a-z][a-z0-9+.-]*:"


def check_image_part(part: JsonObject, path: str) -> bool:
    """Whether the ``image_url`` part at ``path`` is an https address (False: a data URI).

    Raises ``InvalidRequest`` naming the field for any other kind of address and for data that is
    not base64 of an image type of ``IMAGE_TYPES``.
    """
    field = f"{path}.image_url"
    image = json_object(part.get("image_url"), field)
    detail = image.get("detail")
    if detail is not None:
        one_of(detail, f"{field}.detail", _DETAILS)
    url = string(image.get("url"), f"{field}.url")
    if url.startswith("https://"):
        if re.fullmatch(_HTTPS, url) is None:
            wrong(f"{field}.url", "is not a whole https address: send https://host/path")
        return True
    if not (url.isascii() and re.match(_DATA_START, url)):
        wrong(f"{field}.url", _what_instead(url))
    return False


def _what_instead(url: str) -> str:
    """What to do about an address that is not taken."""
    types = ", ".join(f"image/{name}" for name in IMAGE_TYPES)
    if url.startswith("data:"):
        return f"must be data:<type>;base64,<data> with one of the types {types} and valid base64"
    if url[:5].lower() == "http:":
        return (
            "plain http addresses are not taken: use the https address, or send the image itself "
            "as data:image/png;base64,<data>"
        )
    if re.match(_SCHEME, url):
        return "only https: addresses and data: URIs with an image are taken"
    return "must be an https address or data:image/png;base64,<data>"
