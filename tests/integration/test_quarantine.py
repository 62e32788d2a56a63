"""Which downloads a verdict keeps back, by policy, and what storage has lost; over real HTTP."""

from __future__ import annotations

import pytest

from services.query_api.files.quarantine import Quarantine
from tests.integration.query_world import NOT_SCANNED, world

MODELS = "/api/v1/models"
VERDICTS = ("safe", "suspicious", "dangerous", "unscanned")
KEPT_BACK = {
    Quarantine("off", required=True): set(),
    Quarantine("warn", required=True): set(),
    Quarantine("quarantine"): {"dangerous"},
    Quarantine("quarantine", required=True): {"dangerous", "unscanned"},
}


@pytest.mark.parametrize("policy", KEPT_BACK, ids=str)
def test_the_policy_decides_which_files_are_given_out_and_what_is_told(mongodb_url: str, policy: Quarantine) -> None:
    with world(mongodb_url, quarantine=policy) as registry:
        for verdict in VERDICTS:
            for released in (False, True):
                scan = {**NOT_SCANNED, "verdict": verdict, "released": released}
                model_id = registry.model(
                    f"{verdict} {released}", files={"v1.0": b"content"}, version_fields={"v1.0": {"scan": scan}}
                )
                for path in (f"{MODELS}/{model_id}/download", f"{MODELS}/{model_id}/download?version=v1.0"):
                    answers = [
                        registry.get(path),
                        registry.get(path, Range="bytes=1-2"),
                        registry.get(path, "HEAD"),
                        registry.get(path, If_None_Match="*"),
                    ]
                    if verdict in KEPT_BACK[policy] and not released:
                        assert [one.status for one in answers] == [403] * 4
                        problem = answers[0].json
                        assert (problem["code"], problem["model_id"]) == ("artifact-quarantined", model_id)
                        assert verdict in problem["detail"]
                    else:
                        assert [one.status for one in answers] == [200, 206, 200, 304]
                        told = None if policy.policy == "off" else verdict
                        assert [one.headers.get("x-scan-verdict") for one in answers] == [told] * 4


def test_a_file_that_storage_has_lost_is_not_given_out_and_its_documents_say_so(mongodb_url: str) -> None:
    with world(mongodb_url, quarantine=Quarantine("off")) as registry:
        model_id = registry.model("m", files={"v1.0": b"x"}, version_fields={"v1.0": {"corrupt": True}})
        answer = registry.get(f"{MODELS}/{model_id}/download")
        assert (answer.status, answer.json["code"]) == (409, "artifact-corrupt")
        for path in ("", "/info", "/versions/v1.0"):
            assert registry.get(f"{MODELS}/{model_id}{path}").json["corrupt"] is True


def test_a_list_and_its_total_are_those_of_a_verdict(mongodb_url: str) -> None:
    with world(mongodb_url) as registry:
        registry.model("without a file")
        for verdict in ("safe", "safe", "dangerous"):
            fields = {"v1.0": {"scan": {**NOT_SCANNED, "verdict": verdict}}}
            registry.model(
                f"{verdict} {registry.db.models.count_documents({})}", files={"v1.0": b"x"}, version_fields=fields
            )
        registry.model("not yet", files={"v1.0": b"x"})
        for query in ("scan_verdict=safe", "filter=scan.verdict+%3D+'safe'", "scan_verdict=safe&status=active"):
            answer = registry.get(f"{MODELS}?{query}").json
            assert [one["scan_verdict"] for one in answer["models"]] == ["safe", "safe"]
            assert answer["pagination"]["total"] == 2
        assert registry.names(f"{MODELS}?scan_verdict=unscanned") == ["not yet"]
        shown = {one["name"]: one["scan_verdict"] for one in registry.get(MODELS).json["models"]}
        assert (shown["without a file"], shown["not yet"]) == (None, "unscanned")
        for query in ("scan_verdict=clean", "filter=scan.verdict+%3D+'clean'", "filter=scan.findings+%3D+'x'"):
            assert registry.get(f"{MODELS}?{query}").status == 422
