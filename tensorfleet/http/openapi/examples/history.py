"""Examples of what happened: history, audit, verification, the feed."""

from __future__ import annotations

from typing import Any, Final

_EVENT: Final[dict[str, Any]] = {
    "sequence": 1,
    "type": "ModelRegistered",
    "actor": "anonymous",
    "time": "2026-11-21T19:36:05.835054Z",
    "version": "v1.0",
    "changed": ["algorithm", "metrics"],
    "changes": [
        {"field": "algorithm", "old": None, "new": "RandomForest"},
        {"field": "metrics", "old": {}, "new": {"test_accuracy": 0.952}},
    ],
    "position": "5:1",
    "hash": "a2e35d8eabff382316ebd9d5f495bc8d50ae9abea4697e38ed5f7a2247bb66ae",
    "event_id": "01a1ff9b-d7cb-725e-a55c-ef807019e641",
}
ANSWERS: Final[dict[str, Any]] = {
    "get_history": {
        "id": "d7b44809a0359169b755a703",
        "name": "tour",
        "deleted": False,
        "events": [_EVENT],
        "pagination": {"limit": 1, "total": 7, "next_cursor": "b3BhcXVl"},
    },
    "list_audit": {
        "events": [{"model_id": "d7b44809a0359169b755a703", **_EVENT}],
        "pagination": {"limit": 1, "next_cursor": "b3BhcXVl"},
    },
    "verify_model": {
        "id": "d7b44809a0359169b755a703",
        "verified": False,
        "complete": True,
        "records": 3,
        "total": 7,
        "first_problem": {
            "sequence": 4,
            "position": "5:4",
            "what": "altered",
            "expected": "a2e35d8eabff382316ebd9d5f495bc8d50ae9abea4697e38ed5f7a2247bb66ae",
            "found": "5d3f4c0b7a1e9268d0c7b6a5f4e3d2c1b0a99887766554433221100ffeeddccb",
        },
        "next_cursor": None,
    },
    "list_events": {
        "events": [
            {
                "id": "01a1ff9b-d7cb-725e-a55c-ef807019e641",
                "type": "ModelRegistered",
                "model_id": "d7b44809a0359169b755a703",
                "model_name": "tour",
                "sequence": 1,
                "occurred_at": "2026-11-21T19:36:05.835054Z",
                "actor": "anonymous",
                "position": "5:1",
                "data": {
                    "version": "v1.0",
                    "algorithm": "RandomForest",
                    "framework": "scikit-learn",
                    "description": "Finds fraud",
                    "tags": ["demo"],
                    "created_by": "ada",
                    "hyperparameters": {"trees": 100},
                    "metrics": {"test_accuracy": 0.952},
                    "dataset_info": {"name": "payments"},
                },
            }
        ],
        "next": "b3BhcXVl",
        "more": True,
    },
}
