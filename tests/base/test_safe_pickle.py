"""Pickles read as data: nothing is called, and entries are handed out one at a time.

All inputs are built here, by Python's own pickler or byte by byte.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import tracemalloc
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.base.pickles.reader import first_texts, load_pickle, load_pickles, stream_entries
from tests.hostile import Hostile

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(0, 300), inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4).map(OrderedDict)
    ),
    max_leaves=12,
)


def streamed(data: bytes, below: str = "below") -> tuple[dict[Any, Any], list[tuple[Any, Any]]]:
    entries: list[tuple[Any, Any]] = []
    found = stream_entries(io.BytesIO(data), below, lambda *entry: entries.append(entry), "a pickle")
    return found, entries


# -- what is data -----------------------------------------------------------------------------


@given(plain, st.sampled_from(PROTOCOLS))
def test_plain_data_of_every_protocol_is_read_as_it_was(value: Any, protocol: int) -> None:
    found = load_pickle(pickle.dumps(value, protocol), "a pickle")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("protocol", PROTOCOLS[:-1])  # the official files are of protocols 2 and 4
def test_numpy_scalars_arrays_and_sets_are_data(protocol: int) -> None:
    value = {
        "scalar": np.float64(math.pi),
        "small": np.int8(-3),
        "array": np.arange(6, dtype=np.float32).reshape(2, 3),
        "set": {1, 2},
        "frozen": frozenset({3}),
        "default": defaultdict(list, {"a": [1]}),
    }
    found = load_pickle(pickle.dumps(value, protocol), "a pickle")
    assert found["scalar"] == math.pi
    assert type(found["scalar"]) is np.float64
    assert found["small"] == -3
    assert found["array"].dtype == np.float32
    assert found["array"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert [found[key] for key in ("set", "frozen", "default")] == [{1, 2}, {3}, {"a": [1]}]


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "<i2", ">i4", "u8", "<f2", "f4", ">f8", "S3", "U2", ">U1", "S0", "U0"]
)
def test_numpy_values_are_those_that_numpy_makes_to_the_bit(dtype: str) -> None:
    """The parts are put together by our own code, where numpy's own would trust them."""
    rng = np.random.default_rng(0)
    for shape in ((), (5,), (0,), (2, 3), (2, 0, 3), (2, 3, 4)):
        numbers = rng.integers(0, 2, shape) if dtype == "?" else rng.integers(0, 100, shape)
        wide = dtype if dtype[-1] != "0" else dtype[0] + "2"  # arrays of no bytes are made by nobody
        for array in (numbers.astype(wide), np.asfortranarray(numbers.astype(wide))):
            for protocol in PROTOCOLS[:-1]:
                found = load_pickle(pickle.dumps(array, protocol), "a pickle", encoding="latin1")
                assert (found.dtype.str, found.shape) == (array.dtype.str, array.shape)
                assert found.flags.f_contiguous == array.flags.f_contiguous
                assert found.flags.writeable
                assert found.flags.owndata
                assert found.tobytes() == array.tobytes()
    scalar = np.zeros(1, dtype=wide)[0] if dtype[-1] == "0" else numbers.astype(dtype).reshape(-1)[0]
    for protocol in PROTOCOLS[:-1]:
        found = load_pickle(pickle.dumps(scalar, protocol), "a pickle", encoding="latin1")
        assert type(found) is type(scalar)
        assert found.tobytes() == scalar.tobytes()


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numpy_is_known_by_its_old_and_its_new_name(module: str) -> None:
    # protocol 2 writes names as lines, so that one may be put in the place of the other
    written = pickle.dumps(np.float64(0.5), 2)
    start = written.index(b"numpy")
    old = written[:start] + module.encode() + written[written.index(b"\n", start) :]
    assert load_pickle(old, "a pickle") == 0.5


def test_pickles_in_a_row_are_read_up_to_the_end_of_each() -> None:
    file = io.BufferedReader(io.BytesIO(pickle.dumps(1) + pickle.dumps([2]) + b"rest"))  # type: ignore[arg-type]
    assert load_pickles(file, 2, "a file") == [1, [2]]
    assert file.read() == b"rest"


def test_the_first_texts_are_seen_without_building_anything(tmp_path: Path) -> None:
    data = pickle.dumps({"meta_archs": ["a"], "bad": Hostile(tmp_path / "ran")}, 4)
    assert first_texts(data)[:2] == ["meta_archs", "a"]
    assert first_texts(data[:30])[0] == "meta_archs"
    assert first_texts(b"no pickle at all") == []
    assert first_texts(b"") == []
    assert first_texts(b"\x80\x02S'\\q'\n") == ["\\q"]  # what is no escape is no warning either
    assert not (tmp_path / "ran").exists()


# -- what is not ------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "ran"
    hostile = pickle.dumps(Hostile(marker), protocol)
    pickle.loads(hostile)  # the payload works
    assert marker.exists()
    marker.unlink()
    with pytest.raises(InputError, match=rf"^evil\.pkl: .*{os.system.__module__}\.system.* refused"):
        load_pickle(hostile, "evil.pkl")
    nested = pickle.dumps({"below": {0: {"a": 1}, 1: {"b": Hostile(marker)}}}, protocol)
    with pytest.raises(InputError, match="system"):
        streamed(nested)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins eval",
        "builtins exec",
        "builtins getattr",
        "builtins __import__",
        "__builtin__ eval",
        "subprocess Popen",
        "numpy load",
        "numpy.core.multiarray fromfile",
        "codecs open",
        "collections namedtuple",
        "torch._utils _rebuild_tensor_v2",
    ],
)
@pytest.mark.parametrize("reader", [lambda data: load_pickle(data, "it"), streamed])
def test_other_names_are_refused_before_they_are_looked_up(name: str, reader: Any) -> None:
    module, _, attribute = name.partition(" ")
    with pytest.raises(InputError, match=rf"it asks for {module}\.{attribute}, which is not plain data"):
        reader(f"c{module}\n{attribute}\n.".encode())


def test_the_stand_in_for_encode_knows_latin1_alone() -> None:
    """Old pickles write bytes as _codecs.encode(text, 'latin1'); other codecs are code of other modules."""
    assert load_pickle(b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x06\x00\x00\x00latin1tR.", "it") == b"a"
    with pytest.raises(InputError, match="rot13"):
        load_pickle(b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.", "it")


@pytest.mark.parametrize("name", ["c_codecs\nencode\n", "ccollections\nOrderedDict\n", "cnumpy\ndtype\n"])
def test_what_is_allowed_cannot_be_changed_by_a_pickle(name: str) -> None:
    # BUILD with slots: setattr(<the allowed object>, "__call__", 0)
    data = f"{name}(N}}U\x08__call__I0\nstb.".encode()
    for read in (lambda: load_pickle(data, "it"), lambda: streamed(data)):
        with pytest.raises(InputError, match=r"it|a pickle"):
            read()
    assert load_pickle(pickle.dumps(OrderedDict(a=1), 2), "it") == {"a": 1}


@given(st.data())
def test_a_pickle_that_was_cut_anywhere_is_an_input_error(data: st.DataObject) -> None:
    whole = pickle.dumps({"below": {i: {"x": [float(i)] * 3} for i in range(5)}, "rest": ["a"]}, 4)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(InputError, match=r"truncated|damaged"):
        load_pickle(whole[:cut], "cut.pkl")
    with pytest.raises(InputError, match=r"truncated|damaged"):
        streamed(whole[:cut])


@pytest.mark.parametrize(
    "data",
    [b"\x80\x04h\x07.", b"\x80\x04.", b"\x80\x63N.", b"\x80\x04}K\x01a.", b"\x80\x04\xff.", b"\x80\x04]N}b."],
    ids=["no such memo", "empty stack", "protocol 99", "append to a dict", "no such code", "build a list"],
)
def test_nonsense_is_an_input_error(data: bytes) -> None:
    for read in (lambda: load_pickle(data, "it"), lambda: streamed(data)):
        with pytest.raises(InputError):
            read()


# -- one entry at a time ----------------------------------------------------------------------


@given(
    st.dictionaries(
        st.integers(0, 70_000), st.dictionaries(st.text(max_size=3), plain, max_size=3), max_size=5
    ),
    plain,
    plain,
    st.sampled_from(PROTOCOLS),
    st.booleans(),
)
def test_streaming_gives_what_loading_gives(
    entries: dict[int, Any], before: Any, after: Any, protocol: int, ordered: bool
) -> None:
    written = {"before": before, "below": OrderedDict(entries) if ordered else entries, "after": after}
    found, handed_out = streamed(pickle.dumps(written, protocol))
    assert handed_out == list(entries.items())
    assert found == {"before": before, "below": dict.fromkeys(entries), "after": after}
    assert list(found) == list(written)


@pytest.mark.parametrize("count", [0, 1, 2, 999, 1000, 1001, 2001])
def test_entries_come_in_the_files_order_whatever_their_number(count: int) -> None:
    """The pickler writes a thousand entries at a time, and a single one in another way."""
    entries = {7 * i: {"i": i, "xs": [i, {1: i}]} for i in range(count)}
    found, handed_out = streamed(pickle.dumps({"below": entries, "names": ["a", "b"]}, 4))
    assert handed_out == list(entries.items())
    assert found["names"] == ["a", "b"]


def test_only_the_dictionary_below_the_key_is_streamed() -> None:
    """A dictionary of numbers deeper down, or below another key, is nobody's entry."""
    written = {
        "other": {1: {"a": 1}, 2: {}},
        "below": {5: {"below": {1: {"x": 1}, 2: {"y": 2}}}, 6: {"z": {3: {}}}},
    }
    found, handed_out = streamed(pickle.dumps(written, 4))
    assert handed_out == [(5, {"below": {1: {"x": 1}, 2: {"y": 2}}}), (6, {"z": {3: {}}})]
    assert found["other"] == {1: {"a": 1}, 2: {}}


def test_entries_that_were_handed_out_take_no_memory() -> None:
    rng = np.random.default_rng(0)
    entries = {i: {f"k{i}-{j}": rng.random(50).tolist() for j in range(40)} for i in range(300)}
    data = pickle.dumps({"below": entries}, 4)
    del entries
    one = len(data) / 300
    counted = 0

    def consume(number: int, entry: dict[str, list[float]]) -> None:
        nonlocal counted
        counted += len(entry)

    tracemalloc.start()
    stream_entries(io.BytesIO(data), "below", consume, "a pickle")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counted == 300 * 40
    assert peak < 40 * one  # all of them would take some 300 * 4 * one


def test_entries_may_share_keys_classes_and_what_came_before() -> None:
    names = ["first", "second"]  # entries refer to these very objects
    entries = {
        i: OrderedDict(
            {"name": names[i % 2], "acc": {"x-valid@0": np.float64(i)}, "times": OrderedDict({0: 1.5})}
        )
        for i in range(100)
    }
    for protocol in PROTOCOLS:
        _, handed_out = streamed(pickle.dumps({"names": names, "below": entries}, protocol))
        assert handed_out == list(entries.items())


def test_an_entry_that_refers_to_a_forgotten_one_is_refused_not_guessed() -> None:
    shared = [1.0, 2.0]
    with pytest.raises(InputError, match=r"refers to data of an earlier one.*use the folder"):
        streamed(pickle.dumps({"below": {0: {"a": shared}, 1: {"a": shared}}}, 4))


@pytest.mark.parametrize("value", [[1, 2], {"other": {}}, {"below": [1]}, {"below": None}, 7])
def test_a_pickle_of_another_kind_is_an_input_error(value: Any) -> None:
    with pytest.raises(InputError, match="it is not a dictionary that has a dictionary 'below'"):
        streamed(pickle.dumps(value, 4))


def test_what_the_consumer_says_is_passed_on() -> None:
    def consume(number: int, entry: dict[str, Any]) -> None:
        raise InputError(f"architecture {number} is missing a part")

    with pytest.raises(InputError, match=r"^x\.pbz2: architecture 3 is missing a part$"):
        stream_entries(io.BytesIO(pickle.dumps({"below": {3: {}, 4: {}}}, 4)), "below", consume, "x.pbz2")
