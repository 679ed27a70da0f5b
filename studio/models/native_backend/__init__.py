"""The backend that computes on the processor, with code compiled for it on the user's machine."""
