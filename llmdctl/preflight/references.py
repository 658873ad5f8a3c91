"""What pods name and do not bring: Secrets, ConfigMaps, service accounts. Names only, never a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from llmdctl.preflight.workload import PodTemplate

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

Item = Mapping[str, Any]
TOKENS: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Variables that the client of Hugging Face's hub reads: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables"""

GIVEN: Final = ("kube-root-ca.crt", "openshift-service-ca.crt")
"""ConfigMaps that Kubernetes and OpenShift put into every namespace."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One object that a pod names."""

    kind: str  # Secret | ConfigMap | ServiceAccount
    name: str
    template: PodTemplate
    where: str  # a few words: `env HF_TOKEN`
    key: str = ""
    optional: bool = False
    env: str = ""  # the variable, where it is one


def references(template: PodTemplate) -> Iterator[Reference]:
    """Everything that a pod of the template names, in the order of its spec."""
    account = template.spec.get("serviceAccountName")
    if account and account != "default":
        yield Reference(kind="ServiceAccount", name=str(account), template=template, where="serviceAccountName")
    for container in template.containers:
        yield from _variables(template, container)
    for volume in template.spec.get("volumes") or ():
        yield from _sources(template, volume, f"volume {volume.get('name')}")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _sources(template, source, f"volume {volume.get('name')}")


def _variables(template: PodTemplate, container: Item) -> Iterator[Reference]:
    for row in container.get("env") or ():
        source = row.get("valueFrom") or {}
        for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            stated = source.get(field)
            if stated:
                yield Reference(
                    kind=kind, name=str(stated.get("name", "")), template=template, where=f"env {row.get('name')}",
                    key=str(stated.get("key", "")), optional=bool(stated.get("optional")), env=str(row.get("name")),
                )  # fmt: skip
    for row in container.get("envFrom") or ():
        for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            stated = row.get(field)
            if stated:
                yield _reference(template, kind, stated.get("name"), stated, "envFrom")


def _sources(template: PodTemplate, source: Item, where: str) -> Iterator[Reference]:
    secret, mapped = source.get("secret"), source.get("configMap")
    if secret:
        yield _reference(template, "Secret", secret.get("secretName") or secret.get("name"), secret, where)
    if mapped:
        yield _reference(template, "ConfigMap", mapped.get("name"), mapped, where)


def _reference(template: PodTemplate, kind: str, name: object, stated: Item, where: str) -> Reference:
    return Reference(kind=kind, name=str(name), template=template, where=where, optional=bool(stated.get("optional")))


def present(case: Case, kind: str, name: str) -> Item | None:
    """The object, rendered or there already. Raises UnknowableError where these could not be listed."""
    for obj in case.rendered(kind):
        if obj["metadata"]["name"] == name:
            return obj
    section = {"Secret": "secrets", "ConfigMap": "config-maps", "ServiceAccount": "service-accounts"}[kind]
    for item in case.section(section):
        if item["metadata"]["name"] == name and item["metadata"].get("namespace", case.namespace) == case.namespace:
            return item
    return None


def tokens(case: Case) -> tuple[Reference, ...]:
    """The hub tokens that model servers name."""
    servers = (template for template in case.workloads if template.is_model_server)
    return tuple(each for template in servers for each in references(template) if each.env in TOKENS)
