"""Access tokens by google-auth (extra `vertex`)."""

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Any

import google.auth
import google.auth.credentials
import google.auth.transport.requests
import requests
from google.auth.exceptions import GoogleAuthError

from adapter.upstream.auth.vertex import EARLY, ONE_REQUEST, SCOPE, NoToken

log = logging.getLogger("adapter")


class GoogleTokens:
    """Tokens by google-auth."""

    def __init__(self) -> None:
        self._credentials: Any = None
        self._request: Any = None

    def __call__(self) -> tuple[dict[str, str], float]:
        """Headers with a fresh token, and for how many seconds it serves. Raises `NoToken`."""
        try:
            credentials = self._refreshed()
        except (GoogleAuthError, TypeError, ValueError, KeyError, OSError) as error:
            # google-auth trusts the shape of what a token's server says. Its texts hold it, so only the kind is told.
            log.warning("no access token for Vertex AI: %s", type(error).__name__)
            raise NoToken from None
        headers = {"authorization": f"Bearer {credentials.token}"}
        if credentials.quota_project_id:
            headers["x-goog-user-project"] = credentials.quota_project_id
        now = datetime.now(UTC).replace(tzinfo=None)
        return headers, (credentials.expiry - now).total_seconds() if credentials.expiry else EARLY * 2

    def _refreshed(self) -> Any:
        """The credentials that google-auth finds, with a token that was just made."""
        if self._credentials is None:
            session = requests.Session()
            session.trust_env = False
            self._request = partial(google.auth.transport.requests.Request(session), timeout=ONE_REQUEST)
            # With scopes at once, it would also ask for the project's name, which is known here.
            found, _ = google.auth.default(request=self._request)
            with_scopes: Any = google.auth.credentials.with_scopes_if_required
            self._credentials = with_scopes(found, [SCOPE])
        self._credentials.refresh(self._request)
        return self._credentials
