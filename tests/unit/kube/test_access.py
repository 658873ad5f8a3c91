"""One TLS context serves every thread: nothing of it may change once the first connection is open."""

from __future__ import annotations

import ssl

import pytest
from urllib3.util.ssl_ import ALPN_PROTOCOLS

from llmdctl.kube.access import Pem, tls_context


def made(*, insecure: bool = False) -> ssl.SSLContext:
    return tls_context(authority=Pem(), certificate=Pem(), key=Pem(), insecure=insecure)


def test_alpn_is_stated_once_however_often_urllib3_states_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stated: list[list[str]] = []
    monkeypatch.setattr(ssl.SSLContext, "set_alpn_protocols", lambda _, protocols: stated.append(list(protocols)))
    context = made()
    for _ in range(3):
        context.set_alpn_protocols(ALPN_PROTOCOLS)
    assert stated == [ALPN_PROTOCOLS]
    context.set_alpn_protocols(["h2"])
    assert stated == [ALPN_PROTOCOLS, ["h2"]]


def test_certificates_and_names_are_verified_unless_it_is_to_be_insecure() -> None:
    context = made()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert not context.hostname_checks_common_name
    context = made(insecure=True)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)
