"""What people read about one flow; the rows are those of JSON lines."""

from typing import Final

from model.kinds.flow.codes import CLIENT, SERVER, SIDES
from model.rows.words import endpoint_text, printable
from model.text.table import Row
from model.text.units import duration_text

#: Whose FIN or RST ended a connection, by the end that tells and its word for it.
_ENDERS: Final = {
    (CLIENT, "fin_sent"): "client_fin",
    (CLIENT, "fin_received"): "server_fin",
    (CLIENT, "rst_sent"): "client_rst",
    (CLIENT, "rst_received"): "server_rst",
    (SERVER, "fin_sent"): "server_fin",
    (SERVER, "fin_received"): "client_fin",
    (SERVER, "rst_sent"): "server_rst",
    (SERVER, "rst_received"): "client_rst",
}
_ALARMING: Final = ("rst_sent", "rst_received", "timed_out", "error")


def process_text(row: Row, side: str) -> str:
    """``nginx/1234``; nothing where the process is not known."""
    comm, pid = printable(row.get(f"{side}.process.comm", "")), row.get(f"{side}.process.pid", 0)
    return f"{comm or '?'}/{pid}" if comm or pid else ""


def address_text(row: Row, end: str) -> str:
    """Address and port.

    :param end: ``client``, ``server``, or ``service``: what the client called.
    """
    return endpoint_text(str(row.get(f"{end}.address", "?")), row.get(f"{end}.port", 0))


def service_text(row: Row) -> str:
    """What the client called if that is not the server's own address, else nothing."""
    service = address_text(row, "service")
    return "" if service == address_text(row, "server") else service


def state_text(row: Row) -> str:
    """The error of a failed connect or an abnormal end, who ended the connection, or the TCP state; of UDP ``udp
    open``, or what ended the flow."""
    failed = row.get("connection.failed")
    for side in SIDES:
        error = row.get(f"{side}.error.type")
        if error and (failed or row.get(f"{side}.connection.close_reason") == "error"):
            return str(error)
    if failed:
        return "failed"
    if row.get("network.transport") == "udp":
        return f"udp {_ender(row) if row.get('connection.closed') else 'open'}"
    return _ender(row) if row.get("connection.closed") else _state(row)


def _ender(row: Row) -> str:
    for side in SIDES:
        if reason := row.get(f"{side}.connection.close_reason"):
            return _ENDERS.get((side, reason), str(reason))
    return "closed"


def _state(row: Row) -> str:
    """The client's, or the server's where only that is still open."""
    states = [str(state) for side in SIDES if (state := row.get(f"{side}.connection.state"))]
    return next((state for state in states if state != "close"), states[0] if states else "-")


def bytes_to_server(row: Row) -> int:
    """As the client's kernel counted them, or the server's where it alone reports (``model.kinds.flow.traffic``)."""
    return int(row.get("server.rx_bytes" if _mirrored(row) else "client.tx_bytes", 0))


def bytes_to_client(row: Row) -> int:
    """The other way."""
    return int(row.get("server.tx_bytes" if _mirrored(row) else "client.rx_bytes", 0))


def _mirrored(row: Row) -> bool:
    return not row.get("client.reported") and row.get("evidence") != "both"


def retransmits(row: Row) -> int:
    """Segments that either end sent again."""
    return sum(row.get(f"{side}.retransmitted_segments", 0) for side in SIDES)


def rtt_text(row: Row) -> str:
    """As the client measured it, else the server."""
    rtt = row.get("client.rtt_ns") or row.get("server.rtt_ns")
    return duration_text(rtt) if rtt else "-"


def alarming(row: Row) -> bool:
    """Whether something went wrong: no connection, a reset, a time-out."""
    reasons = (row.get(f"{side}.connection.close_reason") for side in SIDES)
    return bool(row.get("connection.failed")) or any(reason in _ALARMING for reason in reasons)
