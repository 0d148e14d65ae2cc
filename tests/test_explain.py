"""Errors of calls are told in one line, without credentials, and retried only where it can help."""

import asyncio
import json
import socket
from typing import Any

import httpx2
import openai
import pytest
from drive import KEY, MODEL
from langchain_core.exceptions import ContextOverflowError, OutputParserException
from pydantic import BaseModel, ValidationError
from stub_server import Reply, StubServer

from langgraph_parallel.errors import ModelUnavailableError
from langgraph_parallel.nodes.explain import explain, is_transient
from langgraph_parallel.nodes.masking import mask
from langgraph_parallel.nodes.models import get_model

REQUEST = httpx2.Request("POST", "https://api.example.com/v1/chat/completions")


class City(BaseModel):
    name: str
    people: int


def status_error(status: int, body: dict[str, Any] | None = None) -> openai.APIStatusError:
    client = openai.OpenAI(api_key=KEY)
    try:
        response = httpx2.Response(status, request=REQUEST, json={"error": body or {}})
        return client._make_status_error_from_response(response)
    finally:
        client.close()


async def failure(text: str = "hi", **options: Any) -> BaseException:
    model = await get_model(MODEL)
    try:
        await model.ainvoke(text, **options)
    except Exception as error:
        return error
    raise AssertionError("the call succeeded")


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def misfit(text: str) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        City.model_validate_json(text)
    return caught.value


@pytest.mark.parametrize(
    ("error", "transient", "parts"),
    [
        (status_error(400, {"message": "bad temperature"}), False, ["400", "bad temperature"]),
        (status_error(401), False, ["401", "Check OPENAI_API_KEY"]),
        (status_error(403, {"code": "unsupported_country"}), False, ["unsupported_country"]),
        (status_error(404), False, ["does not know the model openai:m", "api.example.com:443"]),
        (status_error(408), True, ["408"]),
        (status_error(409), True, ["409"]),
        (status_error(413), False, ["413"]),
        (status_error(422), False, ["422"]),
        (status_error(429, {"code": "rate_limit_exceeded"}), True, ["rate limit", "openai:m"]),
        (status_error(429, {"code": "insufficient_quota"}), False, ["quota", "billing"]),
        (status_error(429, {"type": "insufficient_quota"}), False, ["quota"]),
        (status_error(500, {"message": "oops"}), True, ["api.example.com:443", "500", "oops"]),
        (status_error(503), True, ["503"]),
    ],
    ids=lambda value: str(value) if isinstance(value, bool) else None,
)
def test_statuses(error: openai.APIStatusError, transient: bool, parts: list[str]) -> None:
    text = explain(error, model="openai:m")
    assert all(part in text for part in parts), text
    assert "\n" not in text
    assert is_transient(error) is transient


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("echo", [KEY, KEY[:7] + "*****" + KEY[-4:], "key 'abcd1234' is wrong"])
def test_a_refused_key_is_never_shown_whatever_the_provider_says(status: int, echo: str) -> None:
    error = status_error(status, {"message": f"Incorrect API key provided: {echo}."})
    text = explain(error, model="openai:m")
    assert echo not in text
    assert KEY[-4:] not in text
    assert "1234" not in text
    assert "OPENAI_API_KEY" in text
    assert "OPENAI_API_KEY" not in explain(error, model="anthropic:m")


@pytest.mark.parametrize(
    "error",
    [
        status_error(
            400,
            {
                "code": 400,
                "message": "request (9031 tokens) exceeds the available context size",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9031,
                "n_ctx": 8192,
            },
        ),
        status_error(
            400,
            {
                "code": "context_length_exceeded",
                "message": "This model's maximum context length is 8192 tokens. However, your "
                "messages resulted in 9031 tokens. Please reduce the length of the messages.",
            },
        ),
    ],
    ids=["llama.cpp", "openai"],
)
def test_an_input_that_is_too_long_is_told_with_both_numbers(error: BaseException) -> None:
    text = explain(error, model="local")
    assert text.startswith("The input has 9031 tokens and the model local has a context of 8192 ")
    assert "Shorten the input" in text
    assert not is_transient(error)


def test_an_input_that_is_too_long_is_told_without_numbers() -> None:
    text = explain(ContextOverflowError("too much"))
    assert text.startswith("The input has more tokens than fit and the model has a context. ")


async def test_an_unreachable_server_is_named_with_host_and_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = closed_port()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    error = await failure()
    text = explain(error, model=MODEL)
    assert text == (
        f"The server at 127.0.0.1:{port} cannot be reached. Check the network, and OPENAI_BASE_URL "
        "if you set it."
    )
    assert is_transient(error)


async def test_a_dead_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://model.example/v1")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    error = await failure()
    assert explain(error).startswith("The proxy to the server at model.example:80 cannot be")
    assert is_transient(error)


async def test_a_dropped_connection_and_a_timeout_are_told_apart(server: StubServer) -> None:
    server.on("drop", Reply("one two", drop=True))
    server.on("slow", Reply("late", gate="never"))
    at = server.url.removeprefix("http://")
    dropped, late = await failure("drop"), await failure("slow", timeout=0.5)
    assert explain(dropped).startswith(f"The server at {at} closed the connection before")
    assert explain(late, model=MODEL).startswith(
        f"The server at {at} gave no answer from the model {MODEL} in time."
    )
    assert is_transient(dropped)
    assert is_transient(late)


async def test_a_stream_that_breaks_off_can_be_retried(server: StubServer) -> None:
    server.on("drop", Reply("one two three four", drop=True, drop_after=2))
    model = await get_model(MODEL)
    with pytest.raises(openai.APIConnectionError) as caught:
        async for _ in model.astream("drop"):
            pass
    assert "closed the connection before the reply was complete" in explain(caught.value)
    assert is_transient(caught.value)


@pytest.mark.parametrize(
    ("body", "transient"),
    [
        ({"message": "overloaded", "code": "server_error"}, True),
        ({"message": "failed", "code": 500, "type": "server_error"}, True),
        ({"message": "bad", "type": "invalid_request_error"}, False),
        ({"message": "no money", "code": "insufficient_quota"}, False),
    ],
)
def test_an_error_inside_a_stream(body: dict[str, Any], transient: bool) -> None:
    error = openai.APIError(str(body["message"]), REQUEST, body=body)
    assert is_transient(error) is transient
    assert "api.example.com:443" in explain(error) or "quota" in explain(error)


@pytest.mark.parametrize(
    "error", [TimeoutError(), asyncio.TimeoutError(), ConnectionResetError(), BrokenPipeError()]
)
def test_failures_of_other_clients_can_be_retried(error: BaseException) -> None:
    assert is_transient(error)
    assert explain(error).startswith("The server ")


def test_errors_of_httpx_are_known_without_httpx() -> None:
    class TransportError(Exception):
        __module__ = "httpx"

    class ConnectError(TransportError):
        __module__ = "httpx"

    assert is_transient(ConnectError("all attempts failed"))
    assert "cannot be reached" in explain(ConnectError("all attempts failed"))


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), KeyError("x"), OSError("disk full"), json.JSONDecodeError("x", "", 0)],
)
def test_errors_of_programs_are_not_retried(error: BaseException) -> None:
    assert not is_transient(error)


def test_a_failed_embedded_server_is_not_blamed_on_the_network() -> None:
    text = explain(openai.APIConnectionError(request=REQUEST), model="local")
    assert "OPENAI_BASE_URL" not in text
    assert "starts it again" in text


def test_a_reply_that_does_not_fit_is_told_by_field_without_the_reply() -> None:
    error = misfit('{"name": "my secret reply", "people": "many secrets"}')
    assert explain(error, model=MODEL) == (
        "The reply did not fit the schema City: people: Input should be a valid integer, unable "
        "to parse string as an integer."
    )
    assert not is_transient(error)
    assert explain(misfit("{}"), model=MODEL).endswith("name: Field required (and 1 more).")


def test_a_reply_that_cannot_be_parsed_is_told_without_the_reply() -> None:
    parser_error = OutputParserException("Failed to parse City from completion my secret reply.")
    for error in (parser_error, json.JSONDecodeError("Expecting value", "my secret reply", 0)):
        text = explain(error, model=MODEL)
        assert "did not fit the schema" in text
        assert "secret" not in text
    parser_error.__cause__ = misfit("{}")
    assert "City: name: Field required" in explain(parser_error, model=MODEL)


def test_a_users_own_json_error_is_not_blamed_on_a_model() -> None:
    assert explain(json.JSONDecodeError("Expecting value", "x", 0)).startswith("JSONDecodeError: ")


def test_other_errors_give_type_and_first_line() -> None:
    assert explain(RuntimeError("first line\nsecond line")) == "RuntimeError: first line"
    assert explain(RuntimeError()) == "RuntimeError"
    assert len(explain(RuntimeError("long " * 200))) < 320


def test_errors_of_the_library_are_told_whole() -> None:
    text = "There is no model. " + "Do this. " * 50
    assert explain(ModelUnavailableError(text)) == text.strip()


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key {KEY} refused", KEY),
        ("sk-proj-AbC_123-xyz456", "AbC_123-xyz456"),
        ("Authorization: Bearer abc.def-123456", "abc.def-123456"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ("bearer 0123456789abcdef", "0123456789abcdef"),
        ("GET https://x.example/v1?key=abcdef12345&alt=json", "abcdef12345"),
        ("api_key=abcdef12345", "abcdef12345"),
        ('{"apiKey": "abcdef12345"}', "abcdef12345"),
        ("OPENAI_API_KEY='abcdef12345'", "abcdef12345"),
        ("http://user:hunter22@host/v1", "hunter22"),
        ("password: hunter22", "hunter22"),
        ("AIzaSyA1234567890abcdefg", "SyA1234567890abcdefg"),
        ("gsk_abcdefghijklmnopqrstuv", "abcdefghijklmnopqrstuv"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "eyJzdWIiOiIxIn0"),
    ],
)
def test_what_looks_like_a_credential_is_masked(text: str, secret: str) -> None:
    assert secret in text
    for shown in (
        mask(text),
        explain(ValueError(text)),
        explain(status_error(400, {"message": text})),
    ):
        assert secret not in shown
        assert "***" in shown


def test_the_keys_of_the_environment_are_masked_whatever_they_look_like(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "plainwords-and-more")
    assert mask("refused plainwords-and-more here") == "refused *** here"


@pytest.mark.parametrize(
    "text",
    [
        "request (9031 tokens) exceeds the available context size (8192 tokens)",
        "max_tokens=4096, token: 12",
        "a basic understanding of risk-averse tasks",
        "http://127.0.0.1:8000/v1/chat/completions",
        "UNIQUE constraint failed: pk_users_id",
        "cannot import hf_hub_download",
        "mail user@example.com",
    ],
)
def test_plain_text_is_not_masked(text: str) -> None:
    assert mask(text) == text
