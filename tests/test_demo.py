"""`journeys-api demo` brings everybody through its journey, twice in a row, and mails nobody real."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from rich.console import Console

from journeys_api.cli.demo import Progress, demo_settings, expected_mails, run_demo
from journeys_api.cli.demo_display import bars, print_outcome
from journeys_api.settings import Settings


@pytest.fixture
async def own(settings: Settings, make_database: Any, template: str, tmp_path: Path) -> Settings:
    """Settings of a database that nobody else works on."""
    return settings.model_copy(update={"database_url": await make_database(template), "data_dir": tmp_path})


async def test_everybody_completes_and_is_mailed_in_two_runs_after_another(own: Settings, tmp_path: Path) -> None:
    shown: list[Progress] = []

    first = await run_demo(own, people=50, show=shown.append)
    second = await run_demo(own, people=7, show=shown.append)

    assert first.is_whole
    assert (first.progress.entered, first.progress.waiting, first.progress.failed) == (50, 0, 0)
    assert first.progress.mailed == expected_mails(50) == 117
    assert second.is_whole
    assert second.journey_id != first.journey_id
    assert second.list_id != first.list_id
    assert len(list((tmp_path / "mail" / "new").iterdir())) == expected_mails(50) + expected_mails(7)
    assert shown[-1] == second.progress
    assert (first.progress.at - first.began_at).days >= 4


async def test_the_terminal_shows_numbers_and_where_the_mail_lies(own: Settings) -> None:
    out = StringIO()
    console = Console(file=out, width=100)

    with bars(3, console) as show:
        outcome = await run_demo(own, people=3, show=show)
    print_outcome(outcome, console)

    assert "completed" in out.getvalue()
    assert str(outcome.maildir) in out.getvalue()


def test_nothing_of_the_operators_own_is_used() -> None:
    given = Settings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=Path("somewhere"),
        database_url="postgresql://real.example.com/real",
        smtp_url=SecretStr("smtp://real.example.com"),
        mail_dir=Path("/var/mail/real"),
    )

    own = demo_settings(given)

    assert own.data_dir == Path("somewhere/demo")
    assert (own.database_url, own.smtp_url, own.mail_dir) == (None, None, None)
