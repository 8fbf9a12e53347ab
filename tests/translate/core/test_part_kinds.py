"""Gemini's parts as clients see them: a part that holds several things is read as several."""

from adapter.translate.core.part_kinds import single_parts
from adapter.wire.gemini.content import Blob, FunctionCall, Part


def test_a_part_that_holds_several_things_is_several_parts_and_a_signature_is_the_last_ones():
    call, image = FunctionCall(name="f"), Blob(mime_type="image/png", data="AAAA")
    mixed = Part(text="a", inline_data=image, function_call=call, thought_signature="s")
    assert single_parts(mixed) == (
        Part(text="a"),
        Part(inline_data=image),
        Part(function_call=call, thought_signature="s"),
    )
    for alone in (Part(text="a", thought_signature="s"), Part(function_call=call), Part(inline_data=image), Part()):
        assert single_parts(alone) == (alone,)
    assert single_parts(Part(text="", inline_data=image)) == (Part(text="", inline_data=image),)
