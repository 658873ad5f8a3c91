"""Are the Secrets, ConfigMaps and accounts that pods name there? By name and type alone: values are never read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.references import GIVEN, TOKENS, Reference, present, references, tokens
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned
from llmdctl.preflight.workload import PodTemplate

_NO_RECIPE: Final = "no recipe was named"
_TYPED: Final = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg", "kubernetes.io/tls", "helm.sh/release.v1")
_STORES: Final = re.compile(r"\b(s3|gs|az|abfss?)://[^\s\"']+")
_IDENTITIES: Final = {
    "s3": ("eks.amazonaws.com/role-arn",),
    "gs": ("iam.gke.io/gcp-service-account",),
    "az": ("azure.workload.identity/client-id",),
}
"""Scheme -> annotations by which a service account gets rights at the cloud.

https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html
https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html
"""

_KEYS: Final = ("AWS_ACCESS_KEY_ID", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_CLIENT_ID")


def _token(case: Case) -> Verdict:
    if not case.objects:
        return skipped(_NO_RECIPE)
    gated = bool((case.recipe.facts.get("model") or {}).get("gated")) if case.recipe else False
    named = tokens(case)
    if not named:
        if gated and _from_hub(case):
            return failed(
                "The model is gated, and no pod names a Secret with a token.",
                (),
                "Name one: modelserver.model.hf.tokenSecret.name.",
            )
        return skipped("no pod names a token of Hugging Face's hub")
    for each in {(each.name, each.key): each for each in named}.values():
        wrong = _wrong(case, each, gated=gated)
        if wrong:
            return wrong
    names = listed(dict.fromkeys(f"{each.name} (key {each.key})" for each in named))
    return passed(f"Secret {names} is there. Its keys and its value are never read: that the token works is not known.")


def _wrong(case: Case, each: Reference, *, gated: bool) -> Verdict | None:
    """What to say of a Secret that is absent or of another type; None where it may hold a token."""
    found = present(case, "Secret", each.name)
    if found is None:
        return _absent(case, each, gated=gated)
    kind = str(found.get("type", ""))
    if kind not in _TYPED:
        return None
    return failed(
        f"Secret {each.name} is of the type {kind}, which has no key {each.key}.",
        [Evidence(object=f"Secret/{case.namespace}/{each.name}", observed=kind, expected="Opaque")],
        _create(case, each),
    )


def _absent(case: Case, each: Reference, *, gated: bool) -> Verdict:
    why = f"Secret {each.name} does not exist in namespace {case.namespace}"
    row = [Evidence(object=each.template.identity, observed=f"{each.where} from Secret {each.name}, key {each.key}")]
    if gated and _from_hub(case):
        return failed(f"{why}, and the model is gated: its download ends with 401.", row, _create(case, each))
    if not each.optional:
        return failed(f"{why}, and the pods do not start without it.", row, _create(case, each))
    return passed(f"{why}; pods start without it, and the model needs no token.")


def _from_hub(case: Case) -> bool:
    values = case.recipe.values.get("modelserver") if case.recipe else None
    return bool(((values or {}).get("model") or {}).get("source", "hf") == "hf")


def _create(case: Case, each: Reference) -> str:
    key = each.key or TOKENS[0]
    return f'$ kubectl create secret generic {each.name} -n {case.namespace} --from-literal={key}="${TOKENS[0]}"'


def _others(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(_NO_RECIPE)
    wanted = {(each.kind, each.name): each for each in _required(case)}
    missing = [each for (kind, name), each in wanted.items() if present(case, kind, name) is None]
    if missing:
        return failed(
            f"{len(missing)} of {len(wanted)} objects that pods name do not exist in namespace {case.namespace}:"
            f" {listed(f'{each.kind} {each.name}' for each in missing)}.",
            [
                Evidence(object=each.template.identity, observed=f"{each.where}: {each.kind} {each.name}")
                for each in missing
            ],
            "Make them before you install, or mark the reference optional.",
        )
    return passed(f"All {len(wanted)} Secrets, ConfigMaps and service accounts that pods name are there or are made.")


def _required(case: Case) -> Iterator[Reference]:
    for template in case.workloads:
        for each in references(template):
            given = each.kind == "ConfigMap" and each.name in GIVEN
            if not each.optional and not given and each.env not in TOKENS:
                yield each


def _object_store(case: Case) -> Verdict:
    if not case.objects:
        return skipped(_NO_RECIPE)
    users = [(template, scheme) for template in case.workloads for scheme in _schemes(template)]
    if not users:
        return skipped("no pod reads its model from an object store")
    bare = [(template, scheme) for template, scheme in users if not _has_rights(case, template, scheme)]
    if bare:
        template, scheme = bare[0]
        account = template.spec.get("serviceAccountName", "default")
        return warned(
            f"{listed(dict.fromkeys(each.role for each, _ in bare))}: the model comes from {scheme}://, and neither the"
            f" service account {account} nor the environment shows a right to read it.",
            [Evidence(object=each.identity, observed=f"{name}://, service account {account}") for each, name in bare],
            "Bind the account to a role at the cloud; what is bound there without an annotation (EKS Pod Identity,"
            " GKE's own principals) is not seen here.",
        )
    return passed("Pods that read from an object store have an account or keys for it.")


def _schemes(template: PodTemplate) -> Iterator[str]:
    for container in template.containers:
        words = [str(each) for each in (*(container.get("command") or ()), *(container.get("args") or ()))]
        words += [str(row.get("value", "")) for row in container.get("env") or ()]
        for found in _STORES.finditer("\n".join(words)):
            yield "az" if found[1].startswith("ab") else found[1]
            return


def _has_rights(case: Case, template: PodTemplate, scheme: str) -> bool:
    names = {str(row.get("name")) for container in template.containers for row in container.get("env") or ()}
    if names & set(_KEYS) or any(container.get("envFrom") for container in template.containers):
        return True
    account = present(case, "ServiceAccount", str(template.spec.get("serviceAccountName") or "default"))
    annotations = ((account or {}).get("metadata") or {}).get("annotations") or {}
    return any(annotations.get(key) for key in _IDENTITIES[scheme])


CHECKS: Final = (
    Check(
        code="LD1101",
        slug="hub-token",
        title="The Secret with the model hub's token exists",
        severity=Severity.ERROR,
        rule=_token,
        needs=("secrets",),
        why="Gated models are downloaded with a token, which stands in a Secret that no chart makes. Without it the pod"
        " does not start, or its download is refused after the image was pulled.",
        remedy="Make the Secret.",
        sources=(
            "https://huggingface.co/docs/hub/models-gated",
            "https://github.com/llm-d/llm-d/blob/main/helpers/hf-token.md",
        ),
    ),
    Check(
        code="LD1104",
        slug="named-objects",
        title="Secrets, ConfigMaps and service accounts that pods name exist",
        severity=Severity.ERROR,
        rule=_others,
        needs=("secrets", "config-maps", "service-accounts"),
        why="A pod that names an absent Secret or ConfigMap stays in CreateContainerConfigError or ContainerCreating;"
        " one that names an absent service account is never made.",
        remedy="Make them first.",
        sources=(
            "https://kubernetes.io/docs/concepts/configuration/secret/",
            "https://kubernetes.io/docs/concepts/security/service-accounts/",
        ),
    ),
    Check(
        code="LD1105",
        slug="object-store",
        title="Pods may read the object store that their model comes from",
        severity=Severity.WARNING,
        rule=_object_store,
        needs=("service-accounts",),
        why="A model at s3://, gs:// or az:// is read with the rights of the pod's service account or with keys.",
        remedy="Annotate the service account, or give keys by a Secret.",
        sources=(
            "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
            "https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity",
            "https://azure.github.io/azure-workload-identity/docs/",
        ),
    ),
)
