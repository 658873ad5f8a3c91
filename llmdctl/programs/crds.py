"""The CustomResourceDefinitions, and other manifests, of the pinned modules, read out of the modules themselves.

`tools/crds/go.mod` pins the versions and `go.sum` their content. What was read is cached as JSON: parsing 5 MB of
YAML takes seconds, and nothing in it changes while go.sum does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdctl import assets
from llmdctl.errors import ProgramError
from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.programs.golang import download_module
from llmdctl.programs.origin import Reporter, silent

if TYPE_CHECKING:
    import yaml

_FORMAT = "1"  # raise when the way of reading below changes


@dataclass(frozen=True, kw_only=True, slots=True)
class CrdModule:
    """Where one project keeps its CRDs inside its Go module."""

    name: str
    module: str
    pattern: str  # glob below the module's folder


CRD_MODULES: dict[str, CrdModule] = {
    entry.name: entry
    for entry in (
        CrdModule(name="gateway-api", module="sigs.k8s.io/gateway-api", pattern="config/crd/standard/*.yaml"),
        CrdModule(
            name="inference-extension",
            module="sigs.k8s.io/gateway-api-inference-extension",
            pattern="config/crd/bases/*.yaml",
        ),
        CrdModule(name="lws", module="sigs.k8s.io/lws", pattern="config/crd/bases/*.yaml"),
        CrdModule(name="keda", module="github.com/kedacore/keda/v2", pattern="config/crd/bases/*.yaml"),
        CrdModule(
            name="prometheus-operator",
            module="github.com/prometheus-operator/prometheus-operator",
            pattern="example/prometheus-operator-crd/*.yaml",
        ),
        CrdModule(name="kwok", module="sigs.k8s.io/kwok", pattern="kustomize/crd/bases/*.yaml"),
        CrdModule(
            name="envoy-gateway",
            module="github.com/envoyproxy/gateway",
            pattern="charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_*.yaml",
        ),
        CrdModule(name="istio", module="istio.io/api", pattern="kubernetes/customresourcedefinitions.gen.yaml"),
    )
}


def module_version(module: str) -> str:
    """The pinned version of a module in tools/crds/go.mod, without its `v`."""
    text = (_family() / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)} v(\S+)", text, re.MULTILINE)
    if found is None:
        raise ProgramError(f"{_family() / 'go.mod'} does not pin {module}")
    return found.group(1)


def crds(*names: str, report: Reporter = silent) -> list[dict[str, Any]]:
    """The CRDs of the named modules (of all, without a name), in a fixed order. Raises ProgramError."""
    found: list[dict[str, Any]] = []
    for name in names or tuple(CRD_MODULES):
        documents = manifests(name, CRD_MODULES[name].pattern, report=report)
        found += [document for document in documents if document.get("kind") == "CustomResourceDefinition"]
    return found


def manifests(name: str, *patterns: str, report: Reporter = silent) -> list[Any]:
    """The YAML documents of a pinned module's files that match the patterns, in the order given, then by file name.

    Raises ProgramError when the module cannot be had, or a pattern matches nothing in it.
    """
    source = CRD_MODULES[name]
    version = module_version(source.module)
    key = content_key([(_family() / "go.sum").read_bytes(), source.module, version, *patterns, _FORMAT])
    entry = Entry(root=cache_root(), label=f"manifests-{source.name}-{version}", key=key)

    def make(folder: Path) -> None:
        report(f"{source.module} {version}: reading its manifests out of the module")
        root = download_module(_family(), source.module, version)
        found = [document for pattern in patterns for document in _read(root, pattern)]
        (folder / "manifests.json").write_text(json.dumps(found), encoding="utf-8")

    if not entry.filled:
        entry.fill(make, report)
    loaded: list[Any] = json.loads((entry.path / "manifests.json").read_text(encoding="utf-8"))
    return loaded


def _read(folder: Path, pattern: str) -> Iterator[Any]:
    import yaml  # only when the cache has no answer

    files = sorted(folder.glob(pattern))
    if not files:
        raise ProgramError(f"{folder} holds nothing at {pattern}")
    for file in files:
        with file.open("rb") as stream:
            # a SafeLoader with fewer rules
            yield from (document for document in yaml.load_all(stream, Loader=_plain_loader()) if document is not None)


def _plain_loader() -> type[yaml.SafeLoader]:
    """A safe loader without YAML 1.1's `=` rule, which PyYAML resolves but cannot construct: Prometheus CRDs use it."""
    import yaml

    base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {first: rules for first, rules in base.yaml_implicit_resolvers.items() if first != "="}
    return type("PlainLoader", (base,), {"yaml_implicit_resolvers": resolvers})


def _family() -> Path:
    return assets.tools() / "crds"
