"""The questions on the command line have the words and the answers of the API; both read one store on disk."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from benchmarks.fleet import boutique, second
from engine.cli import build_parser
from engine.commands.ask.words import is_filter, said_by
from engine.commands.filter_words import parsed
from model.kinds.workload import WORKLOAD
from store.config import StoreConfig
from store.sink import StoreSink
from tests.beds.watch import TAILRACE

BEGIN = 1_796_000_040
SECONDS = 120
WINDOW = ["--from", str(BEGIN + 60), "--to", str(BEGIN + 120)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of the small fleet; in the second one a version fails."""
    path = tmp_path_factory.mktemp("store")

    async def write() -> None:
        sink, made = StoreSink(StoreConfig(path=str(path))), boutique()
        await sink.open([WORKLOAD])
        for at in range(SECONDS):
            fleet = made if at < SECONDS // 2 else made.broken("v2.12a", 0.6)
            await sink.write(second(fleet, BEGIN + at, at))
            await sink.flush()
        await sink.close()

    asyncio.run(write())
    return path


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """``tailrace serve`` on a port of its own."""
    command = [TAILRACE, "serve", "--store", str(folder), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("tailrace: the map is at http://127.0.0.1:"), said
        yield said.split()[-1]
        process.terminate()
        assert process.wait(20) == 0


def output(*words: str) -> str:
    """What a command prints."""
    done = subprocess.run([TAILRACE, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("words", "question", "said"),
    [
        (
            ["map", "checkoutservice", "--hops", "1", "--up", "--against", "-60s"],
            "map",
            {"select": "checkoutservice", "hops": "1", "direction": "up", "against": "-60s"},
        ),
        (["search", "chekout", "zone:a"], "search", {"q": "chekout zone:a"}),
        (["edges", "failed>0", "--sort", "failed"], "edges", {"q": "failed>0", "sort": "failed"}),
        (
            ["series", "frontend", "checkoutservice:5050", "--step", "10"],
            "series",
            {"edge": "frontend>checkoutservice:5050", "step": "10"},
        ),
        (
            ["diff", "--against", "-60s", "--state", "changed"],
            "diff",
            {"against": "-60s", "state": "changed"},
        ),
        (
            ["where", "checkoutservice", "--by", "version"],
            "where",
            {"select": "checkoutservice", "by": "version"},
        ),
        (["nat"], "nat", {}),
        (["instances", "checkoutservice"], "instances", {"select": "checkoutservice"}),
        (["moments"], "moments", {}),
    ],
)
async def test_commands_print_what_the_api_answers(
    folder: Path, server: str, words: list[str], question: str, said: dict[str, str]
) -> None:
    printed = await asyncio.to_thread(output, *words, *WINDOW, "--store", str(folder), "-o", "json")
    window = {"from": str(BEGIN + 60), "to": str(BEGIN + 120)}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server}/api/v1/{question}", params=window | said) as response,
    ):
        answer = await response.text()
        assert response.status == 200, answer
    assert printed == answer + "\n"
    asked = await asyncio.to_thread(output, *words, *WINDOW, "--server", server, "-o", "json")
    assert asked == printed


def test_a_table_says_what_fails_and_what_it_leaves_out(folder: Path) -> None:
    table = output("map", "checkoutservice", "--hops", "1", *WINDOW, "--store", str(folder)).splitlines()
    assert table[0].split()[:3] == ["CLIENT", "SERVER", "STATUS"]
    failing = next(line for line in table if "frontend" in line and "checkoutservice" in line)
    assert failing.split()[2] == "failing"
    assert table[1] == failing, "what fails comes first"
    assert "boutique/checkoutservice failing: failed" in table[-1]
    assert "8 of 8 nodes" in table[-1]


def test_pictures_and_links_are_of_the_same_map(folder: Path) -> None:
    words = ["map", "checkoutservice", "--hops", "1", *WINDOW, "--store", str(folder), "-o"]
    shown = json.loads(output(*words, "json"))["data"]
    assert output(*words, "svg").count("<path d=") == len(shown["edges"]) + 1  # and the arrow
    assert output(*words, "dot").count(" -> ") == len(shown["edges"])
    link = output(*words, "link").strip()
    assert link.startswith(
        "http://127.0.0.1:8686/map?select=checkoutservice&hops=1&dir=both&group=workload&at="
    )
    assert link.endswith("&w=60s")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["map", "nobody"], 1, "there is no workload nobody: look for it"),
        (["map", "chekoutservice"], 1, "did you mean boutique/checkoutservice?"),
        (["map", "--hops", "9"], 2, "hops"),
        (["map", "prot:x"], 2, "did you mean port?"),
        (["edges", "-o", "svg"], 2, "invalid choice"),
        (["map", *WINDOW, "--against", f"{BEGIN}/{BEGIN + 30}", "-o", "link"], 2, "of the same length"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, words: list[str], code: int, said: str) -> None:
    command = [TAILRACE, *words, "--store", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_store_and_a_server_it_says_where_to_look(tmp_path: Path) -> None:
    for words, said in (
        (["map", "--store", str(tmp_path / "none")], "there is no store at"),
        (["map", "--server", "http://127.0.0.1:9"], "does not answer"),
    ):
        done = subprocess.run([TAILRACE, *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        assert said in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["map", "shop/cart", "-process:prometheus", "port:5432"],
            {"select": ["shop/cart"], "q": ["!process:prometheus port:5432"]},
        ),
        (["map", "redis:6379"], {"select": ["redis:6379"]}),
        (["nat", "cart", "db:5432", "failed>0"], {"edge": ["cart>db:5432"], "q": ["failed>0"]}),
        (
            ["series", "cart>db:5432", "--metrics", "bytes,failed"],
            {"edge": ["cart>db:5432"], "metrics": ["bytes,failed"]},
        ),
        (["map", "a", "b", "--against", "-1d"], {"select": ["a", "b"], "against": ["-1d"]}),
        (["search", "check", "-zone:a"], {"q": ["check !zone:a"]}),
    ],
)
def test_words_become_parameters(words: list[str], said: dict[str, list[str]]) -> None:
    options = parsed(build_parser(), words)
    assert said_by(words[0], options) == said


def test_words_of_a_filter_are_told_from_names() -> None:
    assert all(
        map(is_filter, ("port:5432", "failed>0", "client.zone:a", "kind:address", "prot:x", "rtt>=2ms"))
    )
    assert not any(map(is_filter, ("cart", "shop/cart", "redis:6379", "10.0.0.1", "a-b:80", "shop/db:5432")))
