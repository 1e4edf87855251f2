"""What code below the doors raises when it cannot do what was asked; a command maps each to its own code and status."""


class DomainError(Exception):
    """A refusal in the words of the domain: the class is the fact, its docstring the message.

    Args:
        detail: appended to the command's message when the place of the trouble helps the caller, such as
            `Actions[2].WaitAmount`.
        extra: keys that the command's documented refusal carries beside its codes, by wire name.
    """

    def __init__(self, detail: str | None = None, *, extra: dict[str, object] | None = None) -> None:
        super().__init__(detail or (type(self).__doc__ or type(self).__name__).strip().splitlines()[0])
        self.detail = detail
        self.extra = extra or {}


class NotReadable(Exception):
    """The input cannot be read at all: code 100000 at both doors. The text says why and names no value."""


class TooManyRequests(Exception):
    """The caller has to wait: 429 at both doors."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after
