"""A WebSocket echo that speaks permessage-deflate, on a free port of loopback; prints the port."""

import asyncio
import logging
import os

# A message may come in frames of any number: read at import.
os.environ["WEBSOCKETS_MAX_FRAGMENTS"] = str(2**24)

from websockets.asyncio.server import serve  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402


async def echo(socket):
    try:
        async for message in socket:
            await socket.send(message)
    except ConnectionClosed:
        pass  # a suite that breaks the protocol is closed, and judges how


async def main():
    logging.disable()
    async with serve(echo, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
