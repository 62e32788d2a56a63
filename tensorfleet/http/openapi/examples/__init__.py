"""Examples for the OpenAPI document, by operation id: requests as they work, answers as the registry gave them.

`tests/e2e/test_openapi.py` asks for one of every JSON body and answer, and holds members to those of real answers.
"""

from __future__ import annotations

from typing import Any, Final

from tensorfleet.http.openapi.examples import commands, figures, files, history, models, operation

PARAMETERS: Final[dict[str, Any]] = {
    "model_id": "d7b44809a0359169b755a703",
    "upload_id": "5f2b7c1e9a4d4f0e8b3c6a7d1e2f3a4b",
    "version": "v1.0",
    "ids": "d7b44809a0359169b755a703@v1.0,d7b44809a0359169b755a703@v1.1",
    "q": "tour",
    "schema_id": "1",
    "subject": "tensorfleet.model.events.v1-value",
}
REQUESTS: Final[dict[str, Any]] = {**commands.REQUESTS, **files.REQUESTS, **operation.REQUESTS}
ANSWERS: Final[dict[str, Any]] = {
    **commands.ANSWERS,
    **files.ANSWERS,
    **models.ANSWERS,
    **figures.ANSWERS,
    **history.ANSWERS,
    **operation.ANSWERS,
}
