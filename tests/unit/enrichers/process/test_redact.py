"""Secrets do not leave the machine with the command line."""

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichers.process.redact import redacted
from model.settings import HIDDEN

SECRET = "hunter2xyz"

#: Command lines with a secret in them; what else is in them stays.
WITH_SECRET = [
    "app --password=@ --port=80",
    "app --password @ --port 80",
    "app --db-password @",
    "app -password @",
    "app --api-key=@",
    "app --apikey @",
    "app --client_secret @",
    "app --auth-token=@ serve",
    "app --secret-access-key @",
    "app --pass @",
    "java -Dspring.datasource.password=@ -jar app.jar",
    "env TOKEN=@ DB_PASSWORD=@ app",
    "env GITHUB_TOKEN=@ app",
    "env PGPASSWORD=@ psql -p 5432",
    "env AWS_SECRET_ACCESS_KEY=@ aws s3 ls",
    "mysql -uroot -p@ db",
    "/usr/bin/mysqldump -p@",
    "mongo -p @",
    "sudo -u backup mysqldump -p@ db",
    "timeout 5 sshpass -p @ ssh host",
    "login -p @ example",
    "sshpass -p @ ssh host",
    "redis-cli -a @ ping",
    "redis-cli -a@ ping",
    "ldapsearch -w @ -x",
    "curl -u user:@ http://127.0.0.1/",
    "curl --user user:@ http://127.0.0.1/",
    "curl http://user:@@127.0.0.1:8080/path",
    "app postgres://user:@@db:5432/name?sslmode=disable",
    "app amqp://user:@@mq/vhost",
    "app redis://:@@cache:6379",
    "curl http://127.0.0.1/?access_token=@&page=2",
    "curl -H 'Authorization: Bearer @' http://127.0.0.1/",
    "curl -H 'X-Api-Key: @' http://127.0.0.1/",
    'curl -d \'{"password": "@"}\' http://127.0.0.1/',
    "sh -c 'exec mysql -p@ db'",
    "sh -c 'TOKEN=@ exec app --password @'",
    "bash -c 'curl http://user:@@host/'",
    "app 'Server=db;User Id=sa;Password=@;Encrypt=yes'",
    "app 'host=db user=me password=@'",
    "docker login -u me -p @",
    "az login --service-principal -u app -p @",
]

#: Command lines without one: not a letter is changed.
WITHOUT_SECRET = [
    "ssh -p 22 host",
    "psql -p 5432 -U postgres",
    "docker run -p 8080:80 -p 127.0.0.1:9000:9000/tcp web",
    "mkdir -p /var/lib/app",
    "mkdir -p var/lib",
    "cp -pr a b",
    "ps -p 4711",
    "tail -f /var/log/app.log",
    "app --password-file /run/secrets/db",
    "app --token-path=/run/token --passwords-dir x",
    "docker login --password-stdin",
    "nginx -g 'daemon off;'",
    "python -m http.server 8000",
    "curl http://127.0.0.1:8080/path?page=2",
    "app --user alice --compass north --bypass",
    "java -Xmx512m -cp lib/* Main",
    "serve --tokenizer slow --max-tokens 100",
    "sshd: alice [priv]",
    "kworker/0:1",
]


def line(command: str, secret: str = SECRET) -> list[str]:
    return [word.replace("\1", secret) for word in shlex.split(_marked(command))]


def _marked(command: str) -> str:
    """``@@`` is the secret and the sign behind it."""
    return command.replace("@@", "\1\2").replace("@", "\1").replace("\2", "@")


@pytest.mark.parametrize("command", WITH_SECRET)
def test_a_secret_is_masked(command: str) -> None:
    """The secret is gone, and a blot stands where it was."""
    text = " ".join(redacted(line(command)))
    assert SECRET not in text
    assert HIDDEN in text
    assert text.split()[0] == command.split()[0]


@pytest.mark.parametrize("command", WITHOUT_SECRET)
def test_what_is_no_secret_stays(command: str) -> None:
    """Ports, paths, users and files of secrets are left as they are."""
    assert redacted(line(command)) == line(command)


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from(WITH_SECRET), st.from_regex(r"[A-Za-z][A-Za-z0-9_+!%]{7,20}", fullmatch=True))
def test_whatever_the_secret_is(command: str, secret: str) -> None:
    """No secret is known by its own form."""
    if secret not in _marked(command):
        assert secret not in " ".join(redacted(line(command, secret)))


def test_the_rest_of_the_line_stays() -> None:
    """Only the secret is masked."""
    cleaned = redacted(["app", "--password=x", "--port=80", "postgres://me:x@db/name", "A=1", "TOKEN=x"])
    assert cleaned == ["app", "--password=***", "--port=80", "postgres://me:***@db/name", "A=1", "TOKEN=***"]


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_arguments_are_taken(arguments: list[str]) -> None:
    """Nothing that a process can be called with raises, and as many arguments come out as went in."""
    assert len(redacted(arguments)) == len(arguments)
