"""The files under deploy/ are valid, by validators that need no cluster, and fit the settings and each other."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement

from adapter.settings import all_settings, load
from tests.support.environment import downloading
from tests.support.paths import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
RESOURCES = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
VARIABLES = {f"ADAPTER_{setting.name.upper()}" for setting in all_settings()}


def resource(kind, name="gemini-openai-adapter"):
    (found,) = [one for one in RESOURCES if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pod():
    return resource("Deployment")["spec"]["template"]["spec"]


def environment_of_the_pod():
    return {one["name"]: one.get("value", "x") for one in pod()["containers"][0]["env"]}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_kubernetes_takes_every_resource(resource):
    kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)


def test_a_resource_with_a_misspelt_field_would_be_found():
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(
            resource("Service") | {"sepc": {}}, kubernetes_validate.latest_version(), strict=True
        )


def check_compose(path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_compose_takes_its_file(tmp_path):
    done = check_compose(DEPLOY / "compose.yaml")
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((DEPLOY / "compose.yaml").read_text().replace("healthcheck:", "heathcheck:"))
    assert check_compose(wrong).returncode == 1


def test_haproxy_takes_its_file():
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    if not Path(program).exists():
        pytest.skip("haproxy is not installed")
    done = subprocess.run([program, "-c", "-f", DEPLOY / "haproxy.cfg"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_nginx_takes_its_file(tmp_path):
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        pytest.skip("nginx is not installed")
    command: list[str | Path] = [
        program,
        "-t",
        "-c",
        DEPLOY / "nginx.conf",
        "-g",
        f"pid {tmp_path}/nginx.pid; error_log stderr;",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_proxies_keep_the_page_with_everybodys_prompts_to_themselves():
    nginx = (DEPLOY / "nginx.conf").read_text()
    assert "location = / { return 404; }" in nginx
    assert "location /inspector { return 404; }" in nginx
    assert (
        "http-request deny deny_status 404 if { path / } or { path_beg /inspector }"
        in (DEPLOY / "haproxy.cfg").read_text()
    )


def test_every_setting_that_is_named_exists():
    for path in DEPLOY.iterdir():
        named_here = set(re.findall(r"\bADAPTER_[A-Z_]+\b", path.read_text()))
        assert named_here <= VARIABLES, path.name


def with_files(environment, folder):
    """Return the environment with a file for each key that the pod mounts from the Secret."""
    (mount,) = [one for one in pod()["containers"][0]["volumeMounts"] if one["name"] == "keys"]
    (volume,) = [one for one in pod()["volumes"] if one["name"] == "keys"]
    paths = {f"{mount['mountPath']}/{item['path']}": folder / item["path"] for item in volume["secret"]["items"]}
    for path in paths.values():
        path.write_text("secret")
    assert {environment[name] for name in environment if name.endswith("_KEYS_FILE")} == set(paths)
    return {name: str(paths.get(value, value)) for name, value in environment.items()}


@pytest.mark.parametrize("where", ["kubernetes", "compose"])
def test_the_settings_can_be_read(where, tmp_path):
    environment = COMPOSE["services"]["adapter"]["environment"]
    if where == "kubernetes":
        environment = with_files(environment_of_the_pod(), tmp_path)
    values = {name: re.sub(r"\$\(\w+\)|\$\{\w+:\?[^}]*\}", "secret", value) for name, value in environment.items()}
    settings = load({}, {**values, "ADAPTER_HOST": "0.0.0.0"})
    assert settings.store.startswith("redis://:secret@")
    assert settings.client_keys
    assert settings.upstream_keys == ("secret",)


def seconds(text):
    return float(text.removesuffix("s"))


def test_whoever_stops_a_replica_waits_longer_than_it_takes():
    """5 seconds are what the server itself takes after the grace period."""
    for environment, patience in (
        (environment_of_the_pod(), float(pod()["terminationGracePeriodSeconds"])),
        (
            COMPOSE["services"]["adapter"]["environment"],
            seconds(COMPOSE["services"]["adapter"]["stop_grace_period"]),
        ),
    ):
        takes = float(environment["ADAPTER_SHUTDOWN_DELAY"]) + float(environment["ADAPTER_SHUTDOWN_GRACE"]) + 5
        assert patience > takes


def test_load_balancers_look_away_before_a_replica_stops_accepting():
    probe = pod()["containers"][0]["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < float(
        environment_of_the_pod()["ADAPTER_SHUTDOWN_DELAY"]
    )
    every, fall = re.search(r"inter (\d+)s fall (\d+)", (DEPLOY / "haproxy.cfg").read_text()).groups()
    delay = COMPOSE["services"]["adapter"]["environment"]["ADAPTER_SHUTDOWN_DELAY"]
    assert int(every) * int(fall) < float(delay)


def test_the_proxy_waits_longer_than_an_answer_may_take():
    configuration = (DEPLOY / "haproxy.cfg").read_text()
    nginx = (DEPLOY / "nginx.conf").read_text()
    assert int(re.search(r"proxy_read_timeout (\d+)s", nginx).group(1)) > load({}, {}).total_timeout
    largest = int(re.search(r"client_max_body_size (\d+)m", nginx).group(1)) * 1024**2
    assert largest >= max(load({}, {}).max_body, load({}, {}).max_upload, load({}, {}).file_max_bytes)
    for side in ("server", "client"):
        assert int(re.search(rf"timeout {side} (\d+)s", configuration).group(1)) > load({}, {}).total_timeout


def test_a_disruption_leaves_replicas():
    assert resource("PodDisruptionBudget")["spec"]["minAvailable"] < resource("Deployment")["spec"]["replicas"]


def test_labels_and_ports_meet():
    labels = resource("Deployment")["spec"]["template"]["metadata"]["labels"]
    for kind in ("Service", "PodDisruptionBudget"):
        selector = resource(kind)["spec"]["selector"]
        assert selector.get("matchLabels", selector) == labels
    (port,) = pod()["containers"][0]["ports"]
    assert resource("Service")["spec"]["ports"][0]["targetPort"] == port["name"]
    assert instructions()["EXPOSE"] == [str(port["containerPort"])]
    assert f"adapter:{port['containerPort']}" in (DEPLOY / "haproxy.cfg").read_text()
    valkey = resource("Service", "gemini-openai-adapter-valkey")
    store = environment_of_the_pod()["ADAPTER_STORE"]
    assert f"@{valkey['metadata']['name']}:{valkey['spec']['ports'][0]['port']}/" in store


def test_pods_run_without_rights():
    for workload in ("gemini-openai-adapter", "gemini-openai-adapter-valkey"):
        kind = "Deployment" if workload == "gemini-openai-adapter" else "StatefulSet"
        spec = resource(kind, workload)["spec"]["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        for container in spec["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            assert container["resources"]["limits"]["memory"]


def images():
    """Every image that is named, by file."""
    pattern = r"(?m)^(?:ARG BASE=| *(?:- )?image: )(\S+)$"
    return [(path.name, image) for path in DEPLOY.iterdir() for image in re.findall(pattern, path.read_text())]


def test_every_image_has_a_whole_version():
    assert len(images()) == 6
    for file, image in images():
        assert re.search(r":\d+\.\d+\.\d+(-\w+)?(@sha256:[0-9a-f]{64})?$", image), f"{file}: {image}"


def test_no_password_stands_on_a_command_line():
    commands = [COMPOSE["services"]["valkey"]["command"]]
    (container,) = resource("StatefulSet", "gemini-openai-adapter-valkey")["spec"]["template"]["spec"]["containers"]
    commands.append(container["command"])
    for command in commands:
        line, document = command[-1].split("<<END", 1)
        assert "PASSWORD" not in line + "".join(command[:-1])
        assert "AUTH" not in line
        assert document.strip().startswith("requirepass ")


def test_everything_has_limits_of_cpu_memory_and_processes():
    for service in COMPOSE["services"].values():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    for workload in ("Deployment", "StatefulSet"):
        name = "gemini-openai-adapter" + ("-valkey" if workload == "StatefulSet" else "")
        for container in resource(workload, name)["spec"]["template"]["spec"]["containers"]:
            assert set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_valkey_is_reached_by_the_adapter_alone():
    policy = resource("NetworkPolicy", "gemini-openai-adapter-valkey")["spec"]
    labels = resource("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["ingress"][0]["from"] == [{"podSelector": {"matchLabels": labels}}]
    assert policy["egress"] == []
    assert resource("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels


def instructions():
    """The Dockerfile's instructions, each with the arguments of all its uses."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            found.setdefault(word, []).append(rest.strip())
    return found


def test_the_image_runs_as_nobody_in_particular_and_is_looked_after():
    found = instructions()
    assert found["USER"] == ["65532:65532"]
    assert str(pod()["securityContext"]["runAsUser"]) in found["USER"][0]
    assert "/healthz" in found["HEALTHCHECK"][0]
    assert found["STOPSIGNAL"] == ["SIGTERM"]
    assert not set(found) - {
        "ARG", "FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
        "ENTRYPOINT", "CMD",
    }  # fmt: skip


def test_the_image_installs_only_what_the_lock_has_hashes_for():
    installs = [run for run in instructions()["RUN"] if "pip install" in run]
    assert len(installs) == 2
    assert "--require-hashes --only-binary=:all: -r deploy/requirements.lock" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]


def test_what_the_image_copies_is_sent_to_the_builder():
    sent = {line.removeprefix("!") for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()}
    copied = {name.rstrip("/") for line in instructions()["COPY"] if "--from" not in line for name in line.split()[:-1]}
    assert copied == {"deploy/requirements.lock", "pyproject.toml", "README.md", "LICENSE", "adapter"}
    assert copied <= sent


def locked_versions(path):
    lines = (line.split(" ;")[0].rstrip(" \\") for line in path.read_text().splitlines() if re.match(r"[a-z]", line))
    return {Requirement(line).name: str(Requirement(line).specifier) for line in lines}


LOCKS = [DEPLOY.parent / "requirements.lock", *DEPLOY.parent.glob("*/**/requirements.lock")]
EXTRAS = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_the_image_has_what_the_servers_lock_has():
    server, image = locked_versions(DEPLOY.parent / "requirements.lock"), locked_versions(DEPLOY / "requirements.lock")
    assert server.items() <= image.items()


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"test", "mutation", "fuzz"}))
def test_the_image_has_every_extra_of_the_server(extra):
    image = locked_versions(DEPLOY / "requirements.lock")
    for text in EXTRAS[extra]:
        wanted = Requirement(text)
        version = image[wanted.name].removeprefix("==")
        assert wanted.specifier.contains(version), text


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(DEPLOY.parent)))
def test_a_lock_has_hashes_for_everything_and_no_address(path):
    text = path.read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", "\n" + re.sub(r"(?m)^\s*#.*\n", "", text))[1:]
    assert len(entries) > 1
    for entry in entries:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert not re.search(r"://|--index|--find-links|@ ", text)


@pytest.mark.install
def test_the_steps_of_the_image_make_an_environment_that_serves(tmp_path):
    """Its two `pip install`, as written, in a virtual environment instead of an image."""
    where, source = tmp_path / "environment", tmp_path / "source"
    subprocess.run([sys.executable, "-m", "venv", where], check=True)
    (source / "deploy").mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", "deploy/requirements.lock"):
        shutil.copy(DEPLOY.parent / name, source / name)
    shutil.copytree(DEPLOY.parent / "adapter", source / "adapter", ignore=shutil.ignore_patterns("__pycache__"))
    for run in instructions()["RUN"]:
        for command in run.split("&&"):
            if "pip install" in command:
                installing = command.replace("/opt/adapter", str(where))
                subprocess.run(installing, shell=True, cwd=source, check=True, env=downloading(os.environ))
    done = subprocess.run([where / "bin" / "adapter", "--version"], capture_output=True, text=True, check=True)
    assert "adapter" in done.stdout
    optional = (
        "store.signatures.redis",
        "server.observe.metrics",
        "server.limits.rate_limits",
        "server.observe.tracing",
        "upstream.auth.google_tokens",
    )
    modules = ", ".join(f"adapter.{name}" for name in optional)
    subprocess.run([where / "bin" / "python", "-c", f"import {modules}, websockets"], check=True)
