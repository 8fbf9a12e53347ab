"""The emulator's errors, in the words of the real server.

Texts come from public recordings and issue reports of the Gemini Developer API; where no report quotes the server, the
opaque `Request contains an invalid argument.` is used, which the server itself uses for whatever it does not explain.
"""

from typing import Any

TYPE_URL = "type.googleapis.com/google.rpc."
OPAQUE = "Request contains an invalid argument."

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Refusal(Exception):
    """A google.rpc.Status that ends the request."""

    def __init__(self, code: int, message: str, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or []

    def body(self) -> dict[str, Any]:
        """Return the JSON error object."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": STATUSES[self.code]}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(message: str) -> Refusal:
    """Return a 400 that has nothing but a text."""
    return Refusal(400, message)


def bullet(path: str, text: str, request: str = "GenerateContentRequest") -> str:
    """Return one line of the field validator: `* GenerateContentRequest.contents: contents is not specified`."""
    return f"* {request}.{path}: {text}\n"


def no_key() -> Refusal:
    """Return the error for a request without an API key or a token."""
    text = (
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API."
    )
    return Refusal(403, text)


def bad_key() -> Refusal:
    """Return the error for an unknown API key: a 400, not a 401."""
    text = "API key not valid. Please pass a valid API key."
    return Refusal(
        400,
        text,
        [
            error_info("API_KEY_INVALID"),
            {"@type": f"{TYPE_URL}LocalizedMessage", "locale": "en-US", "message": text},
        ],
    )


def bad_token() -> Refusal:
    """Return the error for an API key where an OAuth token belongs."""
    text = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return Refusal(401, text, [error_info("ACCESS_TOKEN_TYPE_UNSUPPORTED")])


def error_info(reason: str) -> dict[str, Any]:
    """Return a google.rpc.ErrorInfo of this service."""
    return {
        "@type": f"{TYPE_URL}ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }


def unknown_model(name: str, version: str, method: str) -> Refusal:
    """Return the 404 for an unknown model; recordings of `countTokens` still show the older wording."""
    lister = "ListModels" if method == "countTokens" else "ModelService.ListModels"
    text = (
        f"models/{name} is not found for API version {version}, or is not supported for {method}. "
        f"Call {lister} to see the list of available models and their supported methods."
    )
    return Refusal(404, text)


def missing_signature(function: str, position: int) -> str:
    """Return the message observed for a call without its signature (`position` counts from 1)."""
    return (
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
        "correctly, and missing thought_signature may lead to degraded model performance. Additional data, function "
        f"call `default_api:{function}` , position {position}. Please refer to "
        "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
    )
