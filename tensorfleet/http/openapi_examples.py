"""Examples for the OpenAPI document, by operation id: requests as they work, answers as the registry gave them.

`tests/e2e/test_openapi.py` holds their members to those of real answers.
"""

from __future__ import annotations

from typing import Any, Final

PARAMETERS: Final[dict[str, Any]] = {
    "model_id": "d7b44809a0359169b755a703",
    "upload_id": "5f2b7c1e9a4d4f0e8b3c6a7d1e2f3a4b",
    "version": "v1.0",
    "ids": "d7b44809a0359169b755a703@v1.0,d7b44809a0359169b755a703@v1.1",
    "q": "tour",
    "schema_id": "1",
    "subject": "tensorfleet.model.events.v1-value",
}
SCAN: Final[dict[str, Any]] = {
    "verdict": "safe",
    "format": "safetensors",
    "findings": [],
    "scanner": "tensorfleet 1",
    "scanned_at": "2026-11-21T19:36:06.204937Z",
    "released": False,
}
_UPLOAD: Final[dict[str, Any]] = {
    "model_id": "d7b44809a0359169b755a703",
    "version": "v1.0",
    "upload_id": "5f2b7c1e9a4d4f0e8b3c6a7d1e2f3a4b",
    "state": "open",
    "filename": "model.safetensors",
    "size_bytes": 20_000_000,
    "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
    "part_size": 16_777_216,
    "part_count": 2,
    "missing": 1,
    "expires_at": "2026-11-23T01:08:59.680606Z",
    "received": [{"number": 1, "size_bytes": 16_777_216, "etag": "0cc175b9c0f1b6a831c399e269772661"}],
    "urls": [
        {
            "number": 2,
            "offset": 16_777_216,
            "size_bytes": 3_222_784,
            "url": "https://storage.example/models/staging/5f2b7c1e9a4d4f0e8b3c6a7d1e2f3a4b?partNumber=2&...",
            "expires_at": "2026-11-22T01:23:59.000000Z",
        }
    ],
}
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
    "begin_upload": {
        "size_bytes": 20_000_000,
        "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
        "filename": "model.safetensors",
    },
    "create_version": {"hyperparameters": {"trees": 300}, "metrics": {"test_accuracy": 0.961}},
    "update_model": {"tags": ["demo", "fraud"]},
    "replace_model_fields": {"tags": ["demo", "fraud"]},
    "deprecate_model": {"version": "v1.0", "reason": "v1.1 is better"},
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
    "upload_file": {
        "success": True,
        "message": "File uploaded successfully",
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.0",
        "file": {
            "size_bytes": 29,
            "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
            "format": "binary",
            "filename": "model.bin",
        },
    },
    "begin_upload": {"success": True, "message": "Upload begun", **_UPLOAD},
    "get_upload": _UPLOAD,
    "complete_upload": {
        "success": True,
        "message": "File uploaded successfully",
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.0",
        "file": {
            "size_bytes": 20_000_000,
            "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
            "format": "safetensors",
            "filename": "model.safetensors",
        },
    },
    "abort_upload": {
        "success": True,
        "message": "Upload aborted",
        "model_id": "d7b44809a0359169b755a703",
        "upload_id": "5f2b7c1e9a4d4f0e8b3c6a7d1e2f3a4b",
    },
    "get_download_url": {
        "model_id": "d7b44809a0359169b755a703",
        "version": "v1.0",
        "filename": "model.bin",
        "size_bytes": 29,
        "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
        "url": "https://storage.example/models/sha256/b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40?...",
        "expires_at": "2026-11-22T01:23:59.000000Z",
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
    "deprecate_model": {
        "success": True,
        "message": "Model deprecated",
        "model_id": "d7b44809a0359169b755a703",
        "status": "deprecated",
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
    "list_models": {
        "models": [
            {
                "id": "d7b44809a0359169b755a703",
                "name": "tour",
                "algorithm": "RandomForest",
                "version": "v1.1",
                "metrics": {"test_accuracy": 0.961},
                "tags": ["demo", "fraud"],
                "created_at": "2026-11-21T19:36:05.835054Z",
                "updated_at": "2026-11-21T19:36:06.310446Z",
                "status": "active",
                "download_count": 1,
                "scan_verdict": None,
            }
        ],
        "pagination": {"page": 1, "limit": 20, "total": 1, "pages": 1, "next_cursor": None},
    },
    "search_models": {
        "models": [
            {
                "id": "d7b44809a0359169b755a703",
                "name": "tour",
                "algorithm": "RandomForest",
                "version": "v1.1",
                "metrics": {"test_accuracy": 0.961},
                "tags": ["demo", "fraud"],
                "created_at": "2026-11-21T19:36:05.835054Z",
                "updated_at": "2026-11-21T19:36:06.310446Z",
                "status": "active",
                "download_count": 1,
                "scan_verdict": None,
                "score": 11.0,
            }
        ],
        "pagination": {"page": 1, "limit": 20, "total": 1, "pages": 1, "next_cursor": None},
    },
    "get_model": {
        "id": "d7b44809a0359169b755a703",
        "name": "tour",
        "algorithm": "RandomForest",
        "framework": "scikit-learn",
        "description": "Finds fraud",
        "hyperparameters": {"trees": 300},
        "metrics": {"test_accuracy": 0.961},
        "version": "v1.1",
        "parent_version": "v1.0",
        "dataset_info": {"name": "payments"},
        "file_metadata": None,
        "scan": None,
        "corrupt": False,
        "model_size": None,
        "download_url": "/api/v1/models/d7b44809a0359169b755a703/download",
        "created_at": "2026-11-21T19:36:05.835054Z",
        "updated_at": "2026-11-21T19:36:06.310446Z",
        "created_by": "ada",
        "tags": ["demo", "fraud"],
        "status": "active",
        "deprecation": None,
        "model_status": "active",
        "download_count": 1,
        "versions": [
            {
                "version": "v1.1",
                "parent_version": "v1.0",
                "status": "active",
                "created_at": "2026-11-21T19:36:06.140150Z",
                "model_size": None,
                "scan_verdict": None,
            },
            {
                "version": "v1.0",
                "parent_version": None,
                "status": "deprecated",
                "created_at": "2026-11-21T19:36:05.835054Z",
                "model_size": "29 B",
                "scan_verdict": "safe",
            },
        ],
        "sequence": 7,
        "position": "5:7",
    },
    "get_file_info": {
        "id": "d7b44809a0359169b755a703",
        "name": "tour",
        "version": "v1.0",
        "size_bytes": 29,
        "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
        "format": "binary",
        "filename": "model.bin",
        "model_size": "29 B",
        "file_metadata": {
            "size_bytes": 29,
            "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
            "format": "binary",
            "filename": "model.bin",
        },
        "scan": SCAN,
        "corrupt": False,
        "download_url": "/api/v1/models/d7b44809a0359169b755a703/download?version=v1.0",
    },
    "list_versions": {
        "id": "d7b44809a0359169b755a703",
        "name": "tour",
        "versions": [
            {
                "id": "d7b44809a0359169b755a703",
                "version": "v1.1",
                "parent_version": "v1.0",
                "status": "active",
                "deprecation": None,
                "hyperparameters": {"trees": 300},
                "metrics": {"test_accuracy": 0.961},
                "dataset_info": {"name": "payments"},
                "file_metadata": None,
                "scan": None,
                "corrupt": False,
                "model_size": None,
                "download_url": "/api/v1/models/d7b44809a0359169b755a703/download?version=v1.1",
                "created_at": "2026-11-21T19:36:06.140150Z",
                "updated_at": "2026-11-21T19:36:06.140150Z",
            }
        ],
        "total": 2,
    },
    "get_version": {
        "id": "d7b44809a0359169b755a703",
        "version": "v1.0",
        "parent_version": None,
        "status": "deprecated",
        "deprecation": {"reason": "v1.1 is better", "replacement_model_id": None},
        "hyperparameters": {"trees": 100},
        "metrics": {"test_accuracy": 0.952},
        "dataset_info": {"name": "payments"},
        "file_metadata": {
            "size_bytes": 29,
            "checksum": "sha256:b5de1357f76be79bcb779cce1dd0c7a0c2447b48d7692ca81d8429b810b34b40",
            "format": "binary",
            "filename": "model.bin",
        },
        "scan": SCAN,
        "corrupt": False,
        "model_size": "29 B",
        "download_url": "/api/v1/models/d7b44809a0359169b755a703/download?version=v1.0",
        "created_at": "2026-11-21T19:36:05.835054Z",
        "updated_at": "2026-11-21T19:36:06.204937Z",
        "name": "tour",
    },
    "get_history": {
        "id": "d7b44809a0359169b755a703",
        "name": "tour",
        "deleted": False,
        "events": [
            {
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
        ],
        "pagination": {"limit": 1, "total": 7, "next_cursor": "b3BhcXVl"},
    },
    "list_popular_models": {
        "window": "7d",
        "models": [
            {
                "id": "d7b44809a0359169b755a703",
                "name": "tour",
                "algorithm": "RandomForest",
                "version": "v1.1",
                "metrics": {"test_accuracy": 0.961},
                "tags": ["demo", "fraud"],
                "created_at": "2026-11-21T19:36:05.835054Z",
                "updated_at": "2026-11-21T19:36:06.310446Z",
                "status": "active",
                "download_count": 1,
                "scan_verdict": None,
                "downloads": 1,
            }
        ],
    },
    "list_recent_models": {
        "models": [
            {
                "id": "d7b44809a0359169b755a703",
                "name": "tour",
                "algorithm": "RandomForest",
                "version": "v1.1",
                "metrics": {"test_accuracy": 0.961},
                "tags": ["demo", "fraud"],
                "created_at": "2026-11-21T19:36:06.140150Z",
                "updated_at": "2026-11-21T19:36:06.140150Z",
                "status": "active",
                "download_count": 1,
                "scan_verdict": None,
                "parent_version": "v1.0",
            }
        ]
    },
    "compare_models": {
        "models": [
            {
                "id": "d7b44809a0359169b755a703",
                "name": "tour",
                "algorithm": "RandomForest",
                "version": "v1.0",
                "status": "deprecated",
                "created_at": "2026-11-21T19:36:05.835054Z",
            },
            {
                "id": "d7b44809a0359169b755a703",
                "name": "tour",
                "algorithm": "RandomForest",
                "version": "v1.1",
                "status": "active",
                "created_at": "2026-11-21T19:36:06.140150Z",
            },
        ],
        "metrics": {
            "test_accuracy": {
                "values": [0.952, 0.961],
                "best": 1,
                "difference": [0.0, 0.009000000000000008],
                "same": False,
                "better": "higher",
            }
        },
        "hyperparameters": {"trees": {"values": [100, 300], "best": None, "difference": [0, 200], "same": False}},
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
}
