"""Which kubeconfig is taken, and what can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdctl.errors import UnreachableError
from llmdctl.kube import connect

GOOD = """
apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: c, user: u}}
- {name: production, context: {cluster: c, user: u}}
clusters: [{name: c, cluster: {server: "https://one.example:6443"}}]
users: [{name: u, user: {token: t}}]
"""


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def written(folder: Path, text: str, name: str = "config") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_named_file_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert connect(kubeconfig=written(tmp_path, GOOD)).server == "https://one.example:6443"


def test_the_variable_may_name_several_of_which_some_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = written(tmp_path, GOOD)
    monkeypatch.setenv("KUBECONFIG", f"/nowhere:{file}")
    assert connect().server == "https://one.example:6443"


def test_without_anything_the_home_folder_is_looked_at(tmp_path: Path):
    written(tmp_path, GOOD, ".kube/config")
    assert connect().server == "https://one.example:6443"


def test_without_any_kubeconfig_the_sandbox_is_offered():
    with pytest.raises(UnreachableError, match="no kubeconfig was found") as caught:
        connect()
    assert "llmdctl sandbox up" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("context", "remedy"),
    [("prodution", "Did you mean 'production'?"), ("xyz", "It has: one, production.")],
)
def test_an_unknown_context_is_named_with_the_nearest(tmp_path: Path, context: str, remedy: str):
    with pytest.raises(UnreachableError, match=f"has no context '{context}'") as caught:
        connect(kubeconfig=written(tmp_path, GOOD), context=context)
    assert caught.value.remedy == remedy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just text",
        "a: [",
        "\x00\x01",
        "apiVersion: v1\nkind: Config\ncontexts: 3\n",
        GOOD.replace("cluster: c", "cluster: x"),
    ],
    ids=["empty", "text", "no YAML", "binary", "wrong types", "cluster missing"],
)
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path, text: str):
    file = written(tmp_path, text)
    with pytest.raises(UnreachableError, match=str(file)):
        connect(kubeconfig=file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UnreachableError, match="there is no kubeconfig"):
        connect(kubeconfig=tmp_path / "none")


def test_a_credential_plugin_that_fails_is_not_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    plugin = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: /nowhere/plugin, interactiveMode: Never}}"
    file = written(tmp_path, GOOD.replace("{token: t}", plugin))
    with pytest.raises(UnreachableError, match="credential plugin"):
        connect(kubeconfig=file)
    assert capfd.readouterr().err == ""
