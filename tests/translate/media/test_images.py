"""The full ledger of a request for images: every leaf of what is sent belongs to a field."""

import msgspec

from adapter.translate.core.capabilities import ModelCapabilities, ServedModel
from adapter.translate.core.context import Options
from adapter.translate.ledger import leaves
from adapter.translate.media.images import ImageContext, to_gemini
from adapter.translate.translations import endpoints
from adapter.wire.gemini.generate import SafetySetting
from adapter.wire.openai.images import ImageRequest

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


PIXELS = {
    "1:1": "1024x1024", "2:3": "848x1264", "3:2": "1264x848", "3:4": "896x1200", "4:3": "1200x896", "4:5": "928x1152",
    "5:4": "1152x928", "9:16": "768x1376", "16:9": "1376x768", "21:9": "1584x672", "1:4": "512x2048",
    "4:1": "2048x512", "1:8": "384x3072", "8:1": "3072x384",
}  # fmt: skip
"""The sizes that Gemini draws at 1K (ai.google.dev, image generation, 2026-11)."""

EVERYTHING = msgspec.structs.replace(ROW, image_sizes=("512", "1K", "2K", "4K"), extreme_ratios=True)


def config_for(size, row=EVERYTHING):
    """The ratio and the size that are asked for, and the codes of what is lost."""
    served = ServedModel("m", row, "", "m")
    plan = to_gemini(ImageContext(request=ImageRequest(prompt="a", model="m", size=size), served=served))
    image = plan.body.generation_config.image_config
    return image.aspect_ratio, image.image_size, [note.code for note in plan.notes if note.path == "size"]


def test_a_size_that_gemini_draws_is_asked_for_as_it_is():
    for ratio, pixels in PIXELS.items():
        for name, times in {"512": 0.5, "1K": 1, "2K": 2, "4K": 4}.items():
            size = "x".join(str(round(int(side) * times)) for side in pixels.split("x"))
            assert config_for(size) == (ratio, name, []), size


def test_the_size_changes_between_that_of_one_square_and_that_of_the_next():
    """The side of a square with as many pixels decides."""
    for side, name in {767: "512", 768: "1K", 1535: "1K", 1536: "2K", 3071: "2K", 3072: "4K", 9999: "4K"}.items():
        assert config_for(f"{side}x{side}") == ("1:1", name, ["image-size-nearest"])


def test_a_model_without_extreme_ratios_or_sizes_is_asked_for_the_nearest():
    row = msgspec.structs.replace(EVERYTHING, extreme_ratios=False, image_sizes=("1K", "2K"))
    assert config_for("512x2048", row) == ("9:16", "1K", ["image-size-nearest"])
    assert config_for("4096x4096", row) == ("1:1", "2K", ["image-size-nearest"])


def test_compression_is_the_quality_of_what_is_written_which_has_no_0():
    for value, quality in ((0, 1), (1, 1), (2, 2), (100, 100)):
        wanted = ImageRequest(prompt="a", model="m", output_format="jpeg", output_compression=value)
        plan = to_gemini(ImageContext(request=wanted, served=ServedModel("m", ROW, "", "m")))
        assert plan.form.quality == quality
