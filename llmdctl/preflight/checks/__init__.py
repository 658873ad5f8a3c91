"""Every check that runs, family by family; a new family is a module and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llmdctl.preflight.check import Check
from llmdctl.preflight.checks import (
    autoscaling,
    crds,
    crds_controllers,
    crds_drivers,
    crds_owners,
    gateway,
    gateway_routes,
    hardware_arch,
    hardware_health,
    hardware_hosts,
    hardware_links,
    hardware_nodes,
    hardware_nvidia,
    hardware_sharing,
    hardware_tpu,
    hardware_vendors,
    interconnect,
    interconnect_gke,
    interconnect_nodes,
    interconnect_ports,
    model_facts,
    model_files,
    model_fit,
    model_geometry,
    platforms,
    policy_access,
    policy_admission,
    policy_pods,
    prometheus,
    recipe_itself,
    releases,
    releases_live,
    versions,
)

FAMILIES: Final[tuple[tuple[Check, ...], ...]] = (
    versions.CHECKS,
    recipe_itself.CHECKS,
    autoscaling.CHECKS,
    prometheus.CHECKS,
    model_facts.CHECKS,
    model_fit.CHECKS,
    model_files.CHECKS,
    model_geometry.CHECKS,
    interconnect.CHECKS,
    interconnect_gke.CHECKS,
    interconnect_nodes.CHECKS,
    interconnect_ports.CHECKS,
    crds.CHECKS,
    crds_owners.CHECKS,
    crds_controllers.CHECKS,
    crds_drivers.CHECKS,
    gateway.CHECKS,
    gateway_routes.CHECKS,
    hardware_arch.CHECKS,
    hardware_health.CHECKS,
    hardware_hosts.CHECKS,
    hardware_links.CHECKS,
    hardware_nodes.CHECKS,
    hardware_nvidia.CHECKS,
    hardware_sharing.CHECKS,
    hardware_tpu.CHECKS,
    hardware_vendors.CHECKS,
    platforms.CHECKS,
    releases.CHECKS,
    releases_live.CHECKS,
    policy_access.CHECKS,
    policy_admission.CHECKS,
    policy_pods.CHECKS,
)

_ALL: Final = (check for family in FAMILIES for check in family)
CHECKS: Final[Mapping[str, Check]] = {check.code: check for check in sorted(_ALL, key=lambda each: each.code)}
