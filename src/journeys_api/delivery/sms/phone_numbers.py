"""Phone numbers as people write them, and as gateways take them."""

import phonenumbers


def normalise(number: str, default_region: str | None = None) -> str | None:
    """The number in E.164 (`+491701234567`), or None if it cannot be one.

    Whether the number is given to anybody is for the network to say: plans change faster than our tables, so only
    its length for its country is judged. A number with an extension belongs to a switchboard and takes no messages.

    Args:
        number: with `+` and country code, or as dialled within `default_region`.
        default_region: a country in ISO 3166-1 alpha-2.

    Source: AC 2.15 (E.164 with `+`).
    """
    region = default_region.upper() if default_region else None
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if parsed.extension:
        return None
    if phonenumbers.is_possible_number_with_reason(parsed) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
