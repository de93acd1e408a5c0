"""TLS of a node's sockets: what events say of a socket stands in its rows from then on, and in those of no other."""

import numpy as np

from actors.node.handshakes import EVENT, NodeHandshakes, handshake_of
from model.arrays import Columns
from model.handshake import NO_HANDSHAKE, Handshake, TlsVisibility
from model.kinds.delta import NO_SLOT
from probes.kernel.layout import enums, structs

FLAGS = enums("handshake")["handshake_flag"]
ANSWERED, CUT, JOINED = (FLAGS[f"HANDSHAKE_{name}"] for name in ("ANSWERED", "CUT", "JOINED"))
TLS13 = Handshake("1.3", "TLS_AES_128_GCM_SHA256", "a.example", "", "h2,http/1.1")
SLOTS = 8


def event(
    slot: int, generation: int, name: str = "a.example", flags: int = ANSWERED, version: int = 0x0304
) -> np.ndarray:
    """One that a socket's hellos made."""
    made = np.zeros(1, EVENT)
    made["header"]["slot"], made["header"]["generation"] = slot, generation
    made["flags"], made["version"], made["cipher"] = flags, version, 0x1301
    made["name"], made["name_length"] = name.encode(), len(name)
    offered = b"\x02h2\x08http/1.1"
    made["offered"], made["offered_length"] = np.void(offered.ljust(44, b"\0")), len(offered)
    return made


def columns(*sockets: tuple[int, int]) -> Columns:
    """Rows of these sockets, by slot and generation."""
    slots, generations = zip(*sockets, strict=True)
    return {"socket.slot": np.array(slots, "<u4"), "socket.generation": np.array(generations, "<u4")}


def filled(known: NodeHandshakes, *sockets: tuple[int, int]) -> list[tuple[Handshake, int]]:
    """Handshake and visibility of each of these sockets' rows."""
    rows = columns(*sockets)
    table = known.fill(rows, np.ones(SLOTS, np.uint32))
    assert table[0] == NO_HANDSHAKE
    return [
        (table[number], seen)
        for number, seen in zip(rows["tls.index"].tolist(), rows["tls.visibility"].tolist(), strict=True)
    ]


def test_all_later_rows_of_a_socket_have_its_handshake() -> None:
    """Others, and a later socket of the slot, have none."""
    known = NodeHandshakes(SLOTS)
    known.learn(event(3, 1))
    assert known.slots.tolist() == [3]
    nothing = (NO_HANDSHAKE, TlsVisibility.NONE)
    assert filled(known, (2, 1), (3, 1), (NO_SLOT, 1)) == [nothing, (TLS13, TlsVisibility.ENCRYPTED), nothing]
    assert not len(known.slots)
    assert filled(known, (3, 1), (3, 2)) == [(TLS13, TlsVisibility.ENCRYPTED), nothing]


def test_a_slot_that_changes_hands_within_a_second() -> None:
    """The row of the first socket's end has its own handshake, of before or of the same second."""
    known = NodeHandshakes(SLOTS)
    known.learn(event(3, 1))
    known.learn(event(3, 2, "b.example"))
    first, second = filled(known, (3, 1), (3, 2))
    assert (first[0].server_name, second[0].server_name) == ("a.example", "b.example")
    known.learn(event(3, 3, "c.example"))
    names = [handshake.server_name for handshake, _ in filled(known, (3, 2), (3, 3))]
    assert names == ["b.example", "c.example"]
    assert filled(known, (3, 3))[0][0].server_name == "c.example"


def test_plain_text_seen_later_is_said() -> None:
    """The handshake stays as it was read, in the same second or before."""
    known = NodeHandshakes(SLOTS)
    plain = np.zeros(1, structs("http")["decrypted_event"])
    plain["header"]["slot"], plain["header"]["generation"] = 3, 1
    known.learn_decrypted(plain)
    assert filled(known, (3, 1)) == [(NO_HANDSHAKE, TlsVisibility.DECRYPTED)]
    known.learn(event(3, 1))
    known.learn_decrypted(plain)
    assert known.slots.tolist() == [3, 3]
    assert filled(known, (3, 1)) == [(TLS13, TlsVisibility.DECRYPTED)]
    assert filled(known, (3, 1)) == [(TLS13, TlsVisibility.DECRYPTED)]


def test_a_connection_joined_later_is_encrypted_without_a_handshake() -> None:
    """Nothing is guessed."""
    known = NodeHandshakes(SLOTS)
    made = event(3, 1, "", JOINED)
    made["offered_length"] = 0
    known.learn(made)
    assert filled(known, (3, 1)) == [(NO_HANDSHAKE, TlsVisibility.ENCRYPTED)]


def test_what_an_event_says() -> None:
    """A refused handshake has no version and no cipher; a long name is cut; what is no text is not shown."""
    assert handshake_of(event(0, 1)[0]) == TLS13
    assert handshake_of(event(0, 1, flags=0)[0]) == TLS13._replace(version="", cipher="")
    assert handshake_of(event(0, 1, flags=ANSWERED | CUT)[0]).server_name == "a.example…"
    assert handshake_of(event(0, 1, "a\x1b[0m")[0]).server_name == "a?[0m"
    assert handshake_of(event(0, 1, version=0x0301)[0]).version == "1.0"
    assert handshake_of(event(0, 1, version=0x0300)[0]).version == "3"
    made_up = event(0, 1)
    offered = b"\x02\x0a\x0a\x02h2\x08http/1."
    made_up["offered"], made_up["offered_length"] = np.void(offered.ljust(44, b"\0")), len(offered)
    assert handshake_of(made_up[0]).offered == "h2"


def test_names_are_bounded() -> None:
    """At the limit those of sockets that are gone make room; what finds none is counted."""
    known = NodeHandshakes(SLOTS, limit=4)
    for slot in range(4):
        known.learn(event(slot, 1, f"{slot}.example"))
    names = [handshake.server_name for handshake, _ in filled(known, *((slot, 1) for slot in range(4)))]
    assert names == ["0.example", "1.example", "2.example", ""]
    assert known.known.refused == 1
    known.fill(columns((0, 1)), np.array([1, 0, 0, 0, 0, 0, 0, 0], np.uint32))
    known.learn(event(5, 1, "5.example"))
    names = [handshake.server_name for handshake, _ in filled(known, (0, 1), (5, 1))]
    assert names == ["0.example", "5.example"]
