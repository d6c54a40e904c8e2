"""From reviewed feedback to a candidate detector: `layerwatch-train improve`.

`examples` reads what people reviewed, without what was withdrawn; `accounts` limits the weight of an account
and leaves out one whose labels contradict all others; `feed` and `fit` train from the current weights;
`judge` compares both detectors on pictures that the candidate has not seen, and `report` writes it down.
"""
