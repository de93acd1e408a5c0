"""NAT rewrites by ctnetlink: new and ended conntrack entries of all network namespaces, as events of the ring.

One socket hears of all namespaces (``probes.conntrack.known_namespaces``); a dump of each brings what was there
before. Nothing is remembered of an entry, but the numbers of those whose end the kernel will not tell.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from model.clock import SECOND_NS
from model.errors import ProbeError
from model.ledger import Stage
from probes.conntrack.ctnetlink import Entries, Reader
from probes.conntrack.events import all_ended, joined, no_events, of_all, stamped
from probes.conntrack.known_namespaces import KnownNamespaces
from probes.conntrack.listener import Heard, Listener, Loss
from probes.conntrack.socket import ALWAYS, COUNT, NEVER, dump
from probes.conntrack.times import EntryTimes
from probes.kernel.layout import rows_where
from probes.kernel.namespaces import ChosenNamespaces
from probes.kernel.netlink import split

log = logging.getLogger(__name__)

#: The end of a time that does not end (``KIND_NAT_UNSEEN``).
NEVER_NS: Final = 1 << 62
#: Between two dumps of a namespace with entries whose end the kernel does not tell.
AGAIN_NS: Final = 60 * SECOND_NS
#: After so long catch_up() leaves the other namespaces to its next call.
TURN_NS: Final = SECOND_NS // 2


class Conntrack:
    """Sees every conntrack entry of the machine that rewrites TCP or UDP, from ``start`` to ``close``.

    Where nobody wants those of UDP, they do not come out of the kernel but in dumps.

    ``events`` never blocks; when ``behind`` says so, ``catch_up`` is to be called in a thread.

    :param buffer_bytes: memory of the kernel for events that wait.
    :param patterns: the namespaces to report (``ChosenNamespaces``).
    :param listen: whether to hear of entries that come and go; if not, only what was there before is given.
    :param required: whether to refuse a start without the rights; if not, there are no events then.
    :param udp: whether entries of UDP are wanted.
    """

    def __init__(
        self,
        buffer_bytes: int = 8 << 20,
        patterns: Sequence[str] = (),
        *,
        listen: bool = True,
        required: bool = True,
        udp: bool = True,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.stage = Stage("entries")
        self._buffer_bytes = buffer_bytes
        self.listen = listen
        #: Tells when each message was made; without it that is known only from one look to the next.
        self.times: EntryTimes | None = None
        self._required = required
        self._udp = udp
        self._monotonic = monotonic
        self._chosen = ChosenNamespaces(patterns)
        self._reader = Reader(udp=udp)
        self._known: KnownNamespaces | None = None
        self._listener: Listener | None = None
        self._reported: set[int] = set()  # namespaces, of the known ones
        self._unseen: dict[int, int] = {}  # namespaces of which entries are not known, and until when
        self._wanted: dict[int, bool] = {}  # namespaces to dump; whether that makes up for lost events
        self._silent: dict[
            int, np.ndarray | None
        ] = {}  # entries that end untold, by namespace; None: all, always
        self._look_due = True
        self._refused = False  # for good
        self._again_at = 0
        self._begun_ns = monotonic()
        self._making_up_ns: int | None = (
            None  # since when dumps make up for a loss; None: for none, or in vain
        )
        self._told: list[np.ndarray] = []  # events that wait for the next call

    def start(self) -> None:
        """Opens what is needed; without conntrack in the kernel it waits for it to come.

        :raises ProbeError: without the rights to listen, if that is required.
        """
        self._again_at = self._monotonic() + AGAIN_NS
        error = self._open()
        if error and self._required:
            raise ProbeError(f"cannot listen to conntrack ({error})", "see `tailrace doctor`") from error

    def begin(self) -> None:
        """Dumps what was there before ``start``, to be told first; blocks as ``catch_up`` does, which does the rest.

        A connection that is made after this and rewritten in a namespace of which nobody tells is not known.
        """
        if self.behind:
            self._told.append(self.catch_up())

    def _open(self) -> OSError | None:
        if not COUNT.exists():
            return None
        try:
            self._known = KnownNamespaces(self.stage)
            if self.listen:
                self._listener = Listener(
                    self._buffer_bytes, self.times, self.stage, self._monotonic, udp=self._udp
                )
        except OSError as error:
            self.close()
            self._refused, self._look_due = True, False
            self._told.append(of_all("KIND_NAT_UNSEEN", NEVER_NS))
            log.warning("NAT rewrites are not seen: %s; see `tailrace doctor`", error)
            return error
        return None

    @property
    def fds(self) -> Sequence[int]:
        """None: what waits in its socket is read soon enough."""
        return ()

    @property
    def behind(self) -> bool:
        """Whether catch_up() has something to do."""
        now = self._monotonic()
        return bool(self._wanted) or self._look_due or (bool(self._silent) and now >= self._again_at)

    def notice(self, netns: np.ndarray) -> None:
        """A window is over, and new sockets live in these namespaces (inodes): it is time to look for new ones, so
        that what was rewritten in them is known before the window is told."""
        self._look_due = not self._refused
        if self._known:
            self._known.seek(set(np.unique(netns).tolist()) - {0})

    def events(self) -> np.ndarray:
        """What came since the last call, in order: an array of ``struct socket_event`` that holds NAT events."""
        told, self._told = self._told, []
        if not self._known:
            return joined(told)
        gone, new = self._known.changes()
        self._look_due |= new
        parts = [*told, *self._received(self._known)]
        self._known.forget(gone)
        return joined((*parts, self._end(gone)))

    def _received(self, known: KnownNamespaces) -> Iterator[np.ndarray]:
        for item in self._listener.read() if self._listener else ():
            match item:
                case Heard():
                    yield self._placed(item, known)
                case Loss():
                    yield self._lost(item.begin_ns, item.end_ns)

    def missed(self, begin_ns: int, end_ns: int) -> None:
        """Events of ours that came by the ring were lost between these times, monotonic."""
        if not self.listen:
            self._told.append(self._lost(begin_ns, end_ns))

    def _lost(self, begin_ns: int, end_ns: int) -> np.ndarray:
        """Entries may be missing: what a dump shows from now on is the truth."""
        self._wanted |= dict.fromkeys(self._reported, True)
        self._making_up_ns = 0
        return of_all("KIND_NAT_LOST", begin_ns, end_ns)

    def _placed(self, heard: Heard, known: KnownNamespaces) -> np.ndarray:
        netns = known.inodes(heard.numbers)
        # A namespace without a place yet is dumped when it gets one.
        self.stage.note("unplaced", int(np.count_nonzero(netns == 0)))
        heard.entries.events["latest_at_ns"] = np.where(heard.last_ns != heard.first_ns, heard.last_ns, 0)
        return self._deliver(heard.entries, netns, heard.first_ns, heard.cut)

    def _deliver(
        self, entries: Entries, netns: np.ndarray, at_ns: np.ndarray | int, cut: int = 0
    ) -> np.ndarray:
        events = stamped(entries.events, netns, at_ns)
        wanted = np.isin(netns, np.fromiter(self._reported, np.uint32, len(self._reported)))
        events = rows_where(events, wanted)
        unreadable = entries.unreadable + cut
        self.stage.received += len(events) + unreadable
        self.stage.delivered += len(events)
        self.stage.drop("unreadable", unreadable)
        return events

    def _end(self, namespaces: Iterable[int]) -> np.ndarray:
        """All entries of these namespaces are ended, as far as any were reported."""
        ended = self._reported & set(namespaces)
        if not ended:
            return no_events()
        self._reported -= ended
        for namespace in ended:
            self._wanted.pop(namespace, None)
            self._silent.pop(namespace, None)
        self._note_namespaces()
        return all_ended(ended, self._monotonic())

    def _note_namespaces(self) -> None:
        self.stage.noted["namespaces"] = len(self._reported)

    def catch_up(self) -> np.ndarray:
        """Looks for new namespaces and dumps those that need it; blocks, for half a second and one dump at most.

        Events of the same form as those of events(), which go before what that gives next.
        """
        now = self._monotonic()
        parts = [self._look(now)] if self._look_due else []
        if now >= self._again_at:
            self._again_at = now + AGAIN_NS
            self._wanted |= dict.fromkeys(self._silent, True)
        while self._wanted and self._monotonic() - now < TURN_NS:
            parts.append(self._dump(*self._wanted.popitem()))
        return joined((*parts, self._made_up()))

    def _look(self, now: int) -> np.ndarray:
        self._look_due = False
        if not self._known:
            self._open()
        if not self._known:
            return no_events()
        self._known.look(now)
        self._chosen.refresh()
        reported = {inode for inode in self._known.reachable if inode in self._chosen}
        self._wanted |= dict.fromkeys(reported - self._reported, False)
        ended = self._end(self._reported - reported)
        self._reported |= reported
        self._note_namespaces()
        unreachable = {inode for inode in self._known.unreachable if inode in self._chosen}
        shown = self._show(self._unseen.keys() - reported - unreachable)
        return joined((ended, shown, self._hide(unreachable | self._unheard(self._known))))

    def _unheard(self, known: KnownNamespaces) -> set[int]:
        """Namespaces whose entries nobody tells of: without CAP_NET_BROADCAST all but the own one."""
        return self._reported - {known.own} if self._listener and not self._listener.everywhere else set()

    def _show(self, namespaces: Iterable[int]) -> np.ndarray:
        """These are gone, and with them what was not known of them."""
        for inode in (gone := sorted(namespaces)):
            del self._unseen[inode]
        return joined(of_all("KIND_NAT_SEEN", netns=inode) for inode in gone)

    def _hide(self, namespaces: Iterable[int], until_ns: int = NEVER_NS) -> np.ndarray:
        """Entries of these that began up to then are not known."""
        new = [inode for inode in namespaces if self._unseen.get(inode, -1) < until_ns]
        self._unseen |= dict.fromkeys(new, until_ns)
        return joined(of_all("KIND_NAT_UNSEEN", until_ns, netns=inode) for inode in new)

    def _dump(self, namespace: int, again: bool) -> np.ndarray:
        assert self._known
        before_ns = self._monotonic()
        try:
            found = self._known.inside(namespace, dump)
        except OSError as error:  # without the right to enter; or it is gone, which the kernel tells apart
            return self._undumped(namespace, error, before_ns if self.listen else self._begun_ns)
        self.stage.note("dumps")
        self._making_up_ns = before_ns if self._making_up_ns == 0 else self._making_up_ns
        entries = self._reader.read(*split(found.messages))
        self._note_silent(namespace, entries.ids, found.mode, again)
        netns = np.full(len(entries.events), namespace, np.uint32)
        before = all_ended([namespace] if again else [], before_ns)
        entries.events["latest_at_ns"] = self._monotonic()
        never = self._hide([namespace] if self.listen and found.mode == NEVER else [])
        return joined((before, never, self._deliver(entries, netns, 0)))

    def _undumped(self, namespace: int, error: OSError, until_ns: int) -> np.ndarray:
        """A namespace cannot be dumped: what began there up to then is not known, but for what was heard."""
        self.stage.note("dumps_failed")
        log.info("conntrack of network namespace %d cannot be read: %s", namespace, error)
        self._making_up_ns = None
        return no_events() if namespace in self._unseen else self._hide([namespace], until_ns)

    def _made_up(self) -> np.ndarray:
        """All namespaces were dumped since events were lost."""
        if self._wanted or not self._making_up_ns:
            return no_events()
        begin_ns, self._making_up_ns = self._making_up_ns, None
        return of_all("KIND_NAT_DUMPED", begin_ns, self._monotonic())

    def _note_silent(self, namespace: int, ids: np.ndarray, mode: int, again: bool) -> None:
        """Entries made before anybody listened end untold in mode HEARD: dumps go on until they are gone."""
        if not self.listen or mode == ALWAYS:
            self._silent.pop(namespace, None)
        elif mode == NEVER:
            self._silent[namespace] = None
        else:
            silent = self._silent.get(namespace)
            left = (
                ids if silent is None and not again else np.intersect1d(ids, [] if silent is None else silent)
            )
            self._silent[namespace] = left
            if not len(left):
                del self._silent[namespace]

    def close(self) -> None:
        """Closes all sockets; nothing is left behind."""
        if self._listener:
            self._listener.close()
        elif self.times:
            self.times.close()
        if self._known:
            self._known.close()
        self._listener = self._known = self.times = None
