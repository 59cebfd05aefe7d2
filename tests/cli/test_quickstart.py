"""What `make quickstart` says in the end holds after it: its venues are gone by then."""

import runpy
from pathlib import Path

from perptape.cli.simulate import DEFAULT_PORT
from perptape_api.document import load

ROOT = Path(__file__).resolve().parents[2]


def test_who_asks_the_venues_of_the_quickstart_again_is_told_to_serve_them() -> None:
    said = runpy.run_path(str(ROOT / "examples/quickstart.py"))["NEXT"]
    venues = load((ROOT / "examples/quickstart.yaml").read_text(), "quickstart.yaml").spec.venues
    ports = [int(str(venue.endpoint).rsplit(":", 1)[-1]) for venue in venues]
    assert ports == list(range(DEFAULT_PORT, DEFAULT_PORT + len(venues)))
    assert f"on ports {ports[0]} to {ports[-1]}" in said
    assert said.index("perptape verify examples/quickstart.yaml") < said.index("perptape simulate")
