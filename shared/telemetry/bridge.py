"""Python's own logging (aiohttp, uvicorn, gunicorn, asyncio) as JSON, redacted like the rest."""

from __future__ import annotations

import logging

from shared.telemetry.log import JsonLog

# Servers that install handlers of their own; these are removed so that lines reach the root.
SERVER_LOGGERS = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "gunicorn.error",
    "gunicorn.access",
    "aiohttp",
    "asyncio",
)
# One line a request is written already.
_ACCESS_LOGGERS = ("uvicorn.access", "gunicorn.access", "aiohttp.access")


class JsonLogHandler(logging.Handler):
    """Hands records of Python's logging to a ``JsonLog``."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a format that does not fit its arguments is shown unformatted."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, LookupError, AttributeError):
            message = str(record.msg)
        error = record.exc_info[1] if record.exc_info else None
        self._log.log(severity_of(record.levelno), message, {"logger": record.name}, error)


def severity_of(levelno: int) -> str:
    """Cloud Logging's severity of one of Python's level numbers."""
    if levelno >= logging.CRITICAL:
        return "CRITICAL"
    if levelno >= logging.ERROR:
        return "ERROR"
    if levelno >= logging.WARNING:
        return "WARNING"
    return "INFO" if levelno >= logging.INFO else "DEBUG"


def bridge_logging(
    log: JsonLog, level: str = "INFO", manager: logging.Manager | None = None
) -> JsonLogHandler:
    """Send every logger under ``manager`` (default: the process's) through ``log``.

    Called once by the composition root; tests pass a manager of their own. Access logs are kept
    to warnings, because every request has its summary line. Raises ``ValueError`` for a level
    that Python does not know.
    """
    tree = manager or logging.Logger.manager
    handler = JsonLogHandler(log)
    tree.root.handlers = [handler]
    tree.root.setLevel(level)
    for name in SERVER_LOGGERS:
        logger = tree.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    for name in _ACCESS_LOGGERS:
        tree.getLogger(name).setLevel(logging.WARNING)
    return handler
