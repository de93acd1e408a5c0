"""Who may ask."""

import json
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from model.errors import UsageError
from tests.unit.store.queries.rows_store import RowsStore
from tests.unit.web.conftest import served
from web.config import WebConfig
from web.limits import AnswerCache, Rate
from web.refusal import RefusedError
from web.server import WebServer

API = "/api/v1/attributes"


async def test_loopback_needs_no_password(store: RowsStore) -> None:
    async with served(store) as client:
        assert (await client.get(API))[0] == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "forbidden_host"),
        ({"Host": "127.0.0.1.evil.example:8686"}, "forbidden_host"),
        ({"Host": "10.0.0.1"}, "forbidden_host"),
        ({"Origin": "http://evil.example"}, "forbidden_origin"),
        ({"Origin": "null"}, "forbidden_origin"),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, "forbidden_origin"),
    ],
)
async def test_other_names_and_other_sites_are_refused(
    store: RowsStore, headers: dict[str, str], code: str
) -> None:
    async with served(store) as client:
        for path in (API, "/"):
            status, _, body = await client.get(path, headers)
            assert (status, json.loads(body)["error"]["code"]) == (403, code)
        assert client.server.counts[f"refused.{code}"] == 2


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "map.example.net:443"])
async def test_own_names_are_taken(store: RowsStore, host: str) -> None:
    async with served(store, hosts=("map.example.net",)) as client:
        assert (await client.get(API, {"Host": host, "Origin": f"http://{host}"}))[0] == 200


async def test_with_a_token_each_question_needs_it_and_the_page_does_not(
    store: RowsStore, token_file: Path
) -> None:
    async with served(store, token_file=str(token_file)) as client:
        status, headers, body = await client.get(API)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert json.loads(body)["error"]["code"] == "no_permission"
        for wrong in ("Bearer tomato", "Basic tomato-42", "tomato-42", "Bearer"):
            assert (await client.get(API, {"Authorization": wrong}))[0] == 401
        assert (await client.get(API, {"Authorization": "Bearer tomato-42"}))[0] == 200
        assert (await client.get("/healthz"))[0] == 200
        assert (await client.get("/"))[0] in (200, 404)  # 404: without the page's files


async def test_a_reverse_proxy_says_who_asks(store: RowsStore) -> None:
    async with served(store, proxy_header="X-Forwarded-User") as client:
        assert (await client.get(API))[0] == 401
        assert (await client.get(API, {"X-Forwarded-User": "ann"}))[0] == 200
    async with served(store, proxy_header="X-Forwarded-User", proxies=("192.0.2.0/24",)) as client:
        assert (await client.get(API, {"X-Forwarded-User": "ann"}))[0] == 401


def test_an_address_that_others_reach_must_be_guarded(
    store: RowsStore, token_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="name a token_file or a proxy_header"):
        WebConfig(listen="0.0.0.0:8686")
    assert not WebConfig(listen="0.0.0.0:8686", token_file=str(token_file)).is_loopback
    assert WebConfig(listen="[::1]:8686").is_loopback
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(UsageError, match="is empty: write a token"):
        WebServer(WebConfig(token_file=str(tmp_path / "empty")), store)
    with pytest.raises(UsageError, match=r"cannot read web\.token_file"):
        WebServer(WebConfig(token_file=str(tmp_path / "none")), store)


async def test_an_open_address_says_at_start_how_it_is_guarded(
    store: RowsStore, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(store, listen="0.0.0.0:0", token_file=str(token_file)):
        pass
    assert "each question needs the token of web.token_file" in caplog.text


async def test_pages_may_load_nothing_from_elsewhere(store: RowsStore) -> None:
    async with served(store) as client:
        for path in ("/", API, "/nowhere"):
            _, headers, _ = await client.get(path)
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"


async def test_all_is_read_only(store: RowsStore) -> None:
    async with served(store) as client:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            async with client.session.request(method, API) as response:
                assert response.status == 405
                assert (await response.json())["error"]["code"] == "method_not_allowed"


async def test_too_many_requests_are_refused(store: RowsStore) -> None:
    async with served(store, requests_per_second=0.2) as client:
        found = [await client.get("/api/v1/openapi.json") for _ in range(4)]
    assert [status for status, _, _ in found] == [200, 200, 429, 429]
    assert int(found[-1][1]["Retry-After"]) >= 1


def test_the_rate_is_of_each_address_and_few_addresses_are_kept() -> None:
    now = 0.0
    rate = Rate(1, lambda: now, addresses=2)
    for _ in range(10):
        rate.take("a")
    with pytest.raises(RefusedError):
        rate.take("a")
    rate.take("b")
    now = 1.0
    rate.take("a")
    with pytest.raises(RefusedError):
        rate.take("a")
    rate.take("c")
    assert len(rate._buckets) == 2


def test_answers_that_are_kept_have_a_bound() -> None:
    cache = AnswerCache(100)
    for number in range(10):
        cache.put(number, bytes(20))
    cache.put("large", bytes(26))
    assert [number for number in range(10) if cache.get(number)] == [5, 6, 7, 8, 9]
    assert cache.get("large") is None
    assert cache.counts["evicted"] == 5


@pytest.fixture
def certified(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost "
        f"-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    return certificate, key


async def test_it_speaks_tls_with_files(store: RowsStore, certified: tuple[Path, Path]) -> None:
    certificate, key = certified
    async with served(store, tls_certificate=str(certificate), tls_key=str(key)) as client:
        assert client.server.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{client.server.url}{API}", ssl=trusting) as answer,
        ):
            assert answer.status == 200
