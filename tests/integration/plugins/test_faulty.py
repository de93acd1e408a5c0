"""Plug-ins with a fault: one line names the plug-in and its package, and the exit code is the documented one."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.environment import Done, Environment
from tests.recordings.make import HERE

RECORDING = HERE / "short.tlr"


def replay(environment: Environment, *arguments: str, **config: object) -> Done:
    """A replay to sinks, with a configuration in the environment."""
    variables = {f"TAILRACE_{name.upper()}": json.dumps(value) for name, value in config.items()}
    return environment.tailrace(
        "replay", RECORDING, "--speed", "max", *arguments, env={"PATH": "/usr/bin:/bin", **variables}
    )


@pytest.mark.parametrize(
    ("sink", "line", "code"),
    [
        (
            "bad_import",
            "cannot be imported (ModuleNotFoundError: No module named 'a_library_that_is_not_there')",
            2,
        ),
        (
            "no_object",
            "cannot be imported (AttributeError: module 'faulty_loses' has no attribute 'Nothing')",
            2,
        ),
        ("no_class", "is no class, but module: see docs/plugins.md", 2),
        ("no_method", "has no method flush: see docs/plugins.md", 2),
        ("no_config", "has no Config that derives from tailrace.api.PluginConfig: see docs/plugins.md", 2),
        ("bad_init", "cannot be made (ValueError: no way): see docs/plugins.md", 2),
        ("bad_open", "cannot be opened (OSError: no disk): see docs/plugins.md", 2),
        ("exits", "cannot be opened (RuntimeError: the sink raised SystemExit): see docs/plugins.md", 2),
        ("refuses", "no table: make it", 2),
        ("away", "no server: start it", 1),
    ],
)
def test_a_faulty_sink_is_one_line(environment: Environment, sink: str, line: str, code: int) -> None:
    """Whatever its fault is; a server that is away is no fault of the command."""
    done = replay(environment, "--sink", sink)
    said = done.stderr.splitlines()
    assert (done.returncode, len(said)) == (code, 1), done.stderr
    assert said[0].startswith(f"tailrace: sink {sink} of faulty-plugins 1.0")
    assert line in said[0]


def test_two_sinks_of_one_name_are_one_line(environment: Environment) -> None:
    """Both packages are named."""
    done = replay(environment, "--sink", "twin")
    assert done.returncode == 2
    assert done.stderr == (
        "tailrace: two packages have a sink twin: faulty-plugins 1.0 and other-twin 1.0: uninstall one of them\n"
    )


@pytest.mark.parametrize(
    ("enricher", "line"),
    [
        ("nameless", "enricher nameless of faulty-plugins 1.0 has no attribute name"),
        ("named", "enricher named of faulty-plugins 1.0 calls itself kubernetes, as another does"),
        ("failing", "enricher good of faulty-plugins 1.0 cannot be started (ValueError: no source)"),
        ("docker", "enricher docker is always there"),
        ("nobody", "unknown enricher 'nobody': installed enrichers: "),
    ],
)
def test_a_faulty_enricher_is_one_line(environment: Environment, enricher: str, line: str) -> None:
    """As a sink is."""
    done = replay(environment, "--sink", "jsonl:/dev/null", enrichers=[{"name": enricher}])
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert done.stderr.startswith(f"tailrace: {line}")


def test_a_sink_that_loses_every_row_fails_the_command(environment: Environment) -> None:
    """With exit code 1 and the reason, while its neighbour gets all rows."""
    done = replay(environment, "--sink", "loses", "--sink", "jsonl:-")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "tailrace: sink.loses lost all of its rows: 215 refused: see its page in docs/sinks.md"
    )
    assert done.stdout.count('"kind":"flow"') == 215


def test_a_sink_that_blocks_holds_up_nobody_at_the_end(environment: Environment, tmp_path: Path) -> None:
    """Its rows are counted as lost, the log names it, and the program ends."""
    command: list[str | Path] = [
        environment.python,
        "-m",
        "tailrace",
        "replay",
        RECORDING,
        "--sink",
        "blocks",
    ]
    process = subprocess.Popen(
        [*command, "--sink", f"jsonl:{tmp_path / 'rows'}", "--speed", "max"],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not _rows(tmp_path / "rows") >= 215:
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "sink blocks: 215 rows were not delivered before the end" in said
    assert said.splitlines()[-1].startswith("tailrace: sink.blocks lost all of its rows: 215 shutdown")


def _rows(path: Path) -> int:
    return path.read_text().count('"kind":"flow"') if path.exists() else 0


SECRETS = [{"name": "secret", "settings": {"token": "hunter2"}}]


def test_a_secret_is_said_nowhere(environment: Environment) -> None:
    """Neither in the log of the plug-in, nor in a traceback, nor in an error."""
    done = replay(environment, sinks=SECRETS, log_level="debug")
    assert done.returncode == 1
    assert "WARNING x: Config(token='***', number=3) with ***" in done.stderr
    assert "ValueError: *** is wrong" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_an_error_in_the_settings_names_their_place_and_no_secret(environment: Environment) -> None:
    """The path of the setting, as the configuration has it."""
    wrong = [{"name": "secret", "settings": {"token": "hunter2", "number": "hunter2"}}]
    done = replay(environment, sinks=wrong)
    assert done.returncode == 2
    assert done.stderr == (
        "tailrace: sink secret of faulty-plugins 1.0: Expected `int`, got `str` - at `$.sinks[0].settings.number`\n"
    )


def test_a_secret_is_refused_on_the_command_line(environment: Environment) -> None:
    """Of any sink that marks it."""
    done = replay(environment, "--sink", "secret:hunter2")
    assert done.returncode == 2
    assert done.stderr == (
        "tailrace: no password or token in --sink: it would show in the process list: "
        "put it into the configuration file\n"
    )


def test_faulty_plugins_are_listed_with_their_fault(environment: Environment) -> None:
    """The exit code says that something is wrong; of one of them there is a line alone."""
    listed = environment.tailrace("plugins", "-o", "json")
    assert listed.returncode == 1
    faults = {each["name"]: each["fault"] for each in json.loads(listed.stdout)["plugins"]}
    assert "has no method flush" in faults["no_method"]
    assert "two packages have a sink twin" in faults["twin"]
    assert (faults["csv"], faults["jsonl"], faults["secret"]) == ("", "", "")
    one = environment.tailrace("plugins", "no_method")
    assert (one.returncode, one.stdout) == (2, "")
    assert one.stderr.startswith("tailrace: sink no_method of faulty-plugins 1.0 has no method flush")


def test_settings_are_listed_with_types_defaults_and_meaning(environment: Environment) -> None:
    """Made from the Config; one that is secret says so."""
    done = environment.tailrace("plugins", "secret")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:11] == [
        "sink secret, of faulty-plugins 1.0 (faulty_secret:Sink)",
        "Says its secret in every way it can",
        "",
        "In the configuration: sinks: [{name: secret, settings: {…}}]",
        "On the command line: --sink secret",
        "",
        "SETTING  TYPE          DEFAULT     MEANING",
        "token    text, secret  (required)  of the user.",
        "number   integer       3           of tries.",
        "",
        "Beside its settings, as every sink:",
    ]
