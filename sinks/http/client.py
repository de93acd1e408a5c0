"""Posts of a sink to a server, and what its answers mean for the rows."""

import email.utils
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import aiohttp

from model.errors import SinkError, UsageError

#: Statuses after which the same rows may be sent again: the server is busy, or one between us and it is away.
RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504})
#: Characters of an answer that an error repeats.
_SAID: Final = 300
#: Seconds at most that a server may ask us to wait.
_LONGEST_WAIT: Final = 300.0


class Tls(NamedTuple):
    """Files for TLS; empty ones are not used.

    :param ca: certificates that the server's has to be signed by, instead of the system's.
    :param certificate: of this client, with ``key``.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""

    def context(self) -> ssl.SSLContext | bool:
        """For aiohttp; True: as the system has it.

        :raises UsageError: if a file cannot be read.
        """
        if not any(self):
            return True
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key or None)
        except (OSError, ssl.SSLError) as error:
            what = f"cannot read the files for TLS ({error.strerror or error})"
            raise UsageError(what, "check tls in the settings of the sink") from error
        return context


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Its beginning, on one line."""
        return " ".join(self.body[:_SAID].decode(errors="replace").split())


class HttpClient:
    """One connection pool, made and used in the loop of the sink.

    :param target: what errors call the server; without passwords.
    :param timeout: seconds for one request.
    """

    def __init__(self, target: str, timeout: float, tls: Tls) -> None:
        self._target = target
        self._timeout = timeout
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the pool.

        :raises UsageError: if a file for TLS cannot be read.
        """
        connector = aiohttp.TCPConnector(ssl=self._tls.context(), limit=4)
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)

    async def close(self) -> None:
        """Let go of the pool; a second call does nothing."""
        session, self._session = self._session, None
        if session:
            await session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """What the server answers, whatever the status.

        :raises SinkError: retryable, if it is away or not trusted (``server_away``), or does not answer in time
            (``server_slow``).
        """
        return await self.request("POST", url, body, headers)

    async def request(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """What the server answers to any request; raises as ``post`` does."""
        assert self._session is not None, "not open"
        try:
            async with self._session.request(method, url, data=body, headers=headers) as answer:
                return Answer(answer.status, answer.headers, await answer.read())
        except TimeoutError:
            what = f"{self._target} did not answer within {self._timeout:g} s"
            raise SinkError(what, "check the server", reason="server_slow", retryable=True) from None
        except aiohttp.ClientSSLError as error:
            what = f"no TLS with {self._target} ({error})"
            remedy = (
                "name the authority of its certificate in ca, and this client's files if it asks for them"
            )
            raise SinkError(what, remedy, reason="server_away", retryable=True) from None
        except (aiohttp.ClientError, OSError) as error:
            what = f"cannot reach {self._target} ({error})"
            remedy = "start the server, or correct the address; rows wait meanwhile"
            raise SinkError(what, remedy, reason="server_away", retryable=True) from None

    async def send(
        self, url: str, body: bytes, headers: Mapping[str, str], busy: Callable[[Answer], bool] | None = None
    ) -> Answer:
        """A good answer.

        :param busy: whether another answer means that the same rows may be sent again; by the status by default.
        :raises SinkError: as ``post`` does; retryable as ``server_busy``; and as ``server_refused`` for good.
        """
        answer = await self.post(url, body, headers)
        if 200 <= answer.status < 300:
            return answer
        again = busy(answer) if busy else answer.status in RETRYABLE
        what = f"{self._target} answered {answer.status} ({answer.text})"
        if again:
            pause = wait_seconds(answer.headers.get("Retry-After", ""), time.time())
            raise SinkError(
                what, "rows wait until it takes them", reason="server_busy", retryable=True, pause=pause
            )
        raise SinkError(what, "check address, rights and settings", reason="server_refused")


def wait_seconds(text: str, now: float) -> float:
    """What ``Retry-After`` asks for: seconds, or a date; 0 for anything else."""
    if text.isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return 0.0
    return min(max(0.0, at - now), _LONGEST_WAIT)
