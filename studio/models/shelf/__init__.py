"""The models of this machine: built in, fetched, added, converted; `shelf` is the way in."""
