"""The sections of an inventory: which kinds each holds, and which of their fields are kept.

Items are objects as the API gives them (`apiVersion`, `kind`, `metadata`, ...), less what no check reads. Of `metadata`
always kept: name, namespace, labels, annotations (see KEPT_ANNOTATIONS), creationTimestamp, deletionTimestamp,
finalizers, ownerReferences, resourceVersion. Values of Secrets are never asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of a section. `keep` are dotted paths below the object; `[]` goes into each item of a list."""

    group: str  # the API group; empty for the core group
    plural: str
    keep: tuple[str, ...] = ()  # nothing: the metadata is enough, and no more is asked for
    versions: tuple[str, ...] = ("v1",)  # in the order of preference; the first that is served is read


def _kind(group: str, plural: str, *keep: str, versions: tuple[str, ...] = ("v1",)) -> Kind:
    return Kind(group=group, plural=plural, keep=keep, versions=versions)


_CONTAINER: Final = ("name", "image", "resources", "restartPolicy", "ports", "securityContext.privileged")
_RESOURCE: Final = ("v1", "v1beta2", "v1beta1")
_WORKLOAD: Final = (
    "spec.replicas",
    "spec.selector",
    "spec.strategy",
    "spec.updateStrategy",
    "spec.template.metadata.labels",
    "spec.template.metadata.annotations",
    "spec.template.spec",
    "status",
)
_GATEWAY: Final = "gateway.networking.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io"

OBJECTS: Final[dict[str, tuple[Kind, ...]]] = {
    "nodes": (
        _kind(
            "",
            "nodes",
            "spec",
            "status.allocatable",
            "status.capacity",
            "status.conditions[]",
            "status.nodeInfo",
            "status.images[].names",
            "status.features",
            "status.declaredFeatures",
        ),
    ),
    # not Succeeded and not Failed: the others hold nothing
    "pods": (
        _kind(
            "",
            "pods",
            "spec.nodeName",
            "spec.nodeSelector",
            "spec.affinity",
            "spec.tolerations",
            "spec.overhead",
            "spec.resources",
            "spec.priority",
            "spec.priorityClassName",
            "spec.preemptionPolicy",
            "spec.hostNetwork",
            "spec.resourceClaims",
            "spec.schedulerName",
            "spec.schedulingGates",
            "spec.topologySpreadConstraints",
            "spec.volumes[].persistentVolumeClaim",
            *(f"spec.containers[].{field}" for field in _CONTAINER),
            *(f"spec.initContainers[].{field}" for field in _CONTAINER),
            "status.phase",
            "status.conditions[]",
            "status.resourceClaimStatuses",
            "status.extendedResourceClaimStatus",
            "status.nominatedNodeName",
        ),
    ),
    "namespaces": (_kind("", "namespaces", "status.phase"),),
    "resource-slices": (_kind("resource.k8s.io", "resourceslices", "spec", versions=_RESOURCE),),
    "device-classes": (_kind("resource.k8s.io", "deviceclasses", "spec", versions=_RESOURCE),),
    "resource-claims": (_kind("resource.k8s.io", "resourceclaims", "spec", "status", versions=_RESOURCE),),
    "crds": (
        _kind(
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "spec.group",
            "spec.names.kind",
            "spec.names.plural",
            "spec.scope",
            "spec.versions[].name",
            "spec.versions[].served",
            "spec.versions[].storage",
            "spec.conversion.strategy",
            "spec.conversion.webhook.clientConfig.service",
            "status.conditions[]",
            "status.storedVersions",
            "metadata.managedFields[].manager",
        ),
    ),
    "api-services": (
        _kind(
            "apiregistration.k8s.io", "apiservices", "spec.service", "spec.group", "spec.version", "status.conditions[]"
        ),
    ),
    "storage-classes": (
        _kind(
            "storage.k8s.io",
            "storageclasses",
            "provisioner",
            "volumeBindingMode",
            "allowVolumeExpansion",
            "allowedTopologies",
            "parameters",
            "reclaimPolicy",
        ),
    ),
    "csi-nodes": (_kind("storage.k8s.io", "csinodes", "spec.drivers[]"),),
    "priority-classes": (_kind("scheduling.k8s.io", "priorityclasses", "value", "globalDefault", "preemptionPolicy"),),
    "resource-quotas": (_kind("", "resourcequotas", "spec", "status"),),
    "limit-ranges": (_kind("", "limitranges", "spec"),),
    "persistent-volume-claims": (_kind("", "persistentvolumeclaims", "spec", "status"),),
    "persistent-volumes": (_kind("", "persistentvolumes", "spec.nodeAffinity", "spec.storageClassName"),),
    "services": (
        _kind("", "services", "spec.type", "spec.ports", "spec.selector", "spec.clusterIP", "status.loadBalancer"),
    ),
    "endpoint-slices": (_kind("discovery.k8s.io", "endpointslices", "endpoints[].conditions", "ports"),),
    "service-accounts": (_kind("", "serviceaccounts", "imagePullSecrets"),),
    # Name, namespace and type from the server's table: of a Secret not even an annotation is asked for, since kubectl
    # keeps whole objects in one.
    "secrets": (_kind("", "secrets", "type"),),
    "config-maps": (_kind("", "configmaps"),),
    "releases": (_kind("", "secrets"),),  # Helm's, by label owner=helm: labels name, status, version
    "deployments": (_kind("apps", "deployments", *_WORKLOAD),),
    "daemon-sets": (_kind("apps", "daemonsets", *_WORKLOAD),),
    "leader-worker-sets": (
        _kind(
            "leaderworkerset.x-k8s.io",
            "leaderworkersets",
            "spec.replicas",
            "spec.leaderWorkerTemplate.size",
            "spec.networkConfig",
            "status",
        ),
    ),
    "gateway-classes": (_kind(_GATEWAY, "gatewayclasses", "spec", "status", versions=("v1", "v1beta1")),),
    "gateways": (_kind(_GATEWAY, "gateways", "spec", "status", versions=("v1", "v1beta1")),),
    "http-routes": (_kind(_GATEWAY, "httproutes", "spec", "status", versions=("v1", "v1beta1")),),
    "inference-pools": (
        _kind("inference.networking.k8s.io", "inferencepools", "spec", "status"),
        _kind("inference.networking.x-k8s.io", "inferencepools", "spec", "status", versions=("v1alpha2",)),
    ),
    "validating-webhooks": (
        _kind(
            _ADMISSION,
            "validatingwebhookconfigurations",
            "webhooks[].name",
            "webhooks[].failurePolicy",
            "webhooks[].rules",
            "webhooks[].namespaceSelector",
            "webhooks[].objectSelector",
            "webhooks[].clientConfig.service",
            "webhooks[].clientConfig.url",
        ),
    ),
    "mutating-webhooks": (
        _kind(
            _ADMISSION,
            "mutatingwebhookconfigurations",
            "webhooks[].name",
            "webhooks[].failurePolicy",
            "webhooks[].rules",
            "webhooks[].namespaceSelector",
            "webhooks[].objectSelector",
            "webhooks[].clientConfig.service",
            "webhooks[].clientConfig.url",
        ),
    ),
    "admission-policies": (
        _kind(
            _ADMISSION,
            "validatingadmissionpolicies",
            "spec.matchConstraints",
            "spec.validations",
            "spec.failurePolicy",
            versions=("v1", "v1beta1"),
        ),
        _kind(_ADMISSION, "validatingadmissionpolicybindings", "spec", versions=("v1", "v1beta1")),
    ),
    "network-policies": (_kind("networking.k8s.io", "networkpolicies", "spec"),),
    # which there are, not what they say: no check evaluates them
    "other-network-policies": (
        _kind("cilium.io", "ciliumnetworkpolicies", versions=("v2",)),
        _kind("cilium.io", "ciliumclusterwidenetworkpolicies", versions=("v2",)),
        _kind("crd.projectcalico.org", "globalnetworkpolicies"),
        _kind("policy.networking.k8s.io", "adminnetworkpolicies", versions=("v1alpha1",)),
    ),
    "hpas": (_kind("autoscaling", "horizontalpodautoscalers", "spec", "status", versions=("v2",)),),
    "scaled-objects": (_kind("keda.sh", "scaledobjects", "spec", "status", versions=("v1alpha1",)),),
    "node-pools": (_kind("karpenter.sh", "nodepools", "spec", "status", versions=("v1", "v1beta1")),),
    "prometheuses": (_kind("monitoring.coreos.com", "prometheuses", "spec"),),
    "vendor-operators": (
        _kind("nvidia.com", "clusterpolicies", "spec.driver", "status"),
        _kind("mellanox.com", "nicclusterpolicies", "status", versions=("v1alpha1",)),
        _kind("amd.com", "deviceconfigs", "spec", "status", versions=("v1alpha1",)),
        _kind("sriovnetwork.openshift.io", "sriovnetworknodestates", "status.syncStatus"),
    ),
    "network-attachments": (
        _kind("k8s.cni.cncf.io", "network-attachment-definitions"),
        _kind("networking.gke.io", "networks", "spec", versions=("v1",)),
    ),
    "kueue": (
        _kind("kueue.x-k8s.io", "localqueues", "spec", versions=("v1beta2", "v1beta1")),
        _kind("kueue.x-k8s.io", "clusterqueues", "spec", "status", versions=("v1beta2", "v1beta1")),
        _kind("kueue.x-k8s.io", "resourceflavors", "spec", versions=("v1beta2", "v1beta1")),
    ),
    "cluster-versions": (_kind("config.openshift.io", "clusterversions", "status.history", "status.desired"),),
    "security-context-constraints": (
        _kind(
            "security.openshift.io",
            "securitycontextconstraints",
            "allowPrivilegedContainer",
            "allowedCapabilities",
            "runAsUser",
            "volumes",
            "allowHostDirVolumePlugin",
            "allowHostNetwork",
            "allowHostIPC",
            "allowHostPID",
            "allowPrivilegeEscalation",
            "defaultAddCapabilities",
            "readOnlyRootFilesystem",
            "supplementalGroups",
            "users",
            "groups",
            "seLinuxContext",
            "fsGroup",
            "priority",
            "requiredDropCapabilities",
            "allowHostPorts",
            "seccompProfiles",
        ),
    ),
    "leases": (_kind("coordination.k8s.io", "leases", "spec.renewTime"),),  # of kube-node-lease only
}
"""Section -> the kinds whose objects it holds."""

QUESTIONS: Final[dict[str, str]] = {
    "version": "one item: what /version answers (gitVersion, platform), and `date`, `localDate` of that answer",
    "apis": "one item a served kind: apiVersion, kind, plural, namespaced",
    "identity": "one item: username, groups, extra keys, from a SelfSubjectReview",
    "access": "one item a right that installing needs: verb, group, resource, namespace, allowed, reason",
    "dry-run": "one item a rendered object: apiVersion, kind, namespace, name, outcome (accepted, rejected, conflict, "
    "forbidden, not-served), message",
    "live": "one item a rendered object that exists already: its metadata, and the spec of kinds with immutable fields",
    "client": "one item: helm, kubectl (version or null), execPlugin {command, found} or null, certificateNotAfter, "
    "proxies, insecureTls, isTerminal; facts of this machine, never a credential",
    "probes": "one item a probed node type, only with --probe",
}
"""Sections that are asked in another way than by listing; what their items hold."""

NAMES: Final = (*QUESTIONS, *OBJECTS)

OF_ONE_NAMESPACE: Final = frozenset({"secrets", "config-maps"})
"""Read of the release's namespace alone: nothing else in the cluster is any check's business."""

ENOUGH_IN_ONE_NAMESPACE: Final = OF_ONE_NAMESPACE | {
    "service-accounts",
    "persistent-volume-claims",
    "resource-quotas",
    "limit-ranges",
    "leader-worker-sets",
    "inference-pools",
    "hpas",
    "scaled-objects",
    "network-policies",
}
"""Known for a release where its own namespace could be read and the whole cluster not."""

KEPT_ANNOTATIONS: Final = (
    "meta.helm.sh/",
    "gateway.networking.k8s.io/",
    "inference.networking.k8s.io/",
    "storageclass.kubernetes.io/",
    "app.kubernetes.io/",
    "kwok.x-k8s.io/",
    "openshift.io/",
    "operatorframework.io/",
    "linkerd.io/",
    "sidecar.istio.io/",
    "eks.amazonaws.com/",
    "iam.gke.io/",
    "azure.workload.identity/",
    "networking.gke.io/",
    "topograph.run/",
    "k8s.v1.cni.cncf.io/",
    "csi.volume.kubernetes.io/",
    "fixture.llmdctl.dev/",
    "components.gke.io/",
    "addonmanager.kubernetes.io/",
    "argocd.argoproj.io/",
    "helm.sh/resource-policy",
    "operator.prometheus.io/",
    "llmdctl.dev/",
)
"""Prefixes of annotations that are kept; the others may hold anything, whole objects among it."""
