"""The choices of a drop-down, of radio buttons, of checkboxes."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """What is shown, what is stored, and whether it is chosen until the subscriber says otherwise."""

    label: str
    value: str
    is_selected: bool = False

    def stored(self) -> dict[str, object]:
        """As `custom_fields.choices` keeps it."""
        return {"label": self.label, "value": self.value, "selected": self.is_selected}


def combine(labels: Mapping[int, str], values: Mapping[int, str], selected: frozenset[str]) -> list[Choice]:
    """Choices from the vendor's three arrays, which belong together by their keys.

    Args:
        labels: key → label; in the order of the keys.
        values: key → value; a choice without one stores its label.
        selected: keys of the chosen ones; a member that is no key may also be a choice's value.
    """
    keys = {str(key) for key in labels}
    chosen_values = selected - keys
    choices = []
    for key, label in sorted(labels.items()):
        value = values.get(key) or label
        choices.append(Choice(label, value, str(key) in selected or value in chosen_values))
    return choices
