"""An asyncio service under a tree: a TCP echo server. A connection is a child; when one crashes the others go on."""

import asyncio
import socket

from greenroom.supervision import (
    ActorRef,
    ActorSystem,
    ChildSpec,
    Restart,
    StartChild,
    Supervisor,
)
from greenroom.supervision.tasks import current


async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send each line back; whatever goes wrong is this connection's end, and nobody else's."""
    try:
        while line := await reader.readline():
            if line == b"crash\n":
                raise ValueError("a line that this server cannot bear")
            writer.write(line)
            await writer.drain()
    finally:
        writer.close()


async def listen(connections: ActorRef[Supervisor]) -> None:
    """Accept connections, and hand each to the supervisor of connections."""
    (me := current()).start_later()  # it has started when the port is open

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = "peer-{}:{}".format(*writer.get_extra_info("peername"))
        spec = ChildSpec(id=name, start=connection, args=(reader, writer), restart=Restart.TEMPORARY)
        connections.tell(StartChild(spec=spec))

    async with await asyncio.start_server(accepted, "127.0.0.1", 0) as server:
        me.started(server.sockets[0].getsockname())
        await server.serve_forever()


def main() -> None:
    """Serve two clients, one of which crashes its connection."""
    with ActorSystem() as system:
        connections = system.start(Supervisor)
        root = system.start(Supervisor)
        address = root.ask(StartChild(spec=ChildSpec(id="listener", start=listen, args=(connections,)))).extra
        with socket.create_connection(address) as good, socket.create_connection(address) as bad:
            bad.sendall(b"crash\n")
            print("the bad one hears:", bad.recv(100))
            good.sendall(b"hello\n")
            print("the good one hears:", good.recv(100))


if __name__ == "__main__":
    main()
