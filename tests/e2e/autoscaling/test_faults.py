"""What KEDA and Kubernetes write when autoscaling is broken, and that the broken link is named.

All faults stand in one cluster at once, each with a workload of its own. With --update-golden, what was seen is written
to tests/fixtures/autoscaling, for the unit tests of the verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from llmdctl.release.verify.claim import Verdict
from llmdctl.release.verify.scaling import Scaler, judge
from llmdctl.sandbox.api import Resource
from tests.e2e.autoscaling.conftest import Scaled
from tests.e2e.autoscaling.faults import DOWN, FAULTS, Fault, made
from tests.e2e.autoscaling.seen import DEPLOYMENTS, SCALED_OBJECTS, scaler, wait

pytestmark = [pytest.mark.e2e, pytest.mark.faults]
FIXTURES = Path(__file__).parents[2] / "fixtures" / "autoscaling"
KINDS = {"Deployment": DEPLOYMENTS, "ScaledObject": SCALED_OBJECTS}
SERVICES = Resource(path="api/v1", plural="services")


@pytest.fixture(scope="module")
def broken(scaled: Scaled, quick: Path) -> Iterator[str]:
    """A namespace with a release that scales, under load, and every fault beside it."""
    nobody = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": 9090, "targetPort": 1}]}
    scaled.api.create(SERVICES.url(namespace="monitoring"), {"metadata": {"name": DOWN}, "spec": nobody})
    namespace = scaled.install(
        "optimized-baseline", "--autoscaler", "keda-queue", "--metrics", "prometheus-operator", values=quick
    )
    with scaled.picker(namespace) as picker:
        picker.say(
            {
                'llm_d_epp_flow_control_queue_size{inference_pool="s"}': 2,
                "llm_d_epp_request_running": 40,
                'llm_d_epp_ready_endpoints{name="s"}': 1,
            }
        )
        right = scaled.api.get(SCALED_OBJECTS.url("s-aggregate", namespace=namespace))
        for fault in FAULTS:
            for item in made(fault, right, fault.name):
                scaled.api.create(KINDS[item["kind"]].url(namespace=namespace), item)
        yield namespace


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_broken_link_is_named(scaled: Scaled, broken: str, fault: Fault, request: pytest.FixtureRequest) -> None:
    seen: list[tuple[Scaler, Verdict]] = []

    def said() -> bool:
        found = scaler(scaled.api, broken, fault.name, prometheus=scaled.prometheus, epp=fault.epp)
        verdict = judge(found)
        seen.append((found, verdict))
        return verdict.outcome.value == fault.outcome and all(word in verdict.message for word in fault.words)

    wait(
        f"{fault.outcome}: {', '.join(fault.words)}",
        said,
        pause_s=0.5,
        why=lambda: (seen[-1][1], seen[-1][0].scaled_object),
    )
    if request.config.getoption("--update-golden"):
        _write(fault, broken, seen[-1][0])


def _write(fault: Fault, namespace: str, found: Scaler) -> None:
    expect = {"outcome": fault.outcome, "words": list(fault.words)}
    head = {"title": fault.title, "of": list(fault.of), "expect": expect}
    text = yaml.safe_dump({**head, "seen": asdict(found)}, sort_keys=False, width=110)
    FIXTURES.mkdir(parents=True, exist_ok=True)
    (FIXTURES / f"{fault.name}.yaml").write_text(text.replace(namespace, "models"), encoding="utf-8")
