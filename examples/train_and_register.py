"""Train models on data sets that scikit-learn ships, and take them through the registry.

    python examples/train_and_register.py [http://localhost:8084]

Each model is registered and its file uploaded. The error of one is reported stage by stage. One is trained again as a
second version, downloaded, checked, loaded, and used to predict. The names are made by the
registry, so the example can run as often as you like.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import joblib
from sklearn.base import BaseEstimator, is_classifier
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

Parameters = Mapping[str, int | float | str]
SEED = 20


@dataclass(frozen=True)
class Dataset:
    name: str
    load: Callable[..., Any]

    def split(self) -> list[Any]:
        """Training rows, test rows, training targets, test targets."""
        rows, targets = self.load(return_X_y=True)
        return train_test_split(rows, targets, test_size=0.25, random_state=SEED)  # type: ignore[no-any-return]

    def info(self) -> dict[str, Any]:
        rows, test_rows, *_ = self.split()
        return {
            "name": self.name,
            "training_rows": len(rows),
            "test_rows": len(test_rows),
            "features": int(rows.shape[1]),
        }


@dataclass(frozen=True)
class Recipe:
    algorithm: str
    dataset: Dataset
    build: Callable[..., BaseEstimator]
    hyperparameters: Parameters
    retrained_with: Parameters = field(default_factory=dict)


def scaled_logistic_regression(**parameters: Any) -> BaseEstimator:
    return make_pipeline(StandardScaler(), LogisticRegression(**parameters))


def scaled_svc(**parameters: Any) -> BaseEstimator:
    return make_pipeline(StandardScaler(), SVC(**parameters))


CANCER = Dataset("breast_cancer", load_breast_cancer)
WINE = Dataset("wine", load_wine)
DIABETES = Dataset("diabetes", load_diabetes)

RECIPES = (
    Recipe(
        "RandomForest",
        CANCER,
        RandomForestClassifier,
        {"n_estimators": 10, "max_depth": 2, "random_state": SEED},
        retrained_with={"n_estimators": 200, "max_depth": 8, "random_state": SEED},
    ),
    Recipe("LogisticRegression", CANCER, scaled_logistic_regression, {"C": 0.5, "max_iter": 500}),
    Recipe("SVC", WINE, scaled_svc, {"C": 1.0, "kernel": "rbf"}),
    Recipe("Ridge", DIABETES, Ridge, {"alpha": 0.1}),
    Recipe(
        "GradientBoosting",
        DIABETES,
        GradientBoostingRegressor,
        {"n_estimators": 80, "learning_rate": 0.05, "random_state": SEED},
    ),
)


def train(recipe: Recipe, hyperparameters: Parameters) -> tuple[bytes, dict[str, float]]:
    """A fitted model as a joblib file, and how it does on rows that it has not seen."""
    rows, test_rows, targets, test_targets = recipe.dataset.split()
    model = recipe.build(**hyperparameters)
    started = time.perf_counter()
    model.fit(rows, targets)
    seconds = time.perf_counter() - started
    file = io.BytesIO()
    joblib.dump(model, file)
    return file.getvalue(), {**score(model, test_rows, test_targets), "fit_seconds": round(seconds, 4)}


def score(model: Any, rows: Any, targets: Any) -> dict[str, float]:
    predicted = model.predict(rows)
    if is_classifier(model):
        return {
            "test_accuracy": float(accuracy_score(targets, predicted)),
            "f1_macro": float(f1_score(targets, predicted, average="macro")),
        }
    return {
        "r2": float(r2_score(targets, predicted)),
        "mean_absolute_error": float(mean_absolute_error(targets, predicted)),
    }


class Registry:
    """The few calls that a training pipeline needs, with the key of TENSORFLEET_API_KEY if it is set."""

    def __init__(self, url: str) -> None:
        key = os.environ.get("TENSORFLEET_API_KEY")
        self._http = httpx.Client(base_url=url, timeout=30, headers={"X-API-Key": key} if key else {})

    def get(self, path: str, **parameters: Any) -> Any:
        return self._checked(self._http.get(path, params=parameters)).json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._checked(self._http.post(path, json=body)).json()

    def upload(self, model_id: str, version: str, file: bytes, filename: str) -> Any:
        answer = self._http.post(
            f"/api/v1/models/{model_id}/upload",
            params={"version": version},
            files={"file": (filename, file, "application/octet-stream")},
            headers={"X-File-Checksum": checksum(file)},
        )
        return self._checked(answer).json()["file"]

    def download(self, model_id: str) -> httpx.Response:
        return self._checked(self._http.get(f"/api/v1/models/{model_id}/download"))

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.is_error:
            sys.exit(f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text}")
        return answer


def checksum(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def register(registry: Registry, recipe: Recipe) -> str:
    """Train and register a model with its file; returns its id."""
    file, metrics = train(recipe, recipe.hyperparameters)
    body = {
        "algorithm": recipe.algorithm,
        "framework": "scikit-learn",
        "hyperparameters": recipe.hyperparameters,
        "metrics": metrics,
        "dataset_info": recipe.dataset.info(),
        "tags": ["example", recipe.dataset.name],
        "created_by": "train_and_register",
    }
    made = registry.post("/api/v1/models", body)
    stored = registry.upload(made["model_id"], made["version"], file, f"{recipe.algorithm}.joblib")
    print(f"registered  {made['name']:<36} {made['version']}  {stored['size_bytes']:>9,} bytes  {shown(metrics)}")
    return str(made["model_id"])


def report_stages(registry: Registry, recipe: Recipe, model_id: str) -> None:
    """What a training loop reports after each epoch: here the error after each tree that a boosted model grows."""
    rows, test_rows, targets, test_targets = recipe.dataset.split()
    model = recipe.build(**recipe.hyperparameters).fit(rows, targets)
    path = f"/api/v1/models/{model_id}/metrics"
    for step, predicted in enumerate(model.staged_predict(test_rows), 1):
        error = float(mean_absolute_error(test_targets, predicted))
        registry.post(path, {"step": step, "source": "training", "metrics": {"mean_absolute_error": error}})
    errors = registry.get(f"{path}/history", name="mean_absolute_error")["series"]
    best = min(errors, key=lambda point: point["value"])
    print(f"reported    {len(errors)} stages, mean absolute error best at {best['step']}: {best['value']:.3f}")


def retrain(registry: Registry, recipe: Recipe, model_id: str) -> None:
    """A second version: other hyperparameters, other metrics, a file of its own."""
    file, metrics = train(recipe, recipe.retrained_with)
    body = {"hyperparameters": recipe.retrained_with, "metrics": metrics}
    made = registry.post(f"/api/v1/models/{model_id}/versions", body)
    registry.upload(model_id, made["version"], file, f"{recipe.algorithm}.joblib")
    print(f"retrained   {made['parent_version']} -> {made['version']}  {shown(metrics)}")


def download_and_predict(registry: Registry, recipe: Recipe, model_id: str) -> None:
    """Only a file whose hash is right is loaded: loading a joblib file runs what is in it."""
    answer = registry.download(model_id)
    if checksum(answer.content) != answer.headers["X-File-Checksum"]:
        sys.exit("The file that came back is not the one that went in.")
    model = joblib.load(io.BytesIO(answer.content))
    _, test_rows, _, test_targets = recipe.dataset.split()
    version, disposition = answer.headers["X-Model-Version"], answer.headers["Content-Disposition"]
    print(f"downloaded  {version}, {disposition}, hash right")
    print(f"predicted   {model.predict(test_rows[:8])} where {test_targets[:8]} is true")


def show_registry(registry: Registry) -> None:
    listed = registry.get("/api/v1/models", tags="example", limit=10)
    print(f"\nThe newest of {listed['pagination']['total']} example models:")
    for model in listed["models"]:
        line = f"  {model['name']:<36} {model['version']}  {model['status']:<10}"
        print(f"{line} {model['download_count']} downloads  {shown(model['metrics'])}")
    counted = registry.get("/api/v1/models/statistics")
    print(f"\nStatistics: {counted['total_models']} models, {counted['total_downloads']} downloads")
    print(f"  by algorithm: {counted['algorithms']}")
    print(f"  by status:    {counted['status_distribution']}")
    print("\nMost downloaded in the last 24 hours:")
    for model in registry.get("/api/v1/models/popular", window="24h", limit=3)["models"]:
        print(f"  {model['downloads']} x {model['name']}")


def shown(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in metrics.items() if name != "fit_seconds")


def main() -> None:
    default = os.environ.get("TENSORFLEET_URL", "http://localhost:8084")
    registry = Registry(sys.argv[1] if len(sys.argv) > 1 else default)
    ids = {recipe.algorithm: register(registry, recipe) for recipe in RECIPES}
    boosting = next(recipe for recipe in RECIPES if recipe.algorithm == "GradientBoosting")
    report_stages(registry, boosting, ids["GradientBoosting"])
    for recipe in RECIPES:
        if recipe.retrained_with:
            retrain(registry, recipe, ids[recipe.algorithm])
            download_and_predict(registry, recipe, ids[recipe.algorithm])
    body = {"reason": "gradient boosting does better", "replacement_model_id": ids["GradientBoosting"]}
    answer = registry.post(f"/api/v1/models/{ids['Ridge']}/deprecate", body)
    print(f"deprecated  Ridge: {answer['message']}")
    show_registry(registry)


if __name__ == "__main__":
    try:
        main()
    except httpx.TransportError as error:
        sys.exit(f"The registry does not answer ({error}). Is it running? make status")
