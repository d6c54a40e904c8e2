"""The watcher: looks at prints through their cameras, and acts when one fails."""
