"""Events cut around the one text that changes."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from adapter.wire.base import encode
from adapter.wire.openai.chat_answer import ChatCompletionChunk, ChunkChoice, Delta
from adapter.wire.openai.models import Model, ModelList
from adapter.wire.sse import BLANK, event, named_event, split_at_blank

TEXT = st.text(st.one_of(st.sampled_from('\0"\\u0\n\u2028'), st.characters(exclude_categories=["Cs"])))


@given(TEXT, st.one_of(TEXT, st.just(BLANK)), st.one_of(TEXT, st.just(BLANK)))
def test_an_event_around_a_text_is_the_event_with_that_text(text, id_, model):
    def chunk(said):
        choice = ChunkChoice(index=0, delta=Delta(content=said), finish_reason=None)
        return ChatCompletionChunk(id=id_, object="o", created=1, model=model, choices=[choice], service_tier="flex")

    before, behind = split_at_blank(chunk(BLANK))
    assert before + encode(text) + behind == event(chunk(text))


def test_an_event_of_a_tagged_message_has_its_name():
    class Done(msgspec.Struct, tag="response.done", tag_field="type"):
        """A message that says its own type."""

        id: str

    assert named_event(Done("a")) == b'event: response.done\ndata: {"type":"response.done","id":"a"}\n\n'


def test_a_list_of_models_is_one_page():
    model = Model(id="m", object="model", created=1, owned_by="google")
    page = b'{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"google"}]}'
    assert encode(ModelList(object="list", data=[model])) == page
