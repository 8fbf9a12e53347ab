"""Turns of plain steps, written as JSON at once: a model's turn with its calls, and a user's with their results."""

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, repeat
from operator import add

import msgspec

from adapter.translate.signatures import keys
from adapter.wire.base import encode

_CALL, _RESPONSE = (
    b'{"functionCall":{"id":"%b","name":"%b","args":%b}',
    b'{"functionResponse":{"id":"%b","name":"%b","response":',
)
_NAMED_CALL, _NAMED_RESPONSE = (
    b'{"functionCall":{"name":"%b","args":%b}',
    b'{"functionResponse":{"name":"%b","response":',
)


class PlainTurns:
    """The turns of some steps in a row, the last of which is a user's.

    There is one of `ids` (escaped; None: the model takes none), `names`, `arguments`, `outputs`, `signatures` ("": none
    is known) and `paths` for each call, and one of `texts` and `sizes` (the number of its calls) for each step.
    """

    role = "user"

    __slots__ = ("_calls", "_heads", "_outputs", "_paths", "_signatures", "_sizes", "_texts")

    def __init__(
        self,
        *,
        ids: list[bytes] | None,
        names: list[bytes],
        arguments: list[bytes],
        outputs: list[bytes],
        signatures: list[str],
        paths: Sequence[str],
        texts: Sequence[str | None],
        sizes: Sequence[int],
    ) -> None:
        if ids is None:
            self._calls = list(map(_NAMED_CALL.__mod__, zip(names, arguments, strict=True)))
            self._heads = list(map(_NAMED_RESPONSE.__mod__, names))
        else:
            self._calls = list(map(_CALL.__mod__, zip(ids, names, arguments, strict=True)))
            self._heads = list(map(_RESPONSE.__mod__, zip(ids, names, strict=True)))
        self._outputs = outputs
        self._signatures = signatures
        self._paths = paths
        self._texts = texts
        self._sizes = sizes

    def stand_in(self) -> list[str]:
        """Sign the first call of each step that has no signature with the stand-in; return the paths of these calls."""
        unsigned = [at for at in self._firsts() if not self._signatures[at]]
        for at in unsigned:
            self._signatures[at] = keys.SENTINEL
        return [self._paths[at] for at in unsigned]

    @property
    def lacks_signatures(self) -> bool:
        """Return whether the first call of some step has no signature."""
        return not all(map(self._signatures.__getitem__, self._firsts()))

    def _firsts(self) -> list[int]:
        """Return the places of the first calls of each step."""
        return list(accumulate(self._sizes[:-1], initial=0))

    def encode_turn(self) -> msgspec.Raw:
        """Return all turns as JSON, with commas between them."""
        return msgspec.Raw(b"".join(self.encode_pieces()))

    def encode_pieces(self) -> list[bytes]:
        """Return what is joined to all turns as JSON: results are long, so they are copied only once."""
        ends = [b',"thoughtSignature":"%b"}' % value if value else b"}" for value in escape(self._signatures)]
        calls = list(map(add, self._calls, ends))
        responses: list[Iterable[bytes]] = [self._heads, self._outputs, repeat(b"}}")]
        if max(self._sizes) > 1:
            calls = self._by_step(calls)
            responses = [self._by_step(list(map(b"".join, zip(*responses, strict=False))))]
        texts = [b'{"text":%b},' % encode(text) if text else b"" for text in self._texts]
        begin, middle = repeat(b',{"role":"model","parts":['), repeat(b']},{"role":"user","parts":[')
        # Not strict: `repeat` never ends, and the columns are of one length.
        steps = zip(begin, texts, calls, middle, *responses, repeat(b"]}"), strict=False)
        pieces = list(chain.from_iterable(steps))
        # Each step begins with a comma, which the first does not need.
        pieces[0] = pieces[0][1:]
        return pieces

    def _by_step(self, parts: list[bytes]) -> list[bytes]:
        """Return the parts of each step, with commas between them."""
        left = iter(parts)
        return [b",".join([next(left) for _ in range(size)]) for size in self._sizes]


def escape(texts: Sequence[str]) -> list[bytes]:
    """Escape texts for JSON strings; nearly all stay as they are."""
    together = "".join(texts)
    # Only the quotation marks came on top: nothing is escaped, and all is ASCII.
    if len(encode(together)) == len(together) + 2:
        return list(map(str.encode, texts))
    return [encode(text)[1:-1] for text in texts]
