"""The embedded engine on a small chart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmdctl.errors import HelmError, RecipeError
from llmdctl.helm import open_renderer
from llmdctl.helm.embedded import EmbeddedHelm, importable
from llmdctl.helm.sorting import in_install_order
from llmdctl.model.release import ReleaseSpec

pytestmark = pytest.mark.skipif(not importable(), reason="the extra llmdctl[helm] is not installed")

CHART = Path(__file__).parents[2] / "e2e" / "release" / "chart"


@pytest.fixture(scope="module")
def engine() -> EmbeddedHelm:
    return EmbeddedHelm()


def spec(**values: object) -> ReleaseSpec:
    return ReleaseSpec(name="a", namespace="ns", chart=CHART, values=values, recipe="r", facets={}, evidence="derived")


def test_it_is_chosen_where_it_is_installed():
    assert isinstance(open_renderer(), EmbeddedHelm)


def test_it_renders_in_the_order_of_installation_with_notes(engine: EmbeddedHelm):
    rendered = engine.render(spec(clusterRole=True, widget="test.llmdctl.dev", message="hi"))
    kinds = [obj["kind"] for obj in rendered.objects]
    assert kinds == ["ServiceAccount", "ConfigMap", "ClusterRole", "Service", "Deployment", "Widget"]
    assert rendered.notes == "a says hi."
    assert rendered.engine.name == "helm-python-sdk"


def test_large_integers_stay_integers(engine: EmbeddedHelm):
    rendered = engine.render(spec(contextTokens=1048576))
    assert "--max-model-len=1048576" in rendered.text


def test_the_kubernetes_version_and_apis_are_those_asked_for(engine: EmbeddedHelm, tmp_path: Path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: probe\nversion: 1.0.0\n")
    (tmp_path / "templates" / "a.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
        "  version: {{ .Capabilities.KubeVersion.Version | quote }}\n"
        '  openshift: {{ .Capabilities.APIVersions.Has "security.openshift.io/v1" | quote }}\n'
        "  upgrade: {{ .Release.IsUpgrade | quote }}\n"
    )
    asked = replace(spec(), chart=tmp_path)
    (plain,) = engine.render(asked).objects
    (told,) = engine.render(
        asked, kube_version="1.31.2", api_versions=["security.openshift.io/v1"], upgrade=True
    ).objects
    assert plain["data"] == {"version": "v1.34.4", "openshift": "false", "upgrade": "false"}
    assert told["data"] == {"version": "v1.31.2", "openshift": "true", "upgrade": "true"}


def test_a_subchart_that_was_off_in_one_render_is_there_in_the_next(engine: EmbeddedHelm, tmp_path: Path):
    for folder, name, more in (
        (tmp_path, "top", "dependencies: [{name: sub, version: 1.0.0, condition: sub.enabled}]\n"),
        (tmp_path / "charts" / "sub", "sub", ""),
    ):
        (folder / "templates").mkdir(parents=True)
        (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n{more}")
        text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"
        (folder / "templates" / "a.yaml").write_text(text)

    def names(enabled: bool) -> set[str]:
        asked = replace(spec(sub={"enabled": enabled}), chart=tmp_path)
        return {obj["metadata"]["name"] for obj in engine.render(asked).objects}

    assert [names(True), names(False), names(True)] == [{"top", "sub"}, {"top"}, {"top", "sub"}]


def test_nothing_of_the_library_is_left_open(engine: EmbeddedHelm):
    import helm_python

    before = helm_python.open_handles_count()
    engine.render(spec())
    with pytest.raises(RecipeError):
        engine.render(spec(refuse="no"))
    assert helm_python.open_handles_count() == before


def test_it_writes_nothing_to_standard_error(engine: EmbeddedHelm, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "charts").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: top\nversion: 1.0.0\n")
    (tmp_path / "charts" / "small").symlink_to(CHART)  # on which the library writes a note
    rendered = engine.render(replace(spec(), chart=tmp_path))
    assert len(rendered.objects) == 4
    assert capfd.readouterr().err == ""


def test_its_errors_are_those_of_the_program(engine: EmbeddedHelm):
    with pytest.raises(RecipeError, match=r"^no way$"):
        engine.render(spec(refuse="no way"))
    with pytest.raises(RecipeError) as caught:
        engine.render(spec(replicas="two"))
    assert [problem.path for problem in caught.value.problems] == ["replicas"]
    with pytest.raises(HelmError):
        engine.render(replace(spec(), chart=CHART.parent / "nowhere"))


def test_hooks_notes_partials_and_empty_documents_are_left_out():
    files = {
        "c/templates/b.yaml": "kind: Deployment\nmetadata: {name: d}\n---\nkind: Secret\nmetadata: {name: s}\n",
        "c/templates/a.yaml": "kind: Zebra\n---\nkind: Ant\n---\n# nothing\n",
        "c/templates/hook.yaml": 'kind: Job\nmetadata:\n  annotations: {"helm.sh/hook": test}\n',
        "c/templates/_x.tpl": "kind: Never\n",
        "c/templates/NOTES.txt": "kind: Never\n",
    }
    text, objects = in_install_order(files)
    assert [obj["kind"] for obj in objects] == ["Secret", "Deployment", "Ant", "Zebra"]
    assert "Never" not in text
    assert "# Source: c/templates/b.yaml" in text
