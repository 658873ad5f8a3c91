"""Discovery documents and URL paths."""

from __future__ import annotations

import pytest

from llmdctl.kube import Resource, Served


def resource(api_version: str, plural: str = "widgets", *, namespaced: bool = True) -> Resource:
    return Resource(
        api_version=api_version, kind="Widget", plural=plural, namespaced=namespaced, verbs=frozenset({"list"})
    )


@pytest.mark.parametrize(
    ("found", "place", "path"),
    [
        (resource("v1"), {"namespace": "n", "name": "a"}, "/api/v1/namespaces/n/widgets/a"),
        (resource("x.dev/v1"), {"namespace": "n"}, "/apis/x.dev/v1/namespaces/n/widgets"),
        (resource("x.dev/v1"), {}, "/apis/x.dev/v1/widgets"),
        (resource("x.dev/v1", namespaced=False), {"namespace": "n", "name": "a"}, "/apis/x.dev/v1/widgets/a"),
        (resource("v1"), {"namespace": "n", "name": "a/../b?x"}, "/api/v1/namespaces/n/widgets/a%2F..%2Fb%3Fx"),
    ],
)
def test_paths(found: Resource, place: dict[str, str], path: str):
    assert found.path(**place) == path


def test_versions_of_a_resource():
    served = Served(resources=(resource("x.dev/v1"), resource("x.dev/v1beta1"), resource("y.dev/v1")))
    assert served.versions("x.dev", "widgets") == ("v1", "v1beta1")
    assert served.versions("z.dev", "widgets") == ()


def test_api_versions_as_helm_has_them():
    served = Served(resources=(resource("x.dev/v1"), resource("x.dev/v1", "others")))
    assert served.api_versions == ("x.dev/v1", "x.dev/v1/Widget", "x.dev/v1/Widget")
