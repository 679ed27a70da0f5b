"""The sounds, their facts and their files: an SQLite library. The only user of sqlite3."""
