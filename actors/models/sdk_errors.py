"""What the errors of the providers' SDKs mean here.

The SDKs of OpenAI and Anthropic are generated alike: their errors have the same names and fields.
What a provider says in its own words is never repeated, because it may quote the prompt or the key;
its status and its error code say enough.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any

import httpx2

from actors.models.port import FailureKind, ModelFailed
from events.clock import system_clock

_CODE = re.compile(r"[a-zA-Z][\w.-]{1,63}")
#: An account that is used up stays so however often it is asked.
_SPENT_CODES = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})
#: Errors told within a stream have no status of their own.
_TOLD_IN_STREAM: dict[str, FailureKind] = {
    "overloaded_error": "unavailable",
    "api_error": "unavailable",
    "server_error": "unavailable",
    "rate_limit_error": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "timeout_error": "timed_out",
    "invalid_request_error": "refused",
    "authentication_error": "unauthorized",
    "permission_error": "unauthorized",
}
_MEANING: dict[FailureKind, str] = {
    "rate_limited": "it asks for fewer requests",
    "unavailable": "it is not available",
    "timed_out": "it took too long",
    "cut_off": "its answer broke off in the middle",
    "invalid": "its answer is unusable",
    "refused": "it refuses this request",
    "unauthorized": "it does not accept the account; check its api_key and what it may use",
}

#: What may come out of reading a provider's stream, beside the errors of its SDK: a connection
#: that breaks, and JSON that is none or has another shape than the protocol says.
UNREADABLE = (httpx2.HTTPError, ValueError, TypeError, AttributeError, LookupError)


def model_failed(
    name: str, kind: FailureKind, detail: str = "", retry_after_s: float | None = None
) -> ModelFailed:
    """Return the failure of the provider called `name`; `detail` holds no prompt and no key."""
    meaning = _MEANING.get(kind, kind)
    return ModelFailed(
        f"{name}: {meaning}{f' ({detail})' if detail else ''}", kind, (), retry_after_s
    )


def failure_of(error: Exception, sdk: ModuleType, name: str, *, opened: bool) -> ModelFailed:
    """Return what an error of a provider's SDK, or of reading its stream, means.

    Args:
        error: what was raised.
        sdk: the module `openai` or `anthropic`, whose errors these are.
        name: the provider's configured name.
        opened: whether the provider had begun its answer.
    """
    broken: FailureKind = "cut_off" if opened else "unavailable"
    if isinstance(error, TimeoutError):
        return model_failed(name, "timed_out", str(error))
    if isinstance(error, sdk.APITimeoutError | httpx2.TimeoutException):
        return model_failed(name, "timed_out", type(error).__name__)
    code = _code(error)
    if isinstance(error, sdk.APIStatusError) and error.status_code >= 400:
        status = error.status_code
        detail = f"HTTP {status}{f', {code}' if code else ''}"
        return model_failed(name, _kind_of(status, code), detail, retry_after_s(error.response))
    if code:
        return model_failed(name, _TOLD_IN_STREAM.get(code, broken), code)
    return model_failed(name, broken, type(error).__name__)


def _kind_of(status: int, code: str) -> FailureKind:
    if status in (401, 403) or code in _SPENT_CODES:
        return "unauthorized"
    if status == 429:
        return "rate_limited"
    if status in (408, 504):
        return "timed_out"
    if status >= 500 or status == 409:
        return "unavailable"
    return "refused"


def _code(error: Exception) -> str:
    """Return the code or type that an error body names, when it looks like one."""
    body: Any = getattr(error, "body", None)
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    if not isinstance(body, dict):
        return ""
    for field in ("code", "type"):
        value = body.get(field)
        if isinstance(value, str) and _CODE.fullmatch(value):
            return value
    return ""


def retry_after_s(response: httpx2.Response) -> float | None:
    """Return the seconds that a response asks to wait (RFC 9110, 10.2.3: seconds or a date)."""
    told = response.headers.get("retry-after", "").strip()
    if not told:
        return None
    if re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", told):
        return max(0.0, float(told))
    try:
        return max(0.0, (parsedate_to_datetime(told) - system_clock()).total_seconds())
    except (TypeError, ValueError):
        return None


def unsupported_setting(error: Any, sent: dict[str, Any]) -> str | None:
    """Return the setting of sampling that a provider says its model does not know, or None.

    Models that reason take none of them; the generation is then asked for without.
    """
    said = f"{getattr(error, 'param', '')} {getattr(error, 'message', '')}"
    for setting in ("temperature", "top_p"):
        if setting in sent and re.search(rf"\b{setting}\b", said):
            return setting
    return None
