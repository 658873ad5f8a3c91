"""Objects as text, and which of them need an administrator. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from llmdctl.helm.door import KubernetesObject

_CLUSTER_SCOPED: Final = frozenset(
    {
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("gateway.networking.k8s.io", "GatewayClass"),
        ("keda.sh", "ClusterTriggerAuthentication"),
        ("networking.k8s.io", "IngressClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "StorageClass"),
    }
)
"""Kinds without a namespace that a chart may hold; without a cluster nothing else can tell."""


def in_scope(objects: Sequence[KubernetesObject], scope: str) -> tuple[KubernetesObject, ...]:
    """The objects of one scope: `cluster` (what an administrator must apply), `namespace` (the rest), or `all`."""
    if scope == "all":
        return tuple(objects)
    wanted = scope == "cluster"
    return tuple(obj for obj in objects if is_cluster_scoped(obj) is wanted)


def cluster_part(objects: Sequence[KubernetesObject]) -> tuple[KubernetesObject, ...]:
    """The objects that belong to no namespace."""
    return in_scope(objects, "cluster")


def is_cluster_scoped(obj: KubernetesObject) -> bool:
    """Whether a kind has no namespace, by the list above."""
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    return (group, str(obj.get("kind", ""))) in _CLUSTER_SCOPED


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # libyaml where it is there: 8 x
    """Quotes every text that some YAML reader would take for something else; texts of several lines as blocks."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        """Write every value out: an anchor is not what a person expects in a manifest."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if "\n" in text and not any(line.endswith((" ", "\t")) for line in text.split("\n")):
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    # Plain only where no reader can mistake it: a letter or slash first, and nothing that is a word of YAML 1.1.
    plain = text[:1].isalpha() or text[:1] == "/"
    risky = text.lower() in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain and not risky else '"')


_Dumper.add_representer(str, _text)


def to_yaml(obj: Mapping[str, Any]) -> str:
    """One object as YAML, keys in their order, read back the same by kubectl, Helm and PyYAML."""
    return yaml.dump(dict(obj), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)


def to_manifests(objects: Sequence[KubernetesObject]) -> str:
    """Objects as one YAML stream, for `kubectl apply -f`."""
    return "".join(f"---\n{to_yaml(obj)}" for obj in objects)
