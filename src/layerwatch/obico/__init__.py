"""The Obico ML API, so that its clients can use this server unchanged."""
