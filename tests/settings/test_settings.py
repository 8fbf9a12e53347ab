"""Settings: where they come from, what they refuse, what they hide."""

import datetime
import hashlib
import re
from typing import get_args

import msgspec
import pytest

from adapter.settings import (
    ANYFAST_FIELDS,
    GOOGLE_URL,
    Settings,
    SettingsError,
    all_settings,
    catalogue,
    exposes_secrets,
    find_served_model,
    further_upstreams,
    has_key_files,
    load,
    next_models,
    options,
    platform_of,
    reload_keys,
    resolve,
    upstream_name,
    upstream_settings,
)

TODAY = datetime.date(2026, 11, 30)

KEYED = {"GEMINI_API_KEY": "secret-key"}


def test_flags_go_before_the_environment_before_the_file_before_defaults(tmp_path):
    file = tmp_path / "adapter.toml"
    file.write_text('port = 1\nhost = "127.0.0.2"\nstore = "memory"\n[models]\na = "b"\n')
    settings = load({"port": "3", "host": None}, {"ADAPTER_PORT": "2", "ADAPTER_HOST": "127.0.0.3"}, file)
    assert (settings.port, settings.host, settings.store, settings.workers) == (3, "127.0.0.3", "memory", 1)
    assert settings.models == {"a": "b"}


AS_TEXT = {
    "clients": '[{"name": "a", "key": "k", "rates": ["1/minute"]}]',
    "client_rates": "1/minute,2/hour",
    "fallback_upstreams": '[{"upstream_url": "https://relay.example", "upstream_keys": "a,b"}]',
    "fallback_models": "a=b",
    "models": "a=b",
    "notes": "user-not-sent=allow,seed.approximated=reject",
    "strict": "breaks",
    "safety_settings": "HARM_CATEGORY_HARASSMENT=OFF",
    "client_keys": "a,b",
    "upstream_keys": "a,b",
    "allow_origins": "https://a.example",
    "emulator": "true",
    "inspector": "true",
    "upstream_url": "https://relay.example/v1beta",
    "public_url": "https://gateway.example",
    "upstream_proxy": "http://127.0.0.1:1",
    "host": "127.0.0.2",
    "store": "memory",
    "workers": "2",
    "vertex_location": "europe-west1",
}
"""A value for each setting that is not a number, a switch or a choice."""


def text_for(setting):
    """A text that gives a setting another value than its default."""
    if setting.name in AS_TEXT:
        return AS_TEXT[setting.name]
    choices = [choice for choice in get_args(setting.type) if isinstance(choice, str)]
    match setting.default:
        case bool():
            return str(not setting.default).lower()
        case int():
            return str(setting.default - 1 if setting.default > 1 else setting.default + 1)
        case float():
            return "7.5"
        case str() if choices:
            return choices[-1] if choices[-1] != setting.default else choices[0]
        case _:
            return "a-name"


@pytest.mark.parametrize("setting", all_settings(), ids=lambda setting: setting.name)
def test_every_setting_can_be_given_as_text(setting, tmp_path):
    text = text_for(setting)
    if setting.name.endswith("_file"):
        path = tmp_path / "keys"
        path.write_text("a-key\n")
        text = str(path)
    given = {**KEYED, f"ADAPTER_{setting.name.upper()}": text, "ADAPTER_ALLOW_ANONYMOUS": "1"}
    if setting.name == "upstream_url":
        given |= {"ADAPTER_UPSTREAM_KEYS": "a-key"}
    if setting.name == "upstream_auth":
        given |= {"ADAPTER_VERTEX_PROJECT": "a-project"}
    if setting.name == "allow_anonymous":
        given[f"ADAPTER_{setting.name.upper()}"] = "1"
    if setting.name == "workers":
        given["ADAPTER_STORE"] = f"sqlite:{tmp_path}/store"
    value = getattr(load({}, given), setting.name)
    assert value != setting.default
    if isinstance(setting.default, str | float) and not isinstance(setting.default, bool):
        assert str(value) == text
    if setting.default is None and not isinstance(value, bool):
        assert str(value) == text


@pytest.mark.parametrize(
    ("word", "level"),
    [("true", "answers"), ("1", "answers"), ("no", "off"), ("breaks", "breaks"), ("ALL", "all"), (True, "answers")],
)
def test_strictness_is_a_level_and_true_means_answers(word, level):
    assert load({"strict": word}, KEYED).strict == level


@pytest.mark.parametrize("code", ["user-not-sent", "user.dropped", "tools.function.parameters.$schema.dropped"])
def test_a_code_may_have_the_spelling_of_the_catalogue_or_of_version_0_1(code):
    assert load({"notes": {code: "allow"}}, KEYED).notes == {code: "allow"}


@pytest.mark.parametrize(
    ("code", "meant"), [("user-not-send", "user-not-sent"), ("sampling", "sampling-ignored"), ("usr.dropped", "")]
)
def test_an_unknown_code_is_refused_and_the_nearest_is_named(code, meant):
    with pytest.raises(SettingsError) as caught:
        load({"notes": {code: "allow"}}, KEYED)
    assert repr(code) in str(caught.value)
    assert meant in str(caught.value)


def test_google_answers_when_there_is_a_key_and_the_emulator_when_there_is_none():
    assert load({}, {}).uses_emulator
    assert not load({}, KEYED).uses_emulator
    assert load({"emulator": "true"}, KEYED).uses_emulator


EXPOSED = [
    {"host": "0.0.0.0", "allow_anonymous": "true"},
    {"client_keys": "a"},
    {"clients": '[{"name": "a", "key": "a"}]'},
    {"host": "0.0.0.0", "client_keys": "a"},
]
NO_KEY = [({}, {}), ({}, {"GEMINI_API_KEY": ""}), ({"upstream_keys": ""}, KEYED), ({"upstream_keys": ""}, {})]


@pytest.mark.parametrize("exposed", EXPOSED)
@pytest.mark.parametrize(("flags", "environment"), NO_KEY)
def test_invented_answers_are_served_to_others_only_where_that_was_said(exposed, flags, environment):
    with pytest.raises(SettingsError, match=r"GEMINI_API_KEY.*--emulator"):
        load({**exposed, **flags}, environment)
    assert load({**exposed, **flags, "emulator": "true"}, environment).uses_emulator
    assert not load(exposed, KEYED).uses_emulator


def test_without_the_emulator_a_key_is_needed_also_on_this_machine():
    with pytest.raises(SettingsError, match="GEMINI_API_KEY"):
        load({"emulator": "false"}, {})


@pytest.mark.parametrize(
    "other", [{"upstream_url": "https://relay.example", "upstream_keys": "k"}, {"upstream_auth": "caller"}]
)
def test_the_emulator_takes_no_other_upstreams_place(other):
    with pytest.raises(SettingsError, match="emulator"):
        load({"emulator": "true", **other}, {})
    both = load({}, {"GEMINI_API_KEY": "second", "GOOGLE_API_KEY": "first"})
    assert both.upstream_keys == ("first",)
    assert upstream_settings(both).url == GOOGLE_URL
    assert upstream_name(both) == "studio"


def test_a_relay_never_gets_the_key_for_google():
    with pytest.raises(SettingsError, match="UPSTREAM_KEYS"):
        load({"upstream_url": "https://relay.example"}, KEYED)
    relay = load({"upstream_url": "https://relay.example", "upstream_keys": "own"}, KEYED)
    assert upstream_settings(relay).keys == ("own",)
    assert upstream_name(relay) == "relay.example"


def test_keys_may_stand_in_files_one_a_line(tmp_path):
    (tmp_path / "upstream").write_text("# of project one, and two\n one \n\ntwo\r\n")
    (tmp_path / "clients").write_text(f"sha256:{hashlib.sha256(b'a').hexdigest()}\nb\n")
    given = {"upstream_keys_file": str(tmp_path / "upstream"), "client_keys_file": str(tmp_path / "clients")}
    settings = load({**given, "host": "0.0.0.0"}, KEYED)
    assert settings.upstream_keys == ("one", "two")
    assert settings.client_keys == tuple(f"sha256:{hashlib.sha256(key).hexdigest()}" for key in (b"a", b"b"))
    table = {"upstream_url": "https://relay.example", "upstream_keys_file": given["upstream_keys_file"]}
    [further] = further_upstreams(load({"fallback_upstreams": [table]}, KEYED))
    assert further.upstream_keys == ("one", "two")


def test_files_are_read_again_and_the_rest_stays(tmp_path):
    upstream, table, clients = (tmp_path / name for name in ("upstream", "table", "clients"))
    for path in (upstream, table, clients):
        path.write_text("old")
    relay = {"upstream_url": "https://relay.example", "upstream_keys_file": str(table)}
    further = [relay, {"upstream_name": "other", "upstream_keys": ["stays"]}]
    given = {"upstream_keys_file": str(upstream), "client_keys_file": str(clients), "fallback_upstreams": further}
    settings = load(given, {})
    assert has_key_files(settings)
    for path in (upstream, table, clients):
        path.write_text("new, newer\n")
    again = reload_keys(settings)
    assert again.upstream_keys == ("new", "newer")
    assert [one.upstream_keys for one in further_upstreams(again)] == [("new", "newer"), ("stays",)]
    assert len(again.client_keys) == 2
    assert reload_keys(msgspec.json.decode(msgspec.json.encode(settings), type=Settings)) == again
    assert not has_key_files(load({"client_keys": "k"}, KEYED))
    assert reload_keys(load({"client_keys": "k"}, KEYED)) == load({"client_keys": "k"}, KEYED)


@pytest.mark.parametrize("name", ["upstream_keys_file", "client_keys_file"])
@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file"), (b"", "holds no key"), (b"# nothing\n", "holds no key"), (b"\xff", "not UTF-8")],
)
def test_a_file_without_keys_is_named(tmp_path, name, content, told):
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"^{name}: .*{told}"):
        load({name: str(path)}, {})


@pytest.mark.parametrize("name", ["upstream_keys", "client_keys"])
def test_keys_stand_in_one_place(tmp_path, name):
    (tmp_path / "keys").write_text("secret-one")
    with pytest.raises(SettingsError, match=f"{name}_file: .*use only one of the two") as caught:
        load({f"{name}_file": str(tmp_path / "keys"), name: "secret-two"}, {})
    assert "secret" not in str(caught.value)


def test_the_callers_own_key_needs_no_key_here():
    settings = load({"upstream_auth": "caller"}, {})
    assert not settings.uses_emulator
    assert upstream_settings(settings).auth == "caller"


def test_the_anyfast_profile_is_bearer_and_openapi_and_limited_to_its_page():
    given = {"upstream_url": "https://relay.example", "upstream_keys": "k", "upstream_profile": "anyfast"}
    settings = load(given, {})
    assert upstream_settings(settings).auth == "bearer"
    chosen = options(settings)
    assert (chosen.schema, chosen.fields) == ("openapi", ANYFAST_FIELDS)


def test_an_address_that_others_reach_needs_client_keys_or_a_clear_word():
    with pytest.raises(SettingsError, match="client keys"):
        load({"host": "0.0.0.0"}, {})
    assert len(load({"host": "0.0.0.0", "client_keys": "a,b"}, KEYED).client_keys) == 2
    assert load({"host": "0.0.0.0", "allow_anonymous": "true"}, KEYED).allow_anonymous
    assert load({"host": "::1"}, {}).is_loopback_only
    assert load({"host": "localhost"}, {}).is_loopback_only


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"CLIENTS": '[{"name": "a", "key": " "}]'}, "a key is empty"),
        ({"CLIENTS": '[{"name": "a", "key": "secret"}]', "CLIENT_KEYS": "secret"}, "two keys are equal"),
        ({"CLIENT_KEY": "secret"}, r"ADAPTER_CLIENT_KEY \(like ADAPTER_CLIENT_KEYS\?\)"),
        ({"XYZ": "secret"}, "no such setting: ADAPTER_XYZ$"),
        ({"HOST": "0.0.0.0", "UPSTREAM_AUTH": "caller"}, "go on to Gemini, or --allow-anonymous"),
    ],
)
def test_what_is_wrong_with_keys_is_told_without_them(given, told):
    with pytest.raises(SettingsError, match=told) as caught:
        load({}, {f"ADAPTER_{name}": value for name, value in given.items()})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "many"),
        ("strict", "perhaps"),
        ("models", "no-equals-sign"),
        ("upstream_url", "ftp://x"),
        ("heartbeat", "loud"),
        ("no_such_setting", "1"),
    ],
)
def test_a_wrong_setting_says_which(name, value):
    with pytest.raises(SettingsError) as caught:
        load({}, {f"ADAPTER_{name.upper()}": value})
    named = re.compile(rf"{name}|ADAPTER_{name.upper()}")
    assert named.search(str(caught.value)), "the text does not name the setting"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "-1"),
        ("port", "65536"),
        ("workers", "0"),
        ("retries", "-1"),
        ("max_body", "0"),
        ("max_choices", "0"),
        ("connect_timeout", "0"),
        ("total_timeout", "inf"),
        ("total_timeout", "nan"),
        ("heartbeat_after", "0"),
        ("commit_after", "-1"),
        ("store", "redis"),
        ("store", "memory:x"),
        ("client_keys", "sha256:short"),
        ("client_keys", f"sha256:{hashlib.sha256(b'').hexdigest()}"),
        ("client_keys", f"sha256:{hashlib.sha256(b'').hexdigest().upper()}"),
        ("client_keys", "two words"),
        ("client_keys", "k\u00e9y"),
        ("client_keys", "same,same"),
        ("upstream_keys", "two words"),
        ("upstream_keys", "k\u00e9y"),
        ("upstream_url", "https://me:secret@relay.example"),
        ("upstream_url", "https://relay.example:port"),
        ("upstream_url", "https://relay.example?key=secret"),
    ],
)
def test_a_value_out_of_bounds_says_which_and_shows_no_secret(name, value):
    with pytest.raises(SettingsError, match=name) as caught:
        load({}, {f"ADAPTER_{name.upper()}": value})
    assert "secret" not in str(caught.value)
    assert name.endswith("keys") is False or value not in str(caught.value)


@pytest.mark.parametrize("url", ["https://generativelanguage.googleapis.com", f"{GOOGLE_URL}/"])
def test_googles_own_url_is_google_however_it_is_written(url):
    settings = load({"upstream_url": url}, KEYED)
    assert settings.upstream_keys == ("secret-key",)
    assert upstream_name(settings) == "studio"
    assert load({"upstream_url": url}, {}).uses_emulator


def test_a_relays_url_may_come_with_or_without_its_version():
    given = {"upstream_keys": "own"}
    urls = {load({**given, "upstream_url": f"https://r.example/x{end}"}, {}).upstream_url for end in ("", "/v1beta/")}
    assert urls == {"https://r.example/x/v1beta"}


def test_client_keys_are_kept_as_hashes():
    digest = hashlib.sha256(b"plain-key").hexdigest()
    plain, hashed = (load({"client_keys": key}, KEYED).client_keys for key in ("plain-key", f"sha256:{digest}"))
    assert plain == hashed == (f"sha256:{digest}",)


@pytest.mark.parametrize("given", [{"client_keys": [""]}, {"upstream_keys": [""]}, {"upstream_keys": [" "]},
                                   {"clients": [{"name": "a", "key": ""}]}], ids=str)  # fmt: skip
def test_an_empty_key_is_none(given):
    with pytest.raises(SettingsError, match=next(iter(given))):
        load(given, {})


@pytest.mark.parametrize("host", ["relay.example", "10.0.0.1", "gateway", "[2001:db8::1]", "127.0.0.1.example"])
def test_keys_go_to_another_machine_by_https_or_after_a_clear_word(host):
    given = {"upstream_url": f"http://{host}:8080", "upstream_keys": "k"}
    with pytest.raises(SettingsError, match="upstream_url"):
        load(given, {})
    assert load({**given, "upstream_plain_http": "on"}, {}).upstream_plain_http
    assert load({**given, "upstream_url": f"https://{host}:8080"}, {})
    table = msgspec.json.encode([{**given, "upstream_keys": ["k"]}]).decode()
    with pytest.raises(SettingsError, match="fallback_upstreams"):
        load({"fallback_upstreams": table}, KEYED)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.0.1"])
def test_http_on_this_machine_needs_no_word(host):
    assert load({"upstream_url": f"http://{host}:8080", "upstream_keys": "k"}, {}).upstream_keys == ("k",)


HASH = hashlib.sha256(b"k").hexdigest()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('upstream_keys = ["k"]', True),
        ('client_keys = ["k"]', True),
        (f'client_keys = ["sha256:{HASH}", "k"]', True),
        ('[[clients]]\nname = "a"\nkey = "k"', True),
        ('[[fallback_upstreams]]\nupstream_keys = ["k"]', True),
        ('store = "redis://:secret@host"', True),
        ('upstream_proxy = "http://me:secret@host:1"', True),
        ('[[fallback_upstreams]]\nupstream_proxy = "http://me:secret@host:1"', True),
        (f'client_keys = ["sha256:{HASH}"]\n[[clients]]\nname = "a"\nkey = "sha256:{HASH}"', False),
        ('store = "redis://host"\nport = 1', False),
        ("", False),
    ],
)
def test_a_file_with_keys_that_everybody_may_read_is_found(tmp_path, text, shown):
    file = tmp_path / "adapter.toml"
    file.write_text(text)
    for mode, found in ((0o644, shown), (0o640, False), (0o600, False)):
        file.chmod(mode)
        assert exposes_secrets(file) is found


def test_a_key_with_a_line_end_is_the_key_without_it():
    assert load({}, {"GEMINI_API_KEY": "key\n"}).upstream_keys == ("key",)
    assert load({}, {"GEMINI_API_KEY": " "}).uses_emulator


def test_a_wrong_file_says_so(tmp_path):
    with pytest.raises(SettingsError, match=r"missing\.toml"):
        load({}, {}, tmp_path / "missing.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("port = ")
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        load({}, {}, broken)
    broken.write_bytes(b'host = "\xff"')
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        load({}, {}, broken)


def test_secrets_are_never_printed():
    settings = load({"client_keys": "client-secret"}, KEYED)
    assert "secret" not in repr(settings)
    assert "secret" not in repr(upstream_settings(settings))


def test_openai_names_stand_for_current_models_unless_that_is_off():
    names = catalogue(load({}, {}), TODAY).alias
    assert resolve("gpt-6-astra", names) == "gemini-3.8-flash"
    assert resolve("o4-mini", names) == "gemini-3.1-pro-preview"
    assert resolve("models/gemini-2.5-pro", names) == "gemini-2.5-pro"
    assert catalogue(load({"default_models": "off"}, {}), TODAY).alias == []


def test_the_operators_names_and_rows_go_first(tmp_path):
    rows = tmp_path / "rows.toml"
    rows.write_text(
        '[[model]]\npattern = "mine-*"\nsource = "me"\ndate = "2026-11-24"\nthinking = "none"\nlevels = []\n'
    )
    table = catalogue(load({"models": "gpt-6-astra=mine-1", "capabilities": str(rows)}, {}), TODAY)
    assert resolve("gpt-6-astra", table.alias) == "mine-1"
    assert table.model[0].pattern == "mine-*"
    rows.write_text('[[model]]\npattern = "mine-*"\n')
    with pytest.raises(SettingsError, match=r"rows\.toml"):
        catalogue(load({"capabilities": str(rows)}, {}), TODAY)


def test_a_row_of_the_operators_may_start_from_a_built_in_one(tmp_path):
    rows = tmp_path / "rows.toml"
    rows.write_text(
        '[[model]]\npattern = "gemini-2.5-pro"\nlike = "gemini-2.5-pro*"\nsource = "me"\ndate = "2026-11-30"\n'
        "until = {}\n"
    )
    table = catalogue(load({"capabilities": str(rows)}, {}), datetime.date(2027, 1, 1))
    assert find_served_model("gemini-2.5-pro", table).model == "gemini-2.5-pro", "the operator knows better"
    assert find_served_model("gemini-2.5-pro", table).row.budget_maximum == 32_768
    assert find_served_model("gemini-2.5-flash", table).model == "gemini-3.5-flash-lite"
    rows.write_text('[[model]]\npattern = "a"\nlike = "b"\nsource = "me"\ndate = "2026-11-30"\n')
    with pytest.raises(SettingsError, match="no earlier row has the pattern 'b'"):
        catalogue(load({"capabilities": str(rows)}, {}), TODAY)


@pytest.mark.parametrize(
    ("given", "platform"),
    [
        ({}, "studio"),
        ({"upstream_url": "https://generativelanguage.googleapis.com/v1", "upstream_keys": "k"}, "studio"),
        ({"upstream_url": "https://relay.example", "upstream_keys": "k"}, "relay"),
        ({"upstream_platform": "relay"}, "relay"),
        ({"upstream_url": "https://relay.example", "upstream_keys": "k", "upstream_platform": "studio"}, "studio"),
    ],
)
def test_whose_calendar_of_models_holds_is_told_by_the_url_or_by_the_operator(given, platform):
    assert platform_of(load(given, {"GEMINI_API_KEY": "k"})) == platform


def test_settings_of_a_request_come_from_settings_of_the_server():
    chosen = options(Settings(safety_settings={"HARM_CATEGORY_HARASSMENT": "OFF"}, include_thoughts=True))
    assert chosen.safety_settings[0].threshold == "OFF"
    assert chosen.include_thoughts


RELAY = {"upstream_url": "https://relay.example", "upstream_keys": "secret-a, secret-b", "retries": 0}


def test_further_upstreams_have_their_own_keys_and_share_the_rest(tmp_path):
    file = tmp_path / "adapter.toml"
    file.write_text(
        'upstream_proxy = "http://proxy:1"\nfirst_byte_timeout = 20.0\nlater_system = "hoist"\n'
        '[[fallback_upstreams]]\nupstream_url = "https://relay.example"\nupstream_keys = ["k"]\n'
        'upstream_schema = "openapi"\n[[fallback_upstreams]]\nupstream_name = "paid"\nidle_timeout = 3\n'
    )
    first, second = further_upstreams(load({}, KEYED, file))
    reached = upstream_settings(first)
    assert (reached.url, reached.name, reached.keys) == ("https://relay.example/v1beta", "relay.example", ("k",))
    assert (reached.proxy, reached.first_byte) == (None, 20.0)
    assert (options(first).schema, options(first).later_system) == ("openapi", "hoist")
    reached = upstream_settings(second)
    assert (reached.url, reached.name, reached.between_bytes) == (GOOGLE_URL, "paid", 3.0)
    assert reached.keys == ("secret-key",), "Google's key goes to Google"


def test_further_upstreams_are_json_in_the_environment_and_are_never_printed():
    settings = load({}, {**KEYED, "ADAPTER_FALLBACK_UPSTREAMS": msgspec.json.encode([RELAY]).decode()})
    [relay] = further_upstreams(settings)
    assert relay.upstream_keys == ("secret-a", "secret-b")
    assert "secret" not in repr(settings) + repr(relay)
    again = msgspec.json.decode(msgspec.json.encode(settings), type=Settings)
    assert further_upstreams(again) == [relay], "worker processes read the settings as JSON"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("https://relay.example", "JSON"),
        ('{"upstream_url": "https://relay.example"}', "list of tables"),
        ('[{"port": 1}]', "no such key: port"),
        ('[{"upstream_url": "relay"}]', "URL"),
        ('[{"upstream_url": "https://relay.example"}]', "relay.example.*needs a key"),
        ('[{"upstream_url": "https://relay.example", "upstream_keys": [1]}]', "upstream_keys"),
        ('[{"upstream_auth": "caller"}]', "caller"),
    ],
)
def test_further_upstreams_that_cannot_work_are_refused(text, complaint):
    with pytest.raises(SettingsError, match=complaint):
        load({"fallback_upstreams": text}, KEYED)


def test_a_further_google_needs_a_key():
    with pytest.raises(SettingsError, match="needs a key"):
        load({"fallback_upstreams": "[{}]", "upstream_url": "https://relay.example", "upstream_keys": "k"}, {})


def test_the_next_models_of_the_first_pattern_that_matches():
    fallbacks = load({"fallback_models": "gemini-3.8-pro=a | b,gemini-*=c"}, KEYED).fallback_models
    assert next_models("gemini-3.8-pro", fallbacks) == ["a", "b"]
    assert next_models("gemini-3.5-flash", fallbacks) == ["c"]
    assert next_models("other", fallbacks) == []
    with pytest.raises(SettingsError, match="fallback_models"):
        load({"fallback_models": "a=b|"}, KEYED)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
    ],
    ids=["CRLF", "a byte order mark", "both", "UTF-16, as PowerShell writes"],
)
def test_files_from_windows_are_read(tmp_path, encode):
    keys, file = tmp_path / "keys", tmp_path / "adapter.toml"
    keys.write_bytes(encode("# ours\none\ntwo\n"))
    file.write_bytes(encode("port = 1\n[models]\na = 'b'\n"))
    settings = load({"upstream_keys_file": str(keys)}, {}, file)
    assert (settings.port, settings.models, settings.upstream_keys) == (1, {"a": "b"}, ("one", "two"))


def test_without_its_packages_vertex_is_refused_with_what_to_install(monkeypatch):
    """`find_spec("google.auth")` fails by itself where there is no package `google`."""

    def find(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("adapter.extras.find_spec", find)
    with pytest.raises(SettingsError, match="pip install"):
        load({"upstream_auth": "vertex", "vertex_project": "p"}, {})
