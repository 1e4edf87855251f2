"""What a tag may be called."""

LONGEST_NAME = 250


def is_tag_name(name: str) -> bool:
    """Letters, digits, blanks, `-`, `_` and `%`, at most 250, and not blanks alone (AC 2.6)."""
    return (
        bool(name.strip())
        and len(name) <= LONGEST_NAME
        and all(letter.isalnum() or letter in " -_%" for letter in name)
    )
