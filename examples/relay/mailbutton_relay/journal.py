"""What became of each Idempotency-Key, on disk, so that a restart sends nothing twice."""

import sqlite3
import time

KEPT = 24 * 3600
# What is found under way at the start was cut off: nobody knows what became of it.
UNDER_WAY = 0


class Journal:
    def __init__(self, path):
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS sent (token TEXT, key TEXT, digest TEXT, status INTEGER, at REAL, PRIMARY KEY (token, key))"
        )
        self._db.execute("UPDATE sent SET status = 504 WHERE status = ?", (UNDER_WAY,))

    def find(self, token, key):
        """(digest, status), or None."""
        self._db.execute("DELETE FROM sent WHERE at < ? AND status != ?", (time.time() - KEPT, UNDER_WAY))
        row = self._db.execute("SELECT digest, status FROM sent WHERE token = ? AND key = ?", (token, key))
        return row.fetchone()

    def begin(self, token, key, digest):
        self._db.execute("INSERT INTO sent VALUES (?, ?, ?, ?, ?)", (token, key, digest, UNDER_WAY, time.time()))

    def end(self, token, key, status):
        self._db.execute(
            "UPDATE sent SET status = ?, at = ? WHERE token = ? AND key = ?", (status, time.time(), token, key)
        )

    def forget(self, token, key):
        """Of an email that surely was not sent: the next attempt is a new one."""
        self._db.execute("DELETE FROM sent WHERE token = ? AND key = ?", (token, key))

    def close(self):
        self._db.close()
