"""Mail without an SMTP server, and which of the two the settings choose."""

import asyncio
import mailbox
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from journeys_api.delivery.maildir import MaildirMailer
from journeys_api.delivery.mailers import mailer_for
from journeys_api.delivery.messages import envelope_for
from journeys_api.delivery.outcomes import Ending
from journeys_api.delivery.smtp import SmtpMailer
from journeys_api.delivery.smtp_url import BadSmtpUrl
from journeys_api.settings import Settings
from tests.delivery.mail.mails import envelope, mail


def settings(**stated: object) -> Settings:
    return Settings(_env_file=None, **stated)  # type: ignore[call-arg, arg-type]


async def test_a_message_is_one_a_mail_program_can_read(tmp_path: Path) -> None:
    sent = envelope_for(mail(cc=("c@x.test",), text="Grüße\n"), mail_from="bounces@shop.test")

    outcome = await MaildirMailer(tmp_path / "mail").send(sent)

    assert outcome.ending is Ending.ACCEPTED
    [message] = mailbox.Maildir(tmp_path / "mail", create=False)
    assert message["Return-Path"] == "<bounces@shop.test>"
    assert message.get_all("Delivered-To") == ["ann@x.test", "c@x.test"]
    assert message["Message-ID"] == "<d41.7@journeys.test>"
    [file] = (tmp_path / "mail" / "new").iterdir()
    assert file.name == outcome.reference
    assert file.read_bytes().split(b"\n", 3)[3] == sent.message.replace(b"\r\n", b"\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []


async def test_a_message_sent_again_is_still_one_file(tmp_path: Path) -> None:
    mailer = MaildirMailer(tmp_path)

    outcomes = await asyncio.gather(*(mailer.send(envelope()) for _ in range(5)))
    [unread] = (tmp_path / "new").iterdir()
    unread.rename(tmp_path / "cur" / f"{unread.name}:2,S")
    outcomes.append(await mailer.send(envelope()))

    assert {outcome.ending for outcome in outcomes} == {Ending.ACCEPTED}
    assert len({outcome.reference for outcome in outcomes}) == 1
    assert list((tmp_path / "new").iterdir()) == []


async def test_two_messages_are_two_files(tmp_path: Path) -> None:
    mailer = MaildirMailer(tmp_path)

    await mailer.send(envelope())
    await mailer.send(
        envelope(message=b"Message-ID: <other@journeys.test>\r\n\r\nMessage-ID: <d41.7@journeys.test>\r\n")
    )
    await mailer.close()

    assert len(mailbox.Maildir(tmp_path, create=False)) == 2


async def test_a_directory_that_cannot_be_is_deferred_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    outcome = await MaildirMailer(tmp_path / "file" / "mail").send(envelope())

    assert (outcome.ending, outcome.reason) == (Ending.DEFERRED, "Maildir: ENOTDIR")


async def test_without_a_server_mail_goes_to_the_data_directory(tmp_path: Path) -> None:
    await mailer_for(settings(data_dir=tmp_path, smtp_url=SecretStr(""))).send(envelope())
    await mailer_for(settings(data_dir=tmp_path, mail_dir=tmp_path / "elsewhere")).send(envelope())

    assert len(mailbox.Maildir(tmp_path / "mail", create=False)) == 1
    assert len(mailbox.Maildir(tmp_path / "elsewhere", create=False)) == 1


@pytest.mark.parametrize("public_url", [None, "https://[::1]:8000", "http://10.0.0.1", "https://bücher.test/j"])
def test_with_a_server_mail_goes_there(public_url: str | None) -> None:
    assert isinstance(mailer_for(settings(smtp_url="smtp://mail.test", public_url=public_url)), SmtpMailer)


def test_a_bad_server_url_stops_the_start() -> None:
    with pytest.raises(BadSmtpUrl):
        mailer_for(settings(smtp_url="mail.test"))
