"""A PostgreSQL server of our own under the data directory, for a machine that has none."""

from journeys_api.embedded.locks import DataDirectoryInUse
from journeys_api.embedded.server import EmbeddedPostgres
from journeys_api.embedded.server_user import EmbeddedPostgresError

__all__ = ["DataDirectoryInUse", "EmbeddedPostgres", "EmbeddedPostgresError"]
