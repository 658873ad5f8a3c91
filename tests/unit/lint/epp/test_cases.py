"""What built endpoint pickers said about 128 configurations, in three versions; the linter says it without them."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml

from llmdctl.lint.epp import check
from llmdctl.lint.epp.catalogue import VERSIONS

DATA = json.loads((Path(__file__).parent / "data" / "cases.json").read_text(encoding="utf-8"))
CASES = DATA["cases"]
OLD = "inference.networking.x-k8s.io/v1alpha1"
ABOUT_API_VERSION = {"api_old", "api_new", "api_v1alpha2_llmd", "api_llmd_v1", "api_x-k8s_v1", "api_missing"}

# Accepted at start, and yet refused here: every request fails or goes where nothing is.
STRICTER = {"disagg_missing_decode_profile", "disagg_profile_name_absent"}
# Accepted without the effect that one expects: a warning is due.
TRAPS = {
    "plugins_missing": "LD1820",
    "profiles_missing": "LD1820",
    "profiles_empty": "LD1820",
    "plugins_empty_profiles_empty": "LD1820",
    "profile_empty_plugins": "LD1820",
    "plugin_dup_renamed": "LD1823",
    "profile_twice_same_scorer": "LD1822",
    "handler_in_profile": "LD1823",
    "decider_in_profile": "LD1823",
    "weight_negative": "LD1821",
    "weight_zero": "LD1821",
    "weight_on_filter": "LD1821",
    "unreferenced_scorer": "LD1823",
    "fc_nogate": "LD1826",
    "fc_nogate_band_policy_undeclared": "LD1826",
    "fc_gate_band_noprio": "LD1812",
    "sat_top_v07_outofrange": "LD1812",
    "params_on_noparam_plugin": "LD1809",
    "yaml_empty": "LD1802",
    "yaml_two_docs": "LD1802",
    "dl_full_renamed_source": "LD1817",
    "prefix_v07_hashBlockSize": "LD1809",
    "prefix_producer_name_absent": "LD1809",
    "ext_old_name": "LD1823",
    "precise_no_pool": "LD1829",
    "fc_negband": "LD1812",
    "tok_uds": "LD1812",
    "tok_model_only": "LD1812",
    "disagg_missing_decode_profile": "LD1824",
    "disagg_profile_name_absent": "LD1824",
}


def text_of(name: str, version: str) -> str:
    case = CASES[name]
    own = case.get("inputs", {}).get(version)
    value = copy.deepcopy(case["input"] if own is None else own)
    if isinstance(value, str):
        return value.replace("llm-d.ai/v1alpha1", OLD) if version == "0.7" else value
    if version == "0.7" and name not in ABOUT_API_VERSION and "apiVersion" in value:
        value["apiVersion"] = OLD
    return yaml.safe_dump(value, sort_keys=False)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", CASES)
def test_same_verdict_as_the_endpoint_picker(name: str, version: str) -> None:
    observed = CASES[name]["observed"][version]
    verdict = check(text_of(name, version), version, allow_alpha=False)
    said = [f"{item.code} {item.severity} {item.path}: {item.message}" for item in verdict.remarks]
    if observed == "rejected":
        assert not verdict.accepted, said
    elif name not in STRICTER:
        assert verdict.accepted, said
    if observed != "rejected" and name in TRAPS and not (name == "dl_full_renamed_source" and version == "0.7"):
        assert TRAPS[name] in {item.code for item in verdict.remarks}, said


@pytest.mark.parametrize("version", VERSIONS)
def test_a_good_configuration_gets_no_remark(version: str) -> None:
    for name in ("api_old" if version == "0.7" else "api_new", "weight_fraction", "fc_gate_ints", "pd_with_decider"):
        said = [
            item for item in check(text_of(name, version), version).remarks if item.code not in ("LD1807", "LD1833")
        ]
        unused = [item for item in said if item.code != "LD1823"]  # those inputs declare a picker that nobody names
        assert not unused, (name, unused)


def test_every_case_was_observed_everywhere() -> None:
    assert len(CASES) == 128
    assert all(set(case["observed"]) == set(VERSIONS) for case in CASES.values())
    assert {result for case in CASES.values() for result in case["observed"].values()} == {
        "accepted",
        "rejected",
        "blocked",
    }
