"""The console: web pages for live prints, keys, usage, invoices and the operator.

`install(app, services)` puts it into a server.
"""

from layerwatch.console.app import create_console, install

__all__ = ["create_console", "install"]
