"""Rule files: what they mean, and how they are refused."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.types import Phase
from foundation.errors import RuleError
from rules.loader import load_rules, read_rules
from rules.model import CallAction, Delay, PublishMqtt, Rule, SaveClip, SoundTrigger, TimeCondition
from rules.template import compile_template as compiled
from rules.trial import run_trial
from tests.rules.hearing import deaf
from tests.rules.strategies import PROFILES, RULES, STREAMS
from tests.rules.written import dumped

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "rules"
WORDS = "delay, if, choose, repeat, parallel, sequence, stop, variables, condition, and, or, not"

HEAD = """\
- id: a
  triggers: [{trigger: sound, profile: siren}]
  actions: [{action: heard.save_clip}]
"""


def load(folder: Path, text: str) -> tuple[Rule, ...]:
    path = folder / "rules.yaml"
    path.write_text(text)
    return load_rules(path, PROFILES, STREAMS)


def faults(folder: Path, text: str) -> list[tuple[int, int, str]]:
    """Return place and message of everything wrong with `text`."""
    with pytest.raises(RuleError) as caught:
        load(folder, text)
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


def test_the_documented_examples_mean_what_they_say() -> None:
    """Key by key, for four of the files that users start from."""
    names = ("glass_at_night", "siren_light", "double_snap_lights", "appliance_log")
    files = (EXAMPLES / f"{name}.yaml" for name in names)
    rules = {rule.id: rule for file in files for rule in load_rules(file, PROFILES, STREAMS)}
    assert list(rules) == list(names)
    glass = rules["glass_at_night"]
    assert glass.triggers == (
        SoundTrigger(profiles=("glass_breaking",), streams=("kitchen", "hall"), above=0.8),
    )
    assert glass.conditions == (TimeCondition(after=time(22), before=time(6)),)
    assert glass.cooldown_s == 60
    assert [type(action) for action in glass.actions] == [SaveClip, PublishMqtt]
    siren = rules["siren_light"]
    assert siren.triggers == (SoundTrigger(profiles=("siren",), for_s=10.0),)
    assert siren.conditions == (TimeCondition(weekdays=frozenset(range(5))),)
    assert siren.actions[1] == Delay(delay_s=30)
    snaps = rules["double_snap_lights"]
    assert snaps.triggers == (
        SoundTrigger(profiles=("finger_snap",), streams=("desk",), count=2, within_s=1.0),
    )
    assert snaps.actions == (CallAction(name="light.toggle", target={"entity_id": compiled("light.desk")}),)
    assert rules["appliance_log"].triggers == (
        SoundTrigger(profiles=("vacuum_cleaner", "engine"), phase=Phase.ENDED, for_s=300.0),
    )


def test_every_yaml_block_of_the_documentation_loads(tmp_path: Path) -> None:
    """What docs/rules.md shows as a whole rule can be pasted into a file."""
    page = (EXAMPLES.parents[1] / "rules.md").read_text()
    blocks = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    whole = [block for block in blocks if block.startswith(("- id:", "rules:"))]
    assert len(whole) >= 2
    for block in whole:
        path = tmp_path / "block.yaml"
        path.write_text(block)
        found = read_rules(path)
        assert found.rules
        assert [run_trial(trial, deaf) for trial in found.trials] == [[] for _ in found.trials]


def test_singular_and_plural_keys_mean_the_same(tmp_path: Path) -> None:
    """Home Assistant users write either."""
    plural = """\
- id: a
  triggers: [{trigger: sound, profiles: [siren], streams: [desk]}]
  conditions: [{condition: time, weekdays: [sat]}]
  actions: [{action: heard.save_clip}]
"""
    singular = """\
- id: a
  trigger: {trigger: sound, profile: siren, stream: desk}
  condition: {condition: time, weekday: sat}
  action: {action: heard.save_clip}
"""
    assert load(tmp_path, plural) == load(tmp_path, singular)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ('"00:00:30"', 30),
        ("00:01:30", 90),
        ('"01:30"', 5400),
        ('"00:00:00.25"', 0.25),
        ("2.5", 2.5),
        ("0", 0),
        ("{minutes: 1, milliseconds: 500}", 60.5),
    ],
)
def test_durations_are_read_in_every_form(tmp_path: Path, written: str, seconds: float) -> None:
    """Clock, number of seconds, and units."""
    (rule,) = load(tmp_path, f"{HEAD}  cooldown: {written}\n")
    assert rule.cooldown_s == seconds


def test_names_are_not_checked_where_none_are_given(tmp_path: Path) -> None:
    """Without knowing what there is, a rule may name anything."""
    path = tmp_path / "rules.yaml"
    path.write_text("- {id: a, trigger: {trigger: sound, profile: x, stream: y}, action: {delay: 1}}")
    assert load_rules(path)[0].triggers == (SoundTrigger(profiles=("x",), streams=("y",)),)


def test_all_faults_of_a_file_are_reported_at_their_places(tmp_path: Path) -> None:
    """One run of the check is enough to mend a file."""
    text = """\
- id: glass_alarm
  triggers:
    - trigger: sound
      profile: glass_breakin
      stream: [kitchen, hal]
      above: 80
      fro: 3
    - {trigger: sound, profile: [siren, tag:alarm], count: 2}
    - {trigger: sound, profile: siren, within: 3, phase: begun}
    - {trigger: mqtt, topic: a/#/b, payload: on}
    - {platform: sound}
    - {profile: siren}
    - glass
  conditions:
    - {condition: time, after: "22:00:00", before: "25:00"}
    - {condition: time, weekday: [mon, frl]}
    - {condition: time}
    - {condition: time, after: "06:00", before: "06:00:00"}
    - {condition: state, entity_id: Media Player.tv, state: off}
    - {condition: tiem}
  cooldown: -1
  mode: sngle
  enabled: "yes"
  actions:
    - action: heard.save_clip
      data: {x: 1}
    - action: mqtt.publish
      data: {topic: home/#, payload: {stream: "{{ trigger.steam }}"}, qos: 3, retane: true}
    - action: mqtt.publish
      topic: x
    - action: mqtt.publish
      data: {topic: a, payload: ON}
    - action: notify phone
    - action: mqtt.publsh
    - action: delay
    - wait_template: x
    - dealy: 3
    - delay: "1"
    - service: x
    - heard.save_clip
"""
    assert faults(tmp_path, text) == [
        (7, 7, "unknown key 'fro'; did you mean 'for'?"),
        (8, 53, "'count' needs 'within': how close together the sounds must be"),
        (9, 40, "'within' needs 'count': how many sounds there must be, 2 or more"),
        (9, 58, "unknown phase 'begun'; known are ended, started"),
        (10, 30, "+ stands for one whole level of a topic, # for all that are left, at the end only"),
        (
            10,
            46,
            (
                "expected text, found the boolean true (YAML reads an unquoted on, off, yes or no "
                "as a boolean: put the word in quotes)"
            ),
        ),
        (11, 8, "unknown key 'platform'; did you mean 'trigger'?"),
        (12, 7, "'trigger' is missing: supported: sound, sequence, silence, mqtt, state, time, time_pattern"),
        (13, 7, "expected a mapping such as {trigger: sound, …}, found 'glass'"),
        (15, 52, "expected a time of day such as \"22:00:00\", found '25:00'"),
        (16, 40, "unknown weekday 'frl'; did you mean 'fri'?"),
        (17, 7, "the condition 'time' needs 'after', 'before' or 'weekday'"),
        (18, 49, "'after' and 'before' are the same time: the condition would say nothing"),
        (
            19,
            37,
            (
                "expected the id of an entity such as 'light.desk', found 'Media Player.tv'; did "
                "you mean 'media_player.tv'?"
            ),
        ),
        (
            19,
            61,
            'a state is text: YAML reads this word as a boolean, put "off" or "false" or "no" in quotes',
        ),
        (20, 19, "unknown condition 'tiem'; did you mean 'time'?"),
        (21, 13, "expected a duration from nothing to 7 days, found the number -1"),
        (22, 9, "unknown mode 'sngle'; did you mean 'single'?"),
        (23, 12, "expected true or false, found 'yes'"),
        (26, 7, "heard.save_clip takes no data"),
        (28, 21, "a topic to publish to has no wildcards (+ or #)"),
        (28, 47, "unknown variable 'trigger.steam'; did you mean 'stream'?"),
        (28, 76, "expected a whole number from 0 to 2, found the number 3"),
        (28, 79, "unknown key 'retane'; did you mean 'retain'?"),
        (29, 7, "'data' is missing: mqtt.publish needs 'topic', where to publish"),
        (30, 7, "'topic' belongs under 'data'"),
        (
            32,
            33,
            (
                "expected text, found the boolean true (YAML reads an unquoted on, off, yes or no "
                "as a boolean: put the word in quotes)"
            ),
        ),
        (
            33,
            15,
            (
                "unknown action 'notify phone'; known are command.run, heard.describe, "
                "heard.emit, heard.save_clip, mqtt.publish, webhook.post"
            ),
        ),
        (34, 15, "unknown action 'mqtt.publsh'; did you mean 'mqtt.publish'?"),
        (35, 15, 'a delay is written on its own: - delay: "00:00:30"'),
        (36, 7, "'wait_template' is not supported yet; supported: action, " + WORDS),
        (
            37,
            7,
            (
                "'action' is missing: supported are heard.save_clip, heard.describe, heard.emit, "
                "mqtt.publish, webhook.post, command.run, any action of Home Assistant "
                "(light.turn_on) and "
            )
            + WORDS
            + "; did you mean 'delay'?",
        ),
        (38, 14, "expected a duration such as \"00:00:30\", 30 (seconds) or {minutes: 5}, found '1'"),
        (39, 7, "unknown key 'service'; did you mean 'action'?"),
        (40, 7, "expected an action such as {action: heard.save_clip}, found 'heard.save_clip'"),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- {}", (1, 3, "'actions' is missing: every rule needs what follows")),
        ("- 3", (1, 3, "expected a mapping with id, alias")),
        ("glass", (1, 1, "expected a list of rules, found 'glass'")),
        ("rules: {a: 1}", (1, 8, "expected a list of rules, found a mapping")),
        ("id: a\ntriggers: []", (1, 1, "expected a list of rules, found one: begin it with '- id:'")),
        ("automations: []", (1, 1, "expected a list of rules, or a mapping with 'rules'")),
        ("- id: 7\n" + HEAD[8:], (1, 7, "expected text, found the number 7 (put it in quotes)")),
        ("- id: ' '\n" + HEAD[8:], (1, 7, "expected text, found nothing in the quotes")),
        ('- id: "a\\nb"\n' + HEAD[8:], (1, 7, "expected a name of at most 100 printable characters")),
        (HEAD + "  action: []\n", (4, 3, "'actions' and 'action' mean the same: keep one of them")),
        (HEAD + "  condition: [{condition: time, after: 6}]\n", (4, 40, "expected a time of day such as")),
        (HEAD + "  cooldown: {minute: 5}\n", (4, 14, "unknown key 'minute'; did you mean 'minutes'?")),
        (HEAD + "  cooldown: {}\n", (4, 13, "expected a duration such as {minutes: 5}, found an empty")),
        (HEAD + "  cooldown: .inf\n", (4, 13, "expected a duration from nothing to 7 days")),
        (HEAD + "  cooldown: '999999:00'\n", (4, 13, "expected a duration from nothing to 7 days")),
        (HEAD + "  alias: off\n", (4, 10, "expected text, found the boolean false")),
    ],
)
def test_a_file_that_is_not_rules_is_refused(tmp_path: Path, text: str, fault: tuple[int, int, str]) -> None:
    """The first fault says what was expected in place of what was found."""
    line, column, message = faults(tmp_path, text)[0]
    assert (line, column) == fault[:2]
    assert message.startswith(fault[2])


def test_a_rule_without_triggers_or_actions_is_refused(tmp_path: Path) -> None:
    """It could never do anything, which is never what was meant."""
    messages = [message for _, _, message in faults(tmp_path, "- {id: a, triggers: [], actions: null}")]
    assert messages == [
        "expected at least one trigger, found an empty list",
        "expected at least one action, found nothing",
    ]


def test_an_empty_file_and_an_empty_folder_hold_no_rules(tmp_path: Path) -> None:
    """Both are allowed: an owner may begin with nothing."""
    assert load(tmp_path, "# none yet\n") == ()
    assert load(tmp_path, "rules:\n") == ()
    (tmp_path / "empty").mkdir()
    assert load_rules(tmp_path / "empty") == ()


def test_a_folder_is_read_in_order_and_whole(tmp_path: Path) -> None:
    """Files by name; hidden and other files are not rules."""
    (tmp_path / "b.yaml").write_text(HEAD.replace("id: a", "id: second"))
    (tmp_path / "a.yml").write_text(HEAD.replace("id: a", "id: first"))
    (tmp_path / ".#b.yaml").write_text("not: rules")
    (tmp_path / "README.md").write_text("not rules")
    assert [rule.id for rule in load_rules(tmp_path)] == ["first", "second"]


def test_the_faults_of_all_files_come_together(tmp_path: Path) -> None:
    """A file that is no YAML does not hide what is wrong with the next, nor an id used twice."""
    (tmp_path / "a.yaml").write_text("- id: [")
    (tmp_path / "b.yaml").write_text(HEAD)
    (tmp_path / "c.yaml").write_text(f"# twice\n{HEAD}  mode: x\n")
    with pytest.raises(RuleError) as caught:
        load_rules(tmp_path)
    places = [(problem.file.name, problem.line, problem.column) for problem in caught.value.problems]
    assert places == [("a.yaml", 1, 8), ("c.yaml", 2, 7), ("c.yaml", 5, 9)]
    assert f"first in {tmp_path / 'b.yaml'}:1" in caught.value.problems[1].message


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    """With the path in the message."""
    with pytest.raises(RuleError, match=r"none\.d: there is no such file"):
        load_rules(tmp_path / "none.d")


# --- properties -------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(rules=RULES)
def test_a_rule_written_down_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, rules: list[Rule]
) -> None:
    """Whatever a rule holds, YAML and back gives an equal one."""
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    path.write_text(yaml.safe_dump([dumped(rule) for rule in rules], allow_unicode=True), "utf-8")
    assert load_rules(path, PROFILES, STREAMS) == tuple(rules)


_SEEDS = [path.read_text() for path in sorted(EXAMPLES.glob("*.yaml"))]
_DAMAGE = st.tuples(
    st.integers(0, max(map(len, _SEEDS))),
    st.integers(0, 12),
    st.text(st.sampled_from("{}[]:-#&*!|>'\"%\n\t x0é\0"), max_size=4),
)


def load_or_refuse(path: Path) -> None:
    """Read a file; whatever is wrong with it must come with its place."""
    try:
        assert isinstance(load_rules(path, PROFILES, STREAMS), tuple)
    except RuleError as error:
        places = [(problem.file, problem.line >= 1) for problem in error.problems]
        assert set(places) == {(path, True)}


@settings(deadline=None)
@given(seed=st.sampled_from(_SEEDS), damage=st.lists(_DAMAGE, max_size=4))
def test_a_damaged_file_loads_or_is_refused_at_a_place(
    tmp_path_factory: pytest.TempPathFactory, seed: str, damage: list[tuple[int, int, str]]
) -> None:
    """Pieces cut out and others put in: rules or a RuleError, and nothing else."""
    text = seed
    for at, length, inserted in damage:
        text = text[:at] + inserted + text[at + length :]
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_text(text, "utf-8")
    load_or_refuse(path)


@settings(deadline=None)
@given(content=st.binary(max_size=300) | st.binary(max_size=40).map(lambda some: b"- {id: " + some + b"}"))
def test_random_bytes_load_or_are_refused_at_a_place(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """A file of nothing but comments holds no rules; everything else is refused."""
    path = tmp_path_factory.getbasetemp() / "random.yaml"
    path.write_bytes(content)
    load_or_refuse(path)


_KEYS = [
    "id",
    "trigger",
    "triggers",
    "condition",
    "action",
    "actions",
    "data",
    "topic",
    "payload",
    "delay",
    "profile",
    "stream",
    "above",
    "for",
    "count",
    "within",
    "after",
    "weekday",
    "rules",
    "cooldown",
]
_SOME_YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("sound"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(deadline=None)
@given(data=_SOME_YAML)
def test_known_words_in_any_shape_load_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: object
) -> None:
    """Values of every type in every place: rules or a RuleError, and nothing else."""
    path = tmp_path_factory.getbasetemp() / "shapes.yaml"
    path.write_text(yaml.safe_dump([data]), "utf-8")
    try:
        load_rules(path, PROFILES, STREAMS)
    except RuleError as error:
        assert error.problems  # noqa: PT017 - either outcome is fine
