"""Is this machine fit to install: programs, credentials, proxies?"""

from __future__ import annotations

import ipaddress
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case, Item
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.versions import minor, server_minor
from llmdctl.preflight.moments import moment
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, warned

_OLDEST_HELM: Final = {3: (3, 20), 4: (4, 2)}  # of each major: what llmdctl's own tests run against
_LONGEST_WAIT_S: Final = 3900  # the longest startup budget of a recipe, 3600 s, and five minutes: what install waits
_PLUGINS: Final = {
    "gke-gcloud-auth-plugin": "gcloud components install gke-gcloud-auth-plugin",
    "aws": "See https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    "aws-iam-authenticator": "See https://docs.aws.amazon.com/eks/latest/userguide/install-aws-iam-authenticator.html",
    "kubelogin": "See https://azure.github.io/kubelogin/install.html",
}


def client(case: Case) -> Item:
    """What is known of this machine. Raises UnknowableError where nothing is, as in an inventory from elsewhere."""
    for item in case.section("client"):
        return item
    raise UnknowableError("client: the inventory does not describe the machine that installs")


def _stated(item: Item, key: str) -> object:
    if key not in item:
        raise UnknowableError(f"client: the inventory does not state {key}")
    return item[key]


def _helm(case: Case) -> Verdict:
    stated = _stated(client(case), "helm")
    if stated is None:
        return warned(
            "No helm program was found here; install fetches or builds the pinned one first.",
            (Evidence(object="Client//helm", observed="none", expected="3.20 or 4.2"),),
            "Install Helm 4.2 or later: https://helm.sh/docs/intro/install/",
        )
    have = minor(str(stated))
    if have is None:
        raise UnknowableError(f"client: {stated} is no version of Helm")
    oldest = _OLDEST_HELM.get(have[0])
    if oldest is None or have < oldest:
        return failed(
            f"Helm {stated} does not fit: 3.20 and later of 3, or 4.2 and later of 4, is needed.",
            (Evidence(object="Client//helm", observed=str(stated), expected="3.20 or 4.2"),),
            "Install Helm 4.2 or later: https://helm.sh/docs/intro/install/",
        )
    return passed(f"Helm {stated}.")


def _kubectl(case: Case) -> Verdict:
    stated = _stated(client(case), "kubectl")
    if stated is None:
        return failed(
            "No kubectl was found here. llmdctl needs none, but the commands in its remedies do.",
            (Evidence(object="Client//kubectl", observed="none"),),
            "Install kubectl: https://kubernetes.io/docs/tasks/tools/",
        )
    have, server = minor(str(stated)), server_minor(case)
    if have is None:
        raise UnknowableError(f"client: {stated} is no version of kubectl")
    if have[0] != server[0] or abs(have[1] - server[1]) > 1:
        said = ".".join(map(str, server))
        return failed(
            f"kubectl {stated} is more than one minor version from the server's {said}.",
            (Evidence(object="Client//kubectl", observed=str(stated), expected=f"{said}, or one minor beside it"),),
            f"Install kubectl {said}.",
        )
    return passed(f"kubectl {stated} fits the server.")


def _plugin(case: Case) -> Verdict:
    plugin = _stated(client(case), "execPlugin")
    if plugin is None:
        return passed("The kubeconfig runs no credential plugin.")
    assert isinstance(plugin, dict)
    command = str(plugin.get("command", ""))
    if plugin.get("found"):
        return passed(f"The credential plugin {command} is here.")
    name = command.rpartition("/")[2]
    return failed(
        f"The kubeconfig gets its credentials from {command}, which is not on PATH.",
        (Evidence(object=f"Client//{name}", observed="not found", expected="on PATH"),),
        _PLUGINS.get(name, f"Install {name}, or use another context."),
    )


def _proxy(case: Case) -> Verdict:
    item = client(case)
    proxies = _stated(item, "proxies")
    assert isinstance(proxies, dict)
    through = str(proxies.get("https_proxy") or "")
    if not through:
        return passed("No proxy is set for HTTPS.")
    if case.inventory.redacted or not item.get("serverHost"):
        raise UnknowableError("client: a proxy is set, and the address of the API server is not stated")
    host = _host(str(item["serverHost"]))
    if _is_direct(host, str(proxies.get("no_proxy") or "")):
        return passed(f"A proxy is set; {host} is reached without it.")
    return failed(
        f"Requests to {host} go through the proxy {through}: long waits and watches may be cut there.",
        (Evidence(object="Client//no_proxy", observed=str(proxies.get("no_proxy") or "unset"), expected=host),),
        f"Unless the proxy is meant to be used, add {host} to NO_PROXY.",
    )


def _host(address: str) -> str:
    """Of `10.0.0.1:6443`, `[::1]:6443` or a bare name."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.rpartition(":")[0] if address.count(":") == 1 else address


def _is_direct(host: str, no_proxy: str) -> bool:
    """By the rules of Go's golang.org/x/net/http/httpproxy, which Helm and kubectl follow."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        ip = None
    if host == "localhost" or (ip is not None and ip.is_loopback):
        return True
    return any(_spares(entry.strip().lower(), host.lower(), ip) for entry in no_proxy.split(",") if entry.strip())


def _spares(entry: str, host: str, ip: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if entry == "*":
        return True
    if ip is not None:
        try:
            return ip in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return _host(entry) == host
    name = _host(entry).removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _terminal(case: Case) -> Verdict:
    item = client(case)
    if _stated(item, "isTerminal"):
        return passed("Output goes to a terminal: progress is redrawn, questions are asked.")
    where = "in CI" if item.get("ci") else "to a file or pipe"
    return passed(f"Output goes {where}: one line a change, and nothing is asked (uninstall needs --yes).")


def _expiry(case: Case) -> Verdict:
    item = client(case)
    taken = moment(case.inventory.captured_at)
    if taken is None:
        raise UnknowableError("the inventory does not say when it was captured")
    for key, what in (("certificateNotAfter", "client certificate"), ("tokenNotAfter", "token")):
        end = moment(item.get(key))
        if end is None:
            continue
        left_s = (end - taken).total_seconds()
        if left_s < _LONGEST_WAIT_S:
            ends = f"ended at {end}" if left_s <= 0 else f"ends in {left_s / 60:.0f} minutes"
            return failed(
                f"The {what} {ends}; an install may wait {_LONGEST_WAIT_S // 60} minutes for models to load.",
                (Evidence(object=f"Client//{key}", observed=str(end)),),
                "Log in again before you install.",
            )
        return passed(f"The {what} is valid until {end}.")
    if _stated(item, "execPlugin") is not None:
        return passed("A credential plugin renews the credentials.")
    raise UnknowableError("client: the credentials do not say when they end")


CHECKS: Final = (
    Check(
        code="LD0101",
        slug="helm",
        title="A helm program that fits",
        severity=Severity.ERROR,
        rule=_helm,
        needs=("client",),
        why="Everything that changes a cluster goes through the helm program: 3.20 and later of 3, 4.2 and later of 4.",
        remedy="Install Helm 4.2 or later.",
        sources=("https://helm.sh/docs/topics/version_skew/", "https://helm.sh/docs/intro/install/"),
    ),
    Check(
        code="LD0102",
        slug="kubectl",
        title="A kubectl that fits the server",
        severity=Severity.WARNING,
        rule=_kubectl,
        needs=("client", "version"),
        why="kubectl is supported within one minor version of the server; commands in remedies use it.",
        remedy="Install the kubectl of the server's version.",
        sources=("https://kubernetes.io/releases/version-skew-policy/#kubectl",),
    ),
    Check(
        code="LD0105",
        slug="credential-plugin",
        title="The credential plugin is here",
        severity=Severity.ERROR,
        rule=_plugin,
        needs=("client",),
        why="Kubeconfigs of clouds hold no credentials but name a program that gets them.",
        remedy="Install the program that the kubeconfig names.",
        sources=(
            "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
            "https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl",
        ),
    ),
    Check(
        code="LD0106",
        slug="proxy",
        title="The API server is not behind a proxy by mistake",
        severity=Severity.WARNING,
        rule=_proxy,
        needs=("client",),
        why="A proxy of the environment that also catches the API server cuts long requests, or does not reach it.",
        remedy="Add the server to NO_PROXY.",
        sources=(
            "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/",
            "https://pkg.go.dev/golang.org/x/net/http/httpproxy",
        ),
    ),
    Check(
        code="LD0110",
        slug="terminal",
        title="How output is written here",
        severity=Severity.NOTE,
        rule=_terminal,
        needs=("client",),
        why="Without a terminal nothing is asked and progress is one line a change.",
        remedy="Nothing is to be done.",
        sources=("https://clig.dev/#output",),
    ),
    Check(
        code="LD0204",
        slug="credential-expiry",
        title="Credentials outlive the install",
        severity=Severity.WARNING,
        rule=_expiry,
        needs=("client",),
        why="Loading a large model takes up to an hour; credentials that end before leave the wait without an answer.",
        remedy="Log in again before you install.",
        sources=("https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/",),
    ),
)
