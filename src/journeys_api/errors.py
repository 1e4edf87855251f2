"""What a service raises when it cannot do what was asked; a command maps each to its own code and status."""


class DomainError(Exception):
    """A refusal in the words of the domain: the class is the fact, its docstring the message, keywords detail it."""

    def __init__(self, **facts: object) -> None:
        super().__init__((type(self).__doc__ or type(self).__name__).strip())
        self.facts = facts
