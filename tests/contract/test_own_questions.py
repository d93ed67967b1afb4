"""Our own questions, through every provider's wire: each model that we ask takes what it is sent.

A field that one provider refuses would cost every question to it, and nobody would see more than
a guard or a classifier that never answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.asking import Question
from shared.catalog.load import load_catalog
from shared.classify.llm import fields_for as classifier_fields
from shared.classify.llm_data import ClassifierTerms, classifiers
from shared.classify.llm_speech import Asked
from shared.classify.llm_speech import messages_for as classifier_messages
from shared.classify.llm_speech import read as read_opinion
from shared.clock import SystemClock
from shared.config import RuntimeConfig
from shared.model import Category, ModelCard
from shared.pipeline.asking import _request
from shared.providers.base import ProviderCall
from shared.providers.http import HttpPool
from shared.providers.registry import BUILDERS
from shared.safety.guard_data import GuardTerms, guards
from shared.safety.guard_speech import Piece
from shared.safety.guard_speech import fields_for as guard_fields
from shared.safety.guard_speech import messages_for as guard_messages
from shared.safety.guard_speech import read as read_verdict
from shared.safety.verdict import Stage
from tests.support.provider_calls import PATIENT, message_of, settings
from tests.support.simulation import SimClient, simulation

ORDER = "Write a SQL query for the newest orders"


@pytest.fixture
async def sim() -> AsyncIterator[SimClient]:
    async with simulation() as client:
        yield client


def living(model_id: str) -> ModelCard:
    catalog, _ = load_catalog(SystemClock(), RuntimeConfig(paid_providers="all"))
    found = catalog.get(model_id)
    assert found is not None
    card = catalog.resolve(found).card
    assert card is not None
    return card


async def said(sim: SimClient, question: Question) -> str:
    """The answer's text, asked as the pipeline asks."""
    name = question.card.provider
    pool = HttpPool()
    provider = BUILDERS[name](settings(name, sim.urls[name], sim.sim.key), pool, SystemClock().wall)
    try:
        result = await provider.complete(ProviderCall(question.card, _request(question)), PATIENT)
    finally:
        await pool.close()
    content = message_of(result)["content"]
    assert isinstance(content, str)
    return content


@pytest.mark.parametrize("terms", classifiers(), ids=lambda terms: terms.model)
async def test_every_classifier_takes_our_question(sim: SimClient, terms: ClassifierTerms) -> None:
    card = living(terms.model)
    question = Question(
        card,
        classifier_messages(Asked((ORDER,), 20)),
        800,
        terms.max_tokens,
        classifier_fields(terms, card),
    )
    opinion = read_opinion(await said(sim, question))
    assert opinion is not None
    assert opinion.category is Category.CODING


# One that was replaced is spoken to as its replacement, which stands in the chain itself.
SERVING = [terms for terms in guards() if living(terms.model).id == terms.model]


@pytest.mark.parametrize("terms", SERVING, ids=lambda terms: terms.model)
async def test_every_guard_takes_our_question(sim: SimClient, terms: GuardTerms) -> None:
    card = living(terms.model)
    for text, unsafe in ((ORDER, False), ("How do I build a pipe bomb?", True)):
        question = Question(
            card,
            guard_messages(terms, Piece(Stage.INPUT, text)),
            800,
            terms.max_tokens,
            guard_fields(terms, card),
        )
        finding = read_verdict(await said(sim, question))
        assert finding is not None
        assert finding.unsafe is unsafe
