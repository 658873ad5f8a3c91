"""Composition: layers, conditions, ownership, expressions, refusals."""

from __future__ import annotations

import pytest

from llmdctl.errors import RecipeError
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import compose
from tests.unit.recipe.conftest import ENGINE, PATH

PLAIN = Selection(path="plain")


def problems(run) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        run()
    return [str(problem) for problem in caught.value.problems]


def test_layers_are_laid_over_each_other(catalog) -> None:
    recipe = compose(catalog(), PLAIN)
    assert recipe.values == {
        "global": {"llmd": {"roles": {"aggregate": {}}, "model": {"id": "org/small"}, "engine": "vllm"}},
        "modelserver": {
            "roles": {"aggregate": {"parallelism": {"tensor": 1}}},
            "roleDefaults": {"nodeSelector": {"product": "big"}, "args": {"a": 1}},
        },
    }
    assert recipe.facets["engine"] == "fast"
    assert [(role.name, role.tensor, role.replicas, role.workload) for role in recipe.roles] == [
        ("aggregate", 1, 1, "Deployment")
    ]


def engine(more: str) -> dict[str, str]:
    return {"facets/engines/fast.yaml": ENGINE.format(name="fast") + more}


@pytest.mark.parametrize(
    ("selection", "args"),
    [
        (Selection(path="plain"), {"a": 2, "p": 1}),
        (Selection(path="plain", model="odd"), {"a": 3, "p": 1, "m": None}),  # two axes outweigh one
        (Selection(path="split"), {"a": 1, "d": 1}),
    ],
)
def test_conditions(catalog, selection: Selection, args: dict[str, object]) -> None:
    when = """
when:
  - match: {path: plain}
    values: {modelserver: {roleDefaults: {args: {a: 2, p: 1}}}}
  - match: {path: [plain, split], model: odd}
    values: {modelserver: {roleDefaults: {args: {a: 3, m: null}}}}
  - match: {role: decode}
    values: {modelserver: {roleDefaults: {args: {d: 1}}}}
"""
    assert compose(catalog(engine(when)), selection).values["modelserver"]["roleDefaults"]["args"] == args


def test_null_survives_and_a_mapping_may_replace_it(catalog) -> None:
    when = """
when:
  - match: {path: plain}
    values: {modelserver: {roleDefaults: {args: null}}}
  - match: {path: plain, model: odd}
    values: {modelserver: {roleDefaults: {args: {z: 1}}}}
"""
    loaded = catalog(engine(when))
    assert compose(loaded, PLAIN).values["modelserver"]["roleDefaults"]["args"] is None
    odd = compose(loaded, Selection(path="plain", model="odd"))
    assert odd.values["modelserver"]["roleDefaults"]["args"] == {"z": 1}


def test_two_layers_own_one_key(catalog, write) -> None:
    text = PATH.format(name="plain", roles="aggregate", first="aggregate") + "    roleDefaults: {args: {a: 5}}\n"
    found = problems(lambda: compose(catalog({"plain/recipe.yaml": text}), PLAIN))
    root = write()
    assert found == [
        f"{root}/facets/engines/fast.yaml:9: modelserver.roleDefaults.args.a: this key is also set in"
        f" {root}/plain/recipe.yaml:13: two layers own it. Leave it to one of them, or move it into a `when:` block."
    ]


def test_one_layer_owns_a_mapping_where_another_has_a_leaf(catalog) -> None:
    text = PATH.format(name="plain", roles="aggregate", first="aggregate") + "    roleDefaults: {args: none}\n"
    found = problems(lambda: compose(catalog({"plain/recipe.yaml": text}), PLAIN))
    assert len(found) == 1
    assert "modelserver.roleDefaults.args: this key is also set in" in found[0]


def test_an_empty_mapping_collides_with_nothing(catalog) -> None:
    text = PATH.format(name="plain", roles="aggregate", first="aggregate") + "    roleDefaults: {args: {}}\n"
    assert compose(catalog({"plain/recipe.yaml": text}), PLAIN).values["modelserver"]["roleDefaults"]["args"] == {
        "a": 1
    }


def test_conditions_of_equal_weight(catalog, write) -> None:
    when = """
when:
  - match: {path: plain}
    values: {modelserver: {roleDefaults: {args: {a: 2}}}}
  - match: {model: small}
    values: {modelserver: {roleDefaults: {args: {a: 2}}}}
"""
    found = problems(lambda: compose(catalog(engine(when)), PLAIN))
    file = write() / "facets/engines/fast.yaml"
    assert found == [
        f"{file}:15: modelserver.roleDefaults.args.a: this key is also set in {file}:13, under a condition of the same"
        " weight (path=plain). Name one more axis in the `match` of the block that shall win."
    ]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("{{ model.idd }}", "'idd' is not defined. Did you mean 'id'?"),
        ("{{ modle.id }}", "'modle' is not defined. Did you mean 'model'?"),
        ("x{{ model.config }}", "'model.config' gives a mapping; an expression gives text, a number, true or false."),
        ("x{{ none }}", "'none' gives null, which cannot stand inside text."),
        ("{{ role.name }}", "'role' is not defined."),
    ],
)
def test_mistakes_in_expressions_have_their_place(catalog, write, expression: str, message: str) -> None:
    more = f'      env: {{X: "{expression}"}}\n'
    found = problems(lambda: compose(catalog(engine(more)), PLAIN))
    file = write() / "facets/engines/fast.yaml"
    assert found[0].startswith(f"{file}:10: values.modelserver.roleDefaults.env.X: {message}")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{{ accelerator.count_per_node }}", 8),
        ("n{{ accelerator.count_per_node }}-{{ engine.name }}", "n8-fast"),
        ("{{ accelerator.count_per_node > 4 }}", True),
        ("is {{ accelerator.count_per_node > 4 }}", "is true"),
        ("{{ model.config.sliding_window | default(none) }}", None),
        ("{{ path.name }}", "plain"),
        ("{{ fit.tensor }}", 1),
    ],
)
def test_expressions_see_facts_and_keep_their_type(catalog, expression: str, value: object) -> None:
    more = f'      env: {{X: "{expression}", L: ["{expression}"]}}\n'
    env = compose(catalog(engine(more)), PLAIN).values["modelserver"]["roleDefaults"]["env"]
    assert env == {"X": value, "L": [value]}


ROLE = """\
when:
  - match: {role: decode}
    values:
      modelserver:
        roles:
          decode:
            args: {t: "{{ role.tensor }}", who: "{{ role.name }}", r: "{{ role.replicas }}"}
          prefill:
            args: {t: "{{ role.tensor }}"}
"""


def test_role_numbers_follow_the_user(catalog) -> None:
    changes = Overrides(role_settings=("decode.parallelism.tensor=4",), sets=("modelserver.roleDefaults.replicas=3",))
    roles = compose(catalog(engine(ROLE)), Selection(path="split"), changes).values["modelserver"]["roles"]
    assert roles["decode"]["args"] == {"t": 4, "who": "decode", "r": 3}
    assert roles["prefill"]["args"] == {"t": 1}


@pytest.mark.parametrize("expression", ["{{ role.tensor }}", "{{ role.tensor + 1 }}", "{{ role.tensor | default(1) }}"])
def test_cyclic_expressions(catalog, write, expression: str) -> None:
    text = PATH.format(name="plain", roles="aggregate", first="aggregate").replace(
        "{tensor: 1}", f'{{tensor: "{{{{ role.replicas }}}}"}}\n        replicas: "{expression}"'
    )
    found = problems(lambda: compose(catalog({"plain/recipe.yaml": text}), PLAIN))
    tensor, replicas = (f"values.modelserver.roles.aggregate.{key}" for key in ("parallelism.tensor", "replicas"))
    assert found == [
        f"{write()}/plain/recipe.yaml:13: {replicas}: the expression depends on itself:"
        f" {tensor} -> {replicas} -> {tensor}."
    ]


def test_a_mistake_that_others_depend_on_shows_once(catalog) -> None:
    text = PATH.format(name="split", roles="prefill, decode", first="decode").replace(
        "{tensor: 1}", '{tensor: "{{ modl.x }}"}\n        args: {a: "{{ role.tensor }}", b: "{{ role.tensor + 1 }}"}'
    )
    found = problems(lambda: compose(catalog({"split/recipe.yaml": text}), Selection(path="split")))
    assert len(found) == 1
    assert "parallelism.tensor: 'modl' is not defined. Did you mean 'model'?" in found[0]


def test_text_of_a_user_is_never_evaluated(catalog, tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text('modelserver: {roleDefaults: {args: {x: "{{ model.id }}"}}}\n')
    changes = Overrides(files=(file,), sets=("modelserver.roleDefaults.args.y=a{{b}}",))
    args = compose(catalog(), PLAIN, changes).values["modelserver"]["roleDefaults"]["args"]
    assert args == {"a": 1, "x": "{{ model.id }}", "y": "a{{b}}"}


def test_the_order_of_a_users_changes(catalog, tmp_path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("modelserver: {roles: {aggregate: {replicas: 2}}}\n")
    two.write_text("modelserver: {roles: {aggregate: {replicas: 3}}}\n")

    def replicas(changes: Overrides) -> int:
        return compose(catalog(), PLAIN, changes).roles[0].replicas

    assert replicas(Overrides(files=(one, two))) == 3
    assert replicas(Overrides(files=(two, one))) == 2
    assert replicas(Overrides(files=(one,), role_settings=("aggregate.replicas=4",))) == 4
    setting = ("modelserver.roles.aggregate.replicas=5",)
    assert replicas(Overrides(files=(one,), role_settings=("aggregate.replicas=4",), sets=setting)) == 5


def test_unknown_names_have_the_nearest(catalog) -> None:
    with pytest.raises(RecipeError) as caught:
        compose(catalog(), Selection(path="plian"))
    assert caught.value.message == "There is no recipe 'plian'. Did you mean 'plain'?"
    found = problems(lambda: compose(catalog(), Selection(path="plain", engine="fsat", model="huge")))
    assert found == [
        "there is no model facet 'huge'. There is odd, small.",
        "there is no engine facet 'fsat'. Did you mean 'fast'?",
    ]


def test_what_a_path_does_not_offer(catalog) -> None:
    text = PATH.format(name="plain", roles="aggregate", first="aggregate") + "offers: {engine: [fast]}\n"
    found = problems(lambda: compose(catalog({"plain/recipe.yaml": text}), Selection(path="plain", engine="slow")))
    assert found == ["'plain' does not offer the engine 'slow'. It offers fast."]


EXCLUDES = """\
excludes:
  - match: {{model: odd}}
    reason: It crashes.
    evidence: {evidence}
"""


def test_known_bad_needs_force(catalog, write) -> None:
    loaded = catalog(engine(EXCLUDES.format(evidence="known-bad")))
    odd = Selection(path="plain", model="odd")
    with pytest.raises(RecipeError) as caught:
        compose(loaded, odd)
    assert caught.value.message == "This combination is known to be bad: model odd, engine fast."
    assert caught.value.remedy == "Add --force to go on all the same."
    assert [str(problem) for problem in caught.value.problems] == [
        f"{write()}/facets/engines/fast.yaml:11: It crashes."
    ]
    forced = compose(loaded, odd, Overrides(force=True))
    assert (forced.forced, forced.warnings, forced.evidence.level) == (True, ("It crashes.",), "known-bad")
    assert compose(loaded, PLAIN, Overrides(force=True)).forced is False


def test_impossible_cannot_be_forced(catalog) -> None:
    loaded = catalog(engine(EXCLUDES.format(evidence="impossible")))
    with pytest.raises(RecipeError) as caught:
        compose(loaded, Selection(path="plain", model="odd"), Overrides(force=True))
    assert caught.value.message == "This combination cannot work: model odd, engine fast."
    assert caught.value.remedy is None


@pytest.mark.parametrize(
    ("selection", "setting", "expected"),
    [
        (
            Selection(path="plain", model="odd"),
            "aggregate.parallelism.tensor=4",
            "modelserver.roles.aggregate.parallelism.tensor: tensor parallelism 4 does not divide the 6 attention heads"
            " of org/odd. Take one of 1, 2, 3, 6.",
        ),
        (
            Selection(path="plain"),
            "aggregate.parallelism.pipeline=9",
            "modelserver.roles.aggregate.parallelism.tensor: a pod would ask for 9 accelerators, but a node with"
            " nvidia.com/gpu has 8. Lower the parallelism, or spread a replica over several pods with `nodes`.",
        ),
        (
            Selection(path="plain"),
            "aggregate.nodes=2",
            "modelserver.roles.aggregate.nodes: 1 accelerators cannot be spread evenly over 2 pods.",
        ),
        (
            Selection(path="plain"),
            "aggregate.replicas=two",
            "modelserver.roles.aggregate.replicas: 'two' is not a whole number.",
        ),
    ],
)
def test_numbers_that_no_cluster_could_carry(catalog, selection: Selection, setting: str, expected: str) -> None:
    found = problems(lambda: compose(catalog(), selection, Overrides(role_settings=(setting,))))
    assert any(expected in problem for problem in found), found


def test_several_pods_need_a_leader_worker_set(catalog) -> None:
    changes = Overrides(role_settings=("aggregate.parallelism.pipeline=16", "aggregate.nodes=2"))
    found = problems(lambda: compose(catalog(), PLAIN, changes))
    assert any("a replica of 2 pods needs the workload LeaderWorkerSet, not Deployment." in line for line in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("decod.replicas=1", "--role: 'decod.replicas=1': the recipe has no role 'decod'. Did you mean 'decode'?"),
        ("encode.replicas=1", "--role: 'encode.replicas=1': the recipe has no role 'encode'. Did you mean 'decode'?"),
        ("replicas=1", "--role: 'replicas=1' does not say ROLE.KEY=VALUE. It has prefill, decode."),
        ("decode.replicas", "--role: 'decode.replicas': 'replicas' has no value."),
    ],
)
def test_role_settings_that_cannot_be_read(catalog, text: str, expected: str) -> None:
    changes = Overrides(role_settings=(text,), sets=("a",))
    assert problems(lambda: compose(catalog(), Selection(path="split"), changes)) == [
        expected,
        "--set: 'a': 'a' has no value.",
    ]


def test_settings_of_a_role_that_the_recipe_has_not(catalog, tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("modelserver:\n  roles:\n    decode: {replicas: 3}\n")
    found = problems(lambda: compose(catalog(), PLAIN, Overrides(files=(file,))))
    assert f"{file}:3: modelserver.roles.decode: the recipe has no role 'decode'. It has aggregate." in found


def test_a_model_of_the_users_own_is_not_measured_by_the_facet(catalog) -> None:
    sets = ("global.llmd.model.id=other/model", "modelserver.roles.aggregate.parallelism.tensor=5")
    assert compose(catalog(), PLAIN, Overrides(sets=sets)).roles[0].tensor == 5


def test_warnings_of_conditions_and_facts(catalog) -> None:
    when = "when:\n  - match: {path: plain}\n    warning: >-\n      Take\n      care.\n"
    assert compose(catalog(engine(when)), PLAIN).warnings == ("Take care.",)


TIGHT = """\
kind: model
name: tight
title: A model of 70 GB
facts:
  id: org/tight
  config: {num_hidden_layers: 64, hidden_size: 5120, num_attention_heads: 64, num_key_value_heads: 8, head_dim: 128,
    vocab_size: 151936}
  weight_bytes: 65524246528
  max_model_len: 40960
  gated: false
  licence: MIT
values: {}
"""


@pytest.mark.parametrize(
    ("sets", "warned"),
    [
        ((), True),  # TP1 on 80 GB: 18 thousand tokens fit, the context is 41 thousand
        (("modelserver.roles.aggregate.parallelism.tensor=2",), False),
        (("modelserver.roles.aggregate.parallelism.pipeline=2",), False),
        (("modelserver.roles.aggregate.maxModelLen=16384",), False),
    ],
)
def test_too_little_memory_is_warned_of(catalog, sets: tuple[str, ...], warned: bool) -> None:
    loaded = catalog({"facets/models/tight.yaml": TIGHT})
    recipe = compose(loaded, Selection(path="plain", model="tight"), Overrides(sets=sets))
    texts = [warning for warning in recipe.warnings if "one sequence of" in warning]
    assert bool(texts) is warned
    if warned:
        assert texts[0].startswith(
            "aggregate: on each of its 1 GPUs 4.5 GiB remain for the KV cache,"
            " and one sequence of 40960 tokens takes 10.0 GiB."
        )


@pytest.mark.parametrize(("share", "warned"), [("1.0", False), (None, True)])
def test_the_engines_share_of_memory_counts(catalog, tmp_path, share: str | None, warned: bool) -> None:
    loaded = catalog({"facets/models/tight.yaml": TIGHT})
    file = tmp_path / "mine.yaml"
    arguments = f"{{gpu-memory-utilization: {share}}}" if share else "{}"
    file.write_text(f"modelserver: {{roles: {{aggregate: {{args: {arguments}, maxModelLen: 32768}}}}}}\n")
    recipe = compose(loaded, Selection(path="plain", model="tight"), Overrides(files=(file,)))
    assert any("one sequence of" in warning for warning in recipe.warnings) is warned


@pytest.mark.parametrize(
    ("arguments", "warned"),
    [
        ("{max-num-seqs: 64}", False),  # the peak of 1024 sequences is not needed
        ("{kv-cache-dtype: fp8, max-num-seqs: 512}", False),
        ("{max-num-seqs: 1024}", True),
    ],
)
def test_flags_of_the_engine_count_in_the_ledger(catalog, tmp_path, arguments: str, warned: bool) -> None:
    loaded = catalog({"facets/models/tight.yaml": TIGHT})
    file = tmp_path / "mine.yaml"
    file.write_text(f"modelserver: {{roles: {{aggregate: {{args: {arguments}, maxModelLen: 30720}}}}}}\n")
    recipe = compose(loaded, Selection(path="plain", model="tight"), Overrides(files=(file,)))
    assert any("one sequence of" in warning for warning in recipe.warnings) is warned


def test_an_engine_that_takes_everything_is_warned_of(catalog, tmp_path) -> None:
    loaded = catalog({"facets/models/tight.yaml": TIGHT})
    file = tmp_path / "mine.yaml"
    file.write_text("modelserver: {roleDefaults: {args: {gpu-memory-utilization: 0.995}}}\n")
    recipe = compose(loaded, Selection(path="plain", model="tight"), Overrides(files=(file,)))
    greedy = [warning for warning in recipe.warnings if "CUDA graphs" in warning]
    assert [text.startswith("aggregate: beside the engine's share 0.4 GiB of each") for text in greedy] == [True]


def test_a_tensor_parallelism_that_cuts_quantization_blocks_is_a_mistake(catalog) -> None:
    config = "{num_hidden_layers: 2, hidden_size: 512, num_attention_heads: 8, num_key_value_heads: 8, vocab_size: 100,"
    config += " intermediate_size: 512, quantization: fp8_block}"
    facts = f"{{id: a/b, config: {config}, weight_bytes: 1000000, max_model_len: 1024, gated: false, licence: MIT}}"
    loaded = catalog(
        {"facets/models/blocks.yaml": f"kind: model\nname: blocks\ntitle: B\nfacts: {facts}\nvalues: {{}}\n"}
    )
    whole = Overrides(sets=("modelserver.roles.aggregate.parallelism.tensor=4",))
    assert compose(loaded, Selection(path="plain", model="blocks"), whole).role("aggregate") is not None
    cut = Overrides(sets=("modelserver.roles.aggregate.parallelism.tensor=8",))
    with pytest.raises(RecipeError) as wrong:
        compose(loaded, Selection(path="plain", model="blocks"), cut)
    (problem,) = wrong.value.problems
    assert (problem.file, problem.path) == (
        "--set modelserver.roles.aggregate.parallelism.tensor=8",
        "modelserver.roles.aggregate.parallelism.tensor",
    )
    assert problem.message == (
        "tensor parallelism 8 cuts the feed-forward network of a/b, 512 wide, inside a quantization block of 128."
    )
