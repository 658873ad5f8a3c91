"""The CustomResourceDefinitions of the pinned modules, read out of the modules themselves.

`tools/crds/go.mod` pins the versions and `go.sum` their content. What was read is cached as JSON: parsing 5 MB of
YAML takes seconds, and nothing in it changes while go.sum does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from llmdctl import assets
from llmdctl.errors import ProgramError
from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.programs.golang import download_module
from llmdctl.programs.origin import Reporter, silent

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


def module_dir(name: str) -> Path:
    """The folder of a pinned module in Go's module cache, fetched when it is not there. Raises ProgramError."""
    module = CRD_MODULES[name].module
    return download_module(_family(), module, module_version(module))


def crds(*names: str, report: Reporter = silent) -> list[dict[str, Any]]:
    """The CRDs of the named modules (of all, without a name), in a fixed order. Raises ProgramError."""
    return [crd for name in names or tuple(CRD_MODULES) for crd in _of_module(CRD_MODULES[name], report)]


def _of_module(source: CrdModule, report: Reporter) -> list[dict[str, Any]]:
    version = module_version(source.module)
    key = content_key([(_family() / "go.sum").read_bytes(), source.module, version, source.pattern, _FORMAT])
    entry = Entry(root=cache_root(), label=f"crds-{source.name}-{version}", key=key)

    def make(folder: Path) -> None:
        report(f"CRDs of {source.module} {version}: reading them out of the module")
        found = list(_read(module_dir(source.name), source.pattern))
        if not found:
            raise ProgramError(f"{source.module} {version} holds no CRD at {source.pattern}")
        (folder / "crds.json").write_text(json.dumps(found), encoding="utf-8")

    if not entry.filled:
        entry.fill(make, report)
    loaded: list[dict[str, Any]] = json.loads((entry.path / "crds.json").read_text(encoding="utf-8"))
    return loaded


def _read(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob(pattern)):
        with file.open("rb") as stream:
            for document in yaml.load_all(stream, Loader=_plain_loader()):  # a SafeLoader with fewer rules
                if isinstance(document, dict) and document.get("kind") == "CustomResourceDefinition":
                    yield document


def _plain_loader() -> type[yaml.SafeLoader]:
    """A safe loader without YAML 1.1's `=` rule, which PyYAML resolves but cannot construct: Prometheus CRDs use it."""
    base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {first: rules for first, rules in base.yaml_implicit_resolvers.items() if first != "="}
    return type("PlainLoader", (base,), {"yaml_implicit_resolvers": resolvers})


def _family() -> Path:
    return assets.tools() / "crds"
