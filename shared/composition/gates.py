"""What stands at the edge between signing in and a handler, by the environment."""

from __future__ import annotations

from collections.abc import Callable

from shared.clock import Clock
from shared.edge.app_check import AppCheck
from shared.edge.app_check_keys import JWKS_URL, read_jwks
from shared.edge.app_check_rule import AppCheckRule
from shared.edge.captcha import Captcha
from shared.edge.certificate_fetch import certificate_fetch
from shared.edge.certificates import CertificateSource
from shared.edge.gate import Gate
from shared.edge.google_calls import (
    GoogleCalls,
    OwnAccount,
    app_check_consumer,
    default_token,
    emulator_owner,
)
from shared.edge.revocation import Revocation, account_lookup
from shared.limits.abuse import AbuseBook
from shared.providers.http import HttpPool
from shared.safety.violations import ViolationStore
from shared.settings import Settings
from shared.storage.documents import DocumentStore
from shared.telemetry.counters import Counters
from shared.telemetry.log import JsonLog

AccessToken = Callable[[], tuple[str, float]]


def make_gate(
    settings: Settings,
    pool: HttpPool,
    documents: DocumentStore,
    clock: Clock,
    counters: Counters,
    log: JsonLog,
    *,
    app_check: AppCheck | None = None,
    access_token: AccessToken = default_token,
) -> Gate:
    """The gate of an instance. ``app_check`` replaces the verifier that would be made. Opens no
    connection."""
    calls = GoogleCalls(pool, OwnAccount(clock, access_token).bearer)
    if app_check is None:
        keys = CertificateSource(
            certificate_fetch(pool), clock, JWKS_URL, read=read_jwks, judged="App Check tokens"
        )
        consume = app_check_consumer(calls, settings.project or "")
        app_check = AppCheck(settings.project, keys, clock, consume)
    rule = None
    if settings.require_app_check != "off":
        rule = AppCheckRule(app_check, settings.require_app_check, clock, counters, log)
    if settings.check_revoked and settings.project is None:
        log.warning("CHECK_REVOKED has no effect: set GOOGLE_CLOUD_PROJECT", {})
    abuse = AbuseBook(documents, clock, counters.note)
    revocation = _revocation(settings, pool, clock, calls)
    violations = ViolationStore(documents, clock, log)
    return Gate(rule, revocation, abuse, Captcha(abuse, app_check, clock), violations)


def _revocation(
    settings: Settings, pool: HttpPool, clock: Clock, calls: GoogleCalls
) -> Revocation | None:
    if not settings.check_revoked or settings.project is None:
        return None
    emulator = None if settings.on_cloud_run else settings.auth_emulator
    if emulator is not None:
        calls = GoogleCalls(pool, emulator_owner)
    return Revocation(account_lookup(calls, settings.project, emulator), clock)
