"""Words of other rooms that pages show as `word | translated`: listed here so that they are translated."""

from __future__ import annotations

from layerwatch.core.languages import marked

ROLES = (marked("owner"), marked("member"), marked("read-only"), marked("operator"))
FAILURE_KINDS = (
    marked("spaghetti"),
    marked("detachment"),
    marked("warping"),
    marked("layer shift"),
    marked("blob"),
    marked("stringing"),
    marked("under extrusion"),
    marked("bed not clear"),
)
FEEDBACK = (
    marked("false alarm"),
    marked("missed"),
    marked("resumed"),
    marked("good"),
    marked("failed"),
    marked("correct alarm"),
)
LABELS = (marked("good"), marked("failed"), marked("other"))
CONDITIONS = (
    marked("ok"),
    marked("dark"),
    marked("overexposed"),
    marked("blurred"),
    marked("blocked"),
    marked("frozen"),
    marked("moved"),
    marked("no print"),
)
NOTES = (
    marked("looked like this from the start"),
    marked("the same picture over again, judged by itself"),
    marked("marked as no failure by a person"),
)
ACTIONS = (
    marked("Pause"),
    marked("Resume"),
    marked("Cancel"),
    marked("pause"),
    marked("resume"),
    marked("cancel"),
)
STATEMENTS = (
    marked("preview"),
    marked("open"),
    marked("paid"),
    marked("overdue"),
    marked("credited"),
    marked("refund due"),
    marked("payment"),
    marked("credit note"),
)
DELIVERIES = (marked("delivered"), marked("failed"), marked("retrying"), marked("waiting"))
MODEL_ROLES = (marked("active"), marked("shadow"), marked("canary"), marked("ended"))
INCIDENTS = (
    marked("did not answer"),
    marked("more than 1 percent of the calls failed"),
    marked("more than 5 percent of the calls were refused"),
    marked("worked from memory: the database was out of reach"),
)
PASSWORD_WARNINGS = (
    marked("Straight rows of keys are easy to guess."),
    marked("Short keyboard patterns are easy to guess."),
    marked('Repeats like "aaa" are easy to guess.'),
    marked('Repeats like "abcabcabc" are only slightly harder to guess than "abc".'),
    marked('Sequences like "abc" or "6543" are easy to guess.'),
    marked("Recent years are easy to guess."),
    marked("Dates are often easy to guess."),
    marked("This is a top-10 common password."),
    marked("This is a top-100 common password."),
    marked("This is a very common password."),
    marked("This is similar to a commonly used password."),
    marked("A word by itself is easy to guess."),
    marked("Names and surnames by themselves are easy to guess."),
    marked("Common names and surnames are easy to guess."),
)
"""zxcvbn's."""
