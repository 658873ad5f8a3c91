"""The inventory as a file: written, read, wrong, and as kubectl prints it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llmdctl import assets
from llmdctl.errors import UsageError
from llmdctl.model.inventory import Inventory, Section, Seen
from llmdctl.model.inventory_file import document, dump, load, parse

ROOT = Path(__file__).resolve().parents[3]
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"on": "yes"}}}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"}, "spec": {"nodeName": "n1"}}
TAKEN = Inventory(
    captured_at="2026-11-22T16:00:00Z",
    llmdctl="0.1.0",
    server="https://10.0.0.1:6443",
    context="prod",
    sections={
        "version": Section(seen=Seen.OK, items=({"gitVersion": "v1.34.4"},), seconds=0.02),
        "nodes": Section(
            seen=Seen.OK, items=(NODE, {**NODE, "metadata": {"name": 'odd: "\u2028\U0001f600\t# {'}}), seconds=1.5
        ),
        "pods": Section(seen=Seen.FORBIDDEN, reason="cannot: list", items=(POD,), namespace="a"),
        "kueue": Section(seen=Seen.NOT_SERVED, reason="the server does not have it"),
    },
)


def schema() -> dict[str, Any]:
    return dict(json.loads((assets.schemas() / "inventory.schema.json").read_text()))


def test_what_is_written_is_read_again_and_fits_the_schema(tmp_path: Path):
    file = tmp_path / "inventory.yaml"
    file.write_text(dump(TAKEN), encoding="utf-8")
    assert load(file) == TAKEN
    jsonschema.validate(yaml.safe_load(dump(TAKEN)), schema(), cls=jsonschema.Draft202012Validator)
    jsonschema.validate(document(TAKEN), schema(), cls=jsonschema.Draft202012Validator)


def test_it_is_plain_yaml_and_may_be_json():
    assert yaml.safe_load(dump(TAKEN)) == document(TAKEN)
    assert parse(json.dumps(document(TAKEN), indent=1).encode(), file="x") == TAKEN
    assert parse(yaml.safe_dump(document(TAKEN)).encode(), file="x") == TAKEN


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=20), VALUES, max_size=4))
def test_any_item_comes_back_as_it_was(item: dict[str, Any]):
    taken = Inventory(captured_at="", llmdctl="", sections={"probes": Section(seen=Seen.OK, items=(item,))})
    assert parse(dump(taken).encode("utf-8", errors="surrogatepass"), file="x") == taken


def test_the_schema_is_up_to_date():
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "inventory_schema.py"), "--check"], check=False)
    assert done.returncode == 0, "run make update"


def test_a_secret_with_its_data_does_not_fit_the_schema():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "dg=="}}
    taken = Inventory(captured_at="", llmdctl="", sections={"secrets": Section(seen=Seen.OK, items=(secret,))})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document(taken), schema(), cls=jsonschema.Draft202012Validator)


HEAD = "apiVersion: llmdctl.dev/v1\nkind: Inventory\n"
WRONG: list[tuple[str, str, str]] = [
    ("no YAML", HEAD + "sections: {\n", "x:4: it is no YAML: "),
    ("no JSON", '{\n "kind": oops}', "x:2: it is no JSON: "),
    ("no text", "\udcff", "x:1: it is no UTF-8 text."),
    ("another version", HEAD.replace("/v1", "/v9"), "x:1: apiVersion: 'llmdctl.dev/v9' is not llmdctl.dev/v1"),
    ("a key", HEAD + "servr: a\n", "x:3: servr: there is no key 'servr' here. Did you mean 'server'?"),
    ("a type", HEAD + "sections: [1]\n", "x:3: sections: it is not a mapping."),
    (
        "a section",
        HEAD + "sections:\n  nods: {seen: ok}\n",
        "x:4: sections.nods: there is no section 'nods'. Did you mean 'nodes'?",
    ),
    (
        "an outcome",
        HEAD + "sections:\n  nodes:\n    seen: okay\n",
        "x:5: sections.nodes.seen: 'okay' is not one of ok,",
    ),
    ("no outcome", HEAD + "sections:\n  nodes:\n    items: []\n", "x:4: sections.nodes.seen: 'None' is not one of"),
    (
        "an item",
        HEAD + 'sections:\n  nodes:\n    seen: ok\n    items:\n    - {"kind": "Node"}\n    - 7\n',
        "x:8: sections.nodes.items[1]: it is not a mapping.",
    ),
    (
        "an object without a name",
        HEAD + "sections:\n  nodes:\n    seen: ok\n    items:\n    - {kind: Node, metadata: {}}\n",
        "x:7: sections.nodes.items[0]: it has no metadata.name.",
    ),
    (
        "an answer without its question",
        HEAD + "sections:\n  apis:\n    seen: ok\n    items:\n    - {kind: Node, plural: nodes}\n",
        "x:7: sections.apis.items[0]: it has no apiVersion and no namespaced.",
    ),
    (
        "two documents",
        HEAD + "---\nkind: Node\napiVersion: v1\nmetadata: {}\n",
        "x: an Inventory stands alone in its file.",
    ),
    ("nothing", "", "x: there is no object in it that preflight reads"),
    (
        "other objects",
        "apiVersion: v1\nkind: Event\nmetadata: {name: e}\n",
        "x: there is no object in it that preflight reads",
    ),
    ("a list of words", "kind: List\napiVersion: v1\nitems:\n- Node\n", "x:4: items[0]: it is no object of Kubernetes"),
    (
        "no metadata",
        "kind: List\napiVersion: v1\nitems:\n- {kind: Node, apiVersion: v1}\n",
        "x:4: items[0]: it is no object",
    ),
    ("depth", '{"kind": ' + "[" * 100_000, "x: it is nested too deeply."),
]


@pytest.mark.parametrize(("text", "said"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_said_with_its_line(text: str, said: str):
    with pytest.raises(UsageError) as caught:
        parse(text.encode("utf-8", errors="surrogateescape"), file="x")
    assert any(str(problem).startswith(said) for problem in caught.value.problems), caught.value.problems
    assert "kubectl get nodes,pods -A -o json" in (caught.value.remedy or "")


def test_every_mistake_is_said_at_once():
    text = HEAD + "redacted: maybe\nsections:\n  nodes: {seen: x}\n  pod: {seen: ok}\n"
    with pytest.raises(UsageError) as caught:
        parse(text.encode(), file="x")
    assert [problem.line for problem in caught.value.problems] == [3, 5, 6]


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "none.yaml")


LIST = {"apiVersion": "v1", "kind": "List", "items": [NODE, POD, {**POD, "metadata": {"name": "q", "namespace": "b"}}]}
BARE = {"apiVersion": "v1", "kind": "NodeList", "items": [{"metadata": {"name": "n1"}}]}
KUBECTL: list[tuple[str, str, dict[str, int]]] = [
    ("a List as JSON", json.dumps(LIST, indent=4), {"nodes": 1, "pods": 2}),
    ("a List as YAML", yaml.safe_dump(LIST), {"nodes": 1, "pods": 2}),
    ("documents", yaml.safe_dump_all([NODE, POD]), {"nodes": 1, "pods": 1}),
    ("JSON after JSON", json.dumps(NODE) + "\n" + json.dumps(LIST), {"nodes": 2, "pods": 2}),
    ("a list of the API itself", json.dumps(BARE), {"nodes": 1}),
    ("one object", yaml.safe_dump(NODE), {"nodes": 1}),
]


@pytest.mark.parametrize(("text", "held"), [case[1:] for case in KUBECTL], ids=[case[0] for case in KUBECTL])
def test_what_kubectl_prints_is_an_inventory_too(text: str, held: dict[str, int]):
    taken = parse(text.encode(), file="x")
    assert {name: len(section.items) for name, section in taken.sections.items()} == held
    assert all(item["kind"] for section in taken.sections.values() for item in section.items)
    assert taken.section("resource-slices").seen is Seen.ABSENT, "what is not in the file is unknown"


def test_pods_of_one_namespace_are_told_to_be_that():
    taken = parse(json.dumps(POD).encode(), file="x")
    assert "of namespace a alone" in taken.section("pods").reason


def test_what_kubectl_prints_is_trimmed_and_what_ended_left_out():
    ended = {**POD, "status": {"phase": "Succeeded"}}
    loud = {
        **NODE,
        "metadata": {"name": "n", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hush"}},
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "a"}, "data": {"k": "hush"}}
    taken = parse(json.dumps({"kind": "List", "apiVersion": "v1", "items": [ended, loud, secret]}).encode(), file="x")
    assert taken.section("pods").items == ()
    assert "hush" not in dump(taken)


@pytest.mark.parametrize(
    "kind", ["CustomResourceDefinition", "StorageClass", "NetworkPolicy", "ResourceClaim", "Gateway"]
)
def test_kinds_find_their_section(kind: str):
    groups = {
        "CustomResourceDefinition": "apiextensions.k8s.io/v1", "StorageClass": "storage.k8s.io/v1",
        "NetworkPolicy": "networking.k8s.io/v1", "ResourceClaim": "resource.k8s.io/v1",
        "Gateway": "gateway.networking.k8s.io/v1",
    }  # fmt: skip
    taken = parse(json.dumps({"apiVersion": groups[kind], "kind": kind, "metadata": {"name": "x"}}).encode(), file="x")
    assert len(taken.sections) == 1


def test_scalars_are_those_of_kubernetes():
    text = "apiVersion: v1\nkind: Node\nmetadata: {name: n, labels: {a: 2026-01-01, b: on, c: 1e3, d: 0x10, e: 1:20}}\n"
    (node,) = parse(text.encode(), file="x").section("nodes").items
    assert node["metadata"]["labels"] == {"a": "2026-01-01", "b": "on", "c": 1000.0, "d": "0x10", "e": "1:20"}


def test_ten_thousand_objects_are_read_at_once():
    many = tuple({**NODE, "metadata": {"name": f"n{number}"}} for number in range(10_000))
    text = dump(Inventory(captured_at="", llmdctl="", sections={"nodes": Section(seen=Seen.OK, items=many)})).encode()
    began = time.process_time()
    assert len(parse(text, file="x").section("nodes").items) == 10_000
    assert time.process_time() - began < 2
