"""Variables: types, unknown names, files, environment, the lab, and what is kept secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from chaoslab.core.errors import BadFile, BadUsage, Refused
from chaoslab.engine import labvalues
from chaoslab.engine.variables import given_of, resolve
from chaoslab.runtime.secrets import Secrets

DECLARED: dict[str, Any] = {"source": "here", "rows": 10, "share": 0.5, "strict": True, "names": ["a"], "none": None}


def configured(*pairs: str, declared: dict[str, Any] = DECLARED, files: list[Path] | None = None) -> dict[str, Any]:
    """Return the configuration under some `--var`."""
    return dict(resolve(declared, given_of(pairs, files or [])).configuration)


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("source=postgresql://u:p@h/db?a=b", "postgresql://u:p@h/db?a=b"),
        ("source=12:30:00", "12:30:00"),
        ("source=no", "no"),
        ("source=", ""),
        ("rows=12", 12),
        ("share=1", 1.0),
        ("strict=false", False),
        ("names=[b, c]", ["b", "c"]),
        ("none=7", "7"),
        ("source:int=7", 7),
        ('source:json={"a": 1}', {"a": 1}),
    ],
)
def test_a_value_takes_the_type_that_is_named_or_that_the_file_has(pair: str, value: Any) -> None:
    assert configured(pair)[pair.partition("=")[0].partition(":")[0]] == value


@pytest.mark.parametrize("pair", ["rows=many", "strict=7", "rows:int=x", "rows:colour=red", "no-equals-sign"])
def test_a_value_of_the_wrong_type_is_bad_usage(pair: str) -> None:
    with pytest.raises(BadUsage):
        configured(pair)


def test_an_unknown_name_is_bad_usage_and_a_near_one_is_guessed() -> None:
    with pytest.raises(BadUsage, match="'sorce'; did you mean 'source'"):
        configured("sorce=x")
    with pytest.raises(BadUsage, match="it has no configuration"):
        configured("source=x", declared={})


def test_files_set_values_secrets_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_FILE", "before")
    (tmp_path / "a.yaml").write_text("configuration: {rows: 3}\nsecrets: {db: {password: s3cret-value}}\n")
    (tmp_path / "b.json").write_text('{"configuration": {"source": "there"}}')
    (tmp_path / "c.env").write_text("# comment\nexport FROM_FILE=after\n")
    files = [tmp_path / "a.yaml", tmp_path / "b.json", tmp_path / "c.env"]
    declared = {**DECLARED, "env": {"type": "env", "key": "FROM_FILE"}}
    given = given_of(["rows=4"], files)
    variables = resolve(declared, given, secrets={"db": {"password": {"type": "env", "key": "NO_SUCH_NAME"}}})
    assert (variables.configuration["rows"], variables.configuration["source"]) == (4, "there")
    assert variables.configuration["env"] == "after"
    secrets = Secrets()
    variables.register(secrets)
    assert "s3cret-value" not in secrets.redact("it is s3cret-value")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "[1]"),
        ("a.yaml", "a: [\n"),
        ("a.json", "{"),
        ("a.yaml", "config: {}"),
        ("a.yaml", "configuration: [1]"),
        ("a.yaml", "secrets: 5"),
        ("a.yaml", "configuration: {rows: {type: env}}"),
        ("a.yaml", "configuration: {rows: {type: probe}}"),
        ("a.yaml", "configuration: {rows: &a [*a]}"),
        ("a.yaml", "[" * 20_000),
        ("a.json", "[" * 100_000),
        ("a.yaml", "configuration:\n  rows: 1\n  rows: 2"),
        ("a.env", "word"),
        ("a.env", "=value"),
        ("a.env", "NAME=\0"),
    ],
)
def test_a_file_that_holds_something_else_is_told_with_its_place(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadFile, match=rf"{name}:\d+:\d+: "):
        configured(files=[tmp_path / name])


def test_a_file_without_an_end_is_not_read_to_it() -> None:
    with pytest.raises(BadUsage, match="larger than 1 MB"):
        configured(files=[Path("/dev/zero")])


def test_a_secret_that_is_not_set_is_told_where_to_set_it() -> None:
    """Not with `--var`, where the shell's history and the process list would show it."""
    declared = {"db": {"password": {"type": "env", "key": "NO_SUCH_NAME"}}}
    with pytest.raises(BadUsage, match=r"NO_SUCH_NAME.*; set it in the environment, or in a --var-file$"):
        resolve({}, given_of(()), secrets=declared)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{database: {password: x}}", "no secrets 'database'; known are db"),
        ("{db: {passwort: x}}", "no secret 'passwort' in 'db'; did you mean 'password'"),
    ],
)
def test_secrets_that_the_file_has_no_use_for_are_bad_usage(tmp_path: Path, given: str, told: str) -> None:
    (tmp_path / "a.yaml").write_text(f"secrets: {given}\n")
    declared = {"db": {"password": {"type": "env", "key": "NO_SUCH_NAME"}}}
    with pytest.raises(BadUsage, match=told):
        resolve({}, given_of((), [tmp_path / "a.yaml"]), secrets=declared)
    with pytest.raises(BadUsage, match="it declares none"):
        resolve({}, given_of((), [tmp_path / "a.yaml"]))


def test_a_file_that_is_not_there_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="cannot read"):
        configured(files=[tmp_path / "gone.yaml"])


def test_an_environment_variable_that_is_not_set_is_bad_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOY_UNSET", raising=False)
    declared = {"x": {"type": "env", "key": "TOY_UNSET"}}
    with pytest.raises(BadUsage, match="TOY_UNSET"):
        configured(declared=declared)
    assert configured("x=given", declared=declared) == {"x": "given"}


def test_values_found_by_probes_are_left_to_the_run() -> None:
    probe = {"type": "probe", "name": "p", "provider": {"type": "python", "module": "engine_toys", "func": "fail"}}
    variables = resolve({"found": probe, "given": 1}, given_of())
    assert (dict(variables.configuration), variables.dynamic) == ({"given": 1}, ("found",))


def test_passwords_are_masked_wherever_they_would_be_written() -> None:
    variables = resolve({"dsn": "postgresql://u:hunter22@h/d", "api_token": "abcdefgh", "token_file": "/x"}, given_of())
    secrets = Secrets()
    variables.register(secrets)
    assert secrets.redact("hunter22 abcdefgh /x") == "*** *** /x"


class TestLab:
    """`lab:` values."""

    NEEDS: ClassVar[dict[str, Any]] = {
        "source": "lab:postgres.0.dsn",
        "service": "lab:service.url?",
        "env": {"type": "env", "key": "TOY_UNSET", "default": "lab:proxy.control?"},
    }
    STATUS: ClassVar[dict[str, Any]] = {
        "postgres": [{"name": "a", "dsn": "postgresql://a"}],
        "service": {"url": "http://s"},
    }

    @pytest.fixture
    def lab(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """Answer for the lab."""
        answer: dict[str, Any] = {"status": self.STATUS, "asked": 0}

        def status() -> Any:
            answer["asked"] += 1
            return answer["status"]

        monkeypatch.setattr(labvalues, "_status", status)
        monkeypatch.delenv("TOY_UNSET", raising=False)
        return answer

    def test_values_are_looked_up(self, lab: dict[str, Any]) -> None:
        assert configured(declared=self.NEEDS) == {"source": "postgresql://a", "service": "http://s", "env": ""}

    def test_no_lab_refuses_and_says_what_to_do(self, lab: dict[str, Any]) -> None:
        lab["status"] = None
        with pytest.raises(Refused, match="chaoslab lab start.*--var source="):
            configured(declared=self.NEEDS)

    def test_optional_values_alone_need_no_lab(self, lab: dict[str, Any]) -> None:
        lab["status"] = None
        assert configured(declared={"service": "lab:service.url?"}) == {"service": ""}

    def test_who_names_his_own_system_does_not_get_the_labs_service(self, lab: dict[str, Any]) -> None:
        own = configured("source=postgresql://mine", declared=self.NEEDS)
        assert own == {"source": "postgresql://mine", "service": "", "env": ""}
        assert lab["asked"] == 0

    def test_what_the_lab_does_not_have_refuses(self, lab: dict[str, Any]) -> None:
        with pytest.raises(Refused, match=r"has no postgres\.7\.dsn"):
            configured(declared={"source": "lab:postgres.7.dsn"})
