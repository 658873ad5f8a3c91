"""Names and labels out of PromQL."""

from __future__ import annotations

import pytest

from llmdctl.lint.promql import selectors


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("up", [("up", ())]),
        (
            'sum(llm_d_epp_request_running{namespace="n",service=~"a|b"})',
            [("llm_d_epp_request_running", ("namespace", "service"))],
        ),
        ("sum by (pod, namespace) (rate(vllm:prompt_tokens_total[5m]))", [("vllm:prompt_tokens_total", ())]),
        ("sum(rate(a_total[5m] offset 1h)) by (x) / on (y) group_left (z) b > bool 0", [("a_total", ()), ("b", ())]),
        ('(sum(a{x="1"})/15928) or vector(0)', [("a", ("x",))]),
        ('histogram_quantile(0.99, sum by (le) (rate(h_bucket{m!="x"}[1m])))', [("h_bucket", ("m",))]),
        ('{__name__="vllm:kv_cache_usage_perc", pod=~".*"}', [("vllm:kv_cache_usage_perc", ("pod",))]),
        ("max_over_time(a[10m:1m]) unless b", [("a", ()), ("b", ())]),
        ('label_replace(a, "x", "$1", "y", "(.*)")', [("a", ())]),
        ("a # b\n + c", [("a", ()), ("c", ())]),
        ("rate(a_total[$__rate_interval])", [("a_total", ())]),
        ('a{x="$model", y="}"}', [("a", ("x", "y"))]),
        ('$metric{x="1"}', []),
        ("1e3 * Inf + 0x1F - NaN", []),
        ("demand <= replicas ? demand : max(demand - (pending ?? 0), replicas)", None),
        ("a{", [("a", ())]),
        ("", []),
        (")))((", []),
    ],
)
def test_selectors(expression: str, expected: list[tuple[str, tuple[str, ...]]] | None) -> None:
    found = [(item.metric, item.labels) for item in selectors(expression)]
    assert expected is None or found == expected


def test_matchers_with_equals_keep_their_values() -> None:
    (found,) = selectors('a{pool="p", x=~"y"}')
    assert found.matchers == (("pool", "p"),)
