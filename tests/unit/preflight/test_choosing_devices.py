"""Expressions that choose devices, in the forms that drivers' classes and our charts use."""

from __future__ import annotations

from fractions import Fraction

import pytest

from llmdctl.preflight.cel import UnsupportedError, chooses
from llmdctl.preflight.devices import Alike, Choice, Request, Wanted, allocate
from llmdctl.preflight.slices import PublishedDevice

ROOT = "resource.kubernetes.io/pcieRoot"


def device(name: str, driver: str = "gpu.nvidia.com", **attributes: object) -> PublishedDevice:
    stated = {key.replace("__", "/"): value for key, value in attributes.items()}
    return PublishedDevice(
        driver=driver, pool="n", name=name, node="n", attributes=stated,
        capacity={"memory": Fraction(143771 * 2**20)}, taints=(),
    )  # fmt: skip


H200 = device("gpu-0", type="gpu", productName="NVIDIA H200", driverVersion="580.82.7", shared=False)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'gpu'", True),
        ('device.driver == "dra.net"', False),
        ('device.attributes["gpu.nvidia.com"].rdma == true', False),
        ('device.attributes["gpu.nvidia.com"].shared == false', True),
        ('!(device.driver == "dra.net") || false', True),
        ("device.attributes['gpu.nvidia.com'].productName.lowerAscii().matches('^.*h200.*$')", True),
        ("device.attributes['gpu.nvidia.com'].productName in ['NVIDIA H100', 'NVIDIA H200']", True),
        ("device.capacity['gpu.nvidia.com'].memory.compareTo(quantity('80Gi')) >= 0", True),
        ("device.capacity['gpu.nvidia.com'].memory.isGreaterThan(quantity('1Ti'))", False),
        ("device.attributes['gpu.nvidia.com'].driverVersion.compareTo(semver('570.158.1')) >= 0", True),
        ("'type' in device.attributes['gpu.nvidia.com']", True),
    ],
)
def test_an_expression_is_evaluated(expression: str, expected: bool) -> None:
    assert chooses(expression, H200) is expected


@pytest.mark.parametrize(
    "expression", ["device.attributes.all(a, true)", "size(device.attributes) > 1", "device.driver ==", "a ? b : c"]
)
def test_what_is_not_understood_is_said(expression: str) -> None:
    with pytest.raises(UnsupportedError):
        chooses(expression, H200)


def test_a_gpu_and_a_card_share_a_root_though_the_first_gpu_has_none() -> None:
    left = (
        device("gpu-0", **{ROOT.replace("/", "__"): "a"}),
        device("gpu-1", **{ROOT.replace("/", "__"): "b"}),
        device("nic-0", "dra.net", **{ROOT.replace("/", "__"): "b"}),
    )
    asked = Wanted(
        requests=tuple(
            Request(
                claim="c",
                name=driver,
                title=driver,
                choices=(Choice(expressions=(f'device.driver == "{driver}"',), count=1),),
            )
            for driver in ("gpu.nvidia.com", "dra.net")
        ),
        alike=(Alike(claim="c", attribute=ROOT, requests=frozenset()),),
    )
    found = allocate(asked, left)
    assert found is not None
    assert [each.name for each in found] == ["gpu-1", "nic-0"]
    assert allocate(asked, left[:1] + left[2:]) is None
