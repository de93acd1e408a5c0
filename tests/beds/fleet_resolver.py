"""A real resolver of names, unbound, which loses what it forwards to when that is ordered.

    python -m tests.beds.fleet_resolver FOLDER

It prints "ready", then "done" after each order, a word on a line: ``fail`` has it forward the zone to where nobody
answers, so that it says SERVFAIL. It ends with its standard input.
"""

import subprocess
import sys
import time
from pathlib import Path

#: The name that is asked for.
NAME = "web.shop.example"
#: Unbound asks nobody on its own machine: it has nobody to ask then, a common fault of configurations.
NOWHERE = "127.0.0.1"
READY_SECONDS = 60.0
CONFIG = """
server:
    interface: 0.0.0.0
    do-daemonize: no
    chroot: ""
    username: ""
    directory: "{folder}"
    pidfile: ""
    use-syslog: no
    logfile: "{folder}/log"
    access-control: 0.0.0.0/0 allow
    module-config: "iterator"
    num-threads: 1
    local-zone: "shop.example." static
    local-data: "{name}. 60 IN A 192.0.2.1"
    local-data: "{name}. 60 IN AAAA 2001:db8::1"
remote-control:
    control-enable: yes
    control-interface: {folder}/control
    control-use-cert: no
"""


def _control(config: Path, *words: str) -> bool:
    """Whether it took them."""
    command = ["unbound-control", "-c", str(config), *words]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _fail(config: Path) -> None:
    taken = _control(config, "local_zone_remove", "shop.example.") and _control(
        config, "forward_add", "shop.example.", NOWHERE
    )
    if not taken:
        raise RuntimeError("unbound takes no orders")


def main(folder: str) -> None:
    """Serve until the standard input ends."""
    place = Path(folder)
    place.mkdir()
    config = place / "unbound.conf"
    config.write_text(CONFIG.format(folder=folder, name=NAME))
    # it ends with this process, however that ends
    command = ["setpriv", "--pdeathsig", "KILL", "unbound", "-d", "-c", str(config)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + READY_SECONDS
            while not _control(config, "status"):
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"unbound does not start: {(place / 'log').read_text()}")
                time.sleep(0.05)
            print("ready", flush=True)
            for line in sys.stdin:
                if line.strip() == "fail":
                    _fail(config)
                print("done", flush=True)
        finally:
            server.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
