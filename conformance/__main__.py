"""`python -m conformance --base-url URL`: the cases over HTTP, with a table of what held (see README.md)."""

import sys
from collections.abc import Sequence

import click
import httpx2

from conformance.cases import all_cases
from conformance.runner import Result, Runner, Server
from conformance.upstream import ScriptedGemini, serving

WIDTH = 96
TIMEOUT = 30.0


def mark(result: Result, part: str) -> str:
    """Return one cell: held, failed or not run."""
    if result.skipped:
        return "-"
    return "FAIL" if any(getattr(verdict, part) for verdict in result.verdicts) else "ok"


def row(result: Result) -> str:
    """Return one line of the table."""
    name = f"{result.case.suite}: {result.case.name}"
    name += "" if result.client == "complete" else f" ({result.client} client)"
    cells = "".join(f"{mark(result, part):>9}" for part in ("request", "answer", "notes"))
    return f"{name if len(name) <= WIDTH else name[: WIDTH - 3] + '...':<{WIDTH}}{cells}"


def report(results: Sequence[Result], quiet: bool) -> None:
    """Print the table, the failures, what did not run and why, and the totals."""
    click.echo(f"{'case':<{WIDTH}}{'request':>9}{'answer':>9}{'notes':>9}")
    for result in results:
        if not (quiet and (result.is_passed or result.skipped)):
            click.echo(row(result))
    for result in results:
        for number, verdict in enumerate(result.verdicts, 1):
            for fault in verdict.faults:
                click.echo(f"\n{result.case.id} ({result.client}, turn {number}): {fault}", nl=False)
    skipped = [result for result in results if result.skipped]
    if skipped:
        click.echo("\n\nnot run:")
    for result in skipped:
        click.echo(f"  {result.case.id}: {result.skipped}")
    passed = sum(result.is_passed and not result.skipped for result in results)
    failed = len(results) - passed - len(skipped)
    click.echo(f"\n{passed} held, {failed} failed, {len(skipped)} not run")


@click.command()
@click.option("--base-url", required=True, help="The server under test, up to and with /v1.")
@click.option("--upstream-port", default=8089, show_default=True, help="Where the scripted Gemini listens.")
@click.option("--api-key", default="any", show_default=True, help="Key for the server under test.")
@click.option("--model-prefix", default="", help="What the server wants before a model's name, such as gemini/.")
@click.option(
    "--setting", multiple=True, metavar="NAME=VALUE", help="The server runs with this setting of the adapter."
)
@click.option("--filter", "text", default="", help="Only cases whose name, rule or source contains this.")
@click.option("--quiet", is_flag=True, help="Leave out of the table what held.")
@click.option("--list", "listed", is_flag=True, help="Only list the cases.")
def main(
    *,
    base_url: str,
    upstream_port: int,
    api_key: str,
    model_prefix: str,
    setting: tuple[str, ...],
    text: str,
    quiet: bool,
    listed: bool,
) -> None:
    """Run the cases against a server whose upstream is http://127.0.0.1:UPSTREAM_PORT. Exit code 1 if any fails."""
    cases = all_cases(text)
    if listed:
        click.echo("\n".join(case.id for case in cases))
        return
    pairs = (one.partition("=") for one in setting)
    server = Server(base_url, api_key, model_prefix, {name: value for name, _, value in pairs})
    gemini = ScriptedGemini()
    with serving(gemini, upstream_port), httpx2.Client(timeout=TIMEOUT) as http:
        runner = Runner(server, gemini, http)
        results = [runner.run(case, client) for case in cases for client in case.clients]
    report(results, quiet)
    sys.exit(0 if all(result.is_passed for result in results) else 1)


if __name__ == "__main__":
    main()
