"""The watcher: inspects prints through their cameras, and acts when one fails."""
