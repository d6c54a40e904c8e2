"""Every tuned value of the temporal model, in one place.

Tuned by random search on modelled detector scores (1,200 prints, seeds 21 to 24, 4,559 healthy hours), with
the real sequences, the static scenes and 120 modelled prints whose score climbs by 3 logits within 20 to 160
minutes as side conditions; `docs/temporal.md` holds the table that came out on other seeds. Logits are
natural; evidence is in nats.
"""

from __future__ import annotations

# --- healthy, an excursion (healthy work that looks odd for a while), failing ----------------------------
PRIOR_FAILING = 0.01  # a print rarely starts failed
PRIOR_EXCURSION = 0.05
FAILURES_PER_SECOND = 1 / (35 * 3600)
EXCURSIONS_PER_SECOND = 1 / 3400
EXCURSION_ENDS_PER_SECOND = 1 / 67  # shorter than most: whatever lasts is not an excursion
RECOVERIES_PER_SECOND = 1 / (6 * 3600)  # a failure is rarely fixed without feedback
MIN_PROBABILITY = 0.0011  # of any of the three: nothing is ever certain

# --- what a detector says of them: means and scales of logits ---------------------------------------------
LOGIT_LIMIT = 5.0
GLOBAL_HEALTHY = (-2.8, 0.5)  # prior of the print's own mean, and scale around it
GLOBAL_FAILING = (3.0, 1.6)
LOCAL_HEALTHY = (1.6, 1.06)  # of the largest excess over its place's baseline
LOCAL_FAILING = (3.6, 1.15)
EXCURSION_HEIGHT = (2.1, 2.7)  # above the print's own mean
EXCURSION_ANY = 0.43  # share of excursions in which the detector may say anything
FAILING_STEP = 1.5  # minimum distance of failing above the print's own mean
PRIOR_FRAMES = 0.36  # how many frames the healthy prior is worth
PRIOR_SCALE_FRAMES = 6.4
MIN_VARIANCE = 0.075
MISS_RATE = 0.02  # share of frames of a failing print that look healthy
PLACE_MISS_RATE = 0.037  # … that show nothing where nothing was before: failures grow where the print is
OUTLIER_RATE = 0.05  # share of frames of a healthy print that look like anything
FRAME_EVIDENCE = 0.83  # successive frames are not independent: evidence per frame is shrunk by this
SATURATED = (0.43, 0.44)  # baseline logit at which the picture's own score stops telling, and how softly

# --- the scene's baseline ---------------------------------------------------------------------------------
FIRST_FRAME_WEIGHT = 9.5  # what is there from the start is scenery
LEARN_DEVIATIONS = (0.48, 1.66)  # from the usual, within which a value counts as one frame, and beyond which
LEARN_SURPRISING = 0.13  # … as this much of one, if it is above, and
LEARN_RELIEF = 3.0  # … as so many, if it is below
NEW_SCENE_FRAMES = 6.0  # what the old baseline is still worth after a bump or a lamp
NEW_SCENE_VARIANCE = 1.2**2
EXCURSION_LEARNING = 0.09  # of what a healthy frame teaches
MAX_SQUARE = 2.75  # of the variance; what one value may teach about it
CALM = 0.94  # probability of health from which on a recent peak is known to have been none
PEAK_WEIGHT = 1.15  # frames that such a peak counts for, in each frame, as long as it is remembered
PEAK_DECAY = 0.13  # logits a frame
MAX_PEAK_SQUARE = 10.4  # of the variance; what one peak may teach about it
MAX_FRAMES = 42.0  # what the baseline remembers, in frames
DRIFT_PER_SECOND = 1 / (60 * 60 * 23)  # growth of the baseline's relative variance
PLACE_FLOOR = -2.0  # a place's logit below this is no sight of a failure
PLACE_LEARN_UP = 0.14
PLACE_FIRST_FRAMES = 2.4  # early on a place learns as if it had been seen so often
PLACE_LEARN_DOWN = 0.0019
PLACE_RELIEF = 0.078  # … but so much of the way when the whole picture is a relief
RECENT_DECAY = 0.25  # logits a frame
TAUGHT_VARIANCE = 0.5
TAUGHT_FRAMES = 20.0  # what "false alarm" is worth
KIND_LEARN = 0.3

# --- the same picture over again, and places that are known to look like a failure -----------------------
STILL_LOGIT = 0.01  # by which the detector's logit may differ for the same picture
STILL_STEP = 0.5  # share of the way to the picture's own score that one repeat goes
PLAIN_QUALITY = 7  # to which a picture must bring a print that went well, to be warned of when it is repeated
LOOKS_FAILED = 0.5  # probability from which on one picture, seen alone, looks failed
START_QUALITY = 4  # at most, while a print looks as failed as in its first picture …
START_CALM_SECONDS = 600.0  # … and has not gone on for this long without growth there
MARKED_QUALITY = 7  # at most, while places that a person marked still look like a failure
LIT_PLACE = 0.25  # probability from which on a place, or a cell of the heat map, looks like a failure
UNLIT_FRAMES = 3  # pictures in which no marked place does, until they count as gone
MIN_MARK = 1 / 3  # a place marked lower, or not at all, counts as this: half as much again looks failed
MIN_AREA = 0.005  # lit share of the picture below which growth is noise
RECENT_AREA_DECAY = 0.9  # of the largest lit share of late, a frame
GROWTH_RATIO = (1.3, 1.5)  # of area or strength, over what is marked: from where growth counts, to in full
GROWN = 0.5  # growth from which on the scene no longer is the one that was marked
GROWTH_NATS = (1.5, 3.5)  # for an excursion and for failing, of growth in full beyond what a person marked

# --- what is remembered of a printer from print to print; chosen by reasoning, not searched for -----------
ACCEPTED_DISCOUNT = 0.85  # share of the evidence that is lost where a person marked the same as no failure
LEFT_OVER_LOGITS = 2.0  # above the printer's usual mean, from which a failed first picture is not scenery
ENDED_WELL_FRAMES = 10  # that a print must have had to teach its printer's memory
ENDED_WELL_QUALITY = 7
PRINT_LEARN = 0.2  # share that one more print counts for, at least
PLACE_RISE = 0.5  # of the way to what a print showed in a place, if that is more than usual …
PLACE_FALL = 0.2  # … and if it is less
ACCEPTED_DECAY = 0.9  # of what a person marked, a print
FIRST_PRINT_SPREAD = 0.5  # of mean logits between a printer's prints, before a second one was seen
FIRST_OPENING_SPREAD = 0.1  # of how far first pictures are from each other, in contrasts, likewise

# --- what changed in the picture ------------------------------------------------------------------------
FROZEN_PIXELS = 2  # of 16 x 12, that may differ by one grey level in a frozen picture
FROZEN_LOGIT = 0.05  # and by how much the detector's logit may differ
CONTRAST_FLOOR = 64.0  # grey levels squared: flat pictures have no contrast to divide by
FIRST_CHANGE = (0.45, 0.2)  # usual change between pictures and its spread, before any was seen
MIN_CHANGE_SPREAD = 0.02
CHANGE_FLOOR = 0.30  # in contrasts; below it nothing large happened
CHANGE_DEVIATIONS = 4.0
CHANGE_LEARN = 0.15
NOVEL_SHARE = 0.5  # of the usual change, from which a picture is a fresh look
MIN_NOVELTY = 0.35  # what the same scene over again is worth, as evidence
SETTLED_FRAMES = 15  # of a camera, after which its usual change is known
SETTLE_FRAMES = 2  # frames without evidence after a large change
FIRST_STEP = 0.06  # usual distance of a picture from the scene's brightness, of full scale
LAMP_STEP = 0.12  # a lamp changes it more than this …
LAMP_STEPS = 4.0  # … and more than so many usual steps
UNREST_FROM = 0.5  # share of a new scene's change from which on the baseline becomes less sure

# --- time ---------------------------------------------------------------------------------------------------
USUAL_INTERVAL = 20.0  # seconds; closer frames carry proportionally less evidence
MAX_CREDIT_SECONDS = 45.0  # seconds of low quality that one interval may add
MAX_COUNTED_SECONDS = 1800.0  # of low or of good quality that are counted
MAX_GAP_SECONDS = 900.0  # seconds; a longer silence counts as this long
CLOCK_SET_BACK = 600.0  # a frame earlier than this is a clock set back, not a late frame

# --- quality, warning and pause -------------------------------------------------------------------------
QUALITY_SCORES: tuple[int, ...] = (1, 3, 8, 15, 25, 31, 38, 74, 92)  # highest score of quality 10, 9, … 2
BAD_QUALITY = 3
HIGHEST_WATCHED_SCORE = QUALITY_SCORES[6]  # of quality 4, the lowest that is no possible failure
WATCHED_QUALITY = 5  # the highest quality whose answer names the likeliest kind
HINT_QUALITY = 8  # from which on the print is worth a closer look: 2 % of healthy pictures are
EXCURSION_SCORE = 0.3  # an excursion counts this much of a failure in the score
RISE_NATS = 0.88  # evidence for a failure that a frame needs to raise a flag
SURE_LOG_ODDS = 4.0
UNSURE_LOG_ODDS = 0.6
# Seconds of quality 1-3, for levels 1-5: when sure, and at the latest.
WARNING_SECONDS: tuple[tuple[float, float], ...] = ((8, 16), (18, 28), (30, 40), (55, 85), (90, 150))
PAUSE_SECONDS: tuple[tuple[float, float], ...] = ((35, 60), (52, 90), (75, 140), (110, 180), (160, 240))
PLAIN_PAUSE_SECONDS: tuple[float, ...] = (30, 45, 60, 90, 130)  # the same, on a picture that is plain
PLAIN_NATS = 4.0  # that a plain picture as a whole and its places each give, of 4.9 at most
PLAIN_LOG_ODDS = 3.0  # of the belief, at least
FOOLED_PATIENCE = 3.0  # how many times as long a pause takes where the scene itself fools the detector
CLEAR_SECONDS = 90.0  # seconds of better quality until a flag goes down
CLEAR_QUALITY = 5
