"""How a new model comes into service, and goes again if it is bad: shadow → canary → full → back.

`plan` decides which model looks at which print, `comparison` whether one model may stay beside another,
`live_models` holds the models of a running server, `keeper` follows the steps in the database and takes a bad
model back, `registry` and `repository` keep models and steps.
"""

from layerwatch.learning.rollout.comparison import PairedComparison, Tally
from layerwatch.learning.rollout.keeper import RolloutKeeper
from layerwatch.learning.rollout.live_models import LiveModels
from layerwatch.learning.rollout.plan import PACKAGED, RolloutPlan, RolloutStage, RolloutStep
from layerwatch.learning.rollout.registry import ModelRegistry

__all__ = [
    "PACKAGED",
    "LiveModels",
    "ModelRegistry",
    "PairedComparison",
    "RolloutKeeper",
    "RolloutPlan",
    "RolloutStage",
    "RolloutStep",
    "Tally",
]
