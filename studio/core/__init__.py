"""What every layer stands on: errors, paths, settings, logging. Imports nothing of ours."""
