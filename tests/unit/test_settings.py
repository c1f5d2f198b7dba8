"""Settings: composed once, later sources win, and a bad value names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.settings import BOOTSTRAP_CHARS_MAX, BOOTSTRAP_CHARS_MIN, compose
from events.errors import Misconfigured
from serve.access import KEY_CHARS_MAX, PRESET_CHARS_MIN


def test_settings_have_defaults_when_nothing_is_given(tmp_path: Path) -> None:
    """A system needs no configuration."""
    settings = compose({}, data=tmp_path)

    assert (settings.port, settings.shards, settings.host) == (47283, 1, "127.0.0.1")
    assert settings.data_dir == tmp_path


def test_settings_take_the_later_source_when_several_speak(tmp_path: Path) -> None:
    """A flag goes before the environment, the environment before the file."""
    (tmp_path / "mirix.toml").write_text("port = 1001\nshards = 2\nembedder_threads = 3\n")
    environ = {"MIRIX_PORT": "1002", "MIRIX_SHARDS": "4", "HOME": "/nowhere"}

    settings = compose(environ, data=tmp_path, flags={"port": 1003, "shards": None})

    assert (settings.port, settings.shards, settings.embedder_threads) == (1003, 4, 3)


def test_settings_take_the_directory_of_the_variable_when_no_flag_is_given(tmp_path: Path) -> None:
    """MIRIX_DATA says which system is meant, and --data goes before it."""
    environ = {"MIRIX_DATA": str(tmp_path / "one")}

    assert compose(environ).data_dir == tmp_path / "one"
    assert compose(environ, data=tmp_path / "two").data_dir == tmp_path / "two"


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"MIRIX_PORT": "http"}, "environment variable MIRIX_PORT is 'http'; expected a port"),
        ({"MIRIX_PORT": "0"}, "expected a port, a whole number from 1 to 65535"),
        ({"MIRIX_EMBEDDER_PRECISION": "fp8"}, "expected one of fp32, int8"),
        ({"MIRIX_PROT": "1"}, "MIRIX_PROT is not a setting; did you mean MIRIX_PORT?"),
        ({"MIRIX_DATA_DIR": "x"}, "MIRIX_DATA_DIR is not a setting"),
    ],
)
def test_settings_name_variable_value_and_expectation_when_one_is_bad(
    tmp_path: Path, environ: dict[str, str], told: str
) -> None:
    """A bad variable is one clear error."""
    with pytest.raises(Misconfigured) as failure:
        compose(environ, data=tmp_path)

    assert told in failure.value.message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('port = "80"', "mirix.toml: port is '80'; expected a port"),
        ("prot = 80", "mirix.toml: prot is not a setting; did you mean port?"),
        ("port = ", "is not TOML"),
    ],
)
def test_settings_name_file_and_key_when_the_file_is_bad(
    tmp_path: Path, content: str, told: str
) -> None:
    """A bad file is one clear error."""
    (tmp_path / "mirix.toml").write_text(content)

    with pytest.raises(Misconfigured) as failure:
        compose({}, data=tmp_path)

    assert told in failure.value.message


def test_settings_show_no_key_when_printed(tmp_path: Path) -> None:
    """Keys stay out of logs and tracebacks."""
    settings = compose({"MIRIX_API_KEY": "k-1", "MIRIX_BOOTSTRAP_KEY": "k-2-secret"}, data=tmp_path)

    assert "k-1" not in repr(settings)
    assert "k-2" not in repr(settings)


@pytest.mark.parametrize("chars", [BOOTSTRAP_CHARS_MIN - 1, BOOTSTRAP_CHARS_MAX + 1])
def test_settings_refuse_a_preset_key_when_the_gateway_would(tmp_path: Path, chars: int) -> None:
    """The bounds are the gateway's own, and the key itself is not shown."""
    with pytest.raises(Misconfigured) as failure:
        compose({"MIRIX_BOOTSTRAP_KEY": "k" * chars}, data=tmp_path)

    assert "expected 8 to 512 random characters" in failure.value.message
    assert "kkk" not in failure.value.message
    assert (BOOTSTRAP_CHARS_MIN, BOOTSTRAP_CHARS_MAX) == (PRESET_CHARS_MIN, KEY_CHARS_MAX)


def test_settings_blame_the_path_when_a_file_is_in_the_way(tmp_path: Path) -> None:
    """A data directory below a file is the fault of the path, not of `mirix.toml`."""
    (tmp_path / "file").write_text("")

    with pytest.raises(Misconfigured, match=r"file/x cannot be: .*file is a file"):
        compose({}, data=tmp_path / "file" / "x")
