"""A small HTTP server whose outages are known: tells its port, then answers as the instants given on stdin say.

A line `FROM TO` on stdin, both in CLOCK_MONOTONIC seconds, makes it answer 503 in between; `silent FROM TO` holds the
answers back until TO.
"""

import asyncio
import sys
import time


class Server:
    def __init__(self):
        self.outage = (0.0, 0.0)
        self.silent = False

    async def serve(self, reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            begin, end = self.outage
            out = begin <= time.monotonic() < end
            if out and self.silent:
                await asyncio.sleep(end - time.monotonic())
                out = False
            status = b"503 Service Unavailable" if out else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()

    def command(self):
        words = sys.stdin.readline().split()
        if not words:
            return
        self.silent = words[0] == "silent"
        self.outage = (float(words[-2]), float(words[-1]))


async def main():
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024)
    asyncio.get_running_loop().add_reader(sys.stdin, server.command)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
