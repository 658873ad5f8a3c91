"""The Pod Security Standards where no API server at hand can judge: newer versions, and labels.

Expectations from https://kubernetes.io/docs/concepts/security/pod-security-standards/ and the tests of
https://github.com/kubernetes/pod-security-admission; what 1.34 says is compared with a real server elsewhere.
"""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.preflight.pod_security import Level, stated, violations

SAFE: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def spec(context: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "securityContext": SAFE | (context or {})}], **fields}


def tcp(name: str) -> dict[str, Any]:
    return spec(securityContext={"sysctls": [{"name": name, "value": "0"}]})


@pytest.mark.parametrize(
    ("level", "version", "pod", "controls"),
    [
        ("baseline", (1, 26), tcp("net.ipv4.ip_local_reserved_ports"), {"forbidden sysctls"}),
        ("baseline", (1, 27), tcp("net.ipv4.ip_local_reserved_ports"), set()),
        ("baseline", (1, 36), tcp("net.ipv4.tcp_notsent_lowat"), {"forbidden sysctls"}),
        ("baseline", (1, 37), tcp("net.ipv4.tcp_notsent_lowat"), set()),
        ("baseline", (1, 34), spec({"procMount": "Unmasked"}, hostUsers=False), {"procMount"}),
        ("baseline", (1, 35), spec({"procMount": "Unmasked"}, hostUsers=False), set()),
        ("baseline", (1, 35), spec({"procMount": "Unmasked"}), {"procMount"}),
        ("restricted", (1, 35), spec({"procMount": "Unmasked"}, hostUsers=False), {"procMount"}),
        ("restricted", (1, 34), spec({"runAsUser": 0}, hostUsers=False), {"runAsUser=0"}),
        ("restricted", (1, 35), spec({"runAsUser": 0, "runAsNonRoot": False}, hostUsers=False), set()),
        ("restricted", (1, 22), spec({"runAsUser": 0}), set()),
        ("privileged", (1, 34), spec({"privileged": True}), set()),
    ],
)
def test_a_control_counts_from_its_version_on(
    level: str, version: tuple[int, int], pod: dict[str, Any], controls: set[str]
) -> None:
    found = violations(Level(name=level, version=version), {}, pod, server=(1, 40))
    assert {each.control for each in found} == controls


def test_a_version_beyond_the_servers_is_the_servers() -> None:
    pod = tcp("net.ipv4.tcp_rmem")
    assert violations(Level(name="baseline", version=(1, 32)), {}, pod, server=(1, 31))
    assert not violations(Level(name="baseline"), {}, pod, server=(1, 32))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, "None"),
        ({"enforce": "baseline"}, "baseline:latest"),
        ({"enforce": "restricted", "enforce-version": "v1.30"}, "restricted:v1.30"),
        ({"enforce": "restricted", "enforce-version": "latest"}, "restricted:latest"),
        ({"enforce": "strict"}, "restricted:latest"),
        ({"warn": "baseline"}, "None"),
    ],
)
def test_labels_of_a_namespace(labels: dict[str, str], said: str) -> None:
    assert str(stated({f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()}, "enforce")) == said


def test_what_is_wrong_is_said_with_its_place() -> None:
    pod = spec({"capabilities": {"drop": ["ALL"], "add": ["SYS_RAWIO", "IPC_LOCK"]}})
    (found,) = violations(Level(name="baseline"), {}, pod, server=(1, 34))
    assert str(found) == "non-default capabilities (c adds IPC_LOCK, SYS_RAWIO)"
