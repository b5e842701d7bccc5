"""What these tests borrow from the web app's."""

from tests.api.conftest import client, make_client, submitted

__all__ = ["client", "make_client", "submitted"]
