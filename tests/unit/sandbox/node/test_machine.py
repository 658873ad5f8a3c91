"""What a real node claims to be, from the facet's machine and the number of devices asked for."""

from __future__ import annotations

import os
import re

import pytest

from llmdctl.errors import UsageError
from llmdctl.sandbox.node import capacity, machine, parse

TEMPLATE = {
    "count_per_node": 8,
    "labels": {"nvidia.com/gpu.count": "8", "nvidia.com/gpu.product": "NVIDIA-H200"},
    "taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
    "capacity": {"cpu": "96", "memory": "1894400Mi", "nvidia.com/gpu": "8", "pods": "110", "rdma/ib": "8"},
    "allocatable": {"cpu": "95690m", "memory": "1864000Mi", "nvidia.com/gpu": "8", "pods": "110", "rdma/ib": "8"},
}


def h200(devices):
    return machine("h200", devices, template=TEMPLATE, resource="nvidia.com/gpu")


@pytest.mark.parametrize(
    ("text", "expected"), [("h200=16", ("h200", 16)), ("l4", ("l4", None)), (" h200=1 ", ("h200", 1))]
)
def test_what_is_asked_for_is_read(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "=4", "h200=", "h200=0", "h200=65", "h200=two", "h200=1,l4=1"])
def test_what_cannot_be_meant_is_refused(text):
    with pytest.raises(UsageError, match="is not a real node"):
        parse(text)


@pytest.mark.parametrize(("devices", "machines", "claimed"), [(None, 1, "8"), (4, 1, "4"), (8, 1, "8"), (16, 2, "16")])
def test_a_node_is_as_large_as_the_machines_that_hold_its_devices(devices, machines, claimed):
    node = h200(devices)
    assert node.machines == machines
    assert node.resources()["nvidia.com/gpu"] == claimed
    assert node.resources()["rdma/ib"] == str(8 * machines)
    assert node.labels()["nvidia.com/gpu.count"] == claimed
    assert node.capacity.processors == 96 * machines
    assert node.capacity.memory_bytes == 1894400 * 2**20 * machines
    assert node.capacity.reserved_millicpu == 310 * machines
    assert node.capacity.reserved_memory_bytes == 30400 * 2**20 * machines


def test_more_pods_than_addresses_are_not_claimed():
    assert h200(16).pods == 220
    assert h200(64).pods == 240


def test_a_machine_without_devices_has_none():
    node = machine("cpu", None, template={"count_per_node": 0, "capacity": {"cpu": "64"}}, resource="")
    assert (node.devices, node.machines) == (0, 1)
    assert set(node.resources()) == {"ephemeral-storage"}
    with pytest.raises(UsageError, match="has no devices"):
        machine("cpu", 2, template={"count_per_node": 0}, resource="")


@pytest.mark.parametrize(
    ("text", "number"), [("500m", 0.5), ("2", 2), ("2Ki", 2048), ("1.5G", 1.5e9), ("1864000Mi", 1864000 * 2**20)]
)
def test_quantities_are_read(text, number):
    assert capacity.quantity(text) == number


@pytest.mark.parametrize("text", ["", "two", "1 Gi", "-1"])
def test_other_texts_are_no_quantities(text):
    with pytest.raises(ValueError, match="is not a quantity"):
        capacity.quantity(text)


def test_every_claimed_processor_stands_for_one_that_there_is(tmp_path):
    size = capacity.Capacity(processors=7, memory_bytes=2**30, reserved_millicpu=0, reserved_memory_bytes=0)
    capacity.write(tmp_path / "d", size)
    folders = list((tmp_path / "d" / "node" / "node0").glob("cpu*[0-9]"))
    assert len(folders) == 7
    numbers = {int(re.fullmatch(r"cpu(\d+)", folder.name)[1]) for folder in folders}
    assert numbers <= os.sched_getaffinity(0)
    assert len({(folder / "topology" / "core_id").read_text() for folder in folders}) == 7
    assert "MemTotal:          1048576 kB\n" in (tmp_path / "d" / "meminfo").read_text()


def test_more_processors_than_names_can_stand_for_are_refused(tmp_path):
    size = capacity.Capacity(processors=10**6, memory_bytes=2**30, reserved_millicpu=0, reserved_memory_bytes=0)
    with pytest.raises(UsageError, match=r"can claim .* processors") as caught:
        capacity.write(tmp_path / "d", size)
    assert "--real" in (caught.value.remedy or "")
