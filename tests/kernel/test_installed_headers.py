"""A kernel without BTF: types come from the distribution's headers, and all but adoption works."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from probes.kernel.headers import installed_headers
from probes.registry import PROBES
from probes.tcp.probe import ADOPTION, LEFTOVERS

FEATURES = [feature for probe in PROBES for feature in probe.features]
pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(not installed_headers().exists(), reason=f"no {installed_headers()}"),
]

ROOT = Path(__file__).parents[2]
#: A probe that sees a connection and an execution.
SCRIPT = """
import json
from probes.kernel import compilation
from tests.kernel.started import Probes
from tests.kernel.loopback import Seen, connect, listening
from tests.kernel.test_process import run
from tests.slowness import SLOWNESS

compilation.COMPILE_SECONDS *= SLOWNESS  # three times the work of types from BTF

probe = Probes(slots=256, ring_bytes=1 << 16)
probe.start()
seen = Seen(probe)
with listening() as listener:
    connection = connect(listener)
    connection.exchange(1234, 56789)
    probe.snapshot()
    connection.close()
    ends = seen.await_ends(listener.getsockname()[1], 2)
(execution,) = run(seen, "/bin/true", "argument")
taken = {entry.feature.name: [entry.hook and entry.hook.name, entry.refused] for entry in probe.taken}
owners = {comm.decode() for comm in ends["socket"]["owner"]["comm"].tolist()}
cgroups = {int(number) for number in ends["socket"]["owner"]["cgroup_id"]}
print(json.dumps({
    "source": probe.headers.source, "taken": taken, "owners": sorted(owners), "cgroups": len(cgroups - {0}),
    "bytes": sorted(ends["counters"][["tx_bytes", "rx_bytes"]].tolist()),
    "execution": [execution["executable"].decode(), execution["arguments"].decode()],
}))
probe.close()
"""


def test_installed_headers_do_what_btf_does_but_for_adoption() -> None:
    """Bytes, owners, hooks and executions are right; the iterators are refused with the reason."""
    hide = 'mount -t tmpfs tmpfs /sys/kernel/btf && exec "$0" -c "$1"'
    command = ["unshare", "--mount", "sh", "-c", hide, sys.executable, SCRIPT]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["source"] == "installed"
    assert report["bytes"] == [[1234, 56789], [56789, 1234]]
    assert report["owners"] == [Path("/proc/self/comm").read_text().strip()]
    assert report["cgroups"] == 1
    assert report["execution"] == ["/bin/true", "/bin/true\0argument"]
    lost = {
        name: refused
        for name, (hook, refused) in report["taken"].items()
        if name in {ADOPTION.name, LEFTOVERS.name}
    }
    reasons = {reason for refused in lost.values() for reason in refused.values()}
    assert reasons == {"iterators need the kernel's BTF, and it has none"}
    assert [
        feature.name for feature in FEATURES if feature.required and not report["taken"][feature.name][0]
    ] == []
