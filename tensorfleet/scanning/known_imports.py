"""The allow list: what models are pickled with, of which nothing can be called to any harm.

Names are exact where a module holds functions. In the modules of CLASS_MODULES every class may be named, which makes
an object and fills in its attributes; what such a module has from elsewhere is not what a pickle of it names.
"""

from __future__ import annotations

import re
from typing import Final

from tensorfleet.scanning.gadgets import names

_SCALARS = """
    bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 longdouble complex64 complex128
    str_ bytes_ object_ void datetime64 timedelta64 intp uintp int_ uint intc longlong float_ generic number
"""
_CALCULATIONS = "log log1p log2 log10 exp expm1 sqrt identity abs mean median max min sum"
_ARRAY = "_reconstruct scalar _frombuffer"
_STORAGES = """
    DoubleStorage FloatStorage HalfStorage LongStorage IntStorage ShortStorage CharStorage ByteStorage BoolStorage
    BFloat16Storage ComplexDoubleStorage ComplexFloatStorage QUInt8Storage QInt8Storage QInt32Storage QUInt4x2Storage
    QUInt2x4Storage UntypedStorage TypedStorage
"""
_TYPES = """
    float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128 half
    float double long int short qint8 quint8 qint32 float8_e4m3fn float8_e5m2
"""
_BUILTINS = "set frozenset list dict tuple int float complex bool str bytes bytearray object slice range"
_REBUILD = """
    _rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state
    _rebuild_qtensor _rebuild_sparse_tensor _rebuild_sparse_csr_tensor _rebuild_meta_tensor_no_storage
    _rebuild_nested_tensor _rebuild_device_tensor_from_numpy _rebuild_device_tensor_from_cpu_tensor
"""
_SPARSE = {
    f"scipy.sparse.{module}{kind}": f"{kind}_matrix {kind}_array"
    for kind in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")
    for module in ("_", "")
}

_TEXT: Final[dict[str, str]] = {
    "builtins": _BUILTINS,
    "__builtin__": _BUILTINS + " long unicode xrange",
    "collections": "OrderedDict defaultdict deque Counter",
    "copyreg": "_reconstructor __newobj__ __newobj_ex__",
    "copy_reg": "_reconstructor __newobj__ __newobj_ex__",
    "datetime": "datetime date time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID SafeUUID",
    "pathlib": "PosixPath PurePosixPath WindowsPath PureWindowsPath Path PurePath",
    "argparse": "Namespace",
    "types": "SimpleNamespace",
    "array": "array _array_reconstructor",
    "_codecs": "encode",
    "random": "Random",
    "numpy": f"ndarray dtype matrix ufunc {_SCALARS} {_CALCULATIONS}",
    "numpy.core.multiarray": _ARRAY,
    "numpy._core.multiarray": _ARRAY,
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "numpy.dtypes": "StringDType",
    "numpy.ma.core": "_mareconstruct MaskedArray",
    "numpy.random._pickle": "__randomstate_ctor __generator_ctor __bit_generator_ctor",
    "numpy.random": "__RandomState_ctor",
    "numpy.random.mtrand": "RandomState",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64 PCG64DXSM",
    "numpy.random._philox": "Philox",
    "numpy.random._sfc64": "SFC64",
    "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
    "numpy.matrixlib.defmatrix": "matrix",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
    "scipy.special._ufuncs": "expit logit xlogy",
    "scipy.interpolate._interpolate": "interp1d PPoly",
    "scipy.interpolate._bsplines": "BSpline",
    "scipy.interpolate._cubic": "CubicSpline PchipInterpolator",
    "scipy.spatial._ckdtree": "cKDTree",
    "scipy.spatial._kdtree": "KDTree",
    "sklearn.cluster._kmeans": "_kmeans_single_lloyd _kmeans_single_elkan",
    "scipy.sparse._matrix": "spmatrix",
    **_SPARSE,
    "pandas.core.frame": "DataFrame",
    "pandas.core.series": "Series",
    "pandas.core.indexes.base": "_new_Index Index",
    "pandas.core.indexes.range": "RangeIndex",
    "pandas.core.indexes.multi": "MultiIndex",
    "pandas.core.indexes.category": "CategoricalIndex",
    "pandas.core.indexes.datetimes": "DatetimeIndex _new_DatetimeIndex",
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "pandas._libs.internals": "_unpickle_block",
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked NDArrayBacked",
    "pandas._libs.tslibs.timestamps": "_unpickle_timestamp",
    "pandas._libs.tslibs.timedeltas": "_timedelta_unpickle",
    "pandas._libs.tslibs.nattype": "_nat_unpickle",
    "pandas.core.arrays.categorical": "Categorical",
    "pandas.core.arrays.string_": "StringArray StringDtype",
    "pandas.core.arrays.integer": "IntegerArray Int8Dtype Int16Dtype Int32Dtype Int64Dtype",
    "pandas.core.arrays.datetimes": "DatetimeArray",
    "pandas.core.dtypes.dtypes": "CategoricalDtype DatetimeTZDtype IntervalDtype",
    "torch": f"Tensor Size device dtype {_STORAGES} {_TYPES} per_tensor_affine strided",
    "torch._utils": _REBUILD,
    "torch._tensor": "Tensor _rebuild_from_type_v2",
    "torch.storage": "UntypedStorage TypedStorage _load_from_bytes",
    "torch.nn.parameter": "Parameter Buffer",
    "torch.serialization": "_get_layout",
    "xgboost.core": "Booster",
    "xgboost.sklearn": "XGBClassifier XGBRegressor XGBRanker XGBModel XGBRFClassifier XGBRFRegressor",
    "lightgbm.basic": "Booster",
    "lightgbm.sklearn": "LGBMClassifier LGBMRegressor LGBMRanker LGBMModel",
    "catboost.core": "CatBoost CatBoostClassifier CatBoostRegressor CatBoostRanker",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.metrics._scorer": "_Scorer _PassthroughScorer",
    "sklearn.metrics._classification": "accuracy_score f1_score log_loss precision_score recall_score",
    "sklearn.metrics._regression": "r2_score mean_squared_error mean_absolute_error",
    "sklearn.feature_selection._univariate_selection": (
        "f_classif f_regression chi2 SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe GenericUnivariateSelect"
    ),
    "sklearn.tree._tree": "Tree",
    "sklearn.metrics._dist_metrics": "newObj",
    "sklearn.neighbors._kd_tree": "newObj KDTree64 KDTree32 KDTree",
    "sklearn.neighbors._ball_tree": "newObj BallTree64 BallTree32 BallTree",
}
NAMES: Final = {module: names(text) for module, text in _TEXT.items()}

_SKLEARN = """
    linear_model ensemble tree svm neighbors naive_bayes neural_network preprocessing decomposition cluster compose
    pipeline feature_extraction feature_selection impute mixture model_selection calibration discriminant_analysis
    gaussian_process kernel_ridge kernel_approximation isotonic multiclass multioutput semi_supervised manifold
    covariance cross_decomposition random_projection dummy metrics _loss
"""
CLASS_MODULES: Final = re.compile(
    rf"sklearn\.({'|'.join(_SKLEARN.split())})(\.\w+)*|torch\.nn\.modules\.(?!utils|lazy|_functions)\w+|torch\.optim\.\w+"
)
CLASS_NAME: Final = re.compile(r"_{0,2}[A-Z]\w*|__pyx_unpickle_[A-Z]\w*")
# Classes that such modules have from elsewhere, and that do more than hold attributes.
NOT_HERE: Final = names("Parallel Path Memory Popen Thread ThreadPool Pool Executor ThreadPoolExecutor")


def is_known(module: str, name: str) -> bool:
    if name in NAMES.get(module, ()):
        return True
    if name in NOT_HERE or (
        name.isupper() and "_" in name
    ):  # a constant, perhaps a table that others look things up in
        return False
    return bool(CLASS_MODULES.fullmatch(module) and CLASS_NAME.fullmatch(name))
