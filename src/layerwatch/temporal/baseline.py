"""What is usual for this print: a belief about a healthy value, and how likely a new one is under it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from layerwatch.temporal import constants as c

_FREEDOM = 8.0
_LOG_8 = math.lgamma((_FREEDOM + 1) / 2) - math.lgamma(_FREEDOM / 2) - 0.5 * math.log(_FREEDOM * math.pi)


def probability(logit: float) -> float:
    """The probability, 0..1, of a log odds in nats."""
    return 0.5 + 0.5 * math.tanh(0.5 * logit)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A Normal-inverse-gamma belief: mean, frames behind it; variance, frames behind that.

    peak: the highest value of late.

    Source: the conjugate prior of a normal with unknown mean and variance, e.g. Murphy (2007), "Conjugate
    Bayesian analysis of the Gaussian distribution", section 3, with forgetting.
    """

    mean: float
    frames: float
    variance: float
    scale_frames: float
    peak: float

    @classmethod
    def prior(cls, healthy: tuple[float, float]) -> Baseline:
        """What is believed of a healthy print before its first frame."""
        mean, scale = healthy
        return cls(mean, c.PRIOR_FRAMES, scale * scale, c.PRIOR_SCALE_FRAMES, -c.LOGIT_LIMIT)

    def after(self, seconds: float) -> Baseline:
        """The same belief some seconds later: less sure of where the mean is."""
        frames = 1 / (1 / self.frames + c.DRIFT_PER_SECOND * seconds)
        return replace(self, frames=frames)

    def unsettled(self, share: float) -> Baseline:
        """The same belief when the scene has changed, by this share (above 0, to 1) of another scene: the old
        mean, but little trust in it.
        """
        frames = min(self.frames, c.NEW_SCENE_FRAMES / share)
        variance = max(self.variance, c.NEW_SCENE_VARIANCE * share)
        scale_frames = min(self.scale_frames, c.PRIOR_SCALE_FRAMES / share)
        return replace(self, frames=frames, variance=variance, scale_frames=scale_frames)

    def accept(self, value: float) -> Baseline:
        """Somebody said that `value` is well: it is usual from now on, if the usual was not higher yet."""
        variance = max(self.variance, c.TAUGHT_VARIANCE)
        return replace(self, mean=max(self.mean, value), frames=c.TAUGHT_FRAMES, variance=variance)

    def learn(self, value: float, weight: float) -> Baseline:
        """Take in a value that counts for `weight` frames; memory is bounded."""
        if weight <= 0:
            return self
        frames = self.frames + weight
        off = value - self.mean
        scale_frames = self.scale_frames + weight
        square = min(off * off, c.MAX_SQUARE * self.variance)  # one outlier does not make a print noisy
        squares = self.scale_frames * self.variance + weight * self.frames / frames * square
        return Baseline(
            self.mean + weight * off / frames,
            min(frames, c.MAX_FRAMES),
            max(squares / scale_frames, c.MIN_VARIANCE),
            min(scale_frames, c.MAX_FRAMES),
            self.peak,
        )

    def noticed(self, value: float) -> Baseline:
        """Remember how high it was of late."""
        return replace(self, peak=max(value, self.peak - c.PEAK_DECAY))

    def forgiven(self) -> Baseline:
        """A peak that went away by itself was healthy: similar peaks raise less suspicion from now on."""
        square = max(self.peak - self.mean, 0.0) ** 2
        if square <= self.variance:
            return self
        scale_frames = self.scale_frames + c.PEAK_WEIGHT
        squares = self.scale_frames * self.variance + c.PEAK_WEIGHT * min(
            square, c.MAX_PEAK_SQUARE * self.variance
        )
        return replace(self, variance=squares / scale_frames, scale_frames=min(scale_frames, c.MAX_FRAMES))

    def plausibility(self, value: float) -> float:
        """For how many frames `value` counts: few when it is far above the mean, more than 1 far below it.

        What looked like a failure and is gone was no part of the scene, so the baseline soon forgets it.
        """
        beyond = (value - self.mean) / math.sqrt(self.variance * (1 + 1 / self.frames))
        near, far = c.LEARN_DEVIATIONS
        surprise = min(max((abs(beyond) - near) / (far - near), 0.0), 1.0)
        return 1 + surprise * ((c.LEARN_RELIEF if beyond < 0 else c.LEARN_SURPRISING) - 1)

    def nats(self, value: float, failing: tuple[float, float], missed: float) -> tuple[float, float]:
        """Evidence of `value` for an excursion and for failing, each against healthy, in nats; bounded.

        Healthy: Student's t, the posterior predictive. Excursion: wider, and above it; a share of them,
        anything. Failing: around `failing` (mean, scale), never near the baseline, flat above. Healthy and
        failing each hold a share of another: detectors cry wolf, and miss, in a share `missed` of a failing
        print's frames. Below the mean all is as well as at it: a picture can look too well for no print.
        """
        value = max(value, self.mean)
        variance = self.variance * (1 + 1 / self.frames)
        healthy = _student(value - self.mean, variance)
        height, width = c.EXCURSION_HEIGHT
        odd = _student(value - self.mean - height, variance + width * width)
        odd = (1 - c.EXCURSION_ANY) * odd + c.EXCURSION_ANY / (2 * c.LOGIT_LIMIT)
        level, scale = failing
        level = max(level, self.mean + c.FAILING_STEP)
        failed = _student(min(value - level, 0.0), scale * scale)
        usual = (1 - c.OUTLIER_RATE) * healthy + c.OUTLIER_RATE * odd
        failed = (1 - missed) * failed + missed * healthy
        return math.log(odd / usual), math.log(failed / usual)


def logit(probability: float) -> float:
    """Log-odds of a probability, within ±`LOGIT_LIMIT`."""
    bounded = min(max(probability, 1e-4), 1 - 1e-4)
    value = math.log(bounded / (1 - bounded))
    return min(max(value, -c.LOGIT_LIMIT), c.LOGIT_LIMIT)


def _student(off: float, variance: float) -> float:
    """Density of Student's t with eight degrees of freedom, `off` from its mean; never quite 0."""
    tail = math.log1p(off * off / (_FREEDOM * variance))
    return math.exp(_LOG_8 - 0.5 * math.log(variance) - (_FREEDOM + 1) / 2 * tail) + 1e-9
