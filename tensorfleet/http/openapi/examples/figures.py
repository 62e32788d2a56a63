"""Examples of figures: rankings, comparisons, counts, and what was measured over time."""

from __future__ import annotations

from typing import Any, Final

from tensorfleet.http.openapi.examples.models import ROW

_POINT: Final[dict[str, Any]] = {
    "value": 0.958,
    "recorded_at": "2026-11-21T19:36:06.000000Z",
    "step": 12,
    "source": "training",
}
ANSWERS: Final[dict[str, Any]] = {
    "list_popular_models": {
        "window": "7d",
        "models": [
            {**ROW, "downloads": 1},
        ],
    },
    "list_recent_models": {
        "models": [
            {**ROW, "parent_version": "v1.0"},
        ]
    },
    "compare_models": {
        "models": [
            {
                "id": "d7b44809a0359169b755a703",
                "name": "tour",
                "algorithm": "RandomForest",
                "version": "v1.0",
                "parent_version": None,
                "status": "deprecated",
                "created_at": "2026-11-21T19:36:05.835054Z",
                "regressions": [],
                "tracked_regressions": [],
            },
            {
                "id": "d7b44809a0359169b755a703",
                "name": "tour",
                "algorithm": "RandomForest",
                "version": "v1.1",
                "parent_version": "v1.0",
                "status": "active",
                "created_at": "2026-11-21T19:36:06.140150Z",
                "regressions": [],
                "tracked_regressions": [],
            },
        ],
        "metrics": {
            "test_accuracy": {
                "values": [0.952, 0.961],
                "difference": [0.0, 0.009000000000000008],
                "same": False,
                "best": 1,
                "all_best": [1],
                "better": "higher",
                "against_parent": [
                    None,
                    {"version": "v1.0", "value": 0.952, "difference": 0.009000000000000008, "regression": False},
                ],
                "tracked": [None, _POINT],
            }
        },
        "tracked": {
            "test_accuracy": {
                "values": [None, 0.958],
                "difference": [None, None],
                "same": False,
                "best": 1,
                "all_best": [1],
                "better": "higher",
                "against_parent": [None, None],
                "tracked": [None, _POINT],
            }
        },
        "hyperparameters": {"trees": {"values": [100, 300], "difference": [0, 200], "same": False, "best": None}},
    },
    "get_model_statistics": {
        "total_models": 1,
        "algorithms": {"RandomForest": 1},
        "status_distribution": {"active": 1, "deprecated": 0, "archived": 0},
        "total_downloads": 1,
        "storage_usage": {"total_size_gb": 2.9e-08, "average_model_size_mb": 2.9e-05},
        "recent_activity": {"models_added_last_7_days": 1, "downloads_last_24_hours": 1},
    },
    "get_statistics": {
        "total_models": 1,
        "models_by_algorithm": {"RandomForest": 1},
        "models_by_status": {"active": 1, "deprecated": 0, "archived": 0},
        "storage_stats": {"total_size": "29 B", "average_model_size": "29 B"},
        "recent_activity": {"models_created_today": 1, "models_downloaded_today": 1},
    },
    "get_downloads": {
        "id": "d7b44809a0359169b755a703",
        "name": "tour",
        "window": "24h",
        "bucket": "day",
        "total": 1,
        "series": [
            {"start": "2026-11-20T00:00:00.000000Z", "downloads": 0},
            {"start": "2026-11-21T00:00:00.000000Z", "downloads": 1},
        ],
    },
    "get_metric_history": {
        "id": "d7b44809a0359169b755a703",
        "model_name": "tour",
        "version": None,
        "name": "test_accuracy",
        "versions": ["v1.1"],
        "total": 1,
        "returned": 1,
        "series": [
            {
                "recorded_at": "2026-11-21T19:36:06.000000Z",
                "step": 12,
                "value": 0.958,
                "version": "v1.1",
                "source": "training",
            }
        ],
    },
}
