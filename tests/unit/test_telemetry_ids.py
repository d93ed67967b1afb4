import random

import pytest

from shared.telemetry import RequestIds


def test_ids_come_from_the_injected_source() -> None:
    first, second = RequestIds(random.Random(7)), RequestIds(random.Random(7))
    made = [first.new() for _ in range(100)]
    assert made == [second.new() for _ in range(100)]
    assert len(set(made)) == 100
    for request_id in made:
        assert request_id.startswith("req_")
        assert len(request_id) == 28
        assert first.accept(request_id) == request_id


@pytest.mark.parametrize("offered", ["abcdefgh", "A-b_9" * 12, "x" * 64])
def test_a_usable_client_id_is_kept(offered: str) -> None:
    assert RequestIds(random.Random(1)).accept(offered) == offered


@pytest.mark.parametrize(
    "offered",
    [
        None,
        "",
        "short",
        "x" * 65,
        "with space",
        "line\nbreak",
        "abcdefgh\n",
        "ünïcödé8",
        'a"bcdefgh',
    ],
)
def test_anything_else_is_replaced(offered: str | None) -> None:
    assert RequestIds(random.Random(1)).accept(offered).startswith("req_")
