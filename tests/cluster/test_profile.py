"""The profile for Slurm, without one: nothing of the default profile is lost, and no rule is forgotten."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SLURM, DEFAULT = (yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text()) for name in ("slurm", "default"))


def test_what_the_default_profile_sets_is_set_here_too():
    everything = ["mem_mb=1000000000"]  # and no `gpu`: Slurm deals out both
    assert {key: SLURM.get(key) for key in DEFAULT} == DEFAULT | {"resources": everything}


def test_every_rule_that_computes_gets_more_memory_and_time_at_each_attempt():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    rules = set(re.findall(r"^ *rule (\w+):", text, re.M)) | set(re.findall(r"^ *use rule \w+ as (\w+)", text, re.M))
    assert "train" in rules
    assert rules == set(SLURM["set-resources"])
    for rule, resources in SLURM["set-resources"].items():
        for name in ("mem_mb", "runtime"):
            first, second = (eval(resources[name], {"attempt": attempt}) for attempt in (1, 2))
            assert second == 2 * first > 0, (rule, name)


def test_no_rule_asks_slurm_for_less_memory_than_it_says_it_needs():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    for rule in re.split(r"^ *(?=rule \w+:|use rule)", text, flags=re.M)[1:]:
        name = re.match(r"(?:use rule \w+ as|rule) (\w+)", rule)[1]
        needs = re.search(r"mem_mb=(\d+)", rule)
        assert not needs or eval(SLURM["set-resources"][name]["mem_mb"], {"attempt": 1}) >= int(needs[1]), name
