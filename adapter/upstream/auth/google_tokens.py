"""Access tokens from google-auth (extra `vertex`); blocking, so `VertexAuth` calls it in a thread."""

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Any

import google.auth
import google.auth.credentials
import google.auth.transport.requests
import requests
from google.auth.exceptions import GoogleAuthError

from adapter.upstream.auth.access_token import REFRESH_EARLY_S, SCOPE, TOKEN_REQUEST_TIMEOUT_S, NoToken

log = logging.getLogger("adapter")


class GoogleTokens:
    """Gets access tokens for the application default credentials that google-auth finds."""

    def __init__(self) -> None:
        self._credentials: Any = None
        self._request: Any = None

    def __call__(self) -> tuple[dict[str, str], float]:
        """Return headers with a fresh token, and its lifetime in seconds. Raises `NoToken`."""
        try:
            credentials = self._refresh_credentials()
        except (GoogleAuthError, TypeError, ValueError, KeyError, OSError) as error:
            # google-auth does not validate what the token server answers, so any of these can come out of it. The
            # error's text may quote that answer, so only its class is logged.
            text = "cannot get an access token for Vertex AI (%s): check the Google Cloud credentials"
            log.warning(text, type(error).__name__)
            raise NoToken from None
        headers = {"authorization": f"Bearer {credentials.token}"}
        if credentials.quota_project_id:
            headers["x-goog-user-project"] = credentials.quota_project_id
        now = datetime.now(UTC).replace(tzinfo=None)
        return headers, (credentials.expiry - now).total_seconds() if credentials.expiry else REFRESH_EARLY_S * 2

    def _refresh_credentials(self) -> Any:
        """Return the credentials that google-auth finds, with a token that was just issued."""
        if self._credentials is None:
            session = requests.Session()
            session.trust_env = False
            self._request = partial(google.auth.transport.requests.Request(session), timeout=TOKEN_REQUEST_TIMEOUT_S)
            # Passing the scopes to `default` would make it look up the project's name as well, which is a setting here.
            credentials, _ = google.auth.default(request=self._request)
            with_scopes: Any = google.auth.credentials.with_scopes_if_required
            self._credentials = with_scopes(credentials, [SCOPE])
        self._credentials.refresh(self._request)
        return self._credentials
