"""scikit-learn's estimators through skl2onnx and mj.convert, held against scikit-learn itself.

python tests/sklearn_models.py            one line for each estimator and data set, exit status 1 where one differs
python tests/sklearn_models.py SVC MLP    only those whose names contain one of these
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from skl2onnx.common.data_types import StringTensorType
from skl2onnx.convert import convert_sklearn, to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier

import millijoule as mj
from millijoule.runtime.errors import Error

ROWS, COLUMNS = 120, 5
CLOSE = 2e-4
"""Scores, in proportion to their largest: skl2onnx writes float32, scikit-learn computes in float64."""


@dataclass(frozen=True)
class Data:
    """x: (rows, columns). y: a label or a number for each row."""

    x: np.ndarray
    y: np.ndarray


def _classes(seed: int, shares: tuple[float, ...], names: tuple[Any, ...], integers: bool = False) -> Data:
    """Clouds that overlap, so that scores take every size. shares: of the classes among the rows."""
    rng = np.random.default_rng(seed)
    counts = np.maximum(4, (np.array(shares) * ROWS).astype(int))
    index = rng.permutation(np.repeat(np.arange(len(shares)), counts))
    x = rng.normal(0, 1, (len(index), COLUMNS)) + rng.normal(0, 0.8, (len(shares), COLUMNS))[index]
    x = np.round(3 * x).astype(np.int64) if integers else x.astype(np.float32)
    return Data(x, np.array(names)[index])


DATA: dict[str, Data] = {
    "two classes": _classes(1, (0.5, 0.5), (0, 1)),
    "two, of other numbers": _classes(2, (0.4, 0.6), (-3, 8)),
    "two, imbalanced": _classes(3, (0.93, 0.07), (0, 1)),
    "two, of integers": _classes(4, (0.5, 0.5), (0, 1), integers=True),
    "two, named": _classes(5, (0.6, 0.4), ("dog", "cat")),
    "three classes": _classes(6, (0.3, 0.3, 0.4), (0, 1, 2)),
    "three, imbalanced": _classes(7, (0.8, 0.15, 0.05), (1, 2, 5)),
    "three, named": _classes(8, (0.3, 0.3, 0.4), ("oak", "ash", "elm")),
    "four, of integers": _classes(9, (0.25, 0.25, 0.25, 0.25), (0, 1, 2, 3), integers=True),
}


NUMBERS: dict[str, Data] = {
    "a sum": Data(DATA["two classes"].x, DATA["two classes"].x.sum(1)),
    "a product": Data(DATA["three classes"].x, DATA["three classes"].x[:, :3].prod(1)),
}


def _scaled_and_hot(**more: Any) -> Any:
    """Two columns scaled, one that takes few numbers as one of them, and logistic regression on both."""
    hot = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("scaled", StandardScaler(), [0, 1]), ("hot", hot, [2])])
    return make_pipeline(columns, LogisticRegression(**more))


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic regression": LogisticRegression,
    "linear SVM": LinearSVC,
    "SVC, linear": lambda: SVC(kernel="linear"),
    "SVC, RBF": SVC,
    "SVC, polynomial": lambda: SVC(kernel="poly", degree=2, coef0=1),
    "SVC, sigmoid": lambda: SVC(kernel="sigmoid"),
    "SVC, one against one": lambda: SVC(decision_function_shape="ovo"),
    "SVC, probabilities": lambda: SVC(probability=True, random_state=0),
    "NuSVC": lambda: NuSVC(nu=0.1),
    "MLP": lambda: MLPClassifier((8,), max_iter=200, random_state=0),
    "MLP, logistic": lambda: MLPClassifier((6, 4), activation="logistic", max_iter=200, random_state=0),
    "decision tree": lambda: DecisionTreeClassifier(random_state=0),
    "random forest": lambda: RandomForestClassifier(12, random_state=0),
    "extra trees": lambda: ExtraTreesClassifier(12, random_state=0),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=8, random_state=0),
    "AdaBoost": lambda: AdaBoostClassifier(n_estimators=5, random_state=0),
    "nearest neighbours": KNeighborsClassifier,
    "naive Bayes": GaussianNB,
    "scaled logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "scaled RBF SVM": lambda: make_pipeline(MinMaxScaler(), SVC()),
    "scaled and one-hot": _scaled_and_hot,
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "linear regression": LinearRegression,
    "SVR": SVR,
    "MLP": lambda: MLPRegressor(hidden_layer_sizes=(8,), max_iter=200, random_state=0),
    "random forest": lambda: RandomForestRegressor(12, random_state=0),
    "gradient boosting": lambda: GradientBoostingRegressor(n_estimators=8, random_state=0),
}
OUTLIERS: dict[str, Callable[[], Any]] = {
    "isolation forest": lambda: IsolationForest(n_estimators=12, random_state=0),
    "one-class SVM": OneClassSVM,
}


def _text_data() -> dict[str, Data]:
    rng = np.random.default_rng(11)
    columns = [rng.choice(names, ROWS) for names in (["red", "grün", ""], ["S", "M", "L", "XL"])]
    y = (columns[0] == "red") ^ (rng.random(ROWS) < 0.2)
    words = ["good", "bad", "fine", "poor", "great", "the", "a", "of", "film", "it", "was", "not"]
    sentences = [" ".join(rng.choice(words, rng.integers(1, 12))) for _ in range(ROWS)]
    liked = np.array([("good" in text) or ("great" in text) for text in sentences])
    return {
        "categories": Data(np.stack(columns, 1).astype(object), y.astype(int)),
        "sentences": Data(np.array(sentences, object), np.where(liked, "yes", "no")),
    }


TEXT: dict[str, tuple[str, Callable[[], Any]]] = {
    "one-hot, logistic regression": ("categories", lambda: make_pipeline(OneHotEncoder(), LogisticRegression())),
    "one-hot, random forest": (
        "categories",
        lambda: make_pipeline(OneHotEncoder(drop="first"), RandomForestClassifier(12, random_state=0)),
    ),
    "ordinal, gradient boosting": (
        "categories",
        lambda: make_pipeline(OrdinalEncoder(), GradientBoostingClassifier(n_estimators=8, random_state=0)),
    ),
    "words, logistic regression": ("sentences", lambda: make_pipeline(TfidfVectorizer(), LogisticRegression())),
    "pairs of words, logistic regression": (
        "sentences",
        lambda: make_pipeline(CountVectorizer(ngram_range=(1, 2), token_pattern="[a-z]+"), LogisticRegression()),
    ),
}
"""Which data each is for, and the estimator."""


def text_problem(name: str) -> str | None:
    """As `problem`, of an estimator of text."""
    kind, make = TEXT[name]
    data, estimator = _text_data()[kind], make()
    estimator.fit(data.x, data.y)
    shape = [None, *data.x.shape[1:]]
    options = {id(estimator): {"zipmap": False}}
    proto = convert_sklearn(
        estimator,
        initial_types=[("x", StringTensorType(shape))],
        target_opset={"": 18, "ai.onnx.ml": 3},
        options=options,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(proto.SerializeToString())
        try:
            model = mj.convert(path)
            with mj.load(model, threads=1) as session:
                labels, scores = session.run(data.x).values()
        except Error as error:
            return str(error)
    if data.y.dtype.kind == "U":
        labels = np.array(model.metadata.labels)[labels]
    wrong = int((labels != estimator.predict(data.x)).sum())
    return f"{wrong} labels differ" if wrong else _apart("score", scores, estimator.predict_proba(data.x))


def trained(kind: str, name: str) -> tuple[Any, np.ndarray]:
    """The estimator, and the rows to ask it about: those that it was trained on and others."""
    table, data = _tables(kind)[0], _tables(kind)[1][name.split(": ")[1]]
    estimator = table[name.split(": ")[0]]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(data.x, data.y)
    rng = np.random.default_rng(77)
    more = data.x[rng.permutation(len(data.x))] + rng.integers(-1, 2, data.x.shape).astype(data.x.dtype)
    return estimator, np.concatenate([data.x, more])


def _tables(kind: str) -> tuple[Mapping[str, Callable[[], Any]], Mapping[str, Data]]:
    if kind == "classifier":
        return CLASSIFIERS, DATA
    return (REGRESSORS, NUMBERS) if kind == "regressor" else (OUTLIERS, NUMBERS)


def names() -> Iterator[tuple[str, str]]:
    """(kind, name of the case) of all."""
    for kind in ("classifier", "regressor", "outliers"):
        estimators, data = _tables(kind)
        for estimator in estimators:
            for name, item in data.items():
                integers = item.x.dtype == np.int64
                if (estimator, integers) in (("scaled and one-hot", False), ("nearest neighbours", True)):
                    # One-hot columns are whole numbers; of neighbours equally far away any may be taken.
                    continue
                yield kind, f"{estimator}: {name}"


def expected(estimator: Any, kind: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """scikit-learn's labels or numbers, and its scores where there are any."""
    if kind == "regressor":
        return estimator.predict(x), None
    scores = getattr(estimator, "predict_proba", None) or estimator.decision_function
    return estimator.predict(x), scores(x)


def problem(kind: str, name: str) -> str | None:
    """What differs from scikit-learn; None where nothing does."""
    estimator, x = trained(kind, name)
    labels, scores = expected(estimator, kind, x)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        path.write_bytes(to_onnx(estimator, x[:1], target_opset={"": 18, "ai.onnx.ml": 3}).SerializeToString())
        try:
            model = mj.convert(path)
            with mj.load(model, target="numpy") as session:
                found = list(session.run({next(iter(session.input_info)): x}).values())
        except Error as error:
            return str(error)
    if kind == "regressor":
        return _apart("number", found[0].reshape(-1), labels)
    if labels.dtype.kind == "U":
        if model.metadata.labels != list(estimator.classes_):
            return f"its labels are {model.metadata.labels}, not {list(estimator.classes_)}"
        found[0] = np.array(model.metadata.labels)[found[0]]
    assert scores is not None
    near = _undecided(estimator, kind, scores)
    wrong = int(((found[0].reshape(-1) != labels) & ~near).sum())
    if wrong:
        return f"{wrong} of {len(labels)} labels differ"
    machine = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if isinstance(machine, (SVC, NuSVC)) and scores.ndim == 1:
        # skl2onnx writes the second class's decision first, behind it the same with the other sign.
        found[1] = found[1][:, :1]
    return _apart("score", found[1], scores)


def _undecided(estimator: Any, kind: str, scores: np.ndarray) -> np.ndarray:
    """Rows whose label rounding may change."""
    if scores.ndim == 1 or scores.shape[1] == 1:
        return np.abs(scores.reshape(-1)) < CLOSE
    ordered = np.sort(scores, 1)
    return ordered[:, -1] - ordered[:, -2] < CLOSE


def _apart(what: str, found: np.ndarray, wanted: np.ndarray) -> str | None:
    if found.ndim == 2 and wanted.ndim == 1:
        # Of two classes scikit-learn gives the second one's score, onnxruntime and millijoule both.
        found = found[:, -1]
    if found.shape != wanted.shape:
        return f"{what}s have shape {found.shape}, not {wanted.shape}"
    scale = max(1.0, float(np.abs(wanted).max()))
    worst = float(np.abs(found - wanted).max()) / scale
    return f"{what}s are up to {worst:.2g} apart" if worst > CLOSE else None


def main() -> None:
    status = 0
    for kind, name in names():
        if len(sys.argv) > 1 and not any(text in name for text in sys.argv[1:]):
            continue
        found = problem(kind, name)
        print(f"{name}: {found or 'agrees'}", flush=True)
        status |= found is not None
    for name in TEXT:
        if len(sys.argv) < 2 or any(text in name for text in sys.argv[1:]):
            found = text_problem(name)
            print(f"{name}: {found or 'agrees'}", flush=True)
            status |= found is not None
    raise SystemExit(status)


if __name__ == "__main__":
    main()
