"""Mails to a real server: in TLS from the first byte or begun in clear text, with a login, or not at all."""

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any, Literal

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from alerts.targets.email import Email, EmailConfig
from model.alert import Alert
from model.alert_target import AlertError
from tests.certificates import Authority
from tests.ports import free_port

SECRET = "s3cr3t-0123456789abcdef012345678"
ALERT = Alert(
    *("tailrace-1", 1, "open", "critical", "shop/b", "reset", "CRITICAL shop/b: 31 % reset", "line\n.\nlast"),
    *(1.0, 30.0, {}, "https://map.example/incident/1"),
)
Tls = Literal["starttls", "on", "off"]


class Mailbox:
    """What a server took, and how each came."""

    def __init__(self) -> None:
        self.mails: list[tuple[Session, Envelope]] = []

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """As the library calls it."""
        self.mails.append((session, envelope))
        return "250 kept"


def lets_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """One user."""
    assert isinstance(data, LoginPassword)
    right = (data.login, data.password) == (b"ada", SECRET.encode())
    return AuthResult(success=right, handled=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def server(authority: Authority, tls: Tls, name: str = "localhost") -> Iterator[tuple[int, Mailbox]]:
    """One that takes mails of who logged in in TLS; its port.

    :param tls: ``off``: it has none, and asks for no login.
    """
    mailbox, login = Mailbox(), {"authenticator": lets_in, "auth_required": True}
    more: dict[str, Any] = {}
    if tls != "off":
        context = authority.of_server(authority.signed(name))
        more = login | ({"ssl_context": context} if tls == "on" else {"tls_context": context})
        if tls == "on":
            more["auth_require_tls"] = False  # the library counts only TLS that was begun in clear text
        else:
            more["require_starttls"] = True
    controller = Controller(mailbox, "localhost", free_port(), **more)
    controller.start()
    try:
        yield controller.port, mailbox
    finally:
        controller.stop()


def email(port: int, tls: Tls, folder: Path, ca: Path | str, password: str = SECRET) -> Email:
    (folder / "password").write_text(f"{password}\n")
    who = EmailConfig(
        host="localhost",
        port=port,
        sender="tailrace@a.example",
        recipients=["b@c.example", "d@e.example"],
        tls=tls,
        user="ada",
        password_file=str(folder / "password"),
        ca=str(ca),
    )
    return Email(who)


pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.mark.parametrize("tls", ["starttls", "on"])
async def test_a_mail_goes_in_tls_and_with_a_login(tls: Tls, authority: Authority, tmp_path: Path) -> None:
    with server(authority, tls) as (port, mailbox):
        target = email(port, tls, tmp_path, authority.ca)
        await target.open()
        await target.send(ALERT, "")
        ((session, envelope),) = mailbox.mails
    assert session.authenticated
    assert envelope.mail_from == "tailrace@a.example"
    assert envelope.rcpt_tos == ["b@c.example", "d@e.example"]
    assert isinstance(envelope.content, bytes)
    mail = message_from_bytes(envelope.content, policy=default)
    assert mail["Subject"] == "[open] CRITICAL shop/b: 31 % reset"
    plain, page = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    assert "<b>line</b>" in page.get_content()
    assert page.get_content().count("https://map.example/incident/1") == 1
    assert plain.get_content().split() == ["line", ".", "last", "https://map.example/incident/1"]


@pytest.mark.parametrize("tls", ["starttls", "on"])
async def test_a_wrong_password_is_refused_and_not_told(
    tls: Tls, authority: Authority, tmp_path: Path
) -> None:
    wrong = f"{SECRET}-wrong"
    with server(authority, tls) as (port, mailbox):
        target = email(port, tls, tmp_path, authority.ca, wrong)
        await target.open()
        with pytest.raises(AlertError, match="answered 535") as raised:
            await target.send(ALERT, "")
        assert mailbox.mails == []
    assert not raised.value.retryable
    assert wrong not in str(raised.value)


@pytest.mark.parametrize("tls", ["starttls", "on"])
@pytest.mark.parametrize("why", ["another authority", "another name"])
async def test_a_server_that_is_not_the_one_gets_no_password(
    tls: Tls, why: str, authority: Authority, tmp_path: Path
) -> None:
    name = "localhost" if why == "another authority" else "mail.example"
    ca = "" if why == "another authority" else authority.ca
    with server(authority, tls, name) as (port, mailbox):
        target = email(port, tls, tmp_path, ca)
        await target.open()
        with pytest.raises(AlertError, match="cannot do what tls asks for") as raised:
            await target.send(ALERT, "")
        assert mailbox.mails == []
    assert raised.value.retryable


async def test_without_tls_nothing_is_sent(authority: Authority, tmp_path: Path) -> None:
    """A server, or somebody between, that leaves STARTTLS out gets neither the password nor the mail."""
    with server(authority, "off") as (port, mailbox):
        with smtplib.SMTP("localhost", port) as plain:
            plain.ehlo()
            assert not plain.has_extn("starttls")
        target = email(port, "starttls", tmp_path, authority.ca)
        await target.open()
        with pytest.raises(AlertError, match="cannot do what tls asks for"):
            await target.send(ALERT, "")
        assert mailbox.mails == []
