"""What a kubeconfig is made into, held against the client library; and TLS, against a server that has it."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from llmdctl.errors import UnreachableError
from llmdctl.kube import connect
from llmdctl.kube.access import Access
from llmdctl.kube.credentials import access
from llmdctl.kube.merged import merged
from tests.fakes.api_server import FakeApiServer, Reply, serving

Settings = dict[str, Any]


def config(server: str, cluster: Settings | None = None, user: Settings | None = None) -> Settings:
    return {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "one", "user": "me"}}],
        "clusters": [{"name": "one", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "me", "user": user or {}}],
    }


def written(folder: Path, settings: Settings, name: str = "config") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(settings))
    return file


def read(*files: Path) -> Access:
    found = merged(files)
    return access(found, found.current, files)


OF_PLUGIN = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "kind": "ExecCredential",
    "status": {"token": "of-plugin"},
}
USERS: list[tuple[str, Settings]] = [
    ("nobody", {}),
    ("a token", {"token": "abc"}),
    ("a file with a token", {"tokenFile": "token"}),
    ("a password", {"username": "me", "password": "p:w"}),
    ("a token before a password", {"token": "abc", "username": "me", "password": "p:w"}),
    ("half a password", {"username": "me"}),
    (
        "a plugin",
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "sh",
                "args": ["-c", f"echo '{json.dumps(OF_PLUGIN)}'"],
                "interactiveMode": "Never",
            }
        },
    ),
]


@pytest.mark.parametrize("user", [case[1] for case in USERS], ids=[case[0] for case in USERS])
@pytest.mark.parametrize("cluster", [{}, {"proxy-url": "http://proxy:3128"}], ids=["directly", "by a proxy"])
def test_a_user_is_read_as_the_client_library_reads_it(tmp_path: Path, user: Settings, cluster: Settings):
    from kubernetes.client import Configuration
    from kubernetes.config import load_kube_config

    (tmp_path / "token").write_text("of-file")
    file = written(tmp_path, config("http://api.example:8080/", cluster, user))
    theirs = Configuration()
    load_kube_config(config_file=str(file), client_configuration=theirs, persist_config=False)
    mine = read(file)
    assert (mine.server, mine.proxy) == (theirs.host, theirs.proxy)
    assert mine.authorization() == theirs.get_api_key_with_prefix("BearerToken")


def test_a_file_with_a_token_wins_over_a_token_as_in_client_go(tmp_path: Path):
    (tmp_path / "token").write_text("of-file")
    file = written(tmp_path, config("http://api.example", user={"token": "abc", "tokenFile": "token"}))
    assert read(file).authorization() == "Bearer of-file"


@pytest.mark.allow_loopback
@pytest.mark.parametrize("user", [{"token": "abc"}, dict(USERS)["a plugin"]], ids=["a token", "a plugin"])
def test_who_acts_for_another_says_so(tmp_path: Path, user: Settings):
    another = {
        "as": "jane",
        "as-uid": "7",
        "as-groups": ["dev", "ops"],
        "as-user-extra": {"acme.com/project": ["x"], "scopes": ["a", "b"]},
    }
    found = read(written(tmp_path, config("http://api.example", user=user | another)))
    assert found.headers() == [
        ("authorization", "Bearer abc" if "token" in user else "Bearer of-plugin"),
        ("Impersonate-User", "jane"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Extra-acme.com%2Fproject", "x"),
        ("Impersonate-Extra-scopes", "a"),
        ("Impersonate-Extra-scopes", "b"),
    ]
    with serving() as fake:
        fake.on("/version", Reply(200, {"gitVersion": "v1.34.4"}))
        connect(kubeconfig=written(tmp_path, config(fake.address, user=user | another))).version()
    assert fake.asked[-1].headers["Impersonate-User"] == "jane"


def test_the_client_library_is_imported_for_plugins_alone(tmp_path: Path):
    """It takes a third of a second, as much as all else of a short command."""
    file = written(tmp_path, config("https://api.example", user={"token": "abc"}))
    opened = f"from pathlib import Path; from llmdctl.kube import connect; connect(kubeconfig=Path({str(file)!r}))"
    script = f"import sys; {opened}; print([name for name in ('kubernetes', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_token_file_is_read_again(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("one\n")
    found = read(written(tmp_path, config("http://api.example", user={"tokenFile": "token"})))
    assert found.authorization() == "Bearer one"
    token.write_text("two\n")
    assert found.authorization() == "Bearer two"


def test_of_two_files_the_first_wins_and_each_has_its_own_folder(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "token").write_text("first")
    first = written(tmp_path / "one", config("http://first.example", user={"tokenFile": "token"}))
    other = config("http://second.example") | {"current-context": "unknown"}
    found = read(first, written(tmp_path / "two", other))
    assert found.server == "http://first.example"
    assert found.authorization() == "Bearer first"


BAD: list[tuple[str, Settings, Settings, str]] = [
    ("no authority", {"certificate-authority": "none.crt"}, {}, r"none\.crt: No such file"),
    ("no certificate", {"certificate-authority-data": "bm9uZQ=="}, {}, "cannot be used"),
    ("no base64", {"certificate-authority-data": "%%%="}, {}, "cannot be used"),
    ("no key", {}, {"client-certificate": "none.crt", "client-key": "none.key"}, r"none\.crt: No such file"),
    ("no token file", {}, {"tokenFile": "none"}, "none: No such file"),
    ("no server", {"server": ""}, {}, "leads to no server"),
    ("a SOCKS proxy", {"proxy-url": "socks5://proxy:1080"}, {}, "neither HTTP nor HTTPS"),
]


@pytest.mark.parametrize(("cluster", "user", "part"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_cannot_be_used_is_said(tmp_path: Path, cluster: Settings, user: Settings, part: str):
    file = written(tmp_path, config("https://api.example", cluster, user))
    with pytest.raises(UnreachableError, match=part) as caught:
        read(file)
    assert str(file) in caught.value.message


def test_a_line_that_is_no_yaml_is_named_and_not_shown(tmp_path: Path):
    file = tmp_path / "config"
    file.write_text("users:\n- name: me\n  user: {token: abc-secret: x]\n")
    with pytest.raises(UnreachableError, match="in line 3") as caught:
        read(file)
    assert "secret" not in caught.value.message


class Authority:
    """Signs certificates for a server at 127.0.0.1 that is called `api.inside`, and for its clients."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed("authority", self.key, None)

    def pair(self, name: str) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._signed(name, key, self.certificate), private

    def _signed(self, name: str, key: ec.EllipticCurvePrivateKey, issuer: bytes | None) -> bytes:
        def called(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        now = datetime.now(UTC)
        names = [x509.IPAddress(IPv4Address("127.0.0.1"))] if name == "server" else []
        builder = (
            x509.CertificateBuilder()
            .subject_name(called(name))
            .issuer_name(called("authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([*names, x509.DNSName("api.inside")]), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Iterator[FakeApiServer]:
    """Asks each client for a certificate of the authority."""
    for name, text in zip(("server.crt", "server.key"), authority.pair("server"), strict=True):
        (tmp_path / name).write_bytes(text)
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(context) as fake:
        fake.on("/version", Reply(200, {"gitVersion": "v1.34.4"}))
        yield fake


def text(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


@pytest.fixture
def client(authority: Authority) -> Settings:
    certificate, key = authority.pair("me")
    return {"client-certificate-data": text(certificate), "client-key-data": text(key)}


WAYS: list[tuple[str, Callable[[Authority], Settings]]] = [
    ("authority in place", lambda ca: {"certificate-authority-data": text(ca.certificate)}),
    ("authority in a file", lambda _: {"certificate-authority": "ca.crt"}),
    ("unchecked", lambda _: {"insecure-skip-tls-verify": True}),
    ("by another name", lambda _: {"certificate-authority": "ca.crt", "tls-server-name": "api.inside"}),
]


@pytest.mark.allow_loopback
@pytest.mark.parametrize("cluster", [case[1] for case in WAYS], ids=[case[0] for case in WAYS])
def test_a_server_is_trusted_and_shown_a_certificate(
    server: FakeApiServer, authority: Authority, client: Settings, tmp_path: Path, cluster: Callable[..., Settings]
):
    file = written(tmp_path, config(server.address, cluster(authority), client))
    assert connect(kubeconfig=file).version() == "1.34.4"


@pytest.mark.allow_loopback
def test_a_certificate_in_files_is_shown_too(
    server: FakeApiServer, authority: Authority, client: Settings, tmp_path: Path
):
    for key in ("client-certificate", "client-key"):
        (tmp_path / key).write_bytes(base64.b64decode(client[f"{key}-data"]))
    user = {"client-certificate": "client-certificate", "client-key": "client-key"}
    file = written(tmp_path, config(server.address, {"certificate-authority": "ca.crt"}, user))
    assert connect(kubeconfig=file).version() == "1.34.4"


MISTRUSTED: list[tuple[str, Callable[[], Settings]]] = [
    ("another authority", lambda: {"certificate-authority-data": text(Authority().certificate)}),
    ("the machine's authorities", dict),
    ("another name", lambda: {"certificate-authority": "ca.crt", "tls-server-name": "api.elsewhere"}),
]


@pytest.mark.allow_loopback
@pytest.mark.parametrize("cluster", [case[1] for case in MISTRUSTED], ids=[case[0] for case in MISTRUSTED])
def test_a_server_that_is_not_the_one_is_not_trusted(
    server: FakeApiServer, client: Settings, tmp_path: Path, cluster: Callable[[], Settings]
):
    file = written(tmp_path, config(server.address, cluster(), client))
    with pytest.raises(UnreachableError, match="no trusted connection"):
        connect(kubeconfig=file).version()
