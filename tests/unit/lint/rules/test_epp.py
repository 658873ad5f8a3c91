"""The endpoint picker in manifests: which configuration is judged by which release, and where findings stand."""

from __future__ import annotations

import json
import textwrap

import pytest

from llmdctl.lint.linting import lint
from llmdctl.lint.reading import read
from llmdctl.lint.rules import epp_config, epp_flags
from llmdctl.lint.world import Versions, World
from llmdctl.model.finding import Finding, Severity

CONFIG = """\
apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: queue-scorer
    weight: 2
"""


def manifests(
    config: str = CONFIG,
    *,
    image: str = "ghcr.io/llm-d/llm-d-router-endpoint-picker:v0.9.0",
    args: tuple[str, ...] = ("--pool-name=p", "--pool-namespace=ns", "--config-file=/etc/epp/c.yaml"),
    key: str = "c.yaml",
    env: str = "[]",
    sidecar: tuple[str, ...] = (),
    sidecar_image: str = "ghcr.io/llm-d/llm-d-router-disagg-sidecar:v0.9.0",
) -> str:
    words = "\n".join(f"        - {json.dumps(word)}" for word in args)
    more = "\n".join(f"        - {json.dumps(word)}" for word in sidecar)
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: epp, namespace: ns}}
data:
  {key}: |
{textwrap.indent(config, "    ")}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: epp, namespace: ns}}
spec:
  template:
    spec:
      containers:
      - name: epp
        image: {image}
        env: {env}
        args:
{words}
        volumeMounts: [{{name: config, mountPath: /etc/epp}}]
      - name: proxy
        image: {sidecar_image}
        args:
        - --port=8000
{more}
      volumes: [{{name: config, configMap: {{name: epp}}}}]
"""


def found(text: str, epp: str = "") -> list[Finding]:
    done = read(text, "m.yaml")
    assert not done.findings
    world = World(done.manifests, Versions(epp=epp))
    return [*epp_config.check(world), *epp_flags.check(world)]


def codes(text: str, epp: str = "") -> list[tuple[str, Severity]]:
    return [(item.code, item.severity) for item in found(text, epp)]


def test_nothing_to_say() -> None:
    assert found(manifests()) == []


def test_a_finding_names_the_object_the_path_and_the_line() -> None:
    text = manifests(CONFIG.replace("- type: queue-scorer", "- type: queu-scorer"))
    (finding, reference) = found(text)
    assert (finding.code, reference.code) == ("LD1806", "LD1813")
    assert finding.object == "ConfigMap/ns/epp"
    assert finding.path == 'data."c.yaml": plugins[0].type'
    assert text.splitlines()[(finding.line or 0) - 1].strip() == "- type: queu-scorer"
    assert finding.remedy == "Did you mean 'queue-scorer'?"


def test_each_release_by_its_own_data() -> None:
    old = "ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1"
    assert codes(manifests(image=old)) == [("LD1803", Severity.ERROR)]
    assert codes(manifests(), epp="0.7.1") == [("LD1803", Severity.ERROR)]


def test_a_release_without_data_is_judged_by_the_nearest_and_says_so() -> None:
    text = manifests(image="ghcr.io/llm-d/llm-d-router-endpoint-picker-dev:main")
    assert codes(text) == [("LD1831", Severity.NOTE)]
    wrong = text.replace("queue-scorer", "queu-scorer")
    assert codes(wrong)[0] == ("LD1806", Severity.WARNING)


def test_the_extension_s_own_releases() -> None:
    image = "registry.k8s.io/gateway-api-inference-extension/epp:v1.4.0"
    old = CONFIG.replace("llm-d.ai/v1alpha1", "inference.networking.x-k8s.io/v1alpha1")
    assert codes(manifests(old, image=image)) == [("LD1831", Severity.NOTE)]


@pytest.mark.parametrize(
    ("config", "code", "severity"),
    [
        ("", "LD1802", Severity.WARNING),
        ("# only words\n", "LD1802", Severity.WARNING),
        ("a: [", "LD1801", Severity.ERROR),
        ("- a\n", "LD1801", Severity.ERROR),
        (CONFIG + "---\n" + CONFIG, "LD1802", Severity.WARNING),
        (CONFIG + "plugins: []\n", "LD1801", Severity.ERROR),
        (CONFIG.replace("weight: 2", "weight: -2"), "LD1821", Severity.WARNING),
    ],
)
def test_texts(config: str, code: str, severity: Severity) -> None:
    assert (code, severity) in codes(manifests(config))


def test_configuration_that_is_not_there() -> None:
    assert codes(manifests(key="other.yaml"))[0] == ("LD1832", Severity.ERROR)
    no_file = manifests(args=("--pool-name=p",))
    assert ("LD1832", Severity.NOTE) in codes(no_file)
    unmounted = manifests(args=("--pool-name=p", "--config-file=/elsewhere/c.yaml"))
    assert ("LD1832", Severity.UNKNOWN) in codes(unmounted)


def test_configuration_as_an_argument_and_as_a_manifest() -> None:
    wrong = CONFIG.replace("queue-scorer", "queu-scorer")
    by_text = manifests(args=("--pool-name=p", f"--config-text={wrong}"))
    assert ("LD1806", Severity.ERROR) in codes(by_text)
    assert ("LD1806", Severity.WARNING) in codes(wrong)
    assert ("LD1806", Severity.ERROR) in codes(wrong, epp="0.9")


def test_alpha_plugins_want_the_flag() -> None:
    alpha = CONFIG.replace("- type: queue-scorer\n", "- type: queue-scorer\n- type: agent-identity\n")
    newer = {"image": "ghcr.io/llm-d/llm-d-router-endpoint-picker:v0.10.0"}
    args = ("--pool-name=p", "--config-file=/etc/epp/c.yaml")
    assert ("LD1808", Severity.ERROR) in codes(manifests(alpha, args=args, **newer))
    assert codes(manifests(alpha, args=(*args, "--allow-experimental-plugins"), **newer)) == []
    assert ("LD1808", Severity.ERROR) in codes(
        manifests(alpha, args=(*args, "--allow-experimental-plugins=false"), **newer)
    )


GOOD = ("--pool-name=p", "--config-file=/etc/epp/c.yaml")


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--grpc-port=9002", "-v=4", "--tracing=false", "--zap-encoder", "json"), []),
        (("--grpc-port=$(PORT)",), []),
        (("--pool-namespac=ns",), [("LD1840", Severity.ERROR)]),
        (("--allow-experimental-plugins",), [("LD1840", Severity.ERROR)]),
        (("--grpc-port=high",), [("LD1841", Severity.ERROR)]),
        (("--metrics-staleness-threshold=5",), [("LD1841", Severity.ERROR)]),
        (("--metrics-staleness-threshold=5s",), []),
        (("--tracing", "false"), [("LD1844", Severity.ERROR)]),
        (("--tracing=no",), [("LD1841", Severity.ERROR)]),
        (("--total-queued-requests-metric=x",), [("LD1841", Severity.ERROR)]),
        (("--model-server-metrics-path=/metrics",), [("LD1842", Severity.NOTE)]),
        (("--model-server-metrics-scheme=htp",), [("LD1842", Severity.NOTE), ("LD1841", Severity.ERROR)]),
        (("--endpoint-selector=a=b",), [("LD1843", Severity.ERROR)] * 3),
        (("--config-text=plugins: []",), [("LD1843", Severity.ERROR)]),
        (("--endpoint-target-ports=1,2,99999",), [("LD1841", Severity.ERROR)]),
    ],
)
def test_flags_of_the_endpoint_picker(args: tuple[str, ...], expected: list[tuple[str, Severity]]) -> None:
    assert [row for row in codes(manifests(args=(*GOOD, *args))) if row[0] >= "LD1840"] == expected


def test_no_pool_at_all_and_a_variable_without_effect() -> None:
    assert ("LD1843", Severity.ERROR) in codes(manifests(args=("--config-file=/etc/epp/c.yaml", "--grpc-port=9002")))
    variable = "[{name: ENABLE_EXPERIMENTAL_FLOW_CONTROL_LAYER, value: 'true'}]"
    assert codes(manifests(env=variable)) == [("LD1845", Severity.WARNING)]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--vllm-port=8200", "--kv-connector=nixlv2", "--secure-proxy=false"), []),
        (("--vllm-port=8200", "--kv-connector=nixl"), ["LD1841"]),
        (("--vllm-port=abc",), ["LD1841"]),
        (("--model-server-port=8200",), ["LD1840"]),
        (("--enable-tls=prefiller,decoder",), []),
        (("--enable-tls=both",), ["LD1841"]),
        (("--enable-ssrf-protection",), ["LD1843"]),
        (("--moriio-write-mode",), ["LD1841"]),
        (("--moriio-dp-size=2",), ["LD1842"]),
        (("--connector=nixlv2",), ["LD1842"]),
    ],
)
def test_flags_of_the_sidecar(args: tuple[str, ...], expected: list[str]) -> None:
    assert [item.code for item in found(manifests(sidecar=args))] == expected


def test_the_sidecar_of_a_later_release() -> None:
    image = "ghcr.io/llm-d/llm-d-router-disagg-sidecar:v0.10.0"
    text = manifests(sidecar=("--connector=nixlv2", "--vllm-port=8200"), sidecar_image=image)
    removed, deprecated = found(text)
    assert (removed.code, deprecated.code) == ("LD1840", "LD1842")
    assert "kv-connector" in removed.remedy
    assert "model-server-port" in deprecated.remedy


def test_the_linter_runs_both() -> None:
    text = manifests(CONFIG.replace("weight: 2", "weight: 0"), args=(*GOOD, "--zz"))
    assert {"LD1821", "LD1840"} <= {item.code for item in lint(read(text, "m.yaml").manifests).findings}


ODD = ["5", "[]", "{}", "x", "[5]", "[[]]", "{a: 5}", "null"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "place",
    [
        "featureGates",
        "plugins",
        "schedulingProfiles",
        "flowControl",
        "dataLayer",
        "saturationDetector",
        "requestHandler",
    ],
)
def test_odd_values_get_an_answer(place: str, odd: str) -> None:
    kept = "\n".join(line for line in CONFIG.splitlines() if place == "plugins" or place not in line)
    text = f"{place}: {odd}\n" if place in ("plugins", "schedulingProfiles") else f"{kept}\n{place}: {odd}\n"
    assert isinstance(codes(manifests(text)), list)
