"""Fills an empty MLflow registry through MLflow's own store: `python -I mlflow_seed.py URI < models`.

It runs with the interpreter that MLflow is installed for, not with ours. A model is a line of JSON: `name`,
`description` and `tags` (a list of words); each gets one version. `-I` keeps the modules beside this file out of
MLflow's way.
"""

import json
import sys
from typing import Any

from mlflow.entities.model_registry import RegisteredModelTag
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import event


def main() -> None:
    store = SqlAlchemyStore(sys.argv[1])
    _write_without_waiting(store.engine)
    for line in sys.stdin:
        model = json.loads(line)
        tags = [RegisteredModelTag(tag, "true") for tag in model["tags"]]
        store.create_registered_model(model["name"], tags, model["description"])
        store.create_model_version(model["name"], source=f"s3://models/{model['name']}")


def _write_without_waiting(engine: Any) -> None:
    """Twice as many commits as models would each wait for the disk; the server opens the file with its own settings."""

    @event.listens_for(engine, "connect")
    def hasten(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    engine.dispose()


main()
