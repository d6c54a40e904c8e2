"""This package's version, without the cost of asking the installation for it."""

__version__ = "0.1.0"
