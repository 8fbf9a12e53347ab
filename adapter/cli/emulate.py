"""`adapter emulate`."""

import click
import uvicorn

from adapter.emulator import EmulatorSettings, create_emulator


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8081, show_default=True, help="Port to listen on.")
@click.option("--relay", is_flag=True, help="Also take keys as Authorization: Bearer, as relays do.")
@click.option("--chunk-delay", default=0.0, show_default=True, help="Seconds between two events of a stream.")
def emulate(host: str, port: int, relay: bool, chunk_delay: float) -> None:
    """Serve the Gemini emulator alone: strict, deterministic, for tests of anything that calls Gemini."""
    settings = EmulatorSettings(relay=relay, chunk_delay=chunk_delay)
    click.echo(f"Gemini emulator: http://{host}:{port} (any key)")
    uvicorn.run(create_emulator(settings), host=host, port=port, log_level="warning", access_log=False)
