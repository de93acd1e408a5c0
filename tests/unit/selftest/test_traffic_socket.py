"""A connection's own truth is true also when the kernel has to try again."""

import socket
import threading

from model.kinds.delta import CloseReason, Role
from selftest.linux import drop_received, keep_received, kernel_counters
from selftest.traffic_socket import TrafficSocket
from selftest.truth import End, address_bytes
from tests.kernel.loopback import until

HERE = address_bytes("127.0.0.1")


def talk_of(sock: socket.socket) -> TrafficSocket:
    """Of a client, by its socket."""
    return TrafficSocket(sock, End("test", 1, HERE, 1, HERE, 2, 3, "test", 0, Role.CLIENT, 0))


def test_an_end_that_is_sent_again_is_counted() -> None:
    """The FIN is lost at first: it is repeated, and that is among the counters when the connection is closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = talk_of(socket.create_connection(listener.getsockname()))
        peer, _ = listener.accept()
        with peer:
            connection.send(100)
            connection.read_counters()
            assert connection.end.kernel
            assert connection.end.kernel.retransmitted_segments == 0
            drop_received(peer, 1)
            closing = threading.Thread(target=connection.close_counted, args=(CloseReason.FIN_SENT,))
            closing.start()
            assert until(lambda: kernel_counters(connection.sock).retransmitted_segments > 0)
            keep_received(peer)
            closing.join(20)
            assert not closing.is_alive()
            assert connection.end.kernel.retransmitted_segments > 0
            assert connection.end.kernel.acked_bytes == 101  # the SYN is counted as one, the FIN is not
            assert connection.sock.fileno() == -1
