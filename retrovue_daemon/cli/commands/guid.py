"""``retrovue-daemon guid …``: parse the guids of Plex."""

from __future__ import annotations

from typing import Annotated

import typer

from retrovue_daemon.cli.display.output import print_json, print_line
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, command_group
from retrovue_daemon.service.item_choice import read_guid

app = command_group(
    "Parse the guids with which Plex identifies films and shows.",
    "guid parse imdb://tt0017136",
)


@app.command("parse")
def parse_guid(
    guid: Annotated[
        str, typer.Argument(metavar="GUID", help='A guid, such as "com.plexapp.agents.thetvdb://268592?lang=en".')
    ],
    config: ConfigOption = None,  # noqa: ARG001 -- every command accepts it
    database: DatabaseOption = None,  # noqa: ARG001 -- likewise
    as_json: JsonOption = False,
) -> None:
    """Split a guid into its provider and external id, as the tables `movie_guids`, `show_guids` and so on store it.

    Examples:

    - `retrovue-daemon guid parse imdb://tt0017136`
    - `retrovue-daemon guid parse "com.plexapp.agents.thetvdb://268592/1/2?lang=en" --json`
    """
    provider, external_id = read_guid(guid)
    if as_json:
        print_json({"guid": guid, "provider": provider, "external_id": external_id})
    else:
        print_line(f"provider     {provider}")
        print_line(f"external id  {external_id}")
