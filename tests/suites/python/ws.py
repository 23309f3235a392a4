"""`websockets` and `wsproto` clients in front of the router, a `websockets` server behind it."""

import os
import socket
import threading

# A message may come in frames of any number: read at import.
os.environ["WEBSOCKETS_MAX_FRAGMENTS"] = str(2**24)

from cases import PATIENCE, ROUTER, SECURE, case, run, tell, trusting  # noqa: E402
from websockets.exceptions import (  # noqa: E402
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidStatus,
)
from websockets.sync.client import connect  # noqa: E402
from websockets.sync.server import serve  # noqa: E402
from wsproto import ConnectionType, WSConnection  # noqa: E402
from wsproto.events import (  # noqa: E402
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason  # noqa: E402

problems = []
# How connections ended on the dyno's side: code and reason that came from the client.
ended = {}
ended_now = threading.Condition()

SIZES = [0, 1, 125, 126, 65_535, 65_536, 1_048_576, 4_000_000]
URL = f"ws://localhost:{ROUTER[1]}"


def refuse(socket, request):
    if request.path == "/refused":
        return socket.respond(403, "not for you\n")
    return None


def handle(socket):
    path = socket.request.path
    try:
        if path == "/ping":
            assert socket.ping().wait(PATIENCE), "no pong"
        elif path == "/leave":
            socket.close(4002, "the dyno leaves")
        elif path == "/drop":
            socket.socket.close()
        for message in socket:
            socket.send(message)
        keep(path, socket.protocol.close_rcvd)
    except ConnectionClosed as closed:
        keep(path, closed.rcvd)
    except Exception as problem:
        problems.append(f"{path}: {problem!r}")


def keep(path, received):
    with ended_now:
        ended[path] = received and (received.code, received.reason)
        ended_now.notify_all()


def dyno_saw(path):
    with ended_now:
        assert ended_now.wait_for(lambda: path in ended, PATIENCE), f"{path} has not ended at the dyno"
        return ended[path]


def subprotocol(socket, offered):
    return "echo" if "echo" in offered else None


def text(size):
    return ("äbc☃" * (size // 4 + 1))[:size]


@case
def messages_of_every_size_with_and_without_compression():
    for compression in ("deflate", None):
        with connect(f"{URL}/sizes", compression=compression, max_size=None) as client:
            assert bool(client.protocol.extensions) == bool(compression), client.protocol.extensions
            for size in SIZES:
                for message in (text(size), os.urandom(size)):
                    client.send(message)
                    assert client.recv(timeout=PATIENCE) == message, size


@case
def a_message_in_a_thousand_fragments():
    with connect(f"{URL}/fragments", max_size=None) as client:
        parts = [os.urandom(500) for _ in range(1000)]
        client.send(parts)
        assert client.recv(timeout=PATIENCE) == b"".join(parts)
        client.send(["a", "", "b"])
        assert client.recv(timeout=PATIENCE) == "ab"


@case
def pings_are_answered_by_the_other_end():
    with connect(f"{URL}/ping") as client:
        for _ in range(10):
            assert client.ping().wait(PATIENCE)
        client.send("after")
        assert client.recv(timeout=PATIENCE) == "after"


@case
def close_codes_and_reasons_pass_both_ways():
    client = connect(f"{URL}/close", legacy=True)
    client.close(4001, "the client leaves")
    assert dyno_saw("/close") == (4001, "the client leaves"), ended
    assert client.protocol.close_rcvd.code == 4001
    client = connect(f"{URL}/leave", legacy=True)
    try:
        client.recv(timeout=PATIENCE)
        raise AssertionError("it stays open")
    except ConnectionClosedError as closed:
        assert (closed.rcvd.code, closed.rcvd.reason) == (4002, "the dyno leaves"), closed
    client = connect(f"{URL}/usual", legacy=True)
    client.close()
    try:
        client.recv(timeout=PATIENCE)
        raise AssertionError("it stays open")
    except ConnectionClosedOK as closed:
        assert closed.rcvd.code == 1000


@case
def an_end_without_a_close_reaches_the_other_end():
    client = connect(f"{URL}/gone", legacy=True)
    client.send("here")
    assert client.recv(timeout=PATIENCE) == "here"
    client.socket.shutdown(socket.SHUT_RDWR)
    assert dyno_saw("/gone") is None, ended
    client = connect(f"{URL}/drop", legacy=True)
    try:
        client.recv(timeout=PATIENCE)
        raise AssertionError("it stays open")
    except ConnectionClosedError as closed:
        assert closed.rcvd is None, closed


@case
def a_subprotocol_is_agreed_on_and_headers_pass():
    headers = {"X-Mine": "1", "Cookie": "a=b"}
    with connect(f"{URL}/headers?a=b", subprotocols=["chat", "echo"], origin="https://example.com",
                 additional_headers=headers) as client:
        assert client.subprotocol == "echo", client.subprotocol
        assert client.response.status_code == 101
        for name in ("Via", "Date", "Server"):
            assert len(client.response.headers.get_all(name)) <= 1, client.response.headers


@case
def a_handshake_that_the_app_refuses_is_an_answer():
    try:
        connect(f"{URL}/refused")
        raise AssertionError("it was accepted")
    except InvalidStatus as refused:
        assert refused.response.status_code == 403 and refused.response.body == b"not for you\n", refused.response


@case
def forty_sockets_at_once():
    failures = []

    def one(number):
        try:
            with connect(f"{URL}/many", max_size=None) as client:
                for turn in range(25):
                    message = f"{number} {turn} ".encode() * (turn * 40)
                    client.send(message)
                    assert client.recv(timeout=PATIENCE) == message, (number, turn)
        except Exception as failure:
            failures.append(repr(failure))

    threads = [threading.Thread(target=one, args=[number]) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


@case
def both_ends_talk_at_once():
    with connect(f"{URL}/both", max_size=None, compression=None) as client:
        blocks = [os.urandom(100_000) for _ in range(100)]
        sending = threading.Thread(target=lambda: [client.send(block) for block in blocks], daemon=True)
        sending.start()
        for block in blocks:
            assert client.recv(timeout=PATIENCE) == block
        sending.join(PATIENCE)


@case
def over_tls():
    with connect(f"wss://localhost:{SECURE[1]}/tls", ssl=trusting(), max_size=None) as client:
        for size in SIZES:
            message = os.urandom(size)
            client.send(message)
            assert client.recv(timeout=PATIENCE) == message, size


@case
def wsproto_sees_nothing_but_the_protocol():
    with socket.create_connection(ROUTER, timeout=PATIENCE) as sock:
        client = WSConnection(ConnectionType.CLIENT)

        def events():
            while True:
                client.receive_data(sock.recv(65536) or None)
                yield from client.events()

        sock.sendall(client.send(Request(host="localhost", target="/wsproto", subprotocols=["echo"])))
        coming = events()
        accepted = next(coming)
        assert isinstance(accepted, AcceptConnection) and accepted.subprotocol == "echo", accepted
        for size in SIZES:
            sent = os.urandom(size)
            threading.Thread(target=sock.sendall, args=[client.send(BytesMessage(data=sent))], daemon=True).start()
            got, event = b"", None
            while event is None or not event.message_finished:
                event = next(coming)
                assert isinstance(event, BytesMessage), event
                got += event.data
            assert got == sent, size
        sock.sendall(client.send(TextMessage(data="☃")) + client.send(Ping(payload=b"p")))
        event = next(coming)
        pong = next(coming)
        if isinstance(event, Pong):
            event, pong = pong, event
        assert isinstance(event, TextMessage) and event.data == "☃", event
        assert isinstance(pong, Pong) and pong.payload == b"p", pong
        sock.sendall(client.send(CloseConnection(code=CloseReason.GOING_AWAY, reason="bye")))
        closed = next(coming)
        assert isinstance(closed, CloseConnection) and closed.code == CloseReason.GOING_AWAY, closed
        assert sock.recv(1) == b""


server = serve(handle, "127.0.0.1", 0, max_size=None, process_request=refuse, select_subprotocol=subprotocol,
               ping_interval=None)
threading.Thread(target=server.serve_forever, daemon=True).start()
tell("dyno", "shop", server.socket.getsockname()[1])
run(problems)
