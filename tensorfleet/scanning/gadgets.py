"""Imports that run code, reach files, processes or the network, or lead to others that do.

No boundary: what is neither here nor on the allow list is suspicious all the same. This table only tells the worse from
the bad.
"""

from __future__ import annotations

from typing import Final


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A module stands for all that is below it.
MODULES: Final = names("""
    os posix nt posixpath ntpath subprocess _posixsubprocess _winapi popen2 commands pty platform sys site
    importlib _frozen_importlib _frozen_importlib_external imp runpy pkgutil zipimport zipapp
    code codeop bdb pdb cProfile profile trace timeit doctest pydoc inspect dis sysconfig
    socket _socket ssl _ssl http httplib urllib urllib2 urllib3 ftplib smtplib poplib imaplib nntplib telnetlib xmlrpc
    socketserver asyncore asynchat asyncio aiohttp requests httpx webbrowser antigravity this wsgiref cgi
    shutil tempfile glob fileinput io _io _pyio mmap linecache
    pickle _pickle cPickle pickletools dill cloudpickle shelve dbm marshal jsonpickle yaml ruamel
    ctypes _ctypes cffi multiprocessing _multiprocessing concurrent threading _thread signal resource atexit gc
    faulthandler weakref contextlib sched queue
    pip ensurepip venv distutils _distutils_hack setuptools pkg_resources idlelib lib2to3 turtledemo turtle tkinter test
    unittest pytest _pytest py_compile compileall sqlite3 logging readline rlcompleter cmd getpass
    IPython jinja2 mako gunicorn paramiko fabric invoke sh pexpect
    numpy.f2py numpy.testing numpy.distutils numpy.ctypeslib numpy.lib.npyio numpy.lib._npyio_impl numpy._pytesttester
    numpy.core._internal numpy._core._internal numpy.lib.utils numpy.compat
    scipy.io scipy.weave scipy.datasets scipy.misc
    sklearn.datasets sklearn.externals sklearn.utils._testing sklearn.utils.estimator_checks
    pandas.io pandas.core.computation pandas.compat.pickle_compat pandas.util.testing pandas._testing
    joblib.memory joblib.parallel joblib.externals joblib.func_inspect joblib.executor joblib.test joblib.testing
    torch.serialization torch.hub torch.package torch.jit torch.fx torch._dynamo torch._inductor torch._export
    torch.utils torch.testing torch.multiprocessing torch.ops torch.classes torch._ops torch._classes torch.onnx
    torch.distributed torch.cuda torch.autograd torch.profiler torch._compile torch._jit_internal torch._sources
    torchvision.datasets keras.utils keras.models keras.saving keras.config tensorflow.keras.models
    picklescan modelscan fickling modelaudit skops tensorfleet services
    """)

# These are written as they stand in a pickle of protocol 3 and later.
NAMES: Final = {
    "builtins": names("""
        eval exec compile getattr setattr delattr __import__ __build_class__ open input breakpoint globals
        locals vars apply execfile file reload map filter help exit quit memoryview super classmethod
        staticmethod property __loader__ __spec__ __dict__
        """),
    "types": names("FunctionType LambdaType CodeType MethodType ModuleType BuiltinFunctionType new_class"),
    "functools": names("reduce partialmethod singledispatch cached_property"),
    "operator": names("attrgetter methodcaller call"),
    "_operator": names("attrgetter methodcaller call"),
    "codecs": names("open decode lookup getreader StreamReaderWriter"),
    "copyreg": names("add_extension constructor pickle dispatch_table"),
    "copy": names("copy deepcopy _reconstruct"),
    "numpy": names("""
        load loads save savez savetxt fromfile tofile loadtxt genfromtxt memmap DataSource vectorize frompyfunc
        fromregex apply_along_axis apply_over_axes fromfunction piecewise source lookfor safe_eval
        """),
    "numpy.core": names("_ufunc_reconstruct"),
    "numpy._core": names("_ufunc_reconstruct"),
    "joblib": names("load dump Parallel delayed Memory parallel_backend wrap_non_picklable_objects"),
    "joblib.numpy_pickle": names("load load_temporary_memmap dump _unpickle NumpyUnpickler"),
    "pandas": names("eval read_pickle read_csv read_json read_html read_sql read_hdf read_parquet test"),
    "torch": names("load save hub compile ops classes jit package import_ir_module _load_global_deps"),
    "sklearn": names("show_versions"),
    "catboost": names("to_regressor to_classifier"),
}

# A part of a dotted name, or a name of any module, that is known under these means nothing else.
WORDS: Final = names("""
    os sys subprocess builtins importlib pickle marshal ctypes socket shutil runpy system popen Popen spawn exec eval
    execfile __import__ import_module check_output check_call getoutput resolve_name run_path run_module CDLL
    __builtins__ __globals__ __dict__ __class__ __subclasses__ __mro__ __bases__ __base__ __code__ __closure__
    __getattribute__ __getattr__ __loader__ __spec__ __reduce__ __reduce_ex__ __init_subclass__ __func__ __self__
    __wrapped__ __call__ __getitem__ f_globals modules
    """)


def is_gadget(module: str, name: str) -> bool:
    parts = module.split(".")
    if any(".".join(parts[:count]) in MODULES for count in range(1, len(parts) + 1)):
        return True
    steps = name.split(".")
    if steps[0] in NAMES.get(module, ()) or WORDS.intersection(steps):
        return True
    if WORDS.intersection(parts[1:]):
        return True
    # scipy's distributions run `exec` on a template that their own state brings along.
    return module.startswith("scipy.stats") and ("distn" in module or name.startswith("rv_"))
