"""The links that messages carry: signed tokens, the addresses made of them, and what they lead to."""
