"""Settings: flags and variables, one meaning, and nothing wrong is ignored."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.settings import Setting, Settings, SettingsError, load, settings_list

KEPT = json.loads((Path(__file__).parent.parent / "kept" / "settings-0.1.json").read_text())
"""Every setting of version 0.1 with values that it took; `{folder}` stands for a folder with a report in it."""


def test_without_anything_the_defaults_hold() -> None:
    """An empty environment gives the settings as the class declares them."""
    settings = load({}, {})
    assert settings == Settings(models_dir=settings.models_dir)
    assert settings.models_dir == Path("~/.cache/rerank/models").expanduser()


def test_a_flag_wins_over_a_variable() -> None:
    """What was typed last, at the command, counts."""
    assert load({"port": "1"}, {"RERANK_PORT": "2"}).port == 1
    assert load({"port": None}, {"RERANK_PORT": "2"}).port == 2


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False), ("False", False)]
)
def test_booleans_are_read_by_their_meaning(text: str, value: bool) -> None:
    """The text "false" is false."""
    assert load({}, {"RERANK_ACCESS_LOG": text}).access_log is value


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"RERANK_PROT": "1"}, "RERANK_PROT is set, but there is no such setting: did you mean RERANK_PORT?"),
        ({"RERANK_ZZZZ": "1"}, "see rerank serve --help"),
        ({"RERANK_PORT": "eight"}, "RERANK_PORT='eight' is invalid: it must be a whole number from 0 to 65535"),
        ({"RERANK_PORT": "65536"}, "from 0 to 65535"),
        ({"RERANK_MAX_DOCUMENTS": "0"}, "RERANK_MAX_DOCUMENTS='0' is invalid: it must be a whole number of 1 or more"),
        ({"RERANK_DEVICE": "gpu"}, "it must be one of auto, cpu, cuda"),
        ({"RERANK_ACCESS_LOG": "yes"}, "it must be true or false"),
        ({"RERANK_MODEL": ""}, "RERANK_MODEL='' is invalid"),
        ({"RERANK_MODEL_ALIASES": "a,,b"}, "RERANK_MODEL_ALIASES has an empty entry"),
        ({"RERANK_CORS_ORIGINS": "app.example"}, "RERANK_CORS_ORIGINS: 'app.example' is not an origin"),
        ({"RERANK_BENCH_DIR": "/nowhere"}, "RERANK_BENCH_DIR='/nowhere' has no index.html; write a report there with"),
        ({"RERANK_CORS_ORIGINS": "https://app.example/"}, "is not an origin; use scheme://host[:port], or *"),
    ],
)
def test_what_cannot_be_used_is_named(environ: dict[str, str], message: str) -> None:
    """The message names the setting, its value and what would be right."""
    with pytest.raises(SettingsError) as error:
        load({}, environ)
    assert message in str(error.value)


def test_a_setting_has_the_name_with_which_it_was_given() -> None:
    """The flag, the variable, or the flag where neither was given; a flag hides the variable."""
    settings = load({"port": "1"}, {"RERANK_PORT": "2", "RERANK_MAX_TOKENS": "3"})
    names = [settings.name_of(setting) for setting in ("port", "max_tokens", "host")]
    assert names == ["--port", "RERANK_MAX_TOKENS", "--host"]


@pytest.mark.parametrize("setting", settings_list(), ids=lambda setting: setting.name)
def test_every_setting_is_refused_by_its_flag_and_by_its_variable(setting: Setting) -> None:
    """An empty value is wrong for all of them, and what the flag says is not said of the variable."""
    for flags, environ, name in (
        ({setting.name: ""}, {}, setting.flag),
        ({}, {setting.variable: ""}, setting.variable),
    ):
        with pytest.raises(SettingsError, match=re.escape(f"{name}='' is invalid")):
            load(flags, environ)


def test_lists_are_split_at_commas_and_paths_at_home() -> None:
    """Spaces around an entry are none of it."""
    settings = load({"cors_origins": "https://a.example, http://b.example:81"}, {"RERANK_API_KEYS_FILE": "~/keys"})
    assert settings.cors_origins == ("https://a.example", "http://b.example:81")
    assert settings.api_keys_file == Path("~/keys").expanduser()
    assert load({"cors_origins": "*"}, {}).cors_origins == ("*",)


def test_a_bad_flag_is_named_as_it_was_typed() -> None:
    """The user who typed --max-documents reads --max-documents."""
    with pytest.raises(SettingsError, match="--max-documents='many'"):
        load({"max_documents": "many"}, {})


def test_other_programs_variables_are_left_alone() -> None:
    """Only names with our prefix are ours, and RERANK_DATA is the bench's."""
    load({}, {"PATH": "/bin", "RERANK_DATA": "/data", "RERANKER": "x"})


def test_every_setting_has_a_help_text() -> None:
    """--help has nothing to be ashamed of."""
    assert all(setting.help.endswith(".") for setting in settings_list())


@pytest.mark.parametrize("setting", KEPT, ids=lambda setting: setting["name"])
def test_a_setting_of_version_0_1_is_still_accepted(setting: dict[str, Any], tmp_path: Path) -> None:
    """A user's flags and variables work after an upgrade: the same names, and every value that was right is right."""
    (tmp_path / "index.html").touch()
    name, kinds = setting["name"], {"integer": int, "boolean": bool, "list": tuple, "path": Path}
    for text in setting["values"]:
        value = text.format(folder=tmp_path)
        by_flag, by_variable = load({name: value}, {}), load({}, {f"RERANK_{name.upper()}": value})
        assert getattr(by_flag, name) == getattr(by_variable, name)
        assert isinstance(getattr(by_flag, name), kinds.get(setting["type"], str))


def test_every_setting_is_kept_for_the_next_version() -> None:
    """A new setting gets its line in tests/kept before a release, so that the release after it goes on taking it."""
    assert {setting["name"] for setting in KEPT} == {setting.name for setting in settings_list()}
