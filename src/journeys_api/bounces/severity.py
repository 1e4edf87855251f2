"""What a mail server's refusal says of its recipient: nobody is there, not now, or nothing."""

import re
from enum import StrEnum

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?![\d.])")


class Severity(StrEnum):
    """How a mail bounced."""

    HARD = "hard"
    """The address will never take mail."""
    SOFT = "soft"
    """It does not now: a full mailbox, a server in trouble."""
    BLOCK = "block"
    """What was refused is the sender or the message, by a policy: of the address it says nothing."""


NOBODY_THERE = frozenset({"1.0", "1.1", "1.2", "1.3", "1.6", "1.10", "2.0", "2.1", "4.4"})
"""Of enhanced status codes (RFC 3463) subject and detail: a bad mailbox, a bad or moved domain, a disabled mailbox, no
route to the domain."""
TELLS_NOTHING = frozenset({"0.0", "3.0", "5.0"})
OF_SENDER_OR_MESSAGE = ("6.", "7.")
SENDERS = frozenset({"1.7", "1.8", "2.3", "3.4"})
"""Said of the sender's address, or of a message too large."""
_OF_SENDER = re.compile(
    r"relay|authenticat|spam|block|black|deny|denied|policy|reputation|not (?:permitted|allowed)", re.IGNORECASE
)
"""Words of refusals without a telling status that are about the sender: a mail server that was set up wrongly must not
make everybody hard bounced."""
CODES_OF_NOBODY = frozenset({"550", "551", "553", "521", "556"})
"""What is said of a recipient by the three digits alone (RFC 5321, RFC 7504)."""


def severity_of(status: str, answer: str = "", *, of_recipient: bool = True) -> Severity:
    """How a refusal is to be taken.

    Args:
        status: an enhanced status code, `5.1.1`; "": look for one in the answer.
        answer: what the server said, `550 5.1.1 no such user`.
        of_recipient: whether it was said of the recipient alone, not of the whole message.
    """
    found = _STATUS.search(status) or _STATUS.search(answer)
    detail = f"{int(found[2])}.{int(found[3])}" if found is not None else "0.0"
    if detail.startswith(OF_SENDER_OR_MESSAGE) or detail in SENDERS:
        return Severity.BLOCK
    code = _CODE.search(answer)
    if (found[1] if found is not None else code[1][0] if code is not None else "5") != "5":
        return Severity.SOFT
    if detail not in TELLS_NOTHING:
        return Severity.HARD if detail in NOBODY_THERE else Severity.SOFT
    if not of_recipient or _OF_SENDER.search(answer):
        return Severity.BLOCK
    if code is None:
        return Severity.HARD if found is not None else Severity.SOFT
    return Severity.HARD if code[1] in CODES_OF_NOBODY else Severity.SOFT
