"""Files for a DAW: permanent copies with telling names."""
