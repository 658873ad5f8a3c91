"""A support bundle: planted secrets are in none of its files; whole or not at all, for its owner only."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from pathlib import Path

import pytest

from llmdctl.errors import ForbiddenError, UsageError
from llmdctl.release.bundle import masked_text, pack, proved, write
from llmdctl.release.doctor import diagnose
from llmdctl.release.doctor.scene import LogKey
from tests import documents
from tests.fakes.cluster import FakeCluster
from tests.unit.doctor.scenes import FOLDER, scene_of
from tests.unit.verify.world import World

SECRETS = {
    "env": "sup3rsecretvalue",
    "option": "k3yofanargument",
    "joined": "j0inedargument1",
    "annotation": "ann0tatedsecret",
    "bearer": "b3arerintheproxylog",
    "hub": "hf_abcdefghijklmnopqrstuv",
    "openai": "sk-proj-abcdefghijklmnop",
    "login": "passw0rdinaddress",
    "config": "c0nfigmapsecret",
    "event": "ev3ntsecretvalue",
    "page": "pagesecretinmetrics",
    "private": "MIIEvQIBADANBgkqh",
    "mentioned": "s3cretinatext1",
}


def _planted() -> dict[str, object]:
    case = documents.load((FOLDER / "healthy-standalone.yaml").read_text())
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"password": SECRETS["annotation"]})}
    container = {
        "name": "vllm",
        "env": [
            {"name": "VLLM_API_KEY", "value": SECRETS["env"]},
            {"name": "PROXY", "value": f"http://me:{SECRETS['login']}@proxy:3128"},
            {"name": "NOTE", "value": f"use {SECRETS['openai']}"},
        ],
        "args": ["--api-key", SECRETS["option"], f"--hf-token={SECRETS['joined']}", "--max-model-len=4096"],
    }
    change = {"metadata": {"annotations": applied}, "spec": {"template": {"spec": {"containers": [container]}}}}
    key = f"-----BEGIN PRIVATE KEY-----\n{SECRETS['private']}\n-----END PRIVATE KEY-----\n"
    data = {"app.yaml": f"redis:\n  password: {SECRETS['config']}\n", "tls.key": key}
    case["change"] = [
        {"object": "Deployment/qwen", "merge": change},
        {"object": "ConfigMap/qwen-envoy", "merge": {"data": data}},
    ]
    body = f'info{{token="{SECRETS["page"]}"}} 1\nvllm:prompt_tokens_total 5\n'
    case["answers"] = {"qwen-7c9f:8000/metrics": [{"status": 200, "body": body}]}
    return case


def _cluster() -> FakeCluster:
    cluster = FakeCluster()
    line = f'authorization: Bearer {SECRETS["bearer"]} token {SECRETS["hub"]} {{"api_key": "{SECRETS["mentioned"]}"}}'
    for name in ("qwen-7c9f-0", "qwen-7c9f-1"):
        cluster.pod_logs[name, "vllm", False] = (line, "max_num_batched_tokens=8192 ready")
    message = f"pull from https://me:{SECRETS['login']}@registry failed, password={SECRETS['event']}"
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "llm"}, "message": message}
    cluster.put(event)
    return cluster


def _texts(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name: (tar.extractfile(entry) or io.BytesIO()).read().decode() for entry in tar.getmembers()}


def test_no_planted_secret_is_in_a_bundle(tmp_path: Path) -> None:
    scene = scene_of(_planted())
    file = write(tmp_path / "b.tar.gz", door=_cluster(), scene=scene, diagnosis=diagnose(scene))
    texts = _texts(file.read_bytes())
    together = "\n".join(texts.values())
    assert not [name for name, secret in SECRETS.items() if secret in together]
    assert "--max-model-len=4096" in together, "what is no secret is still there"
    assert "max_num_batched_tokens=8192" in together
    assert "vllm:prompt_tokens_total 5" in together
    assert {"llmdctl-support/diagnosis.json", "llmdctl-support/events.yaml", "llmdctl-support/index.txt"} <= set(texts)
    assert "llmdctl-support/logs/llm/qwen-7c9f-0/vllm.log" in texts


def test_a_bundle_is_for_its_owner_only_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    scene = scene_of(_planted())
    file = write(tmp_path / "b.tar.gz", door=_cluster(), scene=scene, diagnosis=diagnose(scene))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.tar.gz"]
    with pytest.raises(UsageError, match="Cannot write"):
        write(tmp_path / "no" / "b.tar.gz", door=_cluster(), scene=scene, diagnosis=diagnose(scene))


def test_the_same_scene_gives_the_same_bytes() -> None:
    scene = scene_of(_planted())
    once, twice = (
        pack(
            scene, diagnose(scene), versions={"llmdctl": "1"}, logs={(LogKey("a", "b", "c"), False): ("x",)}, events=()
        )
        for _ in range(2)
    )
    assert once == twice


def test_what_may_not_be_read_is_said_and_secrets_are_never_asked_for(tmp_path: Path) -> None:
    scene, cluster = scene_of(_planted()), _cluster()
    cluster.fail("list_objects", ForbiddenError("events is forbidden"))
    file = write(tmp_path / "b.tar.gz", door=cluster, scene=scene, diagnosis=diagnose(scene))
    assert "events is forbidden" in _texts(file.read_bytes())["llmdctl-support/not-read.txt"]
    assert not [call for call in cluster.calls if "Secret" in str(call)]


@pytest.mark.allow_loopback  # asking several pods at once makes a socket pair
@pytest.mark.parametrize(("request_", "sent"), [(True, 7), (False, 0)])
def test_the_proofs_of_a_helm_release_are_in_it(tmp_path: Path, request_: bool, sent: int) -> None:
    world = World()
    world.verify("LV1001")  # makes the objects
    case = documents.load((FOLDER / "healthy-standalone.yaml").read_text())
    annotations = {"meta.helm.sh/release-name": "pd", "meta.helm.sh/release-namespace": "llm"}
    case["change"] = [{"object": "InferencePool/qwen", "merge": {"metadata": {"annotations": annotations}}}]
    scene = scene_of(case)
    diagnosis = diagnose(scene)
    more, unread = proved(world.cluster, lambda: world.helm, scene, diagnosis, request=request_)
    assert not unread
    report = json.loads(more["verify/llm/pd.json"])
    assert report["requests"] == sent
    outcomes = {proof["code"]: proof["outcome"] for proof in report["proofs"]}
    assert outcomes["LV1001"] == "pass"
    assert ("LV0101" in outcomes) is request_
    file = write(tmp_path / "b.tar.gz", door=_cluster(), scene=scene, diagnosis=diagnosis, more=more, unread=["x: y"])
    texts = _texts(file.read_bytes())
    assert json.loads(texts["llmdctl-support/verify/llm/pd.json"]) == report
    assert "x: y" in texts["llmdctl-support/not-read.txt"]


def test_a_pool_that_helm_did_not_install_has_no_proofs_and_a_broken_chain_gets_no_request() -> None:
    world = World()
    scene = scene_of(_planted())
    assert proved(world.cluster, lambda: world.helm, scene, diagnose(scene), request=True) == ({}, [])
    case = documents.load((FOLDER / "pool-target-port.yaml").read_text())
    annotations = {"meta.helm.sh/release-name": "nobody"}
    case["change"] += [{"object": "InferencePool/qwen", "merge": {"metadata": {"annotations": annotations}}}]
    scene = scene_of(case)
    more, unread = proved(world.cluster, lambda: world.helm, scene, diagnose(scene), request=True)
    assert (more, world.requests) == ({}, 0)
    assert unread == ["proofs of llm/nobody: there is no release nobody in namespace llm"]


@pytest.mark.parametrize(
    "text", ["prompt_tokens: 12", "max_tokens=16", "token_type: bearerless", "secretName: hf-token"]
)
def test_what_only_sounds_like_a_secret_stays(text: str) -> None:
    assert masked_text(text) == text
