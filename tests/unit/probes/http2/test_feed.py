"""The feed: when records are decoded, and what becomes of requests whose socket is gone."""

import re
from importlib import resources

import numpy as np
from hpack import Encoder

from probes.http.config import Http2Config
from probes.http.probe import JUMPS
from probes.http2.blocks import FLAGS, RECORD, WAYS
from probes.http2.counted import CELL
from probes.http2.decoder import FrameDecoder
from probes.http2.feed import MOST_TURNS, Http2Feed
from probes.http2.probe import FRAMES
from probes.http2.ring import TURN
from probes.kernel.layout import enums, structs
from probes.kernel.namespaces import ChosenNamespaces
from tests.unit.probes.http2.frames import headers, joined

REQUESTS = enums("http")["http_event"]["KIND_REQUESTS"]
SHARED = structs("tcp")["socket_event"]


class Kernel:
    """Frames and sockets: what comes, from one look to the next, and whether the sockets live."""

    fd = -1

    def __init__(self, *reads: np.ndarray) -> None:
        self.reads = list(reads)
        self.waiting = np.zeros(0, RECORD)
        self.alive = True
        self.lossy = False
        self.forgotten: list[int] = []

    @property
    def kept(self) -> int:
        return len(self.waiting) + sum(map(len, self.reads[:1]))

    def collect(self) -> int:
        if self.reads:
            self.waiting = joined([self.waiting, self.reads.pop(0)])
        return len(self.waiting)

    def read(self, most: int) -> np.ndarray:
        records, self.waiting = self.waiting[:most], self.waiting[most:]
        return records

    def tallies(self) -> dict[str, int]:
        return dict.fromkeys(("joined", "unfollowed", "records", "records_lost", "left_out"), 0)

    def forget(self, slots: np.ndarray, generations: np.ndarray) -> np.ndarray:
        self.forgotten += slots.tolist()
        return np.full(len(slots), self.lossy)

    def live(self, slots: np.ndarray, generations: np.ndarray) -> np.ndarray:
        return np.full(len(slots), self.alive)


def feed(kernel: Kernel, cells: int = 100) -> Http2Feed:
    """One that reads these."""
    made = Http2Feed(FrameDecoder(Http2Config(), 100, hosts=False), cells, ChosenNamespaces([]))
    made.frames = made.sockets = kernel
    return made


def tick(made: Http2Feed) -> list[tuple[int, int]]:
    """Requests and status of each kind of a window that ends."""
    made.notice(np.zeros(0, np.uint32))
    events = made.events()
    mine = events[events["header"]["kind"] == REQUESTS].view(CELL)
    return [(int(cell["requests"]), int(cell["status"])) for cell in mine]


def asked(path: str = "/cart") -> np.ndarray:
    """A request of a client."""
    fields = [(":method", "GET"), (":path", path), (":scheme", "http")]
    way = WAYS["HTTP2_CLIENT"] | WAYS["HTTP2_SENT"]
    return joined(headers(Encoder().encode(fields), flags=FLAGS["HTTP2_END_STREAM"], way=way))


def answered() -> np.ndarray:
    """Its answer."""
    block = Encoder().encode([(":status", "200")])
    return joined(headers(block, flags=FLAGS["HTTP2_END_STREAM"], way=WAYS["HTTP2_CLIENT"]))


def test_requests_are_told_when_the_window_ends() -> None:
    """Not before, whenever they were read; and paths with them."""
    made = feed(Kernel(joined([asked(), answered()])))
    assert [len(made.events()), len(made.events())] == [0, 0]
    assert tick(made) == [(1, 200)]
    assert tick(made) == []
    assert (made.stage.received, made.stage.delivered, made.stage.balanced) == (1, 1, True)


def test_much_is_decoded_before_the_window_ends() -> None:
    """In turns, of which so many are taken at once; all that is left when the window ends."""
    kernel = Kernel(np.repeat(joined([asked(), answered()]), TURN))
    made = feed(kernel)
    assert len(kernel.reads[0]) == 2 * TURN
    kernel.reads = [joined([kernel.reads[0]] * 3), np.zeros(0, RECORD)]
    made.events()
    assert len(kernel.waiting) == (6 - MOST_TURNS) * TURN
    tick(made)
    assert len(kernel.waiting) == 0


def test_what_a_socket_moved_before_it_went_counts() -> None:
    """Its last records may come behind those of the window."""
    kernel = Kernel(asked(), answered())
    kernel.alive = False
    assert tick(feed(kernel)) == [(1, 200)]
    assert kernel.forgotten == [1]


def test_requests_on_a_socket_that_is_gone_have_no_answer() -> None:
    """Unless what it moved last was lost: then nothing is said of them, but that they were dropped."""
    for lossy, counted in ((False, [(1, 0)]), (True, [])):
        kernel = Kernel(asked())
        kernel.alive, kernel.lossy = False, lossy
        made = feed(kernel)
        assert tick(made) == counted
        assert made.stage.dropped["records_lost"] == lossy
        assert made.stage.balanced


def test_kinds_beyond_the_limit_are_dropped_and_counted() -> None:
    """As of the kernel's cells of HTTP/1."""
    made = feed(Kernel(joined([asked(), answered()])), cells=0)
    made.events()
    assert tick(made) == []
    assert made.stage.dropped["no_cell"] == 1
    assert made.stage.balanced


def test_its_programs_have_the_number_that_the_kernel_jumps_to() -> None:
    """Whatever the type of program."""
    text = resources.files("bpf").joinpath("http/maps.h").read_text()
    (number,) = re.findall(r"JUMP_HTTP2 = (\d+)", text)
    programs = {part.program for way in FRAMES.alternatives for part in way.parts}
    assert programs == {names[int(number)] for names in JUMPS.values()}
