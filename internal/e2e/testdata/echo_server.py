# SPDX-License-Identifier: Apache-2.0
"""The echo server of the documents: what comes in goes back. Other requests are answered with 200: /slow?SECONDS after
that time, /page?PATH with a page that opens three WebSockets to PATH and asks for /echoedPATH/MESSAGE
with what came back over all of them, or with error."""

import asyncio
import http
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


PAGE = """<!doctype html><script>
const path = location.search.slice(1);
const sockets = [1, 2, 3].map(() => new WebSocket(`wss://${location.host}${path}`));
let echoes = 0;
for (const ws of sockets) {
  ws.onopen = () => ws.send("hello");
  ws.onmessage = (m) => {
    if (++echoes == sockets.length) fetch(`/echoed${path}/${m.data}`).then(() => sockets.forEach((s) => s.close()));
  };
  ws.onerror = () => fetch(`/echoed${path}/error`);
}
</script>
"""


async def echo(websocket):
    try:
        async for message in websocket:
            await websocket.send(message)
    except ConnectionClosed:
        pass


async def plain(connection, request):
    print(request.headers.get("Upgrade", "-"), request.path, flush=True)
    if request.path.startswith("/page?"):
        response = connection.respond(http.HTTPStatus.OK, PAGE)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "text/html"
        return response
    if request.path.startswith("/echoed"):
        return connection.respond(http.HTTPStatus.OK, "thanks\n")
    if request.path.startswith("/slow?"):
        await asyncio.sleep(float(request.path.removeprefix("/slow?")))
        return connection.respond(http.HTTPStatus.OK, "done\n")


async def main():
    ping = float(sys.argv[2]) if len(sys.argv) > 2 else 20
    async with serve(echo, "0.0.0.0", int(sys.argv[1]), process_request=plain, backlog=4096, open_timeout=None,
                     ping_interval=ping, ping_timeout=ping):
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
