"""Contexts: a print's session. Its signed id, its state, the pacing check, idempotent answers."""

from layerwatch.contexts.answer import Answer, describe
from layerwatch.contexts.call import Call, Outcome
from layerwatch.contexts.context_id import LIFETIME, Context, ContextIds
from layerwatch.contexts.errors import ContextError, ContextLost, TooSoon
from layerwatch.contexts.service import Contexts, Start

__all__ = [
    "LIFETIME",
    "Answer",
    "Call",
    "Context",
    "ContextError",
    "ContextIds",
    "ContextLost",
    "Contexts",
    "Outcome",
    "Start",
    "TooSoon",
    "describe",
]
