"""Load goes up, replicas go up; load goes down, replicas go down, to zero and back.

Everything between the metrics and the replicas is real: the release's own monitors and ScaledObjects, Prometheus, KEDA,
its metrics adapter, the HorizontalPodAutoscaler. The pods are simulated, and the test speaks in their place.
"""

from __future__ import annotations

import pytest

from llmdctl.model.check import Outcome
from llmdctl.release.verify.claim import Verdict
from llmdctl.release.verify.scaling import judge
from tests.e2e.autoscaling.exposition import Exposition
from tests.e2e.autoscaling.seen import replicas, scaler, wait

pytestmark = pytest.mark.e2e


def load(picker: Exposition, *, queued: float = 0, running: float = 0, saturation: float = 0) -> None:
    """What an endpoint picker 0.9 says of a pool under this load."""
    picker.say(
        {
            'llm_d_epp_flow_control_queue_size{inference_pool="s"}': queued,
            "llm_d_epp_request_running": running,
            'llm_d_epp_flow_control_pool_saturation{inference_pool="s"}': saturation,
            'llm_d_epp_ready_endpoints{name="s"}': 1,
        }
    )


def test_a_queue_scales_a_role_up_and_down_to_zero_and_wakes_it(scaled, quick) -> None:
    namespace = scaled.install(
        "optimized-baseline", "--autoscaler", "keda-queue", "--metrics", "prometheus-operator", values=quick
    )

    def reach(*wanted: int) -> None:
        def now() -> tuple[int, int]:
            return replicas(scaled.api, namespace, "s-aggregate")

        wait(f"{wanted} replicas", lambda: now()[0] in wanted and now()[0] == now()[1], why=now)

    def verdict() -> Verdict:
        return judge(scaler(scaled.api, namespace, "s-aggregate", prometheus=scaled.prometheus, epp="0.9"))

    def reads_40() -> bool:
        """On a busy machine Prometheus may be late, and KEDA's fallback stands in for a moment."""
        found = verdict()
        return found.outcome is Outcome.PASS and found.evidence[-1].after == "40"

    with scaled.picker(namespace) as picker:
        load(picker, running=40)
        reach(3)  # 40 in flight at 16 a replica
        wait("a verdict that reads 40", reads_40, why=verdict)
        load(picker, running=10)
        reach(1)
        load(picker)
        reach(0)
        wait("sleep that is as it should be", lambda: verdict().outcome is Outcome.PASS, why=verdict)
        load(picker, queued=2)  # held by flow control, since nobody can serve it
        reach(1, 2)


def test_saturation_scales_prefill_and_the_engines_own_cache_scales_decode(scaled, quick) -> None:
    namespace = scaled.install(
        "pd-disaggregation", "--autoscaler", "keda-saturation", "--metrics", "prometheus-operator",
        "--set", "autoscaling.roles.decode.minReplicas=1", "--set", "autoscaling.roles.prefill.minReplicas=1",
        values=quick,
    )  # fmt: skip
    with scaled.picker(namespace) as picker, Exposition() as engines:
        load(picker, saturation=0.1)
        engines.say({"vllm:kv_cache_usage_perc": 0.95})

        def both() -> tuple[int, int]:
            for _, address in scaled.pods(namespace, "decode"):
                engines.at(address, 8200)
            return replicas(scaled.api, namespace, "s-prefill")[0], replicas(scaled.api, namespace, "s-decode")[0]

        wait("more decode pods", lambda: both()[1] > 1, why=both)
        assert both()[0] == 1
        engines.say({"vllm:kv_cache_usage_perc": 0.1})
        load(picker, saturation=1.3)
        wait("more prefill pods, and fewer that decode", lambda: both()[0] > 1 and both()[1] == 1, why=both)
