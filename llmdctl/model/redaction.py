"""An inventory without the names of whose it is, in which everything that refers to something else still does.

One name has one pseudonym wherever it stands. What identifies hardware and software stays: labels of vendors and of
Kubernetes, resources, versions, images of public registries, names of kinds and of well-known controllers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from llmdctl.model.inventory import Inventory, Section

Item = Mapping[str, Any]

HIDDEN: Final = "hidden"
_BUILT_IN: Final = frozenset({"default", "kube-system", "kube-public", "kube-node-lease", "kubernetes"})
_KINDS: Final = {  # section -> how its names are called
    "nodes": "node", "csi-nodes": "node", "leases": "node", "namespaces": "namespace", "pods": "pod",
    "secrets": "secret", "releases": "secret", "config-maps": "config-map", "resource-slices": "slice",
    "persistent-volumes": "volume", "node-pools": "pool",
}  # fmt: skip
_SOFTWARE: Final = re.compile(
    r"^(?:amd|aws|azure|calico|cert-manager|cilium|coredns|dcgm|ebs-csi|efs-csi|envoy|gke|gpu-operator|ib-|istio|karpenter|"
    r"keda|kube-|kueue|lws|metrics-server|mofed|multus|nccl|network-operator|node-feature-discovery|nvidia|prometheus|"
    r"rdma|sriov|tpu)"
)
"""How names of workloads begin that everybody's cluster has; never of pods, which may end in a node's name."""

_WORKLOADS: Final = frozenset({"deployments", "daemon-sets", "services", "endpoint-slices", "service-accounts"})
_VENDORS: Final = (
    "amd.com/", "aws.amazon.com/", "beta.amd.com/", "beta.kubernetes.io/", "cloud.google.com/", "eks.amazonaws.com/",
    "feature.node.kubernetes.io/", "gpu.intel.com/", "gpu.nvidia.com/", "habana.ai/", "intel.feature.node.kubernetes.io/",  # noqa: E501
    "karpenter.azure.com/", "karpenter.k8s.aws/", "karpenter.sh/", "kubernetes.azure.com/", "llm-d.ai/",
    "network.topology.nvidia.com/", "networking.gke.io/", "node.coreweave.cloud/", "node.kubernetes.io/",
    "node-role.kubernetes.io/", "nvidia.com/", "oci.oraclecloud.com/", "pod-security.kubernetes.io/",
    "topology.kubernetes.io/", "vpc.amazonaws.com/",
)  # fmt: skip
_PERSONAL: Final = re.compile(
    r"hostname$|metadata\.name$|(?:cluster|project|account|owner|team|tenant|customer|user|contact|mail|cost|org)",
    re.IGNORECASE,
)
_POOL: Final = re.compile(r"(?:nodepool|node-pool|nodegroup|agentpool|launch-?template)[^/]*$", re.IGNORECASE)
_KEPT_VALUES: Final = re.compile(r"(?:true|false|\d{1,4}|)", re.IGNORECASE)
_AS_THEY_ARE: Final = frozenset(
    {
        "apiVersion", "kind", "effect", "operator", "phase", "type", "verb", "verbs", "group", "groups", "apiGroup",
        "apiGroups", "resource", "resources", "outcome", "driver", "topologyKey", "gitVersion", "platform", "date",
        "localDate", "creationTimestamp", "deletionTimestamp", "resourceVersion", "status", "scope", "provisioner",
        "controllerName", "gatewayClassName", "storageClassName", "priorityClassName", "deviceClassName", "policyTypes",
        "protocol", "appProtocol", "whenUnsatisfiable", "extraKeys", "volumeBindingMode", "kernelVersion", "osImage",
        "containerRuntimeVersion", "kubeletVersion", "kubeProxyVersion", "operatingSystem", "architecture",
    }
)  # fmt: skip
_REFERENCES: Final = frozenset({"claimName", "secretName", "serviceAccountName", "serviceAccount", "subdomain"})
_REFERRING: Final = frozenset(
    {
        "ownerReferences", "configMap", "secret", "configMapRef", "secretRef", "configMapKeyRef", "secretKeyRef",
        "imagePullSecrets", "scaleTargetRef", "parentRefs", "backendRefs", "claimRef", "dataSource",
    }
)  # fmt: skip
_GONE: Final = frozenset(
    {"machineID", "systemUUID", "bootID", "podCIDR", "podCIDRs", "uid", "externalID", "volumeHandle"}
)
_SECRETIVE: Final = frozenset({"ip", "hostname", "hostnames", "host", "url", "serverHost", "address", "addresses"})
_PUBLIC_REGISTRIES: Final = re.compile(
    r"(?:(?:.+\.)?docker\.io|ghcr\.io|quay\.io|registry\.k8s\.io|nvcr\.io|(?:gke\.|k8s\.)?gcr\.io|public\.ecr\.aws|"
    r"mcr\.microsoft\.com|registry\.redhat\.io|registry\.access\.redhat\.com|lscr\.io|icr\.io|cr\.kgateway\.dev)"
)
_WORD: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_ADDRESS: Final = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|[\w.+-]+@[\w-]+\.[\w.]+|https?://[^\s\"']+")
_TOKEN: Final = re.compile(r"[\w./:=,@+-]{0,80}")


def redact(inventory: Inventory) -> Inventory:
    """The same inventory with pseudonyms instead of names."""
    names = _Names()
    for name, item in _each(inventory):
        _collect(name, item, names)
    rewriting = _Rewriting(names=names)
    sections = {name: _section(name, section, rewriting) for name, section in inventory.sections.items()}
    return replace(inventory, server="", context="", redacted=True, sections=sections)


@dataclass(slots=True)
class _Names:
    """Name -> pseudonym. A name that is also a vendor's word stays: hiding it would hide the hardware."""

    known: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)

    def add(self, name: object, kind: str) -> None:
        text = str(name or "")
        if not text or text in self.known or text in _BUILT_IN or _KEPT_VALUES.fullmatch(text):
            return
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.known[text] = f"{kind}-{self.counts[kind]}"

    def find(self, text: str) -> str | None:
        return None if text in self.words else self.known.get(text)


def _each(inventory: Inventory) -> Iterator[tuple[str, Item]]:
    first = [name for name in _KINDS if name in inventory.sections]
    for name in [*first, *(name for name in inventory.sections if name not in _KINDS)]:
        for item in inventory.sections[name].items:
            yield name, item


def _collect(section: str, item: Item, names: _Names) -> None:
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    names.add(metadata.get("namespace") or item.get("namespace"), "namespace")
    named = metadata.get("name")
    kind = _KINDS.get(section)
    if kind is not None:
        names.add(named, kind)
    elif metadata.get("namespace") and not (section in _WORKLOADS and _SOFTWARE.match(str(named))):
        names.add(named, "object")
    labels = metadata.get("labels")
    for key, value in labels.items() if isinstance(labels, Mapping) else ():
        _collect_label(section, str(key), value, names)
    spec = item.get("spec")
    if isinstance(spec, Mapping):
        names.add(spec.get("nodeName"), "node")
        pool = spec.get("pool")
        names.add(pool.get("name") if isinstance(pool, Mapping) else None, "slice")
    if section == "identity":
        names.add(item.get("username"), "user")
    if section in ("access", "dry-run") and not _SOFTWARE.match(str(item.get("name", ""))):
        names.add(item.get("name"), "object")
    for name in _referred(item):
        names.add(name, "object")
    for group in (*_texts(item.get("groups")), *_texts(item.get("users"))):
        if not group.startswith("system:"):
            names.add(group, "user")


def _collect_label(section: str, key: str, value: object, names: _Names) -> None:
    if key.endswith("/hostname"):
        names.add(value, "node")
    elif section == "releases" and key == "name":
        names.add(value, "release")
    elif _POOL.search(key):
        names.add(value, "pool")
    elif _PERSONAL.search(key.rpartition("/")[2]) and not key.startswith("pod-security."):
        names.add(value, "label")
    elif key.startswith(_VENDORS):
        names.words.add(str(value))


def _referred(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Names of objects that something refers to, which may be in no section of their own."""
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _referred(inner)
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        if key in _REFERENCES and isinstance(inner, str):
            yield inner
        elif key in _REFERRING:
            rows = inner if isinstance(inner, (list, tuple)) else (inner,)
            yield from (str(row["name"]) for row in rows if isinstance(row, Mapping) and _is_private(row))
        if isinstance(inner, (Mapping, list, tuple)):
            yield from _referred(inner)


def _is_private(reference: Item) -> bool:
    name = reference.get("name")
    return bool(name) and reference.get("kind") != "Node" and not _SOFTWARE.match(str(name))


def _texts(value: object) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, (list, tuple)) else []


def _section(name: str, section: Section, rewriting: _Rewriting) -> Section:
    items = tuple(rewriting.item(name, item) for item in section.items)
    return replace(
        section, items=items, reason=rewriting.prose(section.reason), namespace=rewriting.text(section.namespace)
    )


@dataclass(kw_only=True)
class _Rewriting:
    """Values with pseudonyms in them."""

    names: _Names
    registries: dict[str, str] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)

    def item(self, section: str, item: Item) -> dict[str, Any]:
        if section == "client":
            return self._client(item)
        if section == "identity":
            groups = [self.text(group) for group in _texts(item.get("groups"))]
            return {**item, "username": self.text(str(item.get("username", ""))), "groups": groups}
        return self._mapping(item)

    def text(self, text: str) -> str:
        """A name, or words with names among them."""
        found = self.done.get(text)
        if found is None:
            found = self.done[text] = self.names.find(text) or _WORD.sub(self._word, text)
        return found

    def prose(self, text: str) -> str:
        """Words that people or servers wrote: addresses are hidden too."""
        return self.text(_ADDRESS.sub(HIDDEN, text))

    def _word(self, found: re.Match[str]) -> str:
        return self.names.find(found.group()) or found.group()

    def _client(self, item: Item) -> dict[str, Any]:
        proxies = item.get("proxies")
        shown = {key: HIDDEN if value else "" for key, value in proxies.items()} if isinstance(proxies, Mapping) else {}
        plugin = item.get("execPlugin")
        if isinstance(plugin, Mapping):
            plugin = {**plugin, "command": str(plugin.get("command", "")).rpartition("/")[2]}
        return {**item, "proxies": shown, "serverHost": "", "execPlugin": plugin}

    def _mapping(self, value: Item) -> dict[str, Any]:
        if isinstance(value.get("key"), str) and ({"operator", "effect", "values"} & set(value)):
            return self._requirement(value)
        if set(value) == {"name", "value"}:  # a variable of a container's environment
            shown = str(value["value"])
            return {**value, "value": shown if _KEPT_VALUES.fullmatch(shown) else HIDDEN}
        return {key: self._entry(key, inner) for key, inner in value.items() if key not in _GONE}

    def _entry(self, key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        special: dict[str, Callable[[Any], Any]] = {
            "labels": self._labels, "matchLabels": self._labels, "nodeSelector": self._labels,
            "selector": self._labels, "annotations": self._annotations, "image": self._image, "images": self._images,
            "message": self.prose, "reason": self.prose,
        }  # fmt: skip
        if key in _AS_THEY_ARE and isinstance(value, str):
            return value
        if key == "providerID":  # whose machine it is, and not which
            return f"{str(value).partition('://')[0]}://{HIDDEN}"
        if key in _SECRETIVE and isinstance(value, (str, list)):
            return HIDDEN if isinstance(value, str) else [HIDDEN for _ in value]
        if key == "clusterIP" and value != "None":  # of its family: RFC 5737 and RFC 3849, addresses of nobody
            return "2001:db8::1" if ":" in str(value) else "192.0.2.1"
        rewrite = special.get(key)
        return self._value(value) if rewrite is None else rewrite(value)

    def _value(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        return [self._value(inner) for inner in value] if isinstance(value, (list, tuple)) else value

    def _requirement(self, value: Item) -> dict[str, Any]:
        """A selector's expression, a taint or a toleration: its values are a label's."""
        key, made = str(value["key"]), dict(value)
        if isinstance(value.get("values"), (list, tuple)):
            made["values"] = [self._label(key, entry) for entry in value["values"]]
        if isinstance(value.get("value"), str):
            made["value"] = self._label(key, value["value"])
        return made

    def _labels(self, value: Any) -> Any:  # noqa: ANN401 - a mapping of labels, or a selector of another form
        if not isinstance(value, Mapping) or not all(isinstance(inner, str) for inner in value.values()):
            return self._value(value)
        return {key: self._label(key, inner) for key, inner in value.items()}

    def _label(self, key: str, value: Any) -> Any:  # noqa: ANN401 - text, most often
        kept = key.startswith(_VENDORS) and not _POOL.search(key) and not _PERSONAL.search(key.rpartition("/")[2])
        return value if kept or not isinstance(value, str) else self.text(value)

    def _annotations(self, value: Any) -> Any:  # noqa: ANN401 - a mapping of annotations
        if not isinstance(value, Mapping):
            return {}
        return {
            key: self.text(inner) if isinstance(inner, str) and _TOKEN.fullmatch(inner) else HIDDEN
            for key, inner in value.items()
        }

    def _images(self, value: Any) -> Any:  # noqa: ANN401 - what a node holds
        if not isinstance(value, (list, tuple)):
            return self._value(value)
        return [
            {**entry, "names": [self._image(name) for name in entry.get("names") or ()]}
            if isinstance(entry, Mapping)
            else self._value(entry)
            for entry in value
        ]

    def _image(self, value: Any) -> Any:  # noqa: ANN401 - an image; a volume's is a mapping
        if not isinstance(value, str):
            return self._value(value)
        host, slash, path = value.partition("/")
        if not slash or not ("." in host or ":" in host or host == "localhost") or _PUBLIC_REGISTRIES.fullmatch(host):
            return value
        registry = self.registries.setdefault(host, f"registry-{len(self.registries) + 1}.invalid")
        return f"{registry}/{path.rpartition('/')[2]}"
