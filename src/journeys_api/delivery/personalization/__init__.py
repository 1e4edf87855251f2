"""Personalization: texts with merge tags, parsed once for a version of a text and rendered for every recipient.

`compile` a text, `Template.render` it with a `Context` for a `Mode`. What the tags mean stands in `expressions`
(values, helpers, fallbacks), `conditions`, `legacy` and `chance`; how values are encoded, in `encoding`.

Source: AC 4, JC 3.8.
"""

from journeys_api.delivery.personalization.context import NAMESPACES, Context, Value
from journeys_api.delivery.personalization.encoding import Mode
from journeys_api.delivery.personalization.nodes import MAX_RENDERED, RenderingTooLarge
from journeys_api.delivery.personalization.template import Outline, Template, compile

__all__ = [
    "MAX_RENDERED",
    "NAMESPACES",
    "Context",
    "Mode",
    "Outline",
    "RenderingTooLarge",
    "Template",
    "Value",
    "compile",
]
