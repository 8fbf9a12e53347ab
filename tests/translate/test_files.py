"""The fields of a new file: each is taken, approximated, dropped or refused."""

import pytest

from adapter.translate import files
from adapter.translate.core.notes import Rejected
from adapter.wire.openai.files import ExpiresAfter, UploadRequest

DAYS = 30 * 86_400


def form(**fields):
    return files.of_form({"purpose": "batch", **fields}, "a.jsonl", "text/plain", DAYS)


def upload(**fields):
    told = {"bytes": 5, "filename": "a.txt", "mime_type": "text/plain", "purpose": "user_data", **fields}
    return files.of_upload(UploadRequest(**told), (), 100, DAYS)


def expiring(seconds, anchor="created_at"):
    return {"expires_after[anchor]": anchor, "expires_after[seconds]": seconds}


def test_fields_that_are_taken():
    assert form() == files.NewFile("a.jsonl", "batch", DAYS, "text/plain", [])
    assert form(**expiring("3600")).life == 3_600
    assert upload(expires_after=ExpiresAfter(anchor="created_at", seconds=7_200)).life == 7_200
    assert upload().mime_type == "text/plain"


@pytest.mark.parametrize("purpose", ["batch", "user_data", "vision", "assistants", "fine-tune", "evals"])
def test_each_purpose_is_taken_and_one_that_nothing_reads_is_told(purpose):
    made = form(purpose=purpose)
    assert made.purpose == purpose
    assert [note.code for note in made.notes] == (["purpose-not-served"] if purpose in ("fine-tune", "evals") else [])


def test_a_longer_life_than_the_servers_is_cut_and_told():
    made = files.of_form({"purpose": "batch", **expiring("7200")}, "a", "", 3_600)
    assert (made.life, [(note.path, note.code) for note in made.notes]) == (
        3_600,
        [("expires_after.seconds", "life-shortened")],
    )


def test_a_life_as_long_as_the_servers_and_the_shortest_and_longest_are_taken():
    assert files.of_form({"purpose": "batch", **expiring("7200")}, "a", "", 7_200).notes == []
    for seconds in (3_600, 2_592_000):
        assert (form(**expiring(str(seconds))).life, form(**expiring(str(seconds))).notes) == (seconds, [])


def test_unknown_fields_are_dropped_and_told():
    assert [(note.path, note.code) for note in form(colour="red").notes] == [("colour", "unknown-field")]
    request = UploadRequest(bytes=5, filename="a", mime_type="", purpose="batch")
    assert [note.path for note in files.of_upload(request, ["colour"], 100, DAYS).notes] == ["colour"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"purpose": ""}, "purpose"),
        ({"purpose": "homework"}, "purpose"),
        (expiring("3600", "last_active_at"), "expires_after.anchor"),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        (expiring("3599"), "expires_after.seconds"),
        (expiring("2592001"), "expires_after.seconds"),
        (expiring("1e9"), "expires_after.seconds"),
        (expiring("9" * 5_000), "expires_after.seconds"),
    ],
)
def test_fields_of_a_form_that_are_refused(fields, path):
    with pytest.raises(Rejected) as refused:
        form(**fields)
    assert refused.value.note.path == path


@pytest.mark.parametrize("size", [0, -1, 101])
def test_an_upload_of_no_bytes_or_too_many_is_refused(size):
    with pytest.raises(Rejected) as refused:
        upload(bytes=size)
    assert refused.value.note.path == "bytes"


@pytest.mark.parametrize(
    ("name", "kept"),
    [("", "file"), ("a\r\nset-cookie: b", "a  set-cookie: b"), ("größe.txt", "größe.txt"), ("x" * 600, "x" * 512)],
)
def test_a_name_is_one_printable_line(name, kept):
    assert files.of_form({"purpose": "batch"}, name, "", DAYS).name == kept
