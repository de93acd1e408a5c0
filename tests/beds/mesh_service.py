"""A service of a mesh: a process with a name of its own that answers any request, and logs it.

``python -m tests.beds.mesh_service NAME PORT LOG``
"""

import asyncio
import ctypes
import sys
from pathlib import Path

_PR_SET_NAME = 15  # prctl(2)


async def _serve(name: str, port: int, log: Path) -> None:
    with log.open("a", buffering=1) as file:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = writer.get_extra_info("peername")[1]
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    method, path, _ = head.split(b" ", 2)
                    status = 403 if path.startswith(b"/refused") else 200
                    file.write(f"{peer} {method.decode()} {path.decode()} {status}\n")
                    writer.write(
                        f"HTTP/1.1 {status} OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode()
                    )
                    await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_NAME, sys.argv[1].encode(), 0, 0, 0)
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
