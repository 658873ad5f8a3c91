"""Questions to Prometheus, against a server of the test on this machine."""

import json
import math
import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from llmdctl.errors import ForbiddenError, TimedOutError, UnauthenticatedError, UnreachableError, UsageError
from llmdctl.prometheus import Answer, Prometheus, QueryError, over_http, token_from
from llmdctl.sandbox.certificates import Authority

VECTOR = {"resultType": "vector", "result": [{"metric": {"pod": "a"}, "value": [1700000000.5, "3"]}]}
TWO = {"resultType": "vector", "result": [*VECTOR["result"], {"metric": {"pod": "b"}, "value": [1700000000.5, "4"]}]}
NONE = {"resultType": "vector", "result": []}
MATRIX = {"resultType": "matrix", "result": [{"metric": {"pod": "a"}, "values": [[10, "1"], [15, "2.5"]]}]}
TARGETS = {
    "activeTargets": [
        {"scrapePool": "p", "scrapeUrl": "http://h/m", "health": "down", "lastError": "refused", "labels": {"pod": "a"}}
    ]
}


def success(data):
    return Answer(status=200, body=json.dumps({"status": "success", "data": data}).encode())


def refusing(kind, text, status=400):
    body = {"status": "error", "errorType": kind, "error": text}
    return Answer(status=status, body=json.dumps(body).encode())


def saying(answer):
    return Prometheus(lambda _: answer)


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (VECTOR, [3.0]),
        (TWO, [3.0, 4.0]),
        (NONE, []),
        (MATRIX, [2.5]),
        ({"resultType": "scalar", "result": [1, "7"]}, [7.0]),
        ({"resultType": "string", "result": [1, "text"]}, []),
        ({"resultType": "vector", "result": [{"metric": {}, "value": [1, "+Inf"]}]}, [math.inf]),
        ({"resultType": "vector", "result": [{"metric": {}, "value": [1, "-Inf"]}]}, [-math.inf]),
    ],
)
def test_the_values_of_an_answer(data, values):
    assert [series.value for series in saying(success(data)).instant("q")] == values


def test_a_value_that_is_no_number_is_none():
    found = saying(success({"resultType": "vector", "result": [{"metric": {}, "value": [1, "NaN"]}]})).number("q")
    assert found is not None
    assert math.isnan(found)


def test_no_series_is_not_zero_and_two_are_too_many():
    assert saying(success(NONE)).number("q") is None
    assert saying(success(VECTOR)).number("q") == 3.0
    with pytest.raises(QueryError, match="there are 2"):
        saying(success(TWO)).number("q")


def test_the_points_of_a_range():
    (series,) = saying(success(MATRIX)).over("q", start_s=10, end_s=15, step_s=5)
    assert [(point.at_s, point.value) for point in series.points] == [(10.0, 1.0), (15.0, 2.5)]
    assert series.labels == {"pod": "a"}


def test_what_is_scraped():
    (target,) = saying(success(TARGETS)).targets()
    assert (target.pool, target.url, target.up, target.error) == ("p", "http://h/m", False, "refused")


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (refusing("bad_data", "parse error"), QueryError, "bad_data: parse error"),
        (refusing("timeout", "query timed out", 503), QueryError, "timed out"),
        (Answer(status=401, body=b"Unauthorized"), UnauthenticatedError, "HTTP 401"),
        (Answer(status=403, body=b"<html>"), ForbiddenError, "HTTP 403"),
        (Answer(status=502, body=b"no such host"), UnreachableError, "no such host"),
        (Answer(status=200, body=b"<html>sign in"), UnreachableError, "sign in"),
        (Answer(status=200, body=b"[]"), UnreachableError, "no Prometheus"),
        (Answer(status=302, body=b""), UnreachableError, "nothing was said"),
    ],
)
def test_what_is_no_answer_says_why(answer, error, words):
    with pytest.raises(error, match=words):
        saying(answer).instant("q")


class Server(ThreadingHTTPServer):
    """A Prometheus that writes down what it is asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.released = threading.Event()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = urlsplit(self.path)
        self.server.asked.append((path.path, parse_qs(path.query), self.headers.get("Authorization")))
        if path.path.startswith("/slow"):
            self.server.released.wait(10)
        status = 302 if path.path.startswith("/moved") else 200
        self.send_response(status)
        self.send_header("Location", f"http://{self.server.address}/elsewhere")
        self.end_headers()
        self.wfile.write(success(VECTOR).body)

    def log_message(self, *_):
        pass


@contextmanager
def serving(context=None):
    server = Server()
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()


@pytest.mark.allow_loopback
def test_a_question_travels_with_its_token(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    with serving() as server:
        ask = over_http(f"http://{server.address}/base/", token=token_from(f"file:{tmp_path / 'token'}"))
        assert Prometheus(ask).instant('up{a="b c"}', at_s=1.5)[0].value == 3.0
    assert server.asked == [("/base/api/v1/query", {"query": ['up{a="b c"}'], "time": ["1.500"]}, "Bearer secret")]


@pytest.mark.allow_loopback
def test_a_redirect_is_not_followed():
    with serving() as server, pytest.raises(UnreachableError, match="HTTP 302"):
        Prometheus(over_http(f"http://{server.address}/moved")).instant("up")
    assert len(server.asked) == 1


@pytest.mark.allow_loopback
def test_a_server_that_hangs_or_is_not_there_says_so():
    with serving() as server:
        began_s = time.monotonic()
        with pytest.raises(TimedOutError, match=r"within 0\.2 s"):
            Prometheus(over_http(f"http://{server.address}/slow", limit_s=0.2)).instant("up")
        assert time.monotonic() - began_s < 5
    with pytest.raises(UnreachableError, match="refused"):
        Prometheus(over_http(f"http://{server.address}")).instant("up")


@pytest.mark.allow_loopback
def test_a_certificate_is_verified(tmp_path):
    authority = Authority(tmp_path / "right")
    pair = authority.issue("server", user="prometheus")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with serving(context) as server:
        right = over_http(f"https://{server.address}", authority=authority.certificate)
        assert Prometheus(right).number("up") == 3.0
        for wrong in (Authority(tmp_path / "wrong").certificate, None):
            with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
                Prometheus(over_http(f"https://{server.address}", authority=wrong)).number("up")


@pytest.mark.parametrize("reference", ["abc", "file:", "text:secret"])
def test_a_token_is_given_by_reference_only(reference):
    with pytest.raises(UsageError, match="by reference") as error:
        token_from(reference)
    assert "secret" not in str(error.value)


def test_a_token_that_is_not_there_is_said_when_it_is_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN_OF_TEST", "x")
    assert token_from("env:TOKEN_OF_TEST")() == "x"
    monkeypatch.delenv("TOKEN_OF_TEST")
    for reference in ("env:TOKEN_OF_TEST", f"file:{tmp_path / 'none'}"):
        with pytest.raises(UsageError, match="cannot be read"):
            token_from(reference)()


@pytest.mark.parametrize("address", ["prometheus:9090", "ftp://x", "http://"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(UsageError, match="not the address"):
        over_http(address)


def test_a_token_does_not_travel_readable():
    with pytest.raises(UsageError, match="readable"):
        over_http("http://prometheus.example.com", token=lambda: "x")
