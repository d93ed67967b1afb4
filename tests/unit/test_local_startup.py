"""What the start reads, refuses, and decides about the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.banner import banner
from local.startup import StartError, StartOptions, read_options, with_simulator
from shared.settings import PROVIDERS


def options(tmp_path: Path, **environ: str) -> StartOptions:
    return read_options(environ, tmp_path)


def problems(tmp_path: Path, **environ: str) -> list[str]:
    with pytest.raises(StartError) as told:
        read_options(environ, tmp_path)
    return told.value.problems


def test_nothing_set_simulates_everybody(tmp_path: Path) -> None:
    read = options(tmp_path)
    assert (read.host, read.port, read.latency) == ("127.0.0.1", 8080, "none")
    assert read.simulated == PROVIDERS
    assert read.settings.data_dir == str(tmp_path / ".data")
    assert (tmp_path / ".data").is_dir()


@pytest.mark.parametrize(
    ("environ", "simulated"),
    [
        ({"GROQ_API_KEY": "gsk_x"}, ()),
        ({"LOCAL_BASE_URL": "http://127.0.0.1:1/v1"}, ()),
        ({"GROQ_BASE_URL": "http://127.0.0.1:1"}, PROVIDERS),
        ({"GROQ_API_KEY": "gsk_x", "SIMULATE": "all"}, PROVIDERS),
        ({"SIMULATE": "none"}, ()),
        ({"GROQ_API_KEY": "gsk_x", "SIMULATE": "google, groq"}, ("groq", "google")),
    ],
)
def test_who_is_simulated(
    tmp_path: Path, environ: dict[str, str], simulated: tuple[str, ...]
) -> None:
    assert options(tmp_path, **environ).simulated == simulated


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1111\nHOST=localhost\nGROQ_API_KEY=gsk_x\n")
    read = options(tmp_path, PORT="2222")
    assert (read.host, read.port) == ("localhost", 2222)
    assert read.settings.providers["groq"].state == "live"


def test_another_file_can_stand_in(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("PORT=3333")
    assert options(tmp_path, CODEEX_ENV_FILE=str(tmp_path / "other")).port == 3333


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"flags": {"ENABLE_TELEPATHY": true}, "nonsense": 1}')
    told = problems(
        tmp_path,
        PORT="99999",
        SIM_LATENCY="slow",
        SIMULATE="openai",
        LOG_LEVEL="loud",
        CODEEX_CONFIG=str(tmp_path / "config.json"),
    )
    assert len(told) == 6
    for part in ("PORT", "SIM_LATENCY", "SIMULATE", "LOG_LEVEL", "ENABLE_TELEPATHY", "nonsense"):
        assert any(part in line for line in told), part
    assert all("\n" not in line for line in told)


def test_a_broken_file_is_told_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT\n")
    assert problems(tmp_path) == [".env line 1: expected NAME=value, found no '='"]


def test_a_data_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = problems(tmp_path, CODEEX_DATA_DIR=str(tmp_path / "file" / "below"))
    assert len(told) == 1
    assert told[0].startswith("CODEEX_DATA_DIR: cannot write to")


def test_simulated_providers_lead_to_the_simulator_and_count_as_paid(tmp_path: Path) -> None:
    read = options(tmp_path, GROQ_API_KEY="gsk_x", SIMULATE="google")
    made = with_simulator(read.settings, {"google": "http://127.0.0.1:5"}, "key")
    assert {name: p.state for name, p in made.providers.items()} == {
        "groq": "live",
        "cerebras": "disabled",
        "google": "simulated",
        "huggingface": "disabled",
        "elevenlabs": "disabled",
    }
    assert made.providers["google"].base_url == "http://127.0.0.1:5"
    assert made.config.pays("google")
    assert not made.config.pays("groq")
    assert "CEREBRAS_API_KEY not set" in made.providers["cerebras"].reason


def test_what_may_be_billed_stays_so(tmp_path: Path) -> None:
    read = options(tmp_path, PAID_PROVIDERS="groq")
    made = with_simulator(read.settings, {"google": "http://127.0.0.1:5"}, "key")
    assert sorted(made.config.paid_providers) == ["google", "groq"]
    everybody = options(tmp_path, PAID_PROVIDERS="all")
    made = with_simulator(everybody.settings, {"google": "http://127.0.0.1:5"}, "key")
    assert made.config.paid_providers == "all"


def test_local_pages_may_call_unless_origins_are_set(tmp_path: Path) -> None:
    assert (
        "http://localhost:*" in with_simulator(options(tmp_path).settings, {}, "k").allowed_origins
    )
    read = options(tmp_path, ALLOWED_ORIGINS="https://a.example")
    assert with_simulator(read.settings, {}, "k").allowed_origins == ("https://a.example",)


def test_the_banner_names_addresses_and_how_each_provider_is_served(tmp_path: Path) -> None:
    read = options(tmp_path, GROQ_API_KEY="gsk_secret", SIMULATE="google")
    made = with_simulator(read.settings, {"google": "http://127.0.0.1:5"}, "key")
    shown = banner("127.0.0.1", 8080, made)
    # Contract, Two commands: the playground, the dashboard and the API.
    assert "http://127.0.0.1:8080/\n" in shown
    assert "http://127.0.0.1:8080/admin\n" in shown
    assert "http://127.0.0.1:8080/v1 " in shown
    assert "groq         live" in shown
    assert "google       simulated" in shown
    assert "cerebras     disabled: CEREBRAS_API_KEY not set" in shown
    assert "secret" not in shown
    assert "Warning" not in shown


def test_the_banner_warns_when_other_machines_can_come_in(tmp_path: Path) -> None:
    shown = banner("0.0.0.0", 80, options(tmp_path).settings)
    assert "http://127.0.0.1:80/" in shown
    assert "Warning" in shown
    assert "http://[::1]:80/" in banner("::1", 80, options(tmp_path).settings)
