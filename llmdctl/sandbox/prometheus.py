"""A Prometheus beside the control plane, fed by the monitors of the releases.

The program is the distribution's package, unpacked into the cache, or the one on PATH. What it scrapes, `scraping`
tells it; it stands behind the Services that the metrics facets name, and has the token of an account that may read
metrics, as a cluster's Prometheus has.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

from llmdctl import programs
from llmdctl.errors import ProgramError
from llmdctl.programs import debian
from llmdctl.sandbox import furnish, scraping
from llmdctl.sandbox.api import Api, Resource
from llmdctl.sandbox.extras import Extra, Identity, Part, Setting, interpreter_environment
from llmdctl.sandbox.monitors import Translation

COMPONENT: Final = "prometheus"
NAMESPACE: Final = "monitoring"
ACCOUNT: Final = "prometheus"
SERVICES: Final = {"prometheus-operated": 9090, "prometheus-server": 80}
"""Service -> port, as `paths/facets/metrics` say where a Prometheus is asked."""

_VARIABLE = "LLMDCTL_PROMETHEUS"
_ACCOUNTS = Resource(path="api/v1", plural="serviceaccounts")
_TOKEN_LIFETIME_S = 365 * 24 * 3600  # as long as the sandbox's certificates


def find(report: programs.Reporter = programs.silent) -> programs.Program:
    """Prometheus 2.40 or later from `LLMDCTL_PROMETHEUS`, from PATH, or out of the distribution's package.

    Raises ProgramError when there is none of them.
    """
    given = os.environ.get(_VARIABLE)
    if given:
        if not os.access(given, os.X_OK):
            raise ProgramError(f"prometheus: {_VARIABLE} says {given}, which is not a program")
        return programs.Program(
            name=COMPONENT, path=Path(given).absolute(), version="unknown", origin=programs.Origin.EXPLICIT
        )
    version, on_path = programs.version_on_path("prometheus", "--version"), shutil.which("prometheus")
    if on_path and version and (version.major, version.minor) >= (2, 40):
        return programs.Program(name=COMPONENT, path=Path(on_path), version=str(version), origin=programs.Origin.PATH)
    try:
        unpacked = debian.unpack("prometheus", report=report)
    except ProgramError as error:
        raise ProgramError(
            f"prometheus is needed and cannot be had: {error}",
            remedy=f"Put Prometheus 2.40 or later on PATH, or set {_VARIABLE}=PATH.",
        ) from error
    return programs.Program(
        name=COMPONENT,
        path=unpacked.root / "usr/bin/prometheus",
        version=unpacked.version.partition("+")[0],
        origin=programs.Origin.CACHE,
    )


def _arguments(setting: Setting) -> list[str]:
    # With a real node, pods ask it as well; nothing outside the node's own network can.
    address = "127.0.0.1" if setting.node_address is None else "0.0.0.0"
    return [
        f"--config.file={scraping.folder(setting.home) / 'prometheus.yaml'}",
        f"--storage.tsdb.path={setting.home.path / 'prometheus'}",
        "--storage.tsdb.retention.time=6h",
        f"--web.listen-address={address}:{setting.ports.prometheus}",
        "--web.enable-lifecycle",  # its configuration changes with the monitors
    ]


def _write(setting: Setting) -> None:
    folder = scraping.folder(setting.home)
    folder.mkdir(mode=0o700)
    scraping.replace(folder / "prometheus.yaml", scraping.configuration(setting.home, Translation(jobs=())))


def objects(*, port: int, node_address: str | None) -> list[dict[str, Any]]:
    """Namespace, rights, and the Services that lead to `port`: of this machine, or of the node at `node_address`."""
    rights = "rbac.authorization.k8s.io"
    found: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}},
        {
            "apiVersion": f"{rights}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": ACCOUNT},
            "rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
        },
        {
            "apiVersion": f"{rights}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": rights, "kind": "ClusterRole", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
        },
    ]
    for name, own in SERVICES.items():
        found += _service(name, own, port, node_address)
    return found


def _service(name: str, own: int, port: int, node_address: str | None) -> list[dict[str, Any]]:
    metadata = {"name": name, "namespace": NAMESPACE}
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": [{"name": "web", "port": own, "targetPort": port}]},
    }
    if node_address is None:
        service["spec"] |= {"type": "ExternalName", "externalName": "localhost"}
        return [service]
    subset = {"addresses": [{"ip": node_address}], "ports": [{"name": "web", "port": port}]}
    return [service, {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}]


def _furnish(api: Api, setting: Setting, report: programs.Reporter) -> None:
    del report
    for item in objects(port=setting.ports.prometheus, node_address=setting.node_address):
        furnish.create(api, item)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    url = _ACCOUNTS.url(ACCOUNT, namespace=NAMESPACE, subresource="token")
    answer = api.request("POST", url, request | {"spec": {"expirationSeconds": _TOKEN_LIFETIME_S}})
    scraping.replace(scraping.folder(setting.home) / "token", answer["status"]["token"])


EXTRA = Extra(
    name="prometheus",
    title="Prometheus",
    parts=(
        Part(
            name=COMPONENT,
            find=find,
            arguments=_arguments,
            ready=lambda setting: setting.listening(setting.ports.prometheus),
        ),
        Part(
            name=scraping.COMPONENT,
            find=None,
            arguments=lambda setting: ["-m", "llmdctl.sandbox.scraping", str(setting.home.path)],
            environment=lambda _: interpreter_environment(),
            ready=lambda _: True,  # it writes nothing before the first monitor
        ),
    ),
    identities={scraping.COMPONENT: Identity(user="llmdctl:scraping", groups=("system:masters",))},
    write=_write,
    furnish=_furnish,
    settled=lambda *_: True,
)
