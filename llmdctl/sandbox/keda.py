"""KEDA's operator and metrics adapter, the real ones, as processes beside the control plane.

What its own manifests do with Deployments is done here with processes; its rights are those that the manifests of the
pinned module grant, since each part comes as the service account that they name. The API server reaches the adapter by
a Service of type ExternalName; the operator reaches Services by `names`.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from llmdctl import programs
from llmdctl.sandbox import furnish, names
from llmdctl.sandbox.api import Api, NotFound, Resource
from llmdctl.sandbox.extras import Extra, Identity, Part, Setting, interpreter_environment

OPERATOR = "keda-operator"
ADAPTER = "keda-adapter"
NAMESPACE = "keda"
_SERVICE = "keda-metrics-apiserver"
_API_SERVICE = "v1beta1.external.metrics.k8s.io"
_API_SERVICES = Resource(path="apis/apiregistration.k8s.io/v1", plural="apiservices")
_ACCOUNT = "system:serviceaccount:keda:keda-operator"  # both parts run as this one, as in the manifests
_FILES = (
    "config/service_account/service_account.yaml",
    "config/rbac/role.yaml",
    "config/rbac/role_binding.yaml",
    "config/rbac/aggregate_cluster_roles.yaml",
    "config/metrics-server/role.yaml",
    "config/metrics-server/role_binding.yaml",
    "config/metrics-server/api_service.yaml",
    "config/manager/manager.yaml",
    "config/metrics-server/deployment.yaml",
)


def _operator(setting: Setting) -> list[str]:
    ports = setting.ports
    return [
        f"--metrics-bind-address=127.0.0.1:{ports.keda_metrics}",
        f"--health-probe-bind-address=127.0.0.1:{ports.keda_health}",
        f"--metrics-service-bind-address=127.0.0.1:{ports.keda_service}",
        f"--cert-dir={_certificates(setting)}",
        "--enable-cert-rotation=false",
        "--enable-webhook-patching=false",
        "--enable-apiservice-patching=false",
        "--leader-elect=false",
        "--zap-log-level=info",
        "--zap-encoder=console",
        "--zap-time-encoding=rfc3339",
    ]


def _adapter(setting: Setting) -> list[str]:
    own = setting.home.kubeconfig_of(ADAPTER)
    folder = _certificates(setting)
    return [
        "--bind-address=127.0.0.1",
        f"--secure-port={setting.ports.keda_adapter}",
        # Its own metrics; KEDA 2.21 can give this listener a port but no address, so it gets a random one.
        "--port=0",
        f"--lister-kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        f"--client-ca-file={folder / 'ca.crt'}",
        f"--tls-cert-file={folder / 'tls.crt'}",
        f"--tls-private-key-file={folder / 'tls.key'}",
        f"--cert-dir={folder}",
        f"--metrics-service-address=localhost:{setting.ports.keda_service}",
        "--zap-log-level=info",
        "--zap-encoder=console",
    ]


def _environment(setting: Setting, *, component: str) -> Mapping[str, str]:
    proxy = f"http://127.0.0.1:{setting.ports.names}"
    return {
        "KUBECONFIG": str(setting.home.kubeconfig_of(component)),
        "WATCH_NAMESPACE": "",  # all
        "POD_NAMESPACE": NAMESPACE,
        "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
        "HTTP_PROXY": proxy,  # Go's clients leave loopback out by themselves
        "HTTPS_PROXY": proxy,
    }


def _certificates(setting: Setting) -> Path:
    return setting.home.config / "keda-certificates"


def _write(setting: Setting) -> None:
    """One folder of certificates under the names that both parts look for; each proves itself to the other by it."""
    folder = _certificates(setting)
    folder.mkdir(mode=0o700)
    shutil.copyfile(setting.home.pki / "ca.crt", folder / "ca.crt")
    for ending in ("crt", "key"):
        target = folder / f"tls.{ending}"
        target.touch(mode=0o600)
        shutil.copyfile(setting.home.pki / f"{ADAPTER}.{ending}", target)


def objects(*, port: int, bundle: bytes, report: programs.Reporter = programs.silent) -> list[dict[str, Any]]:
    """Namespace, rights and the API service, from the pinned module; the adapter is at `port` of this machine.

    `bundle` is the PEM certificate of the authority that signed the adapter's. Raises ProgramError.
    """
    found: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _SERVICE, "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"name": "https", "port": port}]},
        },
    ]
    for document in programs.manifests("keda", *_FILES, report=report):
        if document["kind"] == "APIService":
            spec = document["spec"]
            spec["service"] = spec["service"] | {"port": port}
            spec["caBundle"] = base64.b64encode(bundle).decode()
        if document["kind"] == "Deployment":
            _empty(document)
        found.append(document)
    return found


def _empty(deployment: dict[str, Any]) -> None:
    """No pod: the process beside the plane does its work. The object tells tools that KEDA is there, and which."""
    deployment["spec"]["replicas"] = 0
    deployment["metadata"]["annotations"] = {"llmdctl.dev/runs-as": "a process beside the control plane"}
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        container["image"] = container["image"].replace(":latest", f":{programs.pinned(OPERATOR).version}")


def _furnish(api: Api, setting: Setting, report: programs.Reporter) -> None:
    bundle = (setting.home.pki / "ca.crt").read_bytes()
    for item in objects(port=setting.ports.keda_adapter, bundle=bundle, report=report):
        furnish.create(api, item)


def _operator_ready(setting: Setting) -> bool:
    """Whether its manager runs, and the adapter can ask it for values."""
    return setting.listening(setting.ports.keda_health) and setting.listening(setting.ports.keda_service)


def _settled(api: Api, setting: Setting) -> bool:
    """Whether the API server itself has reached the adapter."""
    del setting
    try:
        return furnish.is_ready(api.get(_API_SERVICES.url(_API_SERVICE)), "Available")
    except NotFound:
        return False


EXTRA = Extra(
    name="keda",
    title="KEDA",
    parts=(
        Part(
            name=names.COMPONENT,
            find=None,
            arguments=lambda setting: ["-m", "llmdctl.sandbox.names", str(setting.home.path)],
            environment=lambda _: interpreter_environment(),
            ready=lambda setting: setting.listening(setting.ports.names),
        ),
        Part(
            name=OPERATOR,
            find=lambda report: programs.find(OPERATOR, report=report),
            arguments=_operator,
            environment=partial(_environment, component=OPERATOR),
            ready=_operator_ready,
        ),
        Part(
            name=ADAPTER,
            find=lambda report: programs.find(ADAPTER, report=report),
            arguments=_adapter,
            environment=partial(_environment, component=ADAPTER),
            ready=lambda setting: setting.listening(setting.ports.keda_adapter),
        ),
    ),
    identities={
        names.COMPONENT: Identity(user="llmdctl:names", groups=("system:masters",)),
        OPERATOR: Identity(user=_ACCOUNT),
        ADAPTER: Identity(user=_ACCOUNT, names=(f"{_SERVICE}.{NAMESPACE}.svc",)),
    },
    write=_write,
    furnish=_furnish,
    settled=_settled,
    plays=frozenset({"scaledobject-ready"}),
)
