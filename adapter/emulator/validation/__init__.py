"""Checks that the Gemini service makes after it has parsed the JSON, one file per part of the request.

Two groups, as on the server: the field validator (every fault is one bullet line) runs first; only a request without
such faults meets the rules about models, turns and signatures. All faults of a group come in one 400.
"""

from adapter.emulator.core.conversation import Request
from adapter.emulator.core.errors import Refusal, invalid
from adapter.emulator.core.models import Model
from adapter.emulator.core.signatures import SignatureReport, check
from adapter.emulator.core.tokens import prompt_tokens
from adapter.emulator.settings import EmulatorSettings
from adapter.emulator.validation.contents import content_violations, unsupported_media
from adapter.emulator.validation.generation import config_violations, model_violations
from adapter.emulator.validation.tools import combination_violations, tool_violations
from adapter.emulator.validation.turns import turn_violations

__all__ = ["check_request"]


def check_request(
    request: Request, model: Model, settings: EmulatorSettings, *, streaming: bool = False
) -> SignatureReport:
    """Raise a `Refusal` with all faults of the first group that has any; report on the signatures."""
    refuse("".join(content_violations(request) + tool_violations(request) + config_violations(request)))
    if "cachedContent" in request:
        raise Refusal(403, "CachedContent not found (or permission denied)")
    contents = request["contents"]
    signatures = check(contents, model, settings.signature_key, verify=settings.verify_signatures)
    faults = [
        *combination_violations(request, model),
        *model_violations(request, model, streaming=streaming),
        *turn_violations(contents, model, require_ids=settings.require_result_ids),
        *unsupported_media(contents),
        *signatures.violations,
    ]
    refuse("\n".join(faults))
    check_size(request, model)
    return signatures


def refuse(message: str) -> None:
    """Raise a 400 if there are violations."""
    if message:
        raise invalid(message)


def check_size(request: Request, model: Model) -> None:
    """Check that the input fits the model's window."""
    count = sum(prompt_tokens(request, model).values())
    if count > model.input_limit:
        raise invalid(
            f"The input token count ({count}) exceeds the maximum number of tokens allowed ({model.input_limit})."
        )
