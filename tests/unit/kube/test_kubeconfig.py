"""What a kubeconfig says of its connection, and what this machine is to preflight."""

from __future__ import annotations

import base64
import datetime
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from llmdctl.kube import Connection, connection
from llmdctl.release import client_section
from llmdctl.release.client_facts import client_facts


def certificate(end: datetime.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(end - datetime.timedelta(days=1)).not_valid_after(end)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def token(claims: dict[str, Any]) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def kubeconfig(folder: Path, user: dict[str, Any], **cluster: Any) -> Path:
    file = folder / "config"
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    file.write_text(yaml.safe_dump(config))
    return file


END = datetime.datetime(2027, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("a token", {"token": "opaque"}, {}),
    ("a JWT", {"token": token({"exp": int(END.timestamp())})}, {"token_not_after": "2027-01-02T03:04:05Z"}),
    ("a JWT without end", {"token": token({"sub": "me"})}, {}),
    ("three words", {"token": "a.b.c"}, {}),
    ("a token file", {"tokenFile": "token"}, {"token_not_after": "2027-01-02T03:04:05Z"}),
    (
        "a certificate",
        {"client-certificate-data": base64.b64encode(certificate(END)).decode()},
        {"certificate_not_after": "2027-01-02T03:04:05Z"},
    ),
    ("a certificate file", {"client-certificate": "me.crt"}, {"certificate_not_after": "2027-01-02T03:04:05Z"}),
    ("a broken certificate", {"client-certificate-data": "bm9uZQ=="}, {}),
    ("a certificate that is not there", {"client-certificate": "none.crt"}, {}),
    ("a plugin", {"exec": {"command": "gke-gcloud-auth-plugin"}}, {"exec_command": "gke-gcloud-auth-plugin"}),
]


@pytest.mark.parametrize(("user", "found"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_a_user_entry_says(tmp_path: Path, user: dict[str, Any], found: dict[str, Any]):
    (tmp_path / "token").write_text(token({"exp": int(END.timestamp())}))
    (tmp_path / "me.crt").write_bytes(certificate(END))
    expected = Connection(context="here", server_host="api.example:6443", **found)
    assert connection(kubeconfig=kubeconfig(tmp_path, user)) == expected


def test_tls_that_is_not_checked_is_told(tmp_path: Path):
    file = kubeconfig(tmp_path, {}, **{"insecure-skip-tls-verify": True})
    assert connection(kubeconfig=file).insecure_tls


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "contexts: 5"])
def test_what_cannot_be_read_says_nothing(tmp_path: Path, text: str):
    (tmp_path / "config").write_text(text)
    assert connection(kubeconfig=tmp_path / "config") == Connection()


def test_another_context_than_the_current_one(tmp_path: Path):
    assert connection(kubeconfig=kubeconfig(tmp_path, {}), context="none") == Connection(context="none")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH that holds nothing but what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CI", raising=False)
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


def program(folder: Path, name: str, says: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / name).chmod((folder / name).stat().st_mode | stat.S_IXUSR)


def test_this_machine_without_anything(path: Path):
    (item,) = client_facts(Connection(exec_command="aws"), is_terminal=False).items
    assert item["kubectl"] is None
    assert item["execPlugin"] == {"command": "aws", "found": False}
    assert item["proxies"] == {"https_proxy": "", "http_proxy": "", "no_proxy": ""}
    assert (item["isTerminal"], item["ci"]) == (False, False)


def test_this_machine_with_everything(path: Path, monkeypatch: pytest.MonkeyPatch):
    program(path, "kubectl", '{"clientVersion": {"major": "1", "minor": "34", "gitVersion": "v1.34.4-eks-1"}}')
    program(path, "aws", "")
    program(path, "helm", "v4.3.1+gabc")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    monkeypatch.setenv("CI", "true")
    (item,) = client_facts(Connection(exec_command="aws"), is_terminal=True).items
    assert (item["kubectl"], item["helm"]) == ("1.34.4", "4.3.1")
    assert item["execPlugin"] == {"command": "aws", "found": True}
    assert item["proxies"]["https_proxy"] == "http://proxy.example:3128"
    assert item["proxies"]["no_proxy"] == "10.0.0.0/8"
    assert (item["isTerminal"], item["ci"]) == (True, True)


def test_the_section_names_its_context(path: Path, tmp_path: Path):
    context, section = client_section(
        kubeconfig=kubeconfig(tmp_path, {"token": "hush"}), context=None, is_terminal=False
    )
    assert (context, section.items[0]["serverHost"]) == ("here", "api.example:6443")
    assert "hush" not in json.dumps(section.items)
