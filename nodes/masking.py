"""Takes credentials out of text that is shown: errors, reports, names of models."""

import os
import re

_MASK = "***"
_KEY_LENGTH = 16
_SECRETS = re.compile(
    r"""
    (?P<keep>
        ://(?=[^/\s@]+@)                                  # user and password of a URL
      | \bbearer\s+
      | \bauthorization["']?\s*[=:]\s*["']?(?:\w+\s+)?
      | [\w-]*(?:api[_-]?key|secret|password|(?:access|auth|api)[_-]?token)["']?\s*[=:]\s*["']?
      | [?&]key=
    )
    [^\s"'@,;&)}\]]{4,}
    | \bsk[-_][\w*.-]{6,}
    | \b(?:gsk|xai|hf|ghp|pplx|r8|lsv2)[-_][\w*-]{16,}
    | \bAIza[\w*-]{10,}
    | \beyJ[\w-]{8,}\.[\w.-]+                             # JSON web token
    """,
    re.VERBOSE | re.IGNORECASE,
)


def mask(text: str) -> str:
    """Replace what looks like a credential by asterisks.

    Args:
        text: Any text.

    Returns:
        The text without API keys, bearer tokens, passwords in URLs, and without the values of
        environment variables whose names end in `_API_KEY`.

    Example:
        >>> mask("refused: Authorization: Bearer abcdef123456")
        'refused: Authorization: Bearer ***'
    """
    for name, value in os.environ.items():
        if name.endswith("_API_KEY") and len(value) >= _KEY_LENGTH:
            text = text.replace(value, _MASK)
    return _SECRETS.sub(lambda found: (found["keep"] or "") + _MASK, text)


def shown_cause(error: BaseException) -> BaseException | None:
    """Give an error as the cause of another one, unless its traceback would show a credential."""
    cause: BaseException | None = error
    while cause is not None:
        if mask(str(cause)) != str(cause):
            return None
        cause = cause.__cause__ or cause.__context__
    return error
