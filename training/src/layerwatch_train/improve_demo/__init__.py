"""The whole loop on real pictures: `layerwatch-train improve-demo`, or `make improve-demo`.

A detector that has seen nothing of a source is active on a real server; that source's pictures arrive as
users' feedback, are reviewed by their known labels, exported and learned from; the candidate passes the gate,
the shadow and the promotion, and both detectors are compared on printers of the source that nobody reported.
"""
