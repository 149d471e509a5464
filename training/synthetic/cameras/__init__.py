"""Where people are seen: a camera's place, its light, what stands in its view, its sensor and its recorder."""
