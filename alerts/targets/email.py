"""E-mail by SMTP, with TLS; the mails of an incident are one conversation."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from html import escape
from typing import ClassVar, Final, Literal

from alerts.posting import TIMEOUT_S, secret_of
from model.alert import Alert
from model.alert_target import AlertError
from model.errors import UsageError
from model.settings import PluginConfig

#: Replies from here on mean that the same mail would be refused again.
_REFUSED: Final = 500
#: Of the bar beside the headline.
_COLOURS: Final = {"critical": "#b00020", "error": "#d9480f", "warning": "#b08800", "info": "#1c6dd0"}
_RESOLVED: Final = "#2b8a3e"


class EmailConfig(PluginConfig, frozen=True):
    """Where mails go.

    :param host: the mail server.
    :param sender: the address they come from.
    :param recipients: addresses.
    :param tls: ``starttls``: begun in clear text; ``on``: from the first byte, mostly port 465; ``off``: none.
    :param user: to log in as; empty: nobody.
    :param password_file: file with the password.
    :param ca: file with certificates that the server's has to be signed by, instead of the system's.
    """

    host: str
    sender: str
    recipients: list[str]
    port: int = 587
    tls: Literal["starttls", "on", "off"] = "starttls"
    user: str = ""
    password_file: str = ""
    ca: str = ""

    def __post_init__(self) -> None:
        if any(
            set(" \r\n,") & set(address) or "@" not in address for address in (self.sender, *self.recipients)
        ):
            raise ValueError("write addresses as NAME@HOST")
        if not self.recipients:
            raise ValueError("name at least one recipient")
        if self.user and (self.tls == "off" or not self.password_file):
            raise ValueError("to log in takes TLS and a password_file")


class Email:
    """Sends a mail for each state of an incident; they have one thread."""

    Config: ClassVar[type[PluginConfig]] = EmailConfig

    def __init__(self, config: EmailConfig) -> None:
        self._config = config
        self._context: ssl.SSLContext | None = None
        self._password = ""

    async def open(self) -> None:
        """:raises UsageError: if a file cannot be read."""
        config = self._config
        if config.user:
            self._password = secret_of(config.password_file, "password_file of email")
        if config.tls != "off":
            try:
                self._context = ssl.create_default_context(cafile=config.ca or None)
            except (OSError, ssl.SSLError) as error:
                raise UsageError(f"cannot read {config.ca} ({error})", "check ca of email") from error

    async def send(self, alert: Alert, receipt: str) -> str:
        """:raises AlertError: if the server did not take it."""
        try:
            await asyncio.to_thread(self._deliver, self._mail(alert))
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _not_taken(f"refuses all recipients ({codes[0]})", min(codes) < _REFUSED) from None
        except smtplib.SMTPResponseException as error:
            raise _not_taken(f"answered {error.smtp_code}", error.smtp_code < _REFUSED) from None
        except (smtplib.SMTPNotSupportedError, ssl.SSLError) as error:
            raise _not_taken(f"cannot do what tls asks for ({type(error).__name__})", again=True) from None
        except (smtplib.SMTPException, OSError) as error:
            raise _not_taken(f"is away ({type(error).__name__})", again=True) from None
        return receipt

    async def close(self) -> None:
        """Nothing is kept open."""

    def _mail(self, alert: Alert) -> EmailMessage:
        domain = self._config.sender.partition("@")[2]
        mail = EmailMessage()
        mail["Subject"] = " ".join(f"[{alert.event}] {alert.short}".split())
        mail["From"], mail["To"] = self._config.sender, ", ".join(self._config.recipients)
        mail["Date"] = formatdate(alert.at)
        mail["Message-ID"] = f"<{alert.key}.{alert.revision}@{domain}>"
        mail["References"] = f"<{alert.key}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content("\n".join([*alert.lines, "", alert.link]).rstrip() + "\n")
        mail.add_alternative(_html(alert), subtype="html")
        return mail

    def _deliver(self, mail: EmailMessage) -> None:
        """In a thread: the library blocks."""
        config = self._config
        with self._connected() as server:
            if config.tls == "starttls":
                server.starttls(context=self._context)
            if config.user:
                server.login(config.user, self._password)
            server.send_message(mail)

    def _connected(self) -> smtplib.SMTP:
        config = self._config
        if config.tls == "on":
            return smtplib.SMTP_SSL(config.host, config.port, timeout=TIMEOUT_S, context=self._context)
        return smtplib.SMTP(config.host, config.port, timeout=TIMEOUT_S)


def _html(alert: Alert) -> str:
    """The same to look at: the headline in the colour of its severity, a paragraph for each line, and the link."""
    headline, *told = [escape(line) for line in alert.lines] or [escape(alert.short)]
    colour = _RESOLVED if alert.event == "resolve" else _COLOURS[alert.severity]
    paragraphs = "".join(f'<p style="margin:0 0 8px">{line}</p>' for line in told)
    link = f'<p><a href="{escape(alert.link)}">The incident in Tailrace</a></p>' if alert.link else ""
    return (
        '<!DOCTYPE html><html><body style="font:14px/1.45 sans-serif;color:#1d1d1f;max-width:46em">'
        f'<p style="margin:0 0 12px;padding:8px 12px;border-left:6px solid {colour};background:#f5f5f7">'
        f"<b>{headline}</b></p>{paragraphs}{link}</body></html>\n"
    )


def _not_taken(what: str, again: bool) -> AlertError:
    remedy = "mails wait until it takes them" if again else "check sender, recipients and user"
    return AlertError(f"the mail server {what}", remedy, retryable=again)
