"""Examples of keys, schemas and health."""

from __future__ import annotations

from typing import Any, Final

_KEY: Final[dict[str, Any]] = {
    "id": "0a1b2c3d4e5f6071",
    "name": "training pipeline",
    "roles": ["writer"],
    "model_prefix": "fraud/",
    "status": "active",
    "issued_at": "2026-11-21T19:36:05.835054Z",
    "issued_by": "operator",
    "expires_at": "2027-11-21T00:00:00.000000Z",
    "revoked_at": None,
    "revoked_by": None,
    "last_used": None,
}
REQUESTS: Final[dict[str, Any]] = {
    "issue_key": {
        "name": "training pipeline",
        "roles": ["writer"],
        "model_prefix": "fraud/",
        "expires_at": "2027-11-21T00:00:00Z",
    },
}
ANSWERS: Final[dict[str, Any]] = {
    "issue_key": {
        "success": True,
        "message": "Keep the key now: it is not shown again",
        "api_key": "tfr_0a1b2c3d4e5f6071_...",
        "key": _KEY,
    },
    "list_keys": {"keys": [_KEY], "total": 1},
    "revoke_key": {"success": True, "message": "Key revoked", "revoked_id": "0a1b2c3d4e5f6071"},
    "list_denials": {
        "records": [
            {
                "id": "1041",
                "kind": "denied",
                "actor": "training pipeline",
                "key_id": "0a1b2c3d4e5f6071",
                "method": "DELETE",
                "route": "/api/v1/keys/{key_id}",
                "address": "192.0.2.7",
                "reason": "missing-role",
                "status": 403,
                "first_at": "2026-11-21T19:36:05.835054Z",
                "last_at": "2026-11-21T19:36:08.120001Z",
                "count": 3,
            }
        ],
        "next": None,
    },
    "list_schema_types": ["AVRO"],
    "get_schema": {"schema": '{"type":"record","name":"ModelState", "fields": []}'},
    "list_subjects": ["tensorfleet.model.events.v1-value", "tensorfleet.model.log.v1-value"],
    "list_schema_versions": [1, 2],
    "get_schema_version": {
        "subject": "tensorfleet.model.events.v1-value",
        "version": 1,
        "id": 1,
        "schema": '{"type":"record","name":"ModelEvent", "fields": []}',
    },
    "get_schema_config": {"compatibilityLevel": "FULL_TRANSITIVE"},
    "get_schema_mode": {"mode": "READONLY"},
    "get_health": {
        "status": "healthy",
        "service": "model-service",
        "mongodb_connected": True,
        "kafka_connected": True,
        "storage_available": True,
        "total_models": 1,
        "timestamp": "2026-11-21T19:36:06.310446Z",
    },
    "get_liveness": {
        "status": "healthy",
        "service": "model-service",
        "timestamp": "2026-11-21T19:36:06.310446Z",
    },
    "get_readiness": {"status": "ready", "service": "model-service", "issues": {}},
    "get_health_in_detail": {
        "service": "model-service",
        "status": "healthy",
        "timestamp": "2026-11-21T19:36:06.310446Z",
        "checks": {
            "kafka": "healthy",
            "mongodb": "healthy",
            "storage": "healthy",
            "disk_space": "healthy",
            "projection": "healthy",
            "model_registry": "healthy",
        },
        "metrics": {
            "total_models": 1,
            "active_models": 1,
            "storage_usage_gb": 2.9e-08,
            "projection_lag_events": 0,
            "projection_lag_seconds": 0.0,
        },
        "issues": [],
    },
}
