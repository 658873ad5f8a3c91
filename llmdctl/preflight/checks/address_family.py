"""Whether what the recipe starts listens where the cluster's pods have their addresses."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case, Item
from llmdctl.preflight.check import Check
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped

_DEFAULT: Final = "IPv4"


def _family(case: Case) -> Verdict:
    if case.recipe is None:
        return skipped("no recipe is judged")
    stated = str(((case.recipe.values.get("global") or {}).get("llmd") or {}).get("ipFamily") or _DEFAULT)
    service, first = _first(case.section("services"))
    if stated == first:
        return passed(f"The cluster's first address family is {first}, on which everything listens.")
    metadata = service["metadata"]
    return failed(
        f"The cluster gives Services and pods {first} addresses first; the release would listen for {stated}, and no"
        " pod would become ready.",
        (
            Evidence(
                object=f"Service/{metadata.get('namespace', '')}/{metadata['name']}",
                observed=str(service["spec"]["clusterIP"]),
                expected=f"an {stated} address",
            ),
        ),
        f"Add --set global.llmd.ipFamily={first}.",
    )


def _first(services: tuple[Item, ...]) -> tuple[Item, str]:
    """A Service and the family of its address: the API server's own, or any where all that may be read agree."""
    found = {_key(item): (item, family) for item in services if (family := _of(item))}
    own = found.get(("default", "kubernetes"))
    if own:
        return own
    if len({family for _, family in found.values()}) != 1:
        raise UnknowableError("services: no Service states which address family the cluster gives first")
    return next(iter(found.values()))


def _key(item: Item) -> tuple[str, str]:
    return str(item["metadata"].get("namespace", "")), str(item["metadata"]["name"])


def _of(item: Item) -> str:
    """Empty: it has no address, or a hidden one."""
    try:
        return f"IPv{ip_address((item.get('spec') or {}).get('clusterIP', '')).version}"
    except ValueError:
        return ""


CHECKS: Final = (
    Check(
        code="LD0512",
        slug="address-family",
        title="The release listens on the cluster's address family",
        severity=Severity.ERROR,
        rule=_family,
        needs=("services",),
        why="A pod's first address is of the cluster's first family, as a Service's is. The kubelet and the endpoint"
        " picker ask at that address; in a cluster of IPv6 only nothing listens there unless global.llmd.ipFamily says"
        " so.",
        remedy="Set global.llmd.ipFamily to the family that kubectl get service kubernetes -n default shows first.",
        sources=(
            "https://kubernetes.io/docs/concepts/services-networking/dual-stack/",
            "https://github.com/llm-d/llm-d/pull/1974",
        ),
    ),
)
