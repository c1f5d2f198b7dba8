"""`mirix doctor` about models: what is there, what is not, and how to get it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cluster.cli import main
from cluster.doctor_models import examine_models, vllm_installed
from cluster.finding import Finding
from cluster.settings import compose

KEY = "sk-right"


class Models(BaseHTTPRequestHandler):
    """Lists one model to whoever has the key."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == f"Bearer {KEY}"
        there = self.path == "/v1/models"
        body = json.dumps({"data": [{"id": "small"}]}).encode()
        self.send_response(404 if not there else 200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def provider() -> Iterator[str]:
    """Serve models on a free port; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Models) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def examined(data: Path, *, reach: bool = False, **environ: str) -> dict[str, Finding]:
    variables = {f"MIRIX_{name}": value for name, value in environ.items()}
    found = examine_models(compose(variables, data=data), reach=reach)
    return {one.what: one for one in found}


def test_all_is_well_when_no_model_is_wanted(tmp_path: Path) -> None:
    """Without a model nothing is missing, and it says how to get one."""
    found = examined(tmp_path)

    assert {one.level for one in found.values()} == {"ok"}
    assert "extractive" in found["models"].found
    assert vllm_installed() or "setup-llm" in found["vLLM"].found


def test_contradiction_is_a_finding(tmp_path: Path) -> None:
    """What `mirix up` would refuse, the doctor names."""
    assert examined(tmp_path, LLM="openai", LLM_MODEL="m")["models"].level == "missing"


def test_directory_says_what_it_lacks(tmp_path: Path) -> None:
    """A model is a configuration, a tokenizer and weights."""
    model = tmp_path / "tiny"
    model.mkdir()
    (model / "config.json").write_text("{}")
    found = examined(tmp_path, LLM="vllm", LLM_MODEL=str(model))["model tiny"]
    assert (found.level, "no tokenizer and no weights" in found.found) == ("missing", True)

    (model / "tokenizer.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"")
    assert examined(tmp_path, LLM="vllm", LLM_MODEL=str(model))["model tiny"].level == "ok"
    gone = examined(tmp_path, LLM="vllm", LLM_MODEL=str(tmp_path / "gone"))["model gone"]
    assert (gone.level, "is no directory" in gone.found) == ("missing", True)


@pytest.mark.parametrize(
    ("key", "model", "level", "told"),
    [
        (KEY, "small", "ok", "answers"),
        (KEY, "large", "warning", "not with large"),
        ("sk-wrong", "small", "missing", "refuses the key"),
    ],
)
def test_provider_is_asked_only_when_that_is_wanted(
    tmp_path: Path, key: str, model: str, level: str, told: str
) -> None:
    """A list of its models, with the key, which is never told."""
    with provider() as url:
        environ = {"LLM": f"{url}/v1", "LLM_MODEL": model, "LLM_API_KEY": key}
        unasked = examined(tmp_path, **environ)["provider endpoint"]
        asked = examined(tmp_path, reach=True, **environ)["provider endpoint"]

    assert (unasked.level, "--reach" in unasked.found) == ("ok", True)
    assert asked.level == level
    assert told in asked.found
    assert key not in repr(asked)


def test_provider_that_is_away_is_missing(tmp_path: Path) -> None:
    """It is told in one line, soon."""
    environ = {"LLM": "http://127.0.0.1:9/v1", "LLM_MODEL": "m"}
    found = examined(tmp_path, reach=True, **environ)["provider endpoint"]

    assert (found.level, "does not answer" in found.found) == ("missing", True)


def test_up_says_what_is_missing_when_vllm_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit status 2, and nothing was started."""
    if vllm_installed():
        pytest.skip("vLLM is installed here")

    assert main(["up", "--data", str(tmp_path), "--llm", "vllm", "--model", "m"]) == 2

    told = capsys.readouterr().err
    assert "make setup-llm" in told
    assert "pip install 'mirix-ray[gpu]'" in told
    assert not (tmp_path / "run").exists()
