"""The teacher: CLIP's image tower, left as it is, under a small head that learns what the detector learns.

The tower is read once for each sample and its tokens are kept (`cache`); the heads learn from them (`head`,
`fit`) in minutes on a processor, so that leaving out every source in turn is cheap (`judge`).
"""
