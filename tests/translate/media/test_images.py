"""The full ledger of a request for images: every leaf of what is sent belongs to a field."""

from adapter.translate.core.capabilities import ModelCapabilities, ServedModel
from adapter.translate.core.context import Options
from adapter.translate.ledger import leaves
from adapter.translate.translations import endpoints
from adapter.wire.gemini.generate import SafetySetting

IMAGE = "data:image/png;base64,AAAA"
ROW = ModelCapabilities(pattern="*", source="", date="", output=("TEXT", "IMAGE"), image_sizes=("1K",))


def test_all_that_is_sent_is_accounted_for():
    body = b'{"prompt": "a", "image": ["%s", "%s"], "mask": "%s", "size": "1024x1024"}' % ((IMAGE.encode(),) * 3)
    endpoint = endpoints(None)["/v1/images/edits"]
    request, unknown = endpoint.decode(body)
    served = ServedModel("m", ROW, "", "m")
    settings = (SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE"),)
    made = endpoint.translate(request, unknown, served, Options(safety_settings=settings))
    bodies = made.as_json()
    told = {entry.note.path: entry.targets for entry in made.ledger(bodies)}
    assert told["image[1]"] == ["/contents/0/parts/1"]
    assert told["mask"] == ["/contents/0/parts/2"]
    assert told["size"] == ["/generationConfig/imageConfig"]
    targets = tuple(target for found in told.values() for target in found)
    assert [pointer for pointer, _ in leaves(bodies[0]) if not pointer.startswith(targets)] == []
