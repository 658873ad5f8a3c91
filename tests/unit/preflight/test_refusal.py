"""Who refuses, by the words of the server."""

from __future__ import annotations

import pytest

from llmdctl.preflight.refusal import refusal


@pytest.mark.parametrize(
    ("words", "by"),
    [
        ('admission webhook "validate.kyverno.svc-fail" denied the request: no', "webhook validate.kyverno.svc-fail"),
        ('failed calling webhook "v.x.io": Post "https://a": EOF', "webhook v.x.io, which does not answer"),
        ("ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", "policy p (binding b)"),
        (
            'pods "a" is forbidden: violates PodSecurity "restricted:latest": hostNetwork',
            "pod security level restricted:latest",
        ),
        ('pods "a" is forbidden: exceeded quota: gpus, requested: nvidia.com/gpu=8', "quota gpus"),
        (
            "unable to validate against any security context constraint: [provider ...",
            "OpenShift's security context constraints",
        ),
        (
            'user "x" is attempting to grant RBAC permissions not currently held:',
            "RBAC, since it gives more than you hold",
        ),
        (".spec.replica: field not declared in schema", "the schema of this cluster's version of the kind"),
        ("spec.selector: Invalid value: ...: field is immutable", "an immutable field of the object that is there"),
        ("maximum cpu usage per Container is 4, but limit is 32", "a limit range"),
        (
            'configmaps "a" is forbidden: unable to create new content in namespace b because it is being terminated',
            "namespace b, which is being deleted",
        ),
        ("something else altogether", "the API server"),
    ],
)
def test_it_is_named(words: str, by: str) -> None:
    found = refusal(words)
    assert found.by == by
    assert found.remedy
