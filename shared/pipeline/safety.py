"""What judges requests and answers, and gives second opinions, in one hand."""

from __future__ import annotations

from msgspec import Struct

from shared.pipeline.admission import Admission
from shared.pipeline.answers import Answers


class Safety(Struct, frozen=True):
    """The two sides of a model."""

    admission: Admission
    answers: Answers
