"""Masks e-mail addresses and card numbers: a worked example of a guard that rewrites."""

import re
from collections.abc import Mapping
from typing import Any

_LOCAL = r"[\w.!#$%&'*+/=?^`{|}~-]"
_ADDRESS = re.compile(rf"(?<!{_LOCAL}){_LOCAL}+@(?:[\w-]+\.)+[\w-]*\w")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


def mask_personal(value: Any, address: str = "[e-mail]", card: str = "[card]") -> Any:
    """Mask e-mail addresses and the numbers of payment cards.

    A card's number has 13 to 19 digits, perhaps with single spaces or hyphens between them, and a
    right check digit (Luhn); other long numbers stay. What has been masked stays as it is.

    Args:
        value: Text, or lists and dicts with text in them, such as a conversation.
        address: What stands for an address.
        card: What stands for a number.

    Returns:
        The same with what was found replaced.

    Example:
        As a guard, on the way in and on the way out:

        ```python
        mask = Guard("mask", run=mask_personal, rewrites=True)
        chat = create_guardrail(
            "You are a helpful assistant.",
            [mask],
            output_guards=[mask],
            output_window=80,
        )
        ```

        >>> mask_personal("ann@example.org pays with 4111 1111 1111 1111, order 4111111111111112")
        '[e-mail] pays with [card], order 4111111111111112'
    """
    if isinstance(value, str):
        text = _ADDRESS.sub(lambda _: address, value)
        return _CARD.sub(lambda found: card if is_card(found.group()) else found.group(), text)
    if isinstance(value, Mapping):
        return {key: mask_personal(part, address, card) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask_personal(part, address, card) for part in value]
    return value


def has_card(text: str) -> bool:
    """Say whether a text has the number of a payment card in it.

    Example:
        >>> has_card("card 4111 1111 1111 1111"), has_card("4111 1111 1111 1112")
        (True, False)
    """
    return any(is_card(found.group()) for found in _CARD.finditer(text))


def is_card(number: str) -> bool:
    """Say whether the check digit of a number is right (Luhn).

    Args:
        number: Digits, and between them anything else.

    Example:
        >>> is_card("4111 1111 1111 1111"), is_card("4111 1111 1111 1112")
        (True, False)
    """
    digits = [int(sign) for sign in number if sign.isdecimal()]
    total = 0
    for place, digit in enumerate(reversed(digits)):
        double = 2 * digit
        total += double - 9 * (double > 9) if place % 2 else digit  # noqa: PLR2004
    return total % 10 == 0
