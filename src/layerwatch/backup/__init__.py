"""One file with everything that an installation cannot lose, and the way back from it.

The file is a ZIP archive without compression: the snapshot of the SQLite database, the secret, the pictures
behind feedback, the models, what is still in the spool, and `manifest.json` with the size and the SHA-256 of
each. The database of a PostgreSQL installation is not in it; `pg_dump` writes a separate file.
"""

from layerwatch.backup.archive import BackupError
from layerwatch.backup.create import back_up
from layerwatch.backup.restore import restore

__all__ = ["BackupError", "back_up", "restore"]
