"""What a chat costs in the store, counted at the port: the bounds are the house's promise.

Identity, guard and screens, client limits, quotas, runtime configuration and statistics are on,
with the limits that hold where nobody set any but the providers' own.
"""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from shared.config import merge_patch, parse_config
from shared.messages import JsonObject
from shared.settings import Settings, load_settings
from tests.support.edge_driver import KEYS, NAMES, Anybody, House
from tests.support.virtual_time import run_virtual

# A provider that bounds requests and tokens, of the minute and of the day, and is never full.
AMPLE: JsonObject = {"rpm": 10_000, "rpd": 1_000_000, "tpm": 20_000_000, "tpd": 2_000_000_000}


def limited(limits: JsonObject) -> Settings:
    """With ``limits`` of the runtime configuration, and callers' limits as they come."""
    settings = load_settings({**KEYS, "PAID_PROVIDERS": "all"})
    base = merge_patch({"limits": limits}, settings.base_config)
    return structs.replace(settings, base_config=base, config=parse_config(base))


async def per_chat(
    house: House, chats: int, users: int, every_s: float, settle: bool
) -> tuple[float, float]:
    """Documents read and written for each of ``chats``, one ``every_s``. ``settle``: what the
    instance still owes at the end is written too."""
    operations = house.services.stores.documents.operations
    for nth in range(chats):
        headers = {"authorization": f"Bearer user-{nth % users}"}
        # Another text each time: a guard's verdict on the same would be remembered.
        message: JsonObject = {"role": "user", "content": f"Hello, I am number {nth}!"}
        body: JsonObject = {"model": "auto", "messages": [message]}
        sent = await house.call("/v1/chat/completions", body, headers=headers)
        assert sent.status == 200, sent.body
        await asyncio.sleep(every_s)
    if settle:
        await house.services.settle()
    total = operations.total()
    return total.reads / chats, (total.writes + total.deletes) / chats


@pytest.mark.parametrize("every_s", [20.0, 61.0, 300.0])
@pytest.mark.parametrize("limits", [{}, dict.fromkeys(NAMES, AMPLE)], ids=["own", "ample"])
def test_a_trickle_costs_at_most_4_reads_and_3_writes_a_chat(
    every_s: float, limits: JsonObject
) -> None:
    async def main() -> None:
        house = House(settings=limited(limits), authenticator=Anybody())
        # Guard, classifier and answer draw on two providers: a lease of each, and the figures. What
        # the instance owes at its end is no chat's: a write for each lease it gives back.
        reads, writes = await per_chat(house, 40, 7, every_s, settle=False)
        assert reads <= 4.0
        assert writes <= 3.0

    run_virtual(main())


def test_5_a_second_from_300_users_cost_at_most_half_a_read_and_half_a_write() -> None:
    async def main() -> None:
        house = House(settings=limited(dict.fromkeys(NAMES, AMPLE)), authenticator=Anybody())
        reads, writes = await per_chat(house, 1_500, 300, 0.2, settle=True)
        assert reads <= 0.5
        assert writes <= 0.5

    run_virtual(main())


def test_one_chat_and_its_end_cost_at_most_4_reads_and_3_writes() -> None:
    async def main() -> None:
        house = House(settings=limited({}), authenticator=Anybody())
        reads, writes = await per_chat(house, 1, 1, 0.0, settle=False)
        assert reads <= 4.0
        assert writes <= 3.0

    run_virtual(main())


def test_an_instance_that_serves_nobody_asks_the_store_for_nothing() -> None:
    async def main() -> None:
        house = House(settings=limited({}), authenticator=Anybody())
        await per_chat(house, 3, 1, 1.0, settle=True)
        before = house.services.stores.documents.operations.total()
        await asyncio.sleep(3_600.0)
        assert house.services.stores.documents.operations.total() == before

    run_virtual(main())
