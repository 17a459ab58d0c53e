"""Templates: what they give, and what they are refused for."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rules.template import MAX_TEXT, NAMES, TemplateFault, compile_template
from rules.template_functions import HERE
from tests.rules.sounds import context

VARIABLES: dict[str, Any] = {
    "trigger": dict.fromkeys(NAMES["trigger"], "x") | {"score": 0.9312, "ended": None, "profile": "dog_bark"},
    "rule": {"id": "r1"},
    HERE: context(datetime(2026, 1, 2, 14, 5, tzinfo=UTC).timestamp()),
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{not a template}", "{not a template}"),
        ("{{ trigger.score }}", 0.9312),
        ("{{- trigger.score * 100 -}}{# a comment #}", 93.12),
        ("{{ trigger.score | round(1) }} by {{ rule.id }}\n", "0.9 by r1\n"),
        ("{{ trigger.profile | replace('_', ' ') | title }}", "Dog Bark"),
        ("{{ trigger.profile | tojson }}", '"dog_bark"'),
        ("{{ 'loud' if trigger.score > 0.5 else 'faint' }}", "loud"),
        ("{% if trigger.profile in ['siren'] %}S{% else %}-{% endif %}", "-"),
        ("{{ trigger.ended is none }}", True),
        ("{{ trigger.ended | default('still on', true) }}", "still on"),
        ("{{ trigger.stream ~ '/' ~ trigger.profile }}", "x/dog_bark"),
        ("{{ 7 % 4 }}", 3),
        ("{{ now().hour + 1 }}", 15),
        ("{{ now() }}", "2026-01-02T14:05:00+00:00"),
        ("at {{ now().minute }}", "at 5"),
        ("{% raw %}{{ untouched }}{% endraw %}", "{{ untouched }}"),
    ],
)
def test_a_template_gives_its_value(source: str, value: object) -> None:
    """One expression keeps its type; anything else is text."""
    template = compile_template(source)
    assert template.value(VARIABLES) == pytest.approx(value)
    assert template.text(VARIABLES) == str(template.value(VARIABLES))


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ trigger.scor }}", "unknown variable 'trigger.scor'; did you mean 'score'?"),
        ("{{ states('x') }}", "states() takes the id of an entity, such as 'light.desk'"),
        ("{{ states(trigger.id) }}", "states() takes the id of an entity, such as 'light.desk'"),
        ("{{ range(9) }}", "unknown function 'range'"),
        ("{{ trigger.score() }}", "no method is called 'score'"),
        ("{{ iif(*[1]) }}", "* and ** are not supported"),
        ("{{ now }}", "now is a function: write now(…)"),
        ("{{ now().microsecond }}", "unknown part of a moment: 'microsecond'; did you mean 'second'?"),
        ("{{ now(1) }}", "now() takes nothing"),
        ("{{ level }}", "unknown variable 'level'"),
        ("{{ trigger is callable }}", "no test is called 'callable'"),
        ("{{ trigger }}", "'trigger' alone is no value"),
        ("{{ trigger['id'] }}", "'trigger' alone is no value"),
        ("{{ trigger.id.__class__ }}", "nothing stands behind this dot, found .__class__"),
        ("{{ ''.__class__ }}", "nothing stands behind this dot, found .__class__"),
        ("{{ trigger.payload_json.__class__ }}", "nothing stands behind this dot, found .__class__"),
        ("{{ trigger.id.upper() }}", "no method is called 'upper'"),
        ("{% for i in [1, 2] %}x{% endfor %}", "loops are not supported"),
        ("{% set now = 1 %}", "'now' means something else"),
        ("{% set x, y = [1, 2] %}", "{% set %} takes one name"),
        ("{% set x %}long{% endset %}", "{% set %} blocks are not supported"),
        ("{% macro m() %}{% endmacro %}", "constructs of the kind Macro are not supported"),
        ("{% include 'secrets' %}", "imports are not supported"),
        ("{{ 9 ** 9 ** 9 }}", "powers are not supported"),
        ("{{ 'x' | center(1000000000) }}", "no filter is called 'center'"),
        ("{{ trigger.id", "not a valid template: unexpected end of template"),
        ("{% if %}", "not a valid template"),
        ("{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}", "nested 40 deep"),
        ("{{ " + "-" * 200 + "1 }}", "nested 40 deep"),
        ("x" * 5000, "at most 4096 characters"),
    ],
)
def test_what_a_template_may_not_hold_is_refused_when_it_is_read(source: str, why: str) -> None:
    """Typing errors and everything that could take long or reach further than the event."""
    with pytest.raises(TemplateFault) as caught:
        compile_template(source)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ trigger.ended + 1 }}", "unsupported operand"),
        ("{{ 'x' * 1000000000 }}", "* takes numbers"),
        ("{{ '%1000000000d' % 1 }}", "% takes numbers"),
        ("{{ 1 if trigger.score > 3 }}", "for want of an else"),
        ("{{ (1e308 * 10) | tojson }}", "JSON"),
        (
            "{{ 'x' | replace('', 'yyyyyyyyyyyyyyyyyyyyyyyy')" + " | replace('y', 'yyyyyyyyy')" * 9 + " }}",
            "longer",
        ),
        ("{{ 1 | round('x') }}", "str"),
    ],
)
def test_a_template_that_fails_says_so(source: str, why: str) -> None:
    """With its source, for the log; no other exception comes out."""
    with pytest.raises(TemplateFault) as caught:
        compile_template(source).text(VARIABLES)
    assert why in str(caught.value)


def test_the_text_of_a_template_is_bounded() -> None:
    """Neither a short template nor a long value fills a message without end."""
    variables = VARIABLES | {"rule": {"id": "x" * (MAX_TEXT // 2)}}
    assert len(compile_template("{{ rule.id ~ rule.id }}").text(variables)) == MAX_TEXT
    for source in ("{{ rule.id ~ rule.id ~ 'x' }}", "{{ rule.id }}{{ rule.id }}x"):
        with pytest.raises(TemplateFault, match="longer than"):
            compile_template(source).text(variables)


def test_templates_are_equal_when_their_sources_are() -> None:
    """So that rules can be compared."""
    assert compile_template("{{ rule.id }}") == compile_template("{{ rule.id }}")
    assert compile_template("{{ rule.id }}") != compile_template("{{rule.id}}")


def test_variables_of_the_rule_are_named_plainly() -> None:
    """They are values, and nothing stands behind them."""
    known = frozenset({"level"})
    assert compile_template("{{ level + 1 }}", known).value({"level": 2}) == 3
    assert compile_template("{{ level.x[0] }}", known).value({"level": {"x": [3]}}) == 3
    with pytest.raises(TemplateFault, match="has no value"):
        compile_template("{{ level.real }}", known).value({"level": 2})
    with pytest.raises(TemplateFault, match="did you mean 'level'"):
        compile_template("{{ lvel }}", known)
    with pytest.raises(TemplateFault, match="not set yet"):
        compile_template("{{ level }}", known).value({})


# --- what Home Assistant's users expect -------------------------------------------------------------------

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ '3.5' | float }}", 3.5),
        ("{{ 'x' | float(0) }}", 0),
        ("{{ float('7') + int('3') }}", 10),
        ("{{ '8.9' | int }}", 8),
        ("{{ 'x' | int(default=-1) }}", -1),
        ("{{ 3.456 | round(2) }}", 3.46),
        ("{{ 3.7 | round }}", 4),
        ("{{ 3.7 | round(0, 'floor') }}", 3),
        ("{{ 3.2 | round(0, 'ceil') }}", 4),
        ("{{ 3.3 | round(0, 'half') }}", 3.5),
        ("{{ 'x' | round(1, default=0) }}", 0),
        ("{{ true | iif('a', 'b') }}", "a"),
        ("{{ iif(none, 'a', 'b', 'c') }}", "c"),
        ("{{ '[1, 2]' | from_json }}", [1, 2]),
        ("{{ [1, 2] | to_json }}", "[1, 2]"),
        ("{{ ['a', 'b'] | join('-') }}", "a-b"),
        ("{{ [3, 1] | max }}{{ min(4, 2) }}", "32"),
        ("{{ 0 | timestamp_custom('%Y-%m-%d %H:%M') }}", "1970-01-01 01:00"),
        ("{{ 0 | timestamp_custom('%H', false) }}", "00"),
        ("{{ 0 | timestamp_local }}", "1970-01-01T01:00:00+0100"),
        ("{{ 0 | timestamp_utc }}", "1970-01-01T00:00:00+00:00"),
        ("{{ 'x' | timestamp_custom('%H', true, 'never') }}", "never"),
        ("{{ now() }}", "2026-03-04T06:06:07+01:00"),
        ("{{ utcnow().hour }}", 5),
        ("{{ now().strftime('%d.%m.') }}", "04.03."),
        ("{{ now().weekday() }}", 2),
        ("{{ now().isoformat() }}", "2026-03-04T06:06:07+01:00"),
        ("{{ (now() - timedelta(hours=7)).day }}", 3),
        ("{{ now() > today_at('06:00') }}", True),
        ("{{ (now() - today_at('06:00')).total_seconds() }}", 367.0),
        ("{{ as_timestamp(trigger.started) == as_timestamp(now()) }}", True),
        ("{{ as_datetime(trigger.started) <= now() }}", True),
        ("{{ as_timestamp('x', 3) }}", 3),
        ("{% set x = 3 %}{% set y = x * 2 %}{{ y }}", "6"),
        ("{{ 'abcdef'[1:3] }}{{ [1, 2][0] }}", "bc1"),
        ("{{ {'a': 1}['a'] if false else 'x' }}", None),
    ],
)
def test_filters_and_functions_of_home_assistant(source: str, value: object) -> None:
    """Those that make sense for sounds, in the owner's time zone."""
    names = context(AT, zone=ZoneInfo("Europe/Berlin")).names
    if value is None:
        with pytest.raises(TemplateFault, match="kind Dict"):
            compile_template(source)
        return
    assert compile_template(source).value(names) == value


LONG = "x" * 16_000
GREEDY = [
    "{{ " + "~".join(["big"] * 200) + " }}",
    "{{ big }}" * 200,
    "{{ many }}" * 200,
    "{{ " + " * ".join(["9" * 300] * 12) + " }}",
    "{{ " + "+".join(["big"] * 30) + " }}",
    "{{ [" + ",".join(["many | sum"] * 90) + "] | length }}",
    "{{ [" + ",".join(["big | title | upper | trim"] * 60) + "] | length }}",
    "{{ [" + ",".join(["many | join(big)"] * 60) + "] | length }}",
    "{{ big | replace('x', big) }}",
    "{{ now().strftime('" + "%9999999d" * 400 + "') }}",
    "{{ 1 | round(-99999999) }}",
    "{{ 'x' | truncate(99999999999) }}",
    "{{ ((((9 * 99999999999999999999) * 99999999999999999999) * 9) ** 2) }}",
    "{{ big in many }}" * 100,
    "{% set a = big ~ '' %}" * 50 + "{% set b = a ~ a %}{{ b }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ trigger.payload_json.__class__.__mro__ }}",
    "{{ many.append(1) }}",
    "{{ now.__globals__ }}",
    "{{ self }}",
    "{{ cycler('a') }}",
    "{{ lipsum(n=100000) }}",
    "{% for a in many %}{% for b in many %}{{ a * b }}{% endfor %}{% endfor %}",
    "{% import 'os' as os %}",
    "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{{ 'x'.__class__.__base__.__subclasses__() }}",
    "{{ many | map('upper') | list }}",
    "{{ (1,) * 999999999 }}",
    "{{ '{0.__class__}'.format(trigger) }}",
]


@pytest.mark.parametrize("source", GREEDY, ids=range(len(GREEDY)))
def test_greedy_templates_are_refused_or_stopped(source: str) -> None:
    """Loops, allocations, attributes, imports: within a tenth of a second, compiling included."""
    variables = frozenset({"big", "many"})
    names = {**context(AT).names, "big": LONG, "many": list(range(3_000))}
    began_s = time.process_time()
    try:
        value = compile_template(source, variables).value(names)
    except TemplateFault:
        value = ""
    assert time.process_time() - began_s < 0.1
    assert len(str(value)) <= MAX_TEXT
