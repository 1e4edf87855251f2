"""`docs/api.md`, derived from the table of commands: `python -m journeys_api.http.markdown > docs/api.md`.

Called so, it also brings the table of `docs/compatibility.md` up to date, where that page is.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from journeys_api.commands import catalog
from journeys_api.commands.registry import COMMANDS, Command, Refusal
from journeys_api.http import describing, vendor

_NOTICE = (
    "<!-- Written by `python -m journeys_api.http.markdown > docs/api.md`; change the declarations, not this page. -->"
)


def api_page(commands: Iterable[Command]) -> str:
    """Every command in one Markdown page: how it is called, what it takes, what it answers and refuses."""
    nouns: dict[str, list[Command]] = {"journeys": []}
    for command in sorted(commands, key=lambda each: (describing.noun(each), each.name)):
        nouns.setdefault(describing.noun(command), []).append(command)
    sections = [_NOTICE, "# Commands", describing.INTRODUCTION, _general_codes(), _contents(nouns)]
    for noun, members in nouns.items():
        sections.append(f"## {noun.capitalize()}")
        sections += [_section(command) for command in members]
    return "\n\n".join(sections) + "\n"


def _general_codes() -> str:
    rows = [
        (str(code), str(describing.general(code).status), _text(describing.general(code).body["ErrorText"]), told)
        for code, told in describing.GENERAL_CODES.items()
    ]
    lead = (
        "These codes can answer every call, in this shape at both doors: "
        f"`{json.dumps(describing.general(99998).body)}`. Statuses are those of REST; at `/api.php` 99998 and 99999 "
        "answer with 200."
    )
    return f"{lead}\n\n{_table(('Code', 'Status', 'Message', 'When'), rows)}"


def _contents(nouns: Mapping[str, list[Command]]) -> str:
    return "\n".join(
        f"- {noun.capitalize()}: " + ", ".join(f"[`{command.name}`](#{_anchor(command.name)})" for command in members)
        for noun, members in nouns.items()
    )


def _section(command: Command) -> str:
    called = [f"`{method} {path}`" for method, path in command.routes] or ["`/api.php` only"]
    sentences = (describing.callers(command), describing.limits(command), _origin(command))
    parts = [
        f"### {command.name}",
        f"**{command.title or command.name}** — {', '.join(called)}",
        " ".join(sentence for sentence in sentences if sentence),
        describing.documentation(command),
    ]
    if command.params:
        rows = [
            (
                f"`{param.wire}`",
                describing.type_of(param),
                "required" if param.missing is not None else _default(describing.default_of(param)),
                _joined(describing.parameter(param, command), describing.values_of(param)),
            )
            for param in command.params
        ]
        parts.append(_table(("Parameter", "Type", "", ""), rows))
    if command.refusals:
        codes = [_code_row(refusal, command) for refusal in sorted(command.refusals, key=lambda each: each.code)]
        parts.append(_table(("Code", "Status", "Message"), codes))
    if command.example:
        parts.append(f"Request:\n\n{_json(command.example)}")
    if command.answer:
        parts.append(f"Answer:\n\n{_json(command.answer)}")
    if command.refusals:
        parts.append(f"Refusal: `{json.dumps(describing.refused(command, command.refusals[0]), ensure_ascii=False)}`")
    return "\n\n".join(part for part in parts if part)


def _joined(said: str, values: str) -> str:
    """Both as sentences."""
    if said and values and not said.endswith("."):
        said += "."
    return f"{said} {values[:1].upper()}{values[1:]}".strip()


def _origin(command: Command) -> str:
    source = describing.origin(command.source)
    return f"Source: {source.rstrip('.')}." if source else ""


def _code_row(refusal: Refusal, command: Command) -> tuple[str, str, str]:
    addition = describing.origin(refusal.source, inherited=command.source)
    message = _text(refusal.message)
    return str(refusal.code), str(refusal.status), f"{message} (added: {addition})" if addition else message


def _default(value: Any) -> str:
    return "" if value is None else f"default `{value if isinstance(value, str) else json.dumps(value)}`"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _text(message: object) -> str:
    """Plain text as Markdown."""
    text = str(message)
    for character in "\\`*_<>[]":
        text = text.replace(character, f"\\{character}")
    return text


def _json(value: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"


def _anchor(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum() or character in "-_")


if __name__ == "__main__":
    assert catalog.MODULES, "importing the catalog fills the table of commands"
    sys.stdout.write(api_page(COMMANDS.values()))
    if vendor.PAGE.is_file():
        vendor.PAGE.write_text(vendor.with_table(vendor.PAGE.read_text(), COMMANDS))
