"""Models that keep improving: feedback → reviewed examples → training set → candidate → promotion.

A client says of a print "false alarm" or "missed". With the account's consent the pictures around that moment
wait in a queue, people label them, the labelled pictures are exported in the index format that
`layerwatch-train` reads, and the model trained from them is compared with the active one before it may take
its place. What an account withdraws leaves every one of these steps.
"""

from layerwatch.learning.errors import FeedbackLimitReached, LearningError
from layerwatch.learning.examples import ExampleStore
from layerwatch.learning.recent import RecentPictures
from layerwatch.learning.recorder import FeedbackRecorder

__all__ = [
    "ExampleStore",
    "FeedbackLimitReached",
    "FeedbackRecorder",
    "LearningError",
    "RecentPictures",
]
