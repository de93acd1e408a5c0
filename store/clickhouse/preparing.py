"""The tables made, and looked at before they are used."""

from collections.abc import Mapping
from typing import Final

from model.errors import TailraceError
from sinks.clickhouse.tables import TOKENS_SINCE, quoted, version_of
from store.clickhouse.link import Line
from store.clickhouse.tables import FORMAT, SERVER_TABLES, VERSION, ServerTable, creation, ttl_of, type_of


async def prepare(line: Line, database: str, keep_s: Mapping[int, int]) -> tuple[int, int]:
    """Make the database and the tables, or bring them up to date.

    :param keep_s: step in seconds -> seconds for which its rows are kept.
    :return: the version of the server.
    :raises SinkError: if the server is not there or refuses this user.
    :raises TailraceError: if the tables are of a newer version.
    """
    version = version_of(await line.run("SELECT version()"))
    await line.run(f"CREATE DATABASE IF NOT EXISTS {database}")
    old = await refuse_newer_tables(line, database)
    for table in SERVER_TABLES:
        await line.run(creation(database, table, version, keep_s))
        if old:
            await _add_columns(line, database, table)
        if old and table.step_s and version >= TOKENS_SINCE:
            await line.run(f"ALTER TABLE {database}.{table.name} MODIFY {ttl_of(table, keep_s)}{_LAZILY}")
    await line.run(f"INSERT INTO {database}.{FORMAT.name} VALUES ({VERSION})")
    return version


async def _add_columns(line: Line, database: str, table: ServerTable) -> None:
    """Give a table what an older program did not keep: 0 in the rows that it has."""
    name = f"{database}.{table.name}"
    said = await line.run(f"DESCRIBE TABLE {name} FORMAT TabSeparatedRaw")
    there = {text.split("\t")[0] for text in said.splitlines()}
    for column, type_ in table.types.items():
        if column not in there:
            await line.run(f"ALTER TABLE {name} ADD COLUMN {quoted(column)} {type_of(type_)}")


#: Rows that are there already end at their next merge.
_LAZILY: Final = " SETTINGS materialize_ttl_after_modify = 0"


async def refuse_newer_tables(line: Line, database: str) -> bool:
    """Whether there are tables.

    :raises TailraceError: if they are of a newer version.
    """
    if await line.run(f"EXISTS TABLE {database}.{FORMAT.name}") != "1":
        return False
    refuse_newer(await line.run(newest_version(database)), f"{line.target}, database {database}")
    return True


def newest_version(database: str) -> str:
    """Asks for the version of the tables."""
    return f"SELECT max(version) AS v FROM {database}.{FORMAT.name}"


def refuse_newer(version: str, where: str) -> None:
    """:raises TailraceError: if the tables are of a newer version than this program's."""
    if int(version or 0) > VERSION:
        what = f"the store in {where} is of version {version}, and this program knows {VERSION}"
        raise TailraceError(what, "update Tailrace on this machine, or choose another database: store.url")
