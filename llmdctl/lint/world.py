"""Everything that was read, recognised and tied together once; every rule looks at this and nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from llmdctl.lint.command import CommandLine
from llmdctl.lint.manifest import Manifest, Place, look, rows
from llmdctl.lint.pods import Container, Pod, image, pods_of
from llmdctl.lint.queries import Query, queries_of
from llmdctl.lint.reading import inside
from llmdctl.lint.recognition import Engine, Sidecar, engine_of, epp_line, sidecar_of
from llmdctl.model.finding import Severity

POOL_KINDS: Final = ("InferencePool",)
ANNOTATION: Final = "lint.llmdctl.dev/ignore"


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """What a person says that no manifest does; empty strings where they say nothing."""

    engine: str = ""
    epp: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EppConfig:
    """An EndpointPickerConfig: a manifest of its own (`source` is it), or a text in a ConfigMap or an argument.

    `source.get(...)` reads it and `source.finding(code, path, ...)` places a finding inside it. `problem` says why
    it is no mapping, when it is none.
    """

    source: Manifest
    problem: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Epp:
    """A container that runs an endpoint picker."""

    container: Container
    line: CommandLine
    config: EppConfig | None  # None: it has none, or it is not among the manifests (`config_missing` says which)
    config_missing: str = ""
    version: str = ""  # `0.9.0`, from --epp-version or the image's tag; empty when neither says it
    version_given: bool = False  # by --epp-version

    @property
    def namespace(self) -> str:
        return self.container.pod.namespace


class World:
    """What the rules see. All of it is made once and never changed."""

    def __init__(
        self, manifests: Sequence[Manifest], versions: Versions | None = None, *, complete: bool = True
    ) -> None:
        self.manifests = tuple(manifests)
        self.versions = versions or Versions()
        self.complete = complete  # False: one folder of several, so what is missing may stand elsewhere

    def missing(self, name: str = "", there: Iterable[str] = ()) -> Severity | None:
        """How much it weighs that something is not there: what looks like a misspelling is one in any case."""
        near = bool(name) and bool(difflib.get_close_matches(name, list(there), n=1, cutoff=0.85))
        return None if self.complete or near else Severity.UNKNOWN

    def of_kind(self, *kinds: str) -> Iterator[Manifest]:
        """Every object of these kinds."""
        return (manifest for manifest in self.manifests if manifest.kind in kinds)

    def named(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """One object; a namespace that one side leaves out fits any."""
        for manifest in self._by_kind.get(kind, ()):
            if manifest.name == name and same_namespace(manifest.namespace, namespace):
                return manifest
        return None

    @cached_property
    def _by_kind(self) -> Mapping[str, list[Manifest]]:
        kinds: dict[str, list[Manifest]] = {}
        for manifest in self.manifests:
            kinds.setdefault(manifest.kind, []).append(manifest)
        return kinds

    def ignored_on(self, identity: str) -> frozenset[str]:
        """The codes that an object's own annotation ignores."""
        return self._ignored.get(identity, frozenset())

    @cached_property
    def _ignored(self) -> Mapping[str, frozenset[str]]:
        stated = ((manifest, manifest.get("metadata", "annotations", ANNOTATION)) for manifest in self.manifests)
        return {manifest.identity: frozenset(annotated(value)) for manifest, value in stated if value is not None}

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        """Every pod that some workload describes."""
        return tuple(pod for manifest in self.manifests for pod in pods_of(manifest))

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        """Every container of every pod."""
        return tuple(container for pod in self.pods for container in pod.containers())

    @cached_property
    def engines(self) -> tuple[Engine, ...]:
        """Containers that run a model server."""
        return tuple(found for container in self.containers if (found := engine_of(container)))

    @cached_property
    def sidecars(self) -> tuple[Sidecar, ...]:
        """Containers that route between prefill and decode."""
        return tuple(found for container in self.containers if (found := sidecar_of(container)))

    @cached_property
    def epps(self) -> tuple[Epp, ...]:
        """Containers that run an endpoint picker, each with its configuration."""
        return tuple(self._epp(container, line) for container in self.containers if (line := epp_line(container)))

    @cached_property
    def epp_configs(self) -> tuple[EppConfig, ...]:
        """Every EndpointPickerConfig there is, also those that no EPP among the manifests reads."""
        found = [epp.config for epp in self.epps if epp.config]
        seen = {(config.source.identity, config.source.prefix) for config in found}
        found.extend(EppConfig(source=manifest) for manifest in self.of_kind("EndpointPickerConfig"))
        for config_map in self.of_kind("ConfigMap"):
            for key, text in config_map.table("data").items():
                place = (config_map.identity, ("data", key))
                if place not in seen and isinstance(text, str) and "EndpointPickerConfig" in text:
                    found.append(_config(config_map, ("data", key), text))
        return tuple(found)

    @cached_property
    def pools(self) -> tuple[Manifest, ...]:
        """InferencePools of either API group."""
        return tuple(self.of_kind(*POOL_KINDS))

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        """Every PromQL expression and every metric name, with its place."""
        return tuple(query for manifest in self.manifests for query in queries_of(manifest))

    def selected(self, selector: Mapping[str, Any], namespace: str) -> tuple[Pod, ...]:
        """The pods whose labels hold all of `selector`; none for an empty one."""
        if not selector:
            return ()
        return tuple(
            pod
            for pod in self.pods
            if same_namespace(pod.namespace, namespace)
            and all(pod.labels.get(key) == value for key, value in selector.items())
        )

    def engine_in(self, pod: Pod) -> Engine | None:
        """The engine of a pod."""
        return next((engine for engine in self.engines if engine.container.pod is pod), None)

    def sidecar_in(self, pod: Pod) -> Sidecar | None:
        """The routing sidecar of a pod."""
        return next((sidecar for sidecar in self.sidecars if sidecar.container.pod is pod), None)

    def pool_of(self, epp: Epp) -> Manifest | None:
        """The pool that an EPP serves, if it is among the manifests."""
        name = epp.line.value("--pool-name")
        namespace = epp.line.value("--pool-namespace") or epp.namespace
        return next(
            (pool for pool in self.pools if pool.name == name and same_namespace(pool.namespace, namespace)), None
        )

    def _epp(self, container: Container, line: CommandLine) -> Epp:
        config, missing = self._epp_config(container, line)
        tag = image(container.image).version
        stated = self.versions.epp
        return Epp(
            container=container,
            line=line,
            config=config,
            config_missing=missing,
            version=stated or ".".join(str(part) for part in tag),
            version_given=bool(stated),
        )

    def _epp_config(self, container: Container, line: CommandLine) -> tuple[EppConfig | None, str]:
        text = line.find("--config-text")
        if text is not None and text.value:
            return _config(container.pod.workload, (*container.place, *text.word.place), text.value), ""
        file = line.value("--config-file")
        if not file:
            return None, "it is given no --config-file"
        found = self.mounted(container, file)
        if isinstance(found, str):
            return None, found
        config_map, key = found
        return _config(config_map, ("data", key), config_map.text("data", key)), ""

    def mounted(self, container: Container, file: str) -> tuple[Manifest, str] | str:
        """The ConfigMap and the key behind a file in a container; else the reason why it cannot be told."""
        mount, rest = container.mount(file)
        if mount is None:
            return f"nothing is mounted at {file}"
        volume = next((row for row in rows(container.pod.spec, "volumes") if look(row, "name") == mount), None)
        name = look(volume, "configMap", "name")
        if not isinstance(name, str):
            return f"{file} does not come from a ConfigMap"
        config_map = self.named("ConfigMap", container.pod.namespace, name)
        if config_map is None:
            return f"the ConfigMap {name} is not among the manifests"
        items = rows(volume, "configMap", "items")
        key = next((look(item, "key") for item in items if look(item, "path") == rest), rest)
        if not isinstance(key, str) or not isinstance(config_map.get("data", key), str):
            return f"the ConfigMap {name} has no key {key}"
        return config_map, key


def _config(outer: Manifest, place: Place, text: str) -> EppConfig:
    source, problem = inside(outer, place, text)
    return EppConfig(source=source, problem=problem)


def annotated(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - an annotation, whatever it holds
    """The codes in an annotation: separated by commas or blanks."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else ()


def same_namespace(one: str, other: str) -> bool:
    """Whether two objects may be in one namespace; a manifest without one goes wherever it is applied."""
    return not one or not other or one == other
