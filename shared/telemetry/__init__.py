"""Logs and figures of an instance (R17, R25)."""

from shared.telemetry.bridge import bridge_logging
from shared.telemetry.counters import Counters, Tallies
from shared.telemetry.log import JsonLog, open_stdout
from shared.telemetry.record import RequestRecord, user_hash
from shared.telemetry.request_ids import RequestIds

__all__ = [
    "Counters",
    "JsonLog",
    "RequestIds",
    "RequestRecord",
    "Tallies",
    "bridge_logging",
    "open_stdout",
    "user_hash",
]
