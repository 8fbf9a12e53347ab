"""Names of models that clients send, before anything is done for them."""

from adapter.translate.core.notes import Rejected
from adapter.upstream.errors import InvalidModelName
from adapter.upstream.model_path import model_path


def path_of_model(model: str, models: str) -> str:
    """The path of a model in a URL; `models` is the upstream's prefix.

    Raises `Rejected` for a name that cannot stand in one, such as one with a space or a `?`.
    """
    try:
        return model_path(model, models)
    except InvalidModelName:
        raise Rejected("model", "malformed-value", "this is not the name of a model") from None
