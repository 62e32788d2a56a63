"""`tensorfleet dead-letters`: what could not be projected, and what to do about it."""

from __future__ import annotations

import time
from typing import Annotated, Final

import typer

from tensorfleet.cli.command_api import ApiKeyOption, RegistryUrlOption, discard_parked_records
from tensorfleet.cli.environment import CLIENT_ID, ModelOption, RegistryOption, log_settings
from tensorfleet.cli.letter_texts import as_json, described, listed, sentence
from tensorfleet.domain.errors import ModelNotFound, NothingParked
from tensorfleet.domain.names import MODEL_ID
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.envelope import Position
from tensorfleet.events.fold import model_id_in
from tensorfleet.events.letters import Letter, letters
from tensorfleet.events.topics import Topics
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.mongo.generation_stores import open_generations
from tensorfleet.mongo.parked_models import ParkedModel, ParkedModels
from tensorfleet.settings import ReadModelSettings, load

app = typer.Typer(help="Records that could not be projected: look, replay, discard.", no_args_is_help=True)
_POLL_SECONDS: Final = 0.1
_WhichArgument = Annotated[str, typer.Argument(metavar="POSITION|MODEL", help="As 3:1024, or a model's id.")]


@app.command("list")
def list_letters(
    model: ModelOption = None,
    every: Annotated[bool, typer.Option("--all", help="Also those of models that do not wait (any more).")] = False,
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    registry: RegistryOption = None,
) -> None:
    """List the dead letters of models that wait for an operator; each position once."""
    found, parked = _letters(registry), _parked()
    if model is not None:
        found = [one for one in found if model_id_in(one.key) == model]
    shown = found if every else [one for one in found if model_id_in(one.key) in parked]
    if as_lines:
        for one in shown:
            typer.echo(as_json(one, parked, Catalogue()))
        return
    typer.echo(listed(shown, parked, len(found) - len(shown)))


@app.command()
def show(
    position: Annotated[str, typer.Argument(metavar="POSITION", help="As 3:1024.")], registry: RegistryOption = None
) -> None:
    """Show a record: why it is a dead letter, its headers, its bytes, and what they mean as far as they can be read."""
    wanted = _position(position)
    found = [one for one in _letters(registry) if one.position == wanted]
    if not found:
        raise typer.BadParameter(f"there is no dead letter of the position {position}")
    typer.echo("\n\n".join(described(one, Catalogue()) for one in found))


@app.command()
def replay(
    which: _WhichArgument,
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for a projector.")] = 30.0,
    registry: RegistryOption = None,
) -> None:
    """Let the projector read a parked model again, with what it can read now. Exit status: 0 it goes on, 1 it does not.

    Only this model is touched. Command APIs and publishers read it again when they start.
    """
    model_id = _model(which, registry)
    settings = load(ReadModelSettings)
    with open_generations(settings.mongodb_url.get_secret_value(), settings.mongodb_db) as stores:
        models = ParkedModels(stores)
        parked = models.all().get(model_id)
        if parked is None:
            raise NothingParked(model_id)
        models.replay_requests.ask(model_id, parked.first.partition)
        until = time.monotonic() + wait
        outcome = models.replay_requests.outcome(model_id)
        while outcome is None and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
            outcome = models.replay_requests.outcome(model_id)
        still = model_id in models.all()
    typer.echo(outcome or "No projector has taken it up yet; the next one that has the partition will.")
    raise typer.Exit(1 if still or outcome is None else 0)


@app.command()
def discard(
    which: _WhichArgument,
    reason: Annotated[str, typer.Option(help="Why; it stays in the log for ever.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: RegistryUrlOption = "http://localhost:8084",
    api_key: ApiKeyOption = "",
    registry: RegistryOption = None,
) -> None:
    """Let a parked model go on without the records that park it, and all of it since. This can't be undone."""
    model_id = _model(which, registry)
    parked = _parked().get(model_id)
    if parked is None:
        raise NothingParked(model_id)
    typer.echo(sentence(parked))
    if not yes:
        typer.confirm("Discard them? Nothing brings them back.", abort=True)
    place = discard_parked_records(url, model_id, reason, parked.first.offset, parked.last.offset, api_key)
    typer.echo(f"Discarded, by the event at {place}. The model goes on from the state that it had before.")


def _letters(registry: str | None) -> list[Letter]:
    settings = log_settings(registry)
    source = TopicReader(settings.kafka, Topics(settings.registry_id).dead_letters, CLIENT_ID)
    return letters(source.read(source.ranges()))


def _parked() -> dict[str, ParkedModel]:
    settings = load(ReadModelSettings)
    with open_generations(settings.mongodb_url.get_secret_value(), settings.mongodb_db) as stores:
        return ParkedModels(stores).all()


def _model(which: str, registry: str | None) -> str:
    """The model that is meant: by its id, or by a dead letter of it."""
    if MODEL_ID.fullmatch(which):
        return which
    wanted = _position(which)
    named = (model_id_in(one.key) for one in _letters(registry) if one.position == wanted)
    found = next((one for one in named if one is not None), None)
    if found is None:
        raise ModelNotFound(which)
    return found


def _position(text: str) -> Position:
    try:
        return Position.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
