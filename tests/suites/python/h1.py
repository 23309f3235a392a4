"""h11 on both sides of the router: a client that checks every answer by its state machine, a dyno that does so with
every request."""

import random
import socket
import ssl
import threading

import h11
import h11_dyno
from cases import PATIENCE, ROUTER, SECURE, case, pattern, run, tell, trusting
from h11_dyno import problems

SIZES = [0, 1, 2, 1000, 8191, 8192, 16384, 65535, 65536, 65537, 1_000_000, 5_000_000]


class Answer:
    def __init__(self):
        self.interim, self.status, self.headers, self.trailers, self.body = [], None, [], [], b""

    def all(self, name):
        return [value for key, value in self.headers if key == name]


class Client:
    """One connection to the router."""

    def __init__(self, address=ROUTER, context=None):
        self.sock = socket.create_connection(address, timeout=PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.h11 = h11.Connection(h11.CLIENT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def bytes_of(self, method, target, headers=(), body=None, trailers=()):
        """What h11 makes of a request."""
        headers = [("Host", "localhost"), *headers]
        if body is not None and not any(name.lower() == "transfer-encoding" for name, _ in headers):
            headers.append(("Content-Length", str(len(body))))
        parts = [self.h11.send(h11.Request(method=method, target=target, headers=headers))]
        if body:
            parts.append(self.h11.send(h11.Data(data=body)))
        parts.append(self.h11.send(h11.EndOfMessage(headers=list(trailers))))
        return b"".join(parts)

    def event(self):
        while (event := self.h11.next_event()) is h11.NEED_DATA:
            self.h11.receive_data(self.sock.recv(65536))
        return event

    def answer(self):
        """The whole answer; h11 raises on whatever it may not be."""
        answer = Answer()
        parts = []
        while True:
            event = self.event()
            if isinstance(event, h11.InformationalResponse):
                answer.interim.append(event.status_code)
                if event.status_code == 101:
                    return answer
            elif isinstance(event, h11.Response):
                assert event.http_version == b"1.1", event
                answer.status, answer.headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                answer.trailers, answer.body = list(event.headers), b"".join(parts)
                return answer
            else:
                raise AssertionError(f"{event} within an answer")

    def ask(self, method, target, headers=(), body=None, trailers=()):
        """Sends a request while it reads the answer; checks the connection's state after it."""
        data = self.bytes_of(method, target, headers, body, trailers)
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.sendall(data)  # OpenSSL does not write in one thread while it reads in another
            answer = self.answer()
        else:
            sending = threading.Thread(target=self.upload, args=[data], daemon=True)
            sending.start()
            answer = self.answer()
            sending.join(PATIENCE)
        self.settle(answer)
        return answer

    def upload(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass  # an early answer closes

    def settle(self, answer):
        """The answer says whether the connection stays, and so it is."""
        if b"close" in answer.all(b"connection"):
            assert self.h11.their_state is h11.MUST_CLOSE, self.h11.states
            self.closed()
        else:
            assert self.h11.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}, self.h11.states
            assert self.h11.trailing_data == (b"", False), self.h11.trailing_data
            self.h11.start_next_cycle()

    def closed(self):
        try:
            rest = self.sock.recv(1)
        except ConnectionResetError:
            rest = b""
        assert rest == b"", rest


def kept(answer):
    assert not answer.all(b"connection"), answer.headers


@case
def a_connection_is_kept_for_fifty_requests():
    with Client() as client:
        for number in range(50):
            answer = client.ask("GET", f"/size?{number}")
            kept(answer)
            assert (answer.status, answer.body) == (200, pattern(number))
            assert answer.all(b"content-length") == [str(number).encode()], answer.headers


@case
def answers_of_every_size_by_length():
    with Client() as client:
        for size in SIZES:
            answer = client.ask("GET", f"/size?{size}")
            assert answer.body == pattern(size) and not answer.all(b"transfer-encoding")
            kept(answer)


@case
def answers_in_chunks_of_every_size():
    with Client() as client:
        for sizes in (SIZES, [1] * 500, [100_000] * 20, [1]):
            answer = client.ask("GET", "/chunks?" + ",".join(map(str, sizes)))
            assert answer.body == b"".join(map(pattern, sizes)) and answer.all(b"transfer-encoding") == [b"chunked"]
            kept(answer)


@case
def uploads_by_length_and_in_chunks_come_back():
    with Client() as client:
        for size in SIZES:
            for framing in ("sized", "chunked"):
                answer = client.ask("POST", f"/echo?{framing}", body=pattern(size))
                assert answer.body == pattern(size), (size, framing)
                answer = client.ask("PUT", f"/echo?{framing}", [("Transfer-Encoding", "chunked")], pattern(size))
                assert answer.body == pattern(size), (size, framing)
                kept(answer)


@case
def trailers_pass_both_ways():
    trailers = [("X-Sum", "42"), ("X-Other", "a b")]
    with Client() as client:
        headers = [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum, X-Other"), ("TE", "trailers")]
        for headers in (headers, headers[:1]):
            answer = client.ask("POST", "/echo?chunked", headers, b"body", trailers)
            assert answer.body == b"body"
            assert answer.trailers == [(b"x-sum", b"42"), (b"x-other", b"a b")], answer.trailers
            kept(answer)


@case
def head_has_headers_only():
    with Client() as client:
        for _ in range(3):
            answer = client.ask("HEAD", "/head?sized")
            assert answer.all(b"content-length") == [b"4321"] and answer.body == b""
            kept(answer)
            answer = client.ask("HEAD", "/head?chunked")
            assert answer.all(b"content-length") == [] and answer.body == b""
            kept(answer)


@case
def answers_without_a_body_leave_the_connection_in_step():
    with Client() as client:
        for _ in range(3):
            for status in (204, 304, 205, 404):
                answer = client.ask("GET", f"/status?{status}")
                assert (answer.status, answer.body) == (status, b"")
                assert status != 204 or not answer.all(b"transfer-encoding")
                kept(answer)


@case
def twenty_pipelined_requests_are_answered_in_order():
    with Client() as client:
        asked, data = [], b""
        for number in range(20):
            ask = Client.__new__(Client)
            ask.sock, ask.h11 = client.sock, h11.Connection(h11.CLIENT)
            if number % 3 == 0:
                data += ask.bytes_of("POST", "/echo?sized", body=pattern(number * 100))
            elif number % 3 == 1:
                chunked = [("Transfer-Encoding", "chunked")]
                data += ask.bytes_of("POST", "/echo?chunked", chunked, pattern(number * 100))
            else:
                data += ask.bytes_of("GET", f"/size?{number * 100}")
            asked.append(ask)
        client.sock.sendall(data)
        rest = b""
        for number, ask in enumerate(asked):
            if rest:
                ask.h11.receive_data(rest)
            answer = ask.answer()
            assert (answer.status, answer.body) == (200, pattern(number * 100)), number
            kept(answer)
            rest, closed = ask.h11.trailing_data
            assert not closed
        assert rest == b""


@case
def an_expectation_is_answered_once_before_the_body():
    with Client() as client:
        for size in (1, 1_000_000):
            headers = [("Host", "localhost"), ("Expect", "100-continue"), ("Content-Length", str(size))]
            request = h11.Request(method="POST", target="/echo?sized", headers=headers)
            client.sock.sendall(client.h11.send(request))
            event = client.event()
            assert isinstance(event, h11.InformationalResponse) and event.status_code == 100, event
            assert not client.h11.they_are_waiting_for_100_continue
            client.sock.sendall(client.h11.send(h11.Data(data=pattern(size))) + client.h11.send(h11.EndOfMessage()))
            answer = client.answer()
            client.settle(answer)
            assert (answer.interim, answer.body) == ([], pattern(size))


@case
def another_expectation_is_refused_and_the_connection_closed():
    with Client() as client:
        answer = client.ask("POST", "/echo?sized", [("Expect", "miracles")], b"body")
        assert answer.status == 417 and answer.all(b"connection") == [b"close"], answer.headers


@case
def interim_answers_of_the_dyno_do_not_confuse_a_client():
    with Client() as client:
        for _ in range(3):
            answer = client.ask("GET", "/interim")
            assert (answer.status, answer.body) == (200, b"final")
            assert 102 not in answer.interim, answer.interim
            kept(answer)


@case
def the_answer_to_an_upload_nobody_reads_arrives_whole():
    for headers in ([], [("Transfer-Encoding", "chunked")]):
        with Client() as client:
            answer = client.ask("POST", "/early", headers, pattern(20_000_000))
            assert (answer.status, answer.body) == (413, b"too large")
            assert answer.all(b"connection") == [b"close"], answer.headers


@case
def an_answer_to_the_end_of_the_connection_becomes_chunks():
    with Client() as client:
        for size in (0, 1, 100_000):
            answer = client.ask("GET", f"/to-the-end?{size}")
            assert answer.body == pattern(size) and answer.all(b"transfer-encoding") == [b"chunked"]
            kept(answer)


@case
def an_http_1_0_dyno_is_answered_in_http_1_1():
    with Client() as client:
        for _ in range(3):
            answer = client.ask("GET", "/old")
            assert answer.body == b"old"
            kept(answer)


@case
def an_http_1_0_client_gets_no_chunks_and_a_close():
    for target in ("/chunks?5,10000", "/size?10005", "/to-the-end?10005"):
        with Client() as client:
            client.bytes_of("GET", target, [("Connection", "close")])
            client.sock.sendall(f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = client.answer()
            assert not answer.all(b"transfer-encoding") and answer.all(b"connection") == [b"close"], answer.headers
            assert len(answer.body) == 10_005
            client.closed()


@case
def a_client_that_wants_to_close_is_closed():
    with Client() as client:
        answer = client.ask("GET", "/size?10", [("Connection", "close")])
        assert answer.body == pattern(10) and answer.all(b"connection") == [b"close"], answer.headers


@case
def one_byte_at_a_time_both_ways():
    with Client() as client:
        chunked = [("Transfer-Encoding", "chunked")]
        for byte in client.bytes_of("POST", "/echo?chunked", chunked, b"hello", [("X", "y")]):
            client.sock.sendall(bytes([byte]))
        answer = client.answer()
        client.settle(answer)
        assert answer.body == b"hello" and answer.trailers == [(b"x", b"y")], answer.trailers
    with Client() as client:
        answer = client.ask("GET", "/byte-by-byte")
        assert answer.body == b"hello world" and answer.trailers == [(b"t", b"t")], answer.trailers
        kept(answer)


@case
def headers_pass_and_hop_by_hop_ones_do_not():
    with Client() as client:
        headers = [("X-A", "1"), ("x-a", "2"), ("Connection", "X-Gone"), ("X-Gone", "1"), ("Keep-Alive", "timeout=5")]
        answer = client.ask("GET", "/headers", headers)
        seen = answer.body.lower()
        assert b"\nx-a: 1\nx-a: 2\n" in seen and b"x-gone" not in seen and b"timeout=5" not in seen, seen
        assert answer.all(b"x-twice") == [b"1", b"2"] and answer.all(b"set-cookie") == [b"a=b; Path=/"]
        for name in (b"date", b"server", b"via"):
            assert len(answer.all(name)) == 1, answer.headers


@case
def a_connection_switches_and_carries_everything():
    with Client() as client:
        headers = [("Connection", "Upgrade"), ("Upgrade", "echo")]
        client.sock.sendall(client.bytes_of("GET", "/switch", headers))
        answer = client.answer()
        assert answer.interim == [101] and client.h11.their_state is h11.SWITCHED_PROTOCOL
        assert client.event() is h11.PAUSED
        got, _ = client.h11.trailing_data
        sent = pattern(3_000_000)
        threading.Thread(target=client.sock.sendall, args=[sent], daemon=True).start()
        while len(got) < len(sent):
            part = client.sock.recv(65536)
            assert part, "closed early"
            got += part
        assert got == sent
        client.sock.shutdown(socket.SHUT_WR)
        client.closed()


@case
def a_switch_that_is_declined_leaves_http():
    with Client() as client:
        for _ in range(3):
            answer = client.ask("GET", "/switch?no", [("Connection", "Upgrade"), ("Upgrade", "echo")])
            assert (answer.status, answer.body) == (200, b"no")
            kept(answer)


@case
def an_error_page_is_an_answer_like_any_other():
    with Client() as client:
        for target in ("/nothing", "/nonsense"):
            for _ in range(2):
                answer = client.ask("GET", target)
                assert answer.status == 503 and b"<title>Application Error</title>" in answer.body, answer.body
            assert client.ask("HEAD", target).body == b""
        assert client.ask("GET", "/size?5").body == pattern(5)
    with Client() as client:
        answer = client.ask("POST", "/nothing", body=b"body")
        assert answer.status == 503


@case
def an_unknown_host_is_an_answer_like_any_other():
    with Client() as client:
        request = client.h11.send(h11.Request(method="GET", target="/", headers=[("Host", "other.example.net")]))
        client.sock.sendall(request + client.h11.send(h11.EndOfMessage()))
        answer = client.answer()
        client.settle(answer)
        assert answer.status == 404


@case
def a_request_that_is_refused_is_answered_and_closed():
    for status, raw in (
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        (400, b"GET / HTTP/1.1\nHost: localhost\n\n"),
        (400, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n"),
        (414, b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (505, b"GET / HTTP/1.2\r\nHost: localhost\r\n\r\n"),
        (405, b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ):
        with Client() as client:
            client.bytes_of("GET", "/")
            client.sock.sendall(raw)
            answer = client.answer()
            client.settle(answer)
            assert answer.status == status and answer.all(b"connection") == [b"close"], (raw[:40], answer.status)


@case
def an_answer_that_breaks_off_does_not_look_whole():
    for framing in ("sized", "chunked"):
        with Client() as client:
            client.sock.sendall(client.bytes_of("GET", f"/half?{framing}"))
            try:
                answer = client.answer()
            except h11.RemoteProtocolError:
                continue
            except ConnectionResetError:
                continue
            raise AssertionError(f"{framing}: it looks whole: {answer.body}")


@case
def six_hundred_requests_of_all_kinds_on_two_connections():
    for seed in (1, 2):
        chosen = random.Random(seed)
        with Client() as client:
            mixed(client, chosen, 300)


def mixed(client, chosen, count):
    for _ in range(count):
        size = chosen.choice([0, 1, 100, 8192, 70_000, 300_000])
        kind = chosen.randrange(6)
        if kind == 0:
            assert client.ask("GET", f"/size?{size}").body == pattern(size)
        elif kind == 1:
            assert client.ask("GET", f"/chunks?{size + 1},7").body == pattern(size + 1) + pattern(7)
        elif kind == 2:
            assert client.ask("POST", "/echo?sized", body=pattern(size)).body == pattern(size)
        elif kind == 3:
            chunked = [("Transfer-Encoding", "chunked")]
            answer = client.ask("POST", "/echo?chunked", chunked, pattern(size), [("X-Size", str(size))])
            assert answer.body == pattern(size) and answer.trailers == [(b"x-size", str(size).encode())]
        elif kind == 4:
            assert client.ask("HEAD", "/head?sized").body == b""
        else:
            assert client.ask("GET", "/status?304").status == 304


@case
def thirty_two_clients_at_once_and_no_more_dyno_connections_than_clients():
    before = len(h11_dyno.opened)
    failures = []

    def one(seed):
        try:
            with Client() as client:
                mixed(client, random.Random(seed), 40)
        except Exception as failure:
            failures.append(repr(failure))

    threads = [threading.Thread(target=one, args=[100 + number]) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert len(h11_dyno.opened) - before <= 32, len(h11_dyno.opened) - before


@case
def the_same_over_tls():
    with Client(SECURE, trusting("http/1.1")) as client:
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        mixed(client, random.Random(7), 100)
        seen = client.ask("GET", "/headers").body.lower()
        assert b"\nx-forwarded-proto: https\n" in seen, seen


tell("dyno", "shop", h11_dyno.start())
run(problems)
