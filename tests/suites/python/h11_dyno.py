"""A dyno on h11's server half: whatever the router sends must be what HTTP/1.1 allows, and in step."""

import socket
import threading
import time

import h11
from cases import PATIENCE, pattern

# What was wrong with what the router sent.
problems = []
# Connections the router has opened.
opened = []
# Targets of the requests that came.
served = []

_answers = {}


def answers(path):
    def keep(function):
        _answers[path] = function
        return function

    return keep


class Connection:
    """One connection of the router."""

    def __init__(self, sock):
        self.sock = sock
        self.h11 = h11.Connection(h11.SERVER)

    def send(self, *events):
        self.sock.sendall(b"".join(self.h11.send(event) or b"" for event in events))

    def event(self):
        while (event := self.h11.next_event()) is h11.NEED_DATA:
            self.h11.receive_data(self.sock.recv(65536))
        return event

    def body(self):
        """The whole request body, and its trailers."""
        parts = []
        while True:
            event = self.event()
            if isinstance(event, h11.EndOfMessage):
                return b"".join(parts), event.headers
            assert isinstance(event, h11.Data), event
            parts.append(bytes(event.data))

    def answer(self, status, headers=(), body=b"", trailers=()):
        self.send(h11.Response(status_code=status, headers=list(headers)))
        if body:
            self.send(h11.Data(data=body))
        self.send(h11.EndOfMessage(headers=list(trailers)))

    def serve(self):
        while True:
            request = self.event()
            if isinstance(request, h11.ConnectionClosed):
                return
            assert isinstance(request, h11.Request), request
            assert request.http_version == b"1.1", request
            assert [name for name, _ in request.headers].count(b"host") == 1, request.headers
            assert not self.h11.they_are_waiting_for_100_continue, "the router answers expectations itself"
            served.append(request.target)
            path, _, query = request.target.partition(b"?")
            _answers[path](self, request, query)
            if self.h11.our_state is not h11.DONE or self.h11.their_state is not h11.DONE:
                return
            self.h11.start_next_cycle()


def sized(body):
    return [("Content-Length", str(len(body)))]


@answers(b"/size")
def _(connection, request, query):
    connection.body()
    body = pattern(int(query))
    connection.answer(200, sized(body), body)


@answers(b"/chunks")
def _(connection, request, query):
    """In chunks of the sizes in the query."""
    connection.body()
    connection.send(h11.Response(status_code=200, headers=[("Transfer-Encoding", "chunked")]))
    for size in query.split(b","):
        connection.send(h11.Data(data=pattern(int(size))))
    connection.send(h11.EndOfMessage())


@answers(b"/echo")
def _(connection, request, query):
    """The body and the trailers, in the framing the query asks for."""
    body, trailers = connection.body()
    if query == b"sized":
        assert not trailers, trailers
        connection.answer(200, sized(body), body)
    else:
        connection.answer(200, [("Transfer-Encoding", "chunked")], body, trailers)


@answers(b"/headers")
def _(connection, request, query):
    connection.body()
    body = b"".join(name + b": " + value + b"\n" for name, value in request.headers.raw_items())
    connection.answer(200, sized(body) + [("X-Twice", "1"), ("X-Twice", "2"), ("Set-Cookie", "a=b; Path=/")], body)


@answers(b"/head")
def _(connection, request, query):
    """To HEAD and GET alike: with a length, or in chunks."""
    connection.body()
    assert request.method == b"HEAD", request
    framing = ("Content-Length", "4321") if query == b"sized" else ("Transfer-Encoding", "chunked")
    connection.answer(200, [framing])


@answers(b"/status")
def _(connection, request, query):
    connection.body()
    connection.answer(int(query), [] if query in (b"204", b"304") else sized(b""))


@answers(b"/interim")
def _(connection, request, query):
    connection.body()
    connection.send(h11.InformationalResponse(status_code=103, headers=[("Link", "</a.css>; rel=preload")]))
    connection.send(h11.InformationalResponse(status_code=102, headers=[]))
    connection.answer(200, sized(b"final"), b"final")


@answers(b"/early")
def _(connection, request, query):
    """The answer comes before the body was read, and the body is not read at all."""
    body = b"too large"
    connection.answer(413, sized(body) + [("Connection", "close")], body)
    linger(connection.sock)


def linger(sock):
    """Reads what still comes, so that the answer is not lost in a reset."""
    try:
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    except OSError:
        pass  # the router has closed already


@answers(b"/to-the-end")
def _(connection, request, query):
    """Without a length: the end of the connection is the end of the answer."""
    connection.body()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + pattern(int(query)))
    connection.h11.send_failed()


@answers(b"/wait")
def _(connection, request, query):
    connection.body()
    time.sleep(float(query))
    connection.answer(200, sized(b"waited"), b"waited")


@answers(b"/old")
def _(connection, request, query):
    connection.body()
    connection.sock.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold")
    connection.h11.send_failed()


@answers(b"/byte-by-byte")
def _(connection, request, query):
    connection.body()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    for byte in head + b"5\r\nhello\r\n6\r\n world\r\n0\r\nT: t\r\n\r\n":
        connection.sock.sendall(bytes([byte]))
        time.sleep(0.002)
    connection.h11.send_failed()


@answers(b"/nothing")
def _(connection, request, query):
    """Closed without an answer."""
    connection.body()
    connection.h11.send_failed()


@answers(b"/nonsense")
def _(connection, request, query):
    connection.body()
    connection.sock.sendall(b"this is not HTTP\r\n\r\n")
    connection.h11.send_failed()


@answers(b"/half")
def _(connection, request, query):
    """The connection ends within the answer."""
    connection.body()
    framing = b"Content-Length: 100" if query == b"sized" else b"Transfer-Encoding: chunked"
    body = b"only this" if query == b"sized" else b"9\r\nonly this\r\n"
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + body)
    connection.h11.send_failed()


@answers(b"/switch")
def _(connection, request, query):
    """Switches to a protocol in which everything comes back."""
    connection.body()
    assert connection.h11.their_state is h11.MIGHT_SWITCH_PROTOCOL, connection.h11.their_state
    if query == b"no":
        connection.answer(200, sized(b"no"), b"no")
        return
    headers = [("Connection", "Upgrade"), ("Upgrade", "echo")]
    connection.send(h11.InformationalResponse(status_code=101, headers=headers))
    data, _ = connection.h11.trailing_data
    while True:
        connection.sock.sendall(data)
        data = connection.sock.recv(65536)
        if not data:
            return


def start():
    """Serves on a free port, which it returns."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)

    def one(sock):
        sock.settimeout(PATIENCE * 4)
        connection = Connection(sock)
        try:
            connection.serve()
        except OSError:
            pass  # the router left, because its client did
        except Exception as problem:
            problems.append(repr(problem))
        finally:
            sock.close()

    def accept():
        while True:
            sock, _ = listening.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.append(1)
            threading.Thread(target=one, args=[sock], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listening.getsockname()[1]
