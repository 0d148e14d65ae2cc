"""What model calls cost, by the prices of the package `genai-prices` where it is installed."""

from functools import cache
from importlib import import_module
from typing import Any


def price_of(
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    *,
    cache_read: int = 0,
    cache_write: int = 0,
) -> float | None:
    """Give the price of a call at the list prices of its provider.

    Args:
        provider: LangChain's name of the provider, such as `"openai"`.
        model: The provider's name of the model.
        input_tokens: Tokens of the input.
        output_tokens: Tokens of the output.
        cache_read: Those of the input that came from the provider's cache.
        cache_write: Those of the input that were written into it.

    Returns:
        US dollars, or `None` where the price is not known: the package is not installed
        (`pip install 'langgraph-parallel[prices]'`), or it does not know the model.

    Example:
        >>> price_of("openai", "a model of mine", 1000, 10) is None
        True
    """
    prices = _prices()
    if prices is None or not (provider and model):
        return None
    try:
        usage = prices.Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read,
            cache_write_tokens=cache_write,
        )
        return float(prices.calc_price(usage, model, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return None


@cache
def _prices() -> Any:
    try:
        return import_module("genai_prices")
    except ImportError:
        return None
