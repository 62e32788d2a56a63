"""Examples of commands."""

from __future__ import annotations

from typing import Any, Final

REQUESTS: Final[dict[str, Any]] = {
    "register_model": {
        "name": "tour",
        "algorithm": "RandomForest",
        "hyperparameters": {"trees": 100},
        "metrics": {"test_accuracy": 0.952},
        "dataset_info": {"name": "payments"},
        "tags": ["demo"],
        "description": "Finds fraud",
        "framework": "scikit-learn",
        "created_by": "ada",
    },
    "create_version": {"hyperparameters": {"trees": 300}, "metrics": {"test_accuracy": 0.961}},
    "update_model": {"tags": ["demo", "fraud"]},
    "replace_model_fields": {"tags": ["demo", "fraud"]},
    "deprecate_model": {"version": "v1.0", "reason": "v1.1 is better"},
    "archive_model": {"version": "v1.0"},
    "restore_model": {"version": "v1.0"},
    "report_metrics": {
        "metrics": {"test_accuracy": 0.958, "loss": 0.12},
        "version": "v1.1",
        "step": 12,
        "recorded_at": "2026-11-21T19:36:06Z",
        "source": "training",
    },
    "record_scan": {
        "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
        "verdict": "dangerous",
        "format": "pickle",
        "findings": [
            {"severity": "dangerous", "code": "dangerous-import", "where": "@24", "text": "imports posix.system"}
        ],
        "scanner": "tensorfleet 1",
    },
    "release_file": {"reason": "Read by hand: it calls what we wrote"},
    "run_batch": {
        "operations": [
            {"op": "archive", "model_id": "d7b44809a0359169b755a703"},
            {"op": "restore", "model_id": "d7b44809a0359169b755a703"},
        ]
    },
    "discard_parked_records": {
        "model_id": "d7b44809a0359169b755a703",
        "reason": "Nobody can read it: written by a tool that is gone",
        "first_offset": 1024,
        "last_offset": 1026,
    },
}
ANSWERS: Final[dict[str, Any]] = {
    "register_model": {
        "success": True,
        "message": "Model registered successfully",
        "model_id": "d7b44809a0359169b755a703",
        "name": "tour",
        "version": "v1.0",
        "download_url": "/api/v1/models/d7b44809a0359169b755a703/download",
    },
    "create_version": {
        "success": True,
        "message": "Version created successfully",
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.1",
        "parent_version": "v1.0",
        "download_url": "/api/v1/models/d7b44809a0359169b755a703/download?version=v1.1",
    },
    "update_model": {
        "success": True,
        "message": "Model updated successfully",
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.1",
    },
    "replace_model_fields": {
        "success": True,
        "message": "Model updated successfully",
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.1",
    },
    "report_metrics": {
        "success": True,
        "message": "Metrics reported",
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.1",
    },
    "discard_parked_records": {
        "success": True,
        "message": "Parked records discarded",
        "model_id": "d7b44809a0359169b755a703",
    },
    "deprecate_model": {
        "success": True,
        "message": "Model deprecated",
        "model_id": "d7b44809a0359169b755a703",
        "status": "deprecated",
    },
    "archive_model": {
        "success": True,
        "message": "Model archived",
        "model_id": "d7b44809a0359169b755a703",
        "status": "archived",
    },
    "restore_model": {
        "success": True,
        "message": "Model restored",
        "model_id": "d7b44809a0359169b755a703",
        "status": "active",
    },
    "delete_version": {
        "success": True,
        "message": "Version deleted successfully",
        "deleted_id": "d7b44809a0359169b755a703@v1.0",
        "version": "v1.0",
    },
    "delete_model": {
        "success": True,
        "message": "Model deleted successfully",
        "deleted_id": "d7b44809a0359169b755a703",
    },
    "record_scan": {
        "success": True,
        "message": "Verdict recorded",
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.0",
    },
    "release_file": {
        "success": True,
        "message": "File released",
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.0",
    },
    "run_batch": {
        "results": [
            {
                "status": 200,
                "success": True,
                "message": "Model archived",
                "model_id": "d7b44809a0359169b755a703",
                "model_status": "archived",
            },
            {
                "status": 200,
                "success": True,
                "message": "Model restored",
                "model_id": "d7b44809a0359169b755a703",
                "model_status": "active",
            },
        ],
        "succeeded": 2,
        "failed": 0,
    },
}
