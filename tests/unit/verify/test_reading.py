"""What proofs are read from: names by version, the log of an endpoint picker, limits of time, recorded counters."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

from llmdctl.lint.metric_names import engine_metrics, epp_metrics
from llmdctl.prometheus import parse
from llmdctl.release.verify.loaded import loaded, rendered
from llmdctl.release.verify.names import CACHED, ENGINES, EPP, FETCHED, PROMPT, first, split
from llmdctl.release.verify.prompts import BUDGET, PLAN, prompt, prompt_words, requests
from llmdctl.release.verify.timeouts import limits, seconds_of
from tests import documents
from tests.unit.verify.world import ENVOY

ROOT = Path(__file__).resolve().parents[3]
LOGS = ROOT / "tests" / "fixtures" / "epp-logs"
RECORDED = ROOT / "tests" / "fixtures" / "vllm-0.32"


LMCACHE = ("lmcache:num_stored_tokens_total", "lmcache:num_hit_tokens_total")  # a connector's, beside the engine's own


@pytest.mark.parametrize("engine", ENGINES)
def test_every_name_of_an_engine_is_one_that_it_has(engine: str):
    known = {*engine_metrics(engine).series, *LMCACHE}
    assert [name for names in ENGINES[engine].values() for name in names if split(name)[0] not in known] == []


@pytest.mark.parametrize("version", EPP)
def test_every_name_of_a_scheduler_is_one_that_its_version_has(version: str):
    known = epp_metrics(version).series
    assert [name for names in EPP[version].values() for name in names if split(name)[0] not in known] == []


@pytest.mark.parametrize("version", ["0.7.1", "0.9.0"])
def test_the_log_of_a_real_scheduler_tells_what_it_loaded(version: str):
    config = documents.load((LOGS / f"{version}.yaml").read_text())
    found = loaded((LOGS / f"{version}.log").read_text().splitlines())
    assert found is not None
    assert rendered(config).differences(found) == []
    assert len(found.plugins) == len(config["plugins"])


CHANGES = {
    "a weight": lambda config: config["schedulingProfiles"][0]["plugins"][0].update(weight=7),
    "a plugin more": lambda config: config["plugins"].append({"type": "random-picker"}),
    "a plugin less": lambda config: config["plugins"].pop(),
    "a parameter": lambda config: config["plugins"][0].update(parameters={"path": "/other"}),
    "a profile more": lambda config: config["schedulingProfiles"].append({"name": "other", "plugins": []}),
}


@pytest.mark.parametrize("version", ["0.7.1", "0.9.0"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_each_difference_is_seen(version: str, change):
    config = documents.load((LOGS / f"{version}.yaml").read_text())
    found = loaded((LOGS / f"{version}.log").read_text().splitlines())
    changed = copy.deepcopy(config)
    change(changed)
    assert found is not None
    assert len(rendered(changed).differences(found)) == 1


def test_a_log_that_has_lost_its_beginning_tells_nothing():
    assert loaded(['{"msg":"request handled"}', "no JSON: Loaded raw configuration"]) is None


def test_the_recording_of_vllm_separates_a_repeated_prompt_from_none():
    before, after = (parse((RECORDED / f"metrics-{moment}.txt").read_text()) for moment in ("idle", "busy"))
    names = ENGINES["vllm"]
    assert first(before, names[CACHED]) == ("vllm:prefix_cache_hits_total", 0)
    assert first(after, names[CACHED]) == ("vllm:prefix_cache_hits_total", 256)
    assert first(after, names[PROMPT]) == ("vllm:prompt_tokens_total", 768)
    assert first(after, names[FETCHED]) == (names[FETCHED][0], 0)  # one pod alone fetches nothing


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("3600s", 3600), ("1m30s", 90), ("500ms", 0.5), (30, 30), ("soon", None), ("", None)],
)
def test_durations(text: object, seconds: float | None):
    assert seconds_of(text) == seconds


def test_limits_of_a_proxy():
    config = {"kind": "ConfigMap", "metadata": {"name": "proxy"}, "data": {"e.yaml": ENVOY}}
    found = {limit.field: limit.seconds for limit in limits([config])}
    assert found == {"stream_idle_timeout": 3600, "route to picked: timeout": 0}


ROUTE = {
    "kind": "HTTPRoute",
    "metadata": {"name": "route"},
    "spec": {"rules": [{"timeouts": {"request": "0s"}}, {"timeouts": {"backendRequest": "30s"}}]},
}
POLICY = {"kind": "GCPBackendPolicy", "metadata": {"name": "policy"}, "spec": {"default": {"timeoutSec": 86400}}}


def test_limits_of_routes_and_of_a_cloud():
    assert [limit.cuts(60) for limit in limits([ROUTE])] == [False, True]
    (assumed,) = limits([], gateway_class="gke-l7-rilb")
    assert (assumed.seconds, assumed.assumed, assumed.cuts(60)) == (30, True, True)
    (stated,) = limits([POLICY], gateway_class="gke-l7-rilb")
    assert not stated.cuts(60)


def test_requests_are_few_small_and_new_each_time():
    sent = requests("m", words=100, seed=1, long=True)
    assert [each.name for each in sent[:-1]] == list(PLAN)
    assert len(sent) <= BUDGET
    assert prompt(20, 1) != prompt(20, 2)
    assert prompt(20, 1) == prompt(20, 1)


@pytest.mark.parametrize(("length", "tokens"), [(None, 8192), (2048, 1984), (131_072, 32_768), (32, 4)])
def test_the_long_stream_asks_for_as_much_as_lasts_and_fits(length: int | None, tokens: int):
    sent = requests("m", words=16, seed=1, long=True, length=length)[-1]
    assert json.loads(sent.body or b"")["max_tokens"] == tokens


@pytest.mark.parametrize(
    ("block", "length", "above", "words"),
    [(16, None, 0, 128), (128, 32768, 0, 1024), (16, 64, 0, 32), (16, None, 1000, 1250), (4096, None, 0, 4096)],
)
def test_the_repeated_prompt_is_long_enough_and_fits(block: int, length: int | None, above: int, words: int):
    assert prompt_words(block, length, above=above) == words


def test_the_pages_are_those_of_the_proofs():
    script = ROOT / "tools" / "proof_pages.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"run make update: {done.stdout}"
