"""One end of a connection that moves known bytes and keeps its own truth."""

import errno
import os
import select
import socket
import time
from typing import Final

from model.kinds.delta import CloseReason
from selftest.errors import TrafficError
from selftest.linux import kernel_counters, reset_at_close, unacknowledged
from selftest.profile import SLOWNESS
from selftest.truth import End

CHUNK_BYTES: Final = 1 << 20
SETTLE_SECONDS: Final = 15.0 * SLOWNESS
_PAYLOAD: Final = memoryview(bytes(CHUNK_BYTES))


class TrafficSocket:
    """A connected socket together with its record; whoever moves bytes or closes tells the record."""

    def __init__(self, sock: socket.socket, end: End) -> None:
        self.sock = sock
        self.end = end

    def send(self, count: int) -> None:
        """Write ``count`` bytes."""
        for start in range(0, count, CHUNK_BYTES):
            self.sock.sendall(_PAYLOAD[: min(CHUNK_BYTES, count - start)])
        self.end.tx_bytes += count

    def receive(self, count: int) -> None:
        """Read exactly ``count`` bytes.

        :raises TrafficError: if the connection ends before.
        """
        space = memoryview(bytearray(min(count, CHUNK_BYTES)))
        left = count
        while left:
            read = self.sock.recv_into(space[: min(left, CHUNK_BYTES)])
            if not read:
                raise TrafficError(f"{self.end.kind}: {left} of {count} bytes never came")
            left -= read
        self.end.rx_bytes += count

    def receive_end(self) -> None:
        """Wait for the FIN of the peer.

        :raises TrafficError: if bytes come instead.
        """
        if self.sock.recv(1):
            raise TrafficError(f"{self.end.kind}: bytes came where the end was expected")

    def receive_reset(self) -> None:
        """Wait for the RST of the peer, and close.

        :raises TrafficError: if something else comes.
        """
        try:
            self.sock.recv(1)
        except ConnectionResetError as error:
            self.end.errno = error.errno or errno.ECONNRESET
            self.close(CloseReason.RST_RECEIVED)
        else:
            raise TrafficError(f"{self.end.kind}: no reset came")

    def settle(self) -> None:
        """Wait until the peer acknowledged every byte. No event says so: look every millisecond.

        :raises TrafficError: if that takes too long.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while unacknowledged(self.sock):
            if time.monotonic() > deadline:
                raise TrafficError(f"{self.end.kind}: bytes stay unacknowledged")
            time.sleep(0.001)

    def adopt(self) -> None:
        """Everything so far was before the start: remember it as the baseline and count anew."""
        self.settle()
        end = self.end
        end.adopted = True
        end.baseline_tx_bytes, end.baseline_rx_bytes = end.tx_bytes, end.rx_bytes
        end.tx_bytes = end.rx_bytes = 0

    def read_counters(self) -> None:
        """Record what the kernel counted; call it when the connection is at rest, and then `close_counted`."""
        self.settle()
        self.end.kernel = kernel_counters(self.sock)

    def close_counted(self, reason: CloseReason) -> None:
        """Close once the peer acknowledged the FIN: a slow machine may have sent that again, too.

        :raises TrafficError: if that takes too long.
        """
        assert self.end.kernel, "read_counters comes before"
        self.sock.shutdown(socket.SHUT_WR)
        self.settle()
        last = kernel_counters(self.sock)
        self.end.kernel.retransmitted_segments = last.retransmitted_segments
        self.end.kernel.retransmitted_bytes = last.retransmitted_bytes
        self.close(reason)

    def close(self, reason: CloseReason) -> None:
        """Close the socket; ``reason`` is what ended the connection as this end sees it."""
        self.end.close_reason = reason
        self.sock.close()
        self.end.closed_at_ns = time.time_ns()

    def reset(self) -> None:
        """Close with a RST. Both ends must have settled, else the RST destroys an unknown number of bytes."""
        reset_at_close(self.sock)
        self.close(CloseReason.RST_SENT)


class ConnectAttempt(TrafficSocket):
    """A non-blocking connect that is expected to fail."""

    def __init__(self, sock: socket.socket, end: End) -> None:
        super().__init__(sock, end)
        end.failed = True

    def fail(self, expected: int, reason: CloseReason) -> None:
        """Wait for the failure, and close.

        :raises TrafficError: if the connect succeeds, or fails otherwise.
        """
        waiting = select.poll()
        waiting.register(self.sock, select.POLLOUT)
        waiting.poll(SETTLE_SECONDS * 1000)
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code != expected:
            came, planned = os.strerror(code), os.strerror(expected)
            raise TrafficError(f"{self.end.kind}: a connect ended with {came!r}, not {planned!r}")
        self.end.errno = code
        self.close(reason)

    def give_up(self) -> None:
        """Close while the SYN is unanswered. The kernel has no errno for that; ECANCELED stands for it."""
        self.end.errno = errno.ECANCELED
        self.close(CloseReason.ERROR)
