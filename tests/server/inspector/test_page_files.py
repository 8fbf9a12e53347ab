"""The page's files: which imports which, nothing from elsewhere, nothing that the policy would have to allow."""

import re

import pytest

from adapter.server.endpoints.inspector import PAGE, TYPES
from tests.support.scripted import adapter, run_upstream

ORDER = ("base", "ledger", "parts", "views", "")
MODULES = sorted(name for name in TYPES if name.endswith(".js"))
IMPORT = re.compile(r'^import .*? from "([^"]+)";|^} from "([^"]+)";', re.MULTILINE)
ELSEWHERE = {"http://www.w3.org/2000/svg", "https://generativelanguage.googleapis.com"}
"""Addresses that stand in the files and are not asked: a namespace, and what a copied command calls."""


def folder_of(name):
    return name.rpartition("/")[0]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_files_that_are_there_and_of_its_folder_or_one_below(name):
    imported = [one or other for one, other in IMPORT.findall((PAGE / name).read_text())]
    paths = [(PAGE / name).parent.joinpath(one).resolve().relative_to(PAGE.resolve()).as_posix() for one in imported]
    assert set(paths) <= set(TYPES)
    assert all(ORDER.index(folder_of(path)) <= ORDER.index(folder_of(name)) for path in paths), paths


@pytest.mark.parametrize("name", sorted(TYPES))
def test_a_file_names_no_other_site_and_writes_no_markup(name):
    text = "\n".join(line for line in (PAGE / name).read_text().splitlines() if not line.lstrip().startswith("//"))
    assert set(re.findall(r"https?://[\w.-]+(?:/[\w/.-]*)?", text.replace("'/%3E", ""))) <= ELSEWHERE
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\sstyle=", text)


async def says_nothing(call):
    await call.json({})


async def test_every_file_is_served_with_its_type_and_a_policy_without_exceptions():
    async with run_upstream(says_nothing) as upstream, adapter(upstream) as client:
        for path, kind in [("/", TYPES["index.html"]), *((f"/inspector/{name}", kind) for name, kind in TYPES.items())]:
            response = await client.get(path)
            assert (response.status_code, response.headers["content-type"]) == (200, kind), path
            assert "unsafe" not in response.headers["content-security-policy"]
            assert "default-src 'none'" in response.headers["content-security-policy"]
        for path in ("/inspector/nothing.js", "/inspector/base/nothing.js", "/inspector/base/..%2Fscript.js"):
            assert (await client.get(path)).status_code == 404
