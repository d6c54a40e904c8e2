"""What every room may use: clock, errors, secrets, and connections to addresses that users wrote."""
