"""Personal data in answers (R18.9): the screen as a filter behind the guard's verdict."""

from __future__ import annotations

from shared.pipeline.guarded_filter import MakeFilter, TextFilter
from shared.safety.personal_screen import PersonalScreen, ScreenedStream
from shared.safety.refusals import violation
from shared.safety.verdict import Severity, Stage

# Contract, Errors: the category of personal data in block mode; it is none of a guard's.
PERSONAL_DATA = "PERSONAL_DATA"


def personal_filters(screen: PersonalScreen) -> MakeFilter:
    """Filters that share one screen; in block mode the first finding raises ``SafetyViolation``,
    and nothing from it on leaves."""

    def make() -> TextFilter:
        return _Screened(screen, screen.stream())

    return make


class _Screened:
    """One text on its way through the screen."""

    __slots__ = ("_screen", "_stream")

    def __init__(self, screen: PersonalScreen, stream: ScreenedStream) -> None:
        self._screen = screen
        self._stream = stream

    def push(self, text: str) -> str:
        """See ``TextFilter.push``."""
        return self._allowed(self._stream.push(text))

    def finish(self) -> str:
        """See ``TextFilter.finish``."""
        return self._allowed(self._stream.finish())

    def _allowed(self, text: str) -> str:
        if self._screen.blocked:
            raise violation(PERSONAL_DATA, Severity.MEDIUM.value, Stage.OUTPUT)
        return text
