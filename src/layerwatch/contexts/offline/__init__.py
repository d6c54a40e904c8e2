"""Working without the database: a spool of usage, a cache of states, exactly-once reconciliation."""
