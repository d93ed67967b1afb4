"""What the Auth SDK asks of the Firebase Auth emulator to sign in anonymously, what the router asks
of it about an account, and no more.

The tokens are the emulator's own kind: unsigned, every claim in its place. Source of the answers:
Identity Toolkit's REST API, ``accounts:signUp`` and ``accounts:lookup``.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shared.messages import JsonObject

PROJECT = "demo-codeex"
TOKEN_S = 3600
# What the ids of disabled accounts begin with.
DISABLED = "disabled-"
# Those of accounts of which the emulator says that it does not know at the moment.
UNKNOWABLE = "unknowable-"


class AuthEmulator:
    """Runs in threads of its own until ``stop``. Every sign-up is a new user."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    users = 0

    def do_OPTIONS(self) -> None:
        self._answer(204, None)

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        asked: JsonObject = json.loads(self.rfile.read(length) or b"{}")
        path = self.path.partition("?")[0]
        if path.endswith("/accounts:signUp"):
            _Handler.users += 1
            uid = f"anonymous-{_Handler.users}"
            self._answer(200, {**_signed_in(uid), "kind": "identitytoolkit#SignupNewUserResponse"})
        elif path.endswith(f"/projects/{PROJECT}/accounts:lookup"):
            assert self.headers["authorization"] == "Bearer owner"
            asked_for = asked["localId"]
            assert isinstance(asked_for, list)
            name = str(asked_for[0])
            user: JsonObject = {"localId": name, "validSince": "0"}
            user["disabled"] = name.startswith(DISABLED)
            self._answer(503 if name.startswith(UNKNOWABLE) else 200, {"users": [user]})
        elif path.endswith("/accounts:lookup"):
            self._answer(200, {"users": [{"localId": _uid(str(asked["idToken"]))}]})
        else:
            self._answer(404, {"error": {"code": 404, "message": "NOT_FOUND"}})

    def _answer(self, status: int, body: JsonObject | None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("access-control-allow-origin", "*")
        self.send_header("access-control-allow-headers", "*")
        if body is not None:
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _signed_in(uid: str) -> JsonObject:
    return {
        "idToken": unsigned_token(uid),
        "refreshToken": f"refresh-{uid}",
        "expiresIn": str(TOKEN_S),
        "localId": uid,
    }


def unsigned_token(uid: str) -> str:
    """An ID token of the Auth emulator for an anonymous user of ``PROJECT``."""
    now = int(time.time())
    claims: JsonObject = {
        "provider_id": "anonymous",
        "auth_time": now,
        "user_id": uid,
        "firebase": {"identities": {}, "sign_in_provider": "anonymous"},
        "iat": now,
        "exp": now + TOKEN_S,
        "aud": PROJECT,
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "sub": uid,
    }
    return f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{_encoded(claims)}."


def _encoded(part: JsonObject) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _uid(token: str) -> str:
    part = token.split(".")[1]
    claims: JsonObject = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return str(claims["sub"])
