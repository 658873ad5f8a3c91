"""Opening the doors that a verb needs: Helm and the cluster, with their progress said on stderr."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmdctl.cli.output import say

if TYPE_CHECKING:
    from llmdctl.cli import results
    from llmdctl.cli.options import ClusterOptions
    from llmdctl.helm import Engine, Helm
    from llmdctl.kube import Cluster


def open_cluster(options: ClusterOptions) -> Cluster:
    """The cluster of the options; nothing is asked yet."""
    from llmdctl.kube import connect

    return connect(
        kubeconfig=options.kubeconfig, context=options.context, request_timeout_s=float(options.request_timeout)
    )


def open_helm(options: ClusterOptions) -> Helm:
    """The helm program against that cluster; fetched or built when the machine has none that fits."""
    from llmdctl import helm

    return helm.open_helm(kubeconfig=options.kubeconfig, context=options.context, report=say)


def pinned_crds() -> list[Mapping[str, Any]]:
    """The CRDs of the pinned modules, for a cluster that lacks them."""
    from llmdctl import programs

    return list(programs.crds(report=say))


def engine(found: Engine) -> results.HelmEngine:
    """A Helm engine as results show it."""
    from llmdctl.cli import results

    return results.HelmEngine(
        name=found.name, version=found.version, path=None if found.path is None else str(found.path)
    )
