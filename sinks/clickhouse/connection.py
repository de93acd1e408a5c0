"""Statements to a ClickHouse server over HTTP, and what its errors mean for the rows."""

from typing import Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from model.errors import SinkError
from sinks.http.client import Answer, HttpClient, Tls

#: Errors of ClickHouse after which the same rows may be sent again: time-outs, memory, too many parts or queries.
_BUSY: Final = frozenset({159, 160, 202, 209, 210, 241, 242, 252, 285, 319, 425, 999})
#: No room on its disk.
_FULL: Final = frozenset({243})
_DISK_WORDS: Final = ("no space left", "cannot reserve", "not enough space")
#: The server says how a statement ended before it sends anything: what breaks off would look like a whole answer.
_WHOLE: Final = {"wait_end_of_query": "1"}


class Server(NamedTuple):
    """Where it is, and as whom to speak to it.

    :param url: of its HTTP interface.
    :param ca: file with certificates that the server's has to be signed by, instead of the system's.
    """

    url: str
    user: str = "default"
    password: str = ""
    ca: str = ""

    @property
    def target(self) -> str:
        """What errors call it."""
        address = urlsplit(self.url)
        return f"ClickHouse at {address.hostname}:{address.port or 8123}"


class Connection:
    """One pool of connections, made and used in one event loop.

    :param timeout: seconds for one statement.
    """

    def __init__(self, server: Server, timeout: float) -> None:
        self._server = server
        self._headers = {
            "Content-Type": "application/octet-stream",
            "X-ClickHouse-User": server.user,
            "X-ClickHouse-Key": server.password,
        }
        self._client = HttpClient(server.target, timeout, Tls(server.ca))

    @property
    def target(self) -> str:
        """What errors call the server."""
        return self._server.target

    async def open(self) -> None:
        """Make the pool; nothing is asked yet.

        :raises UsageError: if the file with certificates cannot be read.
        """
        await self._client.open()

    async def close(self) -> None:
        """Let go of the pool."""
        await self._client.close()

    async def run(self, statement: str) -> str:
        """What a statement answers, as text; raises as ``ask`` does."""
        return (await self.ask(statement)).decode(errors="replace").strip()

    async def ask(self, statement: str) -> bytes:
        """What a statement answers.

        :raises SinkError: retryable if the server is away, slow, busy or full; else if it refuses.
        """
        return (await self._send("", statement.encode(), _WHOLE)).body

    async def insert(self, statement: str, body: bytes, token: str = "") -> None:
        """Insert rows; raises as ``ask`` does.

        :param token: the same for the same rows: servers since ``TOKENS_SINCE`` take them once. Others get none.
        """
        await self._send(statement, body, {"insert_deduplication_token": token} if token else {})

    async def _send(self, statement: str, body: bytes, settings: dict[str, str]) -> Answer:
        query = {"query": statement, **settings} if statement else settings
        url = f"{self._server.url.rstrip('/')}/?{urlencode(query, quote_via=quote)}"
        answer = await self._client.post(url, body, self._headers)
        if answer.status == 200:
            return answer
        what = f"{self.target} answered {answer.status} ({answer.text})"
        reason, remedy, again = _meaning(answer)
        raise SinkError(what, remedy, reason=reason, retryable=again)


def _meaning(answer: Answer) -> tuple[str, str, bool]:
    """The reason, what the user does next, and whether the same rows may be sent again."""
    text = answer.text
    code = (
        int(text.partition("Code: ")[2].partition(",")[0].partition(".")[0].strip() or 0)
        if "Code: " in text
        else 0
    )
    if code in _FULL or any(word in text.lower() for word in _DISK_WORDS):
        return "disk_full", "make room on its disk; rows wait meanwhile", True
    if code in _BUSY or answer.status in (429, 502, 503, 504):
        return "server_busy", "rows wait until it takes them", True
    return "server_refused", "check user, password, rights and the table", False
