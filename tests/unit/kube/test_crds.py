"""CRDs: applied under one field manager, never taken from another owner."""

from __future__ import annotations

import pytest

from llmdctl.errors import ConflictError, WaitError
from llmdctl.kube import ensure_crds
from llmdctl.kube.crds import crd_key
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster, crd

WIDGETS = crd("widgets", "test.dev", "Widget", "v1")


def ensure(cluster: FakeCluster, *crds: dict, clock: FakeClock | None = None):
    time = clock or FakeClock()
    return ensure_crds(cluster, crds, timeout_s=10, sleep=time.sleep, clock=lambda: time.elapsed_s)


def owned_by(manager: str, *versions: str) -> dict:
    found = crd("widgets", "test.dev", "Widget", *versions)
    found["metadata"]["managedFields"] = [
        {"manager": manager, "operation": "Update"},
        {"manager": "kube-apiserver", "operation": "Update", "subresource": "status"},
    ]
    return found


def test_a_missing_one_is_created_and_its_kind_is_served():
    cluster = FakeCluster()
    (change,) = ensure(cluster, WIDGETS)
    assert (change.name, change.action) == ("widgets.test.dev", "create")
    assert cluster.served().find("test.dev/v1", "Widget") is not None


def test_ours_is_brought_up_to_date():
    cluster = FakeCluster()
    ensure(cluster, WIDGETS)
    (change,) = ensure(cluster, crd("widgets", "test.dev", "Widget", "v1", "v2"))
    assert change.action == "change"
    assert cluster.served().find("test.dev/v2", "Widget") is not None


def test_that_of_another_owner_is_kept_when_it_serves_what_is_needed():
    cluster = FakeCluster(owned_by("kubectl", "v1", "v2"))
    (change,) = ensure(cluster, WIDGETS)
    assert change.action == "keep"
    assert ("apply", "CustomResourceDefinition/widgets.test.dev") not in cluster.calls


def test_that_of_another_owner_is_not_taken_over():
    cluster = FakeCluster(owned_by("argocd-controller", "v1beta1"))
    with pytest.raises(ConflictError, match=r"widgets\.test\.dev belongs to argocd-controller and does not serve v1$"):
        ensure(cluster, WIDGETS)


def test_it_is_waited_for():
    cluster, clock = FakeCluster(), FakeClock()
    cluster.controllers.append(lambda obj: obj.setdefault("status", {"conditions": []}))

    def establish() -> None:
        conditions = [{"type": "Established", "status": "True"}]
        cluster.objects[crd_key("widgets.test.dev")]["status"] = {"conditions": conditions}

    clock.at(1.0, establish)
    ensure(cluster, WIDGETS, clock=clock)
    assert 1.0 <= clock.elapsed_s < 2.0


def test_but_not_for_ever():
    cluster = FakeCluster()
    cluster.controllers.append(lambda obj: obj.setdefault("status", {"conditions": []}))
    with pytest.raises(WaitError, match=r"widgets\.test\.dev was not Established within 10 s"):
        ensure(cluster, WIDGETS)
