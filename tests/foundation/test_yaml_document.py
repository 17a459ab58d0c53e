"""YAML with positions: what is read, what is refused, and where the finger points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from foundation.errors import ConfigError, Problem
from foundation.wording import describe
from foundation.yaml_document import MAX_BYTES, YamlDocument, read_yaml, suggest, validate
from foundation.yaml_reader import MAX_DEPTH


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileSource(Strict):
    source: Literal["file"]
    file: str
    loop: bool = False


class PipeSource(Strict):
    source: Literal["pipe"]
    rate_hz: int = Field(gt=0, description="samples per second")


Source = Annotated[FileSource | PipeSource, Field(discriminator="source")]


class Settings(Strict):
    node: str = "hub"
    streams: dict[Annotated[str, Field(pattern="^[a-z]+$")], Source] = {}
    stock: bool | list[str] = True
    level: Literal["info", "debug"] = "info"
    backup: PipeSource | None = None
    pair: tuple[int, str] = (1, "")
    folders: list[Path] = []

    @field_validator("node")
    @classmethod
    def _short(cls, node: str) -> str:
        if len(node) > 20:
            raise ValueError("a node's name has at most 20 characters")
        return node


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "heard.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, text: str | bytes) -> YamlDocument:
    return read_yaml(written(folder, text), error=ConfigError)


def refused(folder: Path, text: str | bytes) -> Problem:
    """Return the one problem that reading `text` gives."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    (problem,) = caught.value.problems
    return problem


def faults(folder: Path, text: str) -> list[tuple[int, int, str]]:
    """Return place and message of everything that validating `text` as Settings gives."""
    with pytest.raises(ConfigError) as caught:
        validate(read(folder, text), Settings, error=ConfigError)
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written_as", "value"),
    [
        ("'off'", "off"),
        ("off", False),
        ("Yes", True),
        ("22:00:00", "22:00:00"),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("010", "010"),
        ("-007", "-007"),
        ("2_000_000", 2_000_000),
        ("0x1F", 31),
        ("-3", -3),
        ("0", 0),
        ("1.50", 1.5),
        ("1e3", "1e3"),
        ("1.0e+3", 1000.0),
        ("yES", "yES"),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("1.0e+999", "1.0e+999"),
        ("0x_", "0x_"),
        (".", "."),
        ("", None),
        ("~", None),
        ("9" * 400, "9" * 400),
        ('""', ""),
        ("! 5", "5"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_mean_what_an_owner_expects(tmp_path: Path, written_as: str, value: object) -> None:
    """The dialect is fixed: clocks, dates and leading zeros are text, unquoted on and off are booleans."""
    assert read(tmp_path, f"a: {written_as}").data == {"a": value}


def test_keys_are_text_as_written(tmp_path: Path) -> None:
    """A stream named `on` or `1` keeps its name."""
    assert read(tmp_path, "on: 1\n1: 2\n~: 3").data == {"on": 1, "1": 2, "~": 3}


def test_an_empty_file_is_nothing(tmp_path: Path) -> None:
    """A file of comments holds no data, and a model of defaults accepts it."""
    document = read(tmp_path, "# nothing yet\n")
    assert document.data is None
    assert validate(document, Settings, error=ConfigError) == Settings()


def test_a_byte_order_mark_and_carriage_returns_do_not_move_places(tmp_path: Path) -> None:
    """Files from Windows read the same, and columns still count from the first letter."""
    document = read(tmp_path, b"\xef\xbb\xbfa: 1\r\nb:\r\n  - x\r\n")
    assert document.data == {"a": 1, "b": ["x"]}
    assert document.position(("a",), key=True) == (1, 1)
    assert document.position(("b", 0)) == (3, 5)


def test_positions_point_at_values_keys_and_nearest_parents(tmp_path: Path) -> None:
    """A value, its key, and for what is not there the closest thing above it."""
    document = read(tmp_path, "top:\n  - name: ä, ü\n    size: {w: 3}\n")
    assert document.position(("top", 0, "size", "w")) == (3, 15)
    assert document.position(("top", 0, "size"), key=True) == (3, 5)
    assert document.position(("top", 0, "name", "nope", 7)) == (2, 11)
    assert document.position(("other",)) == (1, 1)


def test_aliases_are_read(tmp_path: Path) -> None:
    """An alias stands for its anchor's value, at the alias's own place."""
    document = read(tmp_path, "a: &common {x: [1]}\nb: *common\n")
    assert document.data == {"a": {"x": [1]}, "b": {"x": [1]}}
    assert document.position(("b", "x", 0)) == (2, 4)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key 'a' stands twice, first on line 1"),
        ("a: !secret x", 1, 4, "tags are not supported, found !secret"),
        ("<<: {a: 1}", 1, 1, "merge keys (<<) are not supported: write the keys out"),
        ("? [a]\n: 1", 1, 3, "expected a key that is text, found a list or mapping"),
        ("a: &x 1\n*x : 2", 2, 1, "expected a key that is text, found an alias"),
        ("a: 1\n---\nb: 2\n", 2, 1, "expected one YAML document, found a second one"),
        ("a: &a [*a]", 1, 8, "the alias *a names no complete anchor before it"),
        ("a: [1,\n b: 2\n", 2, 6, "that begins on line 1"),
        ("a: 'x\n", 1, 6, "this is not valid YAML"),
        ("\ta: 1", 1, 1, "this is not valid YAML"),
        ("a: b: c", 1, 5, "this is not valid YAML"),
        ("x: y\na: \x01", 2, 4, "the character U+0001 is not allowed in YAML"),
        (b"x: y\na: \xff", 2, 4, "expected text in UTF-8, found the byte 0xff"),
        ("[" * 100_000, 1, MAX_DEPTH + 1, "nested more than 64 deep"),
    ],
)
def test_bad_yaml_is_refused_at_its_place(
    tmp_path: Path, text: str | bytes, line: int, column: int, message: str
) -> None:
    """Every fault names line and column."""
    problem = refused(tmp_path, text)
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


def test_aliases_that_explode_are_refused(tmp_path: Path) -> None:
    """Nine lines that stand for a thousand million values end at the bound."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    problem = refused(tmp_path, "\n".join(rows))
    assert problem.line == 6
    assert "more than 250000 values" in problem.message


def test_aliases_do_not_nest_past_the_bound(tmp_path: Path) -> None:
    """Depth is counted through aliases: nothing that walks the data can run out of stack."""
    half = MAX_DEPTH // 2
    rows = [f"a: &a {'[' * half}{']' * half}", f"b: {'[' * half}*a{']' * half}"]
    assert "nested" in refused(tmp_path, "\n".join(rows)).message


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder, a device and a huge file each get words of their own."""
    cases = {tmp_path / "none.yaml": "no such file", tmp_path: "folder", Path("/dev/null"): "regular file"}
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * (MAX_BYTES + 1))
    cases |= {huge: "larger than 1000 kB", Path("nul\0name"): "cannot be read"}
    for path, message in cases.items():
        with pytest.raises(ConfigError, match=message) as caught:
            read_yaml(path, error=ConfigError)
        assert caught.value.problems[0].file == path


def test_secrets_and_control_characters_do_not_reach_the_message(tmp_path: Path) -> None:
    """The line shown beside a fault hides passwords, and cannot steer a terminal."""
    masked = refused(tmp_path, "mqtt: {Password: hunter2, x: [")
    assert "hunter2" not in str(masked)
    document = read(tmp_path, 'password: 12345\ntitle: "a\x85b"\n')
    assert "12345" not in document.problem(("password",), "no").source_line
    assert all(c.isprintable() for c in document.problem(("title",), "no").source_line)


@settings(deadline=None)  # the machine may be busy with other work
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """Nothing else comes out, whatever the file holds."""
    path = tmp_path_factory.getbasetemp() / "random.yaml"
    path.write_bytes(raw)
    try:
        document = read_yaml(path, error=ConfigError)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either outcome is fine
    else:
        assert document.path == path


@settings(deadline=None)  # the machine may be busy with other work
@given(text=st.text(alphabet=" \n\t-:?[]{},&*!|>'\"%@`#ab01<~.", max_size=60))
def test_any_punctuation_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """YAML's own signs in any order crash nothing, and every place named is in the file."""
    path = tmp_path_factory.getbasetemp() / "signs.yaml"
    path.write_text(text)
    try:
        read_yaml(path, error=ConfigError)
    except ConfigError as error:
        for problem in error.problems:
            assert 1 <= problem.line <= text.count("\n") + 1


_PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="ascii"), max_size=9),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text("abc", min_size=1), children, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(data=_PLAIN)
def test_what_pyyaml_writes_reads_back_as_itself(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    """Files written by a program with `safe_dump` keep their texts and numbers, whatever they look like."""
    path = tmp_path_factory.getbasetemp() / "dumped.yaml"
    path.write_text(yaml.safe_dump(data))
    assert read_yaml(path, error=ConfigError).data == data


@settings(deadline=None)
@given(data=_PLAIN)
def test_json_reads_back_as_itself(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    """JSON is YAML: what a program wrote is read as it was meant."""
    path = tmp_path_factory.getbasetemp() / "plain.yaml"
    path.write_text(json.dumps(data))
    assert read_yaml(path, error=ConfigError).data == data


def test_every_fault_of_a_model_is_found_at_its_place(tmp_path: Path) -> None:
    """Union tags in pydantic's locations do not lead astray, not even where a key has a tag's name."""
    text = """\
streams:
  A: {source: file, fil: 1}
  porch:
    source: pipe
    rate_hz: -1
  yard: {source: pip}
  hall: {}
  cabin: 5
  attic: {source: file, file: 7, loop: maybe}
stock: [glass, 3]
level: debag
backup: {source: pipe, rat_hz: 3}
pair: [1]
folders: [3]
nod: x
"""
    assert faults(tmp_path, text) == [
        (2, 3, "expected text that matches pattern '^[a-z]+$', found 'A'"),
        (2, 6, "'file' is missing"),
        (2, 21, "unknown key 'fil'; did you mean 'file'?"),
        (5, 14, "expected a number greater than 0, found the number -1"),
        (6, 18, "unknown source 'pip'; did you mean 'pipe'?"),
        (7, 9, "'source' is missing: one of 'file', 'pipe'"),
        (8, 10, "expected a mapping, found the number 5"),
        (9, 31, "expected text, found the number 7 (put it in quotes)"),
        (9, 40, "expected true or false, found 'maybe'"),
        (10, 16, "expected text, found the number 3 (put it in quotes)"),
        (11, 8, "expected 'info' or 'debug', found 'debag'; did you mean 'debug'?"),
        (12, 9, "'rate_hz' is missing: samples per second"),
        (12, 24, "unknown key 'rat_hz'; did you mean 'rate_hz'?"),
        (13, 7, "item 2 of the list is missing"),
        (14, 11, "expected a path, found the number 3"),
        (15, 1, "unknown key 'nod'; did you mean 'node'?"),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- a\n", (1, 1, "expected a mapping, found a list")),
        ("just words\n", (1, 1, "expected a mapping, found 'just words'")),
        ("stock: {}\n", (1, 8, "expected true or false or a list, found an empty mapping")),
        ("node: no\n", (1, 7, "expected text, found the boolean false (YAML reads an unquoted on, off, yes")),
        ("node: aaaaaaaaaaaaaaaaaaaaaaaaaa\n", (1, 7, "a node's name has at most 20 characters")),
        (
            "zebra: 1\n",
            (1, 1, "unknown key 'zebra'; known are backup, folders, level, node, pair, stock, streams"),
        ),
    ],
)
def test_a_fault_says_what_was_found_and_expected(
    tmp_path: Path, text: str, fault: tuple[int, int, str]
) -> None:
    """The words are the owner's, not pydantic's."""
    ((line, column, message),) = faults(tmp_path, text)
    assert (line, column) == fault[:2]
    assert message.startswith(fault[2])


def test_the_message_shows_the_line_with_a_caret(tmp_path: Path) -> None:
    """File, line, column, words, the source line and a caret under the place."""
    with pytest.raises(ConfigError) as caught:
        validate(read(tmp_path, "streams:\n  a: {source: pipe}\n"), Settings, error=ConfigError)
    path = tmp_path / "heard.yaml"
    assert str(caught.value) == (
        f"{path}:2:6: 'rate_hz' is missing: samples per second\n      a: {{source: pipe}}\n         ^"
    )


def test_suggest_finds_the_name_that_was_meant() -> None:
    """Close names are found whatever their case; distant ones are not."""
    assert suggest("Glas_breaking", ["glass_breaking", "siren"]) == "glass_breaking"
    assert suggest("zebra", ["glass_breaking", "siren"]) is None


def test_values_are_described_in_the_owners_words() -> None:
    """Python's names for types do not appear."""
    assert [describe(value) for value in (None, True, 3, 1.5, "x", [], [1], {}, {"a": 1})] == [
        "nothing",
        "the boolean true",
        "the number 3",
        "the number 1.5",
        "'x'",
        "an empty list",
        "a list",
        "an empty mapping",
        "a mapping",
    ]
    assert len(describe("x" * 1000)) < 70
