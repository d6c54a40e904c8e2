"""Status: the uptime record of every region, and the report that the status page shows."""
