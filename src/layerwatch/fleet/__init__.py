"""Fleet: the nodes of an installation, their heartbeats, and the region a print is sent to."""
