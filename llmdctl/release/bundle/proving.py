"""What verify says of the releases in a bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict

from llmdctl.errors import LlmdctlError
from llmdctl.helm import Helm
from llmdctl.kube import Cluster
from llmdctl.model.hop import Diagnosis
from llmdctl.release.doctor.scene import Scene
from llmdctl.release.verify import CLAIMS, verify

_NAME, _NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
"""Annotations on what Helm has installed: https://github.com/helm/helm, pkg/action/validate.go."""


def proved(
    cluster: Cluster, helm: Callable[[], Helm], scene: Scene, diagnosis: Diagnosis, *, request: bool
) -> tuple[dict[str, str], list[str]]:
    """File name -> the report of a release of a chain, as JSON; and why of others there is none.

    Requests are sent only with `request`, and only through a chain that is not broken.
    """
    reports: dict[str, str] = {}
    problems: list[str] = []
    for namespace, name, sound in _releases(scene, diagnosis):
        claims = [claim for claim in CLAIMS.values() if (request and sound) or not claim.sends]
        try:
            report = verify(name, namespace, helm=helm(), cluster=cluster, claims=claims)
        except LlmdctlError as failure:
            problems.append(f"proofs of {namespace}/{name}: {failure.message}")
        else:
            reports[f"verify/{namespace}/{name}.json"] = json.dumps(asdict(report), indent=2) + "\n"
    return reports, problems


def _releases(scene: Scene, diagnosis: Diagnosis) -> Iterator[tuple[str, str, bool]]:
    """Namespace and name of each Helm release with a pool that was looked at, and whether no hop to it is broken."""
    sound = {chain.pool: chain.broken is None for chain in diagnosis.chains}
    found: dict[tuple[str, str], bool] = {}
    for pool in scene.of("InferencePool"):
        name = pool.get("metadata", "annotations", _NAME)
        key = f"{pool.namespace}/{pool.name}"
        if name and key in sound:
            namespace = str(pool.get("metadata", "annotations", _NAMESPACE) or pool.namespace)
            found[namespace, str(name)] = found.get((namespace, str(name)), True) and sound[key]
    for (namespace, release), whole in found.items():
        yield namespace, release, whole
