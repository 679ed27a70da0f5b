"""From a request to a take: prompts, windows, streaming, the engine process and its queue."""
