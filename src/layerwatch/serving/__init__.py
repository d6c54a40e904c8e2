"""Processes that serve: one, or several on one port that a supervisor looks after.

`server.serve` runs an application in this process. `Supervisor` runs several worker processes, restarts those
that die, and ends them all in order. `WorkerPeers` lets each of them answer `/metrics` for all.
"""
