"""Which servers are asked through a proxy: the rules of Go's programs, so that kubectl, helm and llmdctl agree."""

from __future__ import annotations

import pytest

from llmdctl.kube.proxies import proxy_of_environment

API = "https://api.cluster.example:6443"
CASES: list[tuple[str, str, str | None, str | None]] = [
    # server, NO_PROXY, proxy
    (API, "", "http://proxy:3128", None),
    ("http://api.example", "", "http://plain:80", None),
    (API, "*", None, None),
    (API, "other.example", "http://proxy:3128", None),
    (API, "cluster.example", None, None),
    (API, ".cluster.example", None, None),
    (API, "*.cluster.example", None, None),
    (API, "api.cluster.example:6443", None, None),
    (API, "api.cluster.example:443", "http://proxy:3128", None),
    ("https://cluster.example", ".cluster.example", "http://proxy:3128", None),
    ("https://mycluster.example", "cluster.example", "http://proxy:3128", None),
    (API, " a , CLUSTER.example ", None, None),
    ("https://10.1.2.3:6443", "10.0.0.0/8", None, None),
    ("https://10.1.2.3:6443", "10.1.2.3", None, None),
    ("https://10.1.2.3:6443", "10.1.2.3:6443", None, None),
    ("https://10.1.2.3:6443", "10.1.2.3:443", "http://proxy:3128", None),
    ("https://[fd00::1]:6443", "fd00::/8", None, None),
    ("https://[fd00::1]:6443", "[fd00::1]:6443", None, None),
    ("https://[fd00::1]:6443", "no address, 10.0.0.0/8", "http://proxy:3128", None),
    ("https://127.0.0.1:6443", "", None, None),
    ("https://[::1]:6443", "", None, None),
    ("https://localhost:6443", "", None, None),
    (API, "", "http://proxy:3128", "proxy:3128"),
]


@pytest.mark.parametrize(("server", "exceptions", "proxy", "written"), CASES)
def test_the_proxy_of_a_server(
    monkeypatch: pytest.MonkeyPatch, server: str, exceptions: str, proxy: str | None, written: str | None
):
    monkeypatch.setenv("HTTPS_PROXY", written or "http://proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://plain:80")
    monkeypatch.setenv("NO_PROXY", exceptions)
    for name in ("https_proxy", "http_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_of_environment(server) == proxy
