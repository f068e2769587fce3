"""NAS-Bench-101: validity, the official hash, and the moves of VAENAS A.5 and of the official notebook."""

from collections import Counter
from hashlib import md5
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.data.tables import open_table
from benchkit.spaces import ArchitectureError
from benchkit.spaces.nasbench101 import encoding as nasbench101
from benchkit.spaces.nasbench101.encoding import OPERATIONS, NASBench101, is_connected, top_nine
from benchkit.spaces.nasbench101.hash import module_hash, pack, signature

SPACE = NASBench101()
PAIRS = list(combinations(range(7), 2))
CHAIN = SPACE.encode(np.eye(7, k=1, dtype=int), [0, 1, 2, 0, 1])
DIRECT = SPACE.encode([[0, 1], [0, 0]], [])


def cell(*edges, ops=(0, 0, 0, 0, 0)):
    """Return the row with these (source, target) edges."""
    return np.array([*(int(pair in edges) for pair in PAIRS), *ops], dtype=np.int8)


def edges_of(row):
    return {pair for pair, bit in zip(PAIRS, row, strict=False) if bit}


def paths(edges, vertex=0):
    """Return every path from `vertex` to the output, as tuples of vertices."""
    if vertex == 6:
        return [(6,)]
    return [(vertex, *rest) for a, b in edges if a == vertex for rest in paths(edges, b)]


def plain_prune(row):
    """Return the vertices and edges on some path: the definition, by listing all paths."""
    found = paths(edges_of(row))
    vertices = sorted({vertex for path in found for vertex in path})
    return vertices, {e for e in edges_of(row) if set(e) <= set(vertices)}


def plain_hash(row):
    """Return the official hash, one vertex at a time."""
    vertices, edges = plain_prune(row)
    label = {v: -1 if v == 0 else -2 if v == 6 else int(row[20 + v]) for v in vertices}
    state = {}
    for v in vertices:
        degrees = sum(a == v for a, _ in edges), sum(b == v for _, b in edges)
        state[v] = md5(str((*degrees, label[v])).encode()).hexdigest()
    for _ in vertices:
        text = {
            v: "|".join(
                [
                    "".join(sorted(state[a] for a, b in edges if b == v)),
                    "".join(sorted(state[b] for a, b in edges if a == v)),
                    state[v],
                ]
            )
            for v in vertices
        }
        state = {v: md5(t.encode()).hexdigest() for v, t in text.items()}
    return md5(str(sorted(state.values())).encode()).hexdigest().encode()


rows_strategy = st.tuples(
    st.lists(st.integers(0, 1), min_size=21, max_size=21), st.lists(st.integers(0, 2), min_size=5, max_size=5)
).map(lambda parts: np.array([*parts[0], *parts[1]], dtype=np.int8))
cells_strategy = st.integers(0, 2**32).map(lambda seed: SPACE.sample(np.random.default_rng(seed), 1)[0])


@pytest.fixture(scope="module")
def cells():
    return SPACE.sample(np.random.default_rng(1), 400)


# -- validity -------------------------------------------------------------------------------------


@given(rows_strategy)
def test_valid_is_the_official_rule_with_limits_after_pruning(row):
    vertices, edges = plain_prune(row)
    assert SPACE.is_valid(row[None])[0] == (len(vertices) > 1 and len(edges) <= 9)
    assert is_connected(row[None])[0] == bool(vertices)


def test_edges_to_nowhere_do_not_count():
    dangling = [(0, v) for v in range(1, 6)] + [(1, v) for v in range(2, 6)] + [(2, 3), (2, 4)]
    assert SPACE.is_valid(cell((0, 6), *dangling)[None])[0]
    assert not SPACE.is_valid(cell((0, 6), *dangling, (3, 6), (4, 6))[None])[0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (cell((0, 1), (2, 6)), "no path joins the input"),
        (cell(*PAIRS), "21 edges remain after pruning; at most 9"),
        (cell((0, 6), ops=(0, 3, 0, 0, 0)), "choice 22 is 3, not in 0..2"),
        (np.where(np.arange(26) == 4, -1, cell((0, 6))), "choice 4 is -1, not in 0..1"),
    ],
)
def test_an_invalid_cell_is_refused_with_the_reason(row, reason):
    with pytest.raises(ArchitectureError, match=reason):
        SPACE.validate(row)


def test_a_space_of_the_published_size():
    facts = SPACE.describe()
    assert (facts["size"], facts["length"], facts["max_edges"]) == (423_624, 26, 9)
    assert SPACE.arity == (2,) * 21 + (3,) * 5


# -- the hash -------------------------------------------------------------------------------------


def test_the_hash_equals_the_official_one_for_every_cell_of_the_table():
    table = open_table("nasbench101-sample")
    assert len(table.rows) == 30_001
    np.testing.assert_array_equal(SPACE.canonical(table.rows), table.keys)
    assert SPACE.is_valid(table.rows).all()


def test_the_hash_equals_the_plain_algorithm_in_batches_and_one_by_one(cells):
    expected = [plain_hash(row) for row in cells]
    assert SPACE.canonical(cells).tolist() == expected
    assert [SPACE.key(row[None])[0] for row in cells] == expected


@pytest.mark.parametrize("n", [0, 1, 24, 25, 26])
def test_the_hash_of_any_number_of_cells(cells, n):
    twice = np.concatenate([cells[:n], cells[:n]])
    assert SPACE.canonical(twice).tolist() == [plain_hash(row) for row in cells[:n]] * 2


def test_the_hash_equals_that_of_an_independent_package(cells):
    model_spec = pytest.importorskip("nasbench_pytorch.model.model_spec")
    graph_util = pytest.importorskip("nasbench_pytorch.model.graph_util")
    names = list(OPERATIONS)
    for row, ours in zip(cells[:100], SPACE.canonical(cells[:100]), strict=True):
        full = np.zeros((7, 7), dtype=int)
        full[tuple(np.transpose(PAIRS))] = row[:21]
        spec = model_spec.ModelSpec(full, ["input", *(names[op] for op in row[21:]), "output"])
        labels = [-1, *(names.index(op) for op in spec.ops[1:-1]), -2]
        assert graph_util.hash_module(spec.matrix.numpy(), labels).encode() == ours
        matrix, ops = SPACE.decode(row)
        np.testing.assert_array_equal(matrix, spec.matrix.numpy())
        assert ops == spec.ops


def test_the_hash_tells_as_many_small_cells_apart_as_were_published():
    # NAS-Bench-101 has 1, 6, 84 and 2,441 unique cells of 2, 3, 4 and 5 vertices
    inner = [PAIRS.index(pair) for pair in combinations((0, 1, 2, 3, 6), 2)]
    bits = np.array(list(product((0, 1), repeat=10)), dtype=np.int8)
    ops = np.array(list(product((0, 1, 2), repeat=3)), dtype=np.int8)
    rows = np.zeros((len(bits), len(ops), 26), dtype=np.int8)
    rows[:, :, inner], rows[:, :, 21:24] = bits[:, None], ops
    rows = rows.reshape(-1, 26)
    packed = np.unique(pack(rows[SPACE.is_valid(rows)]), axis=0)
    vertices = np.array([len(SPACE.decode(row)[1]) for row in packed])
    keys = SPACE.key(packed)
    assert [len(np.unique(keys[vertices == v])) for v in (2, 3, 4, 5)] == [1, 6, 84, 2_441]


@given(cells_strategy, st.randoms(use_true_random=False))
def test_renumbering_inner_vertices_changes_neither_hash_nor_signature(row, random):
    edges = edges_of(row)
    order = [0]  # a random topological order that ends with the output
    while len(order) < 6:
        ready = [
            v
            for v in range(1, 6)
            if v not in order and all(a in order for a, b in edges if b == v and a != 6)
        ]
        order.append(random.choice(ready))
    new = {old: i for i, old in enumerate([*order, 6])}
    ops = [row[20 + old] for old in order[1:]]
    other = cell(*{(new[a], new[b]) for a, b in edges}, ops=ops)
    assert SPACE.key(row[None]) == SPACE.key(other[None])
    assert signature(row[None]) == signature(other[None])


def test_signatures_separate_the_cells_that_hashes_do(cells):
    rows = np.concatenate([cells, pack(cells), SPACE.mutate(np.random.default_rng(2), cells)])
    by_key = np.unique(module_hash(rows), return_inverse=True)[1]
    by_signature = np.unique(signature(rows), return_inverse=True)[1]
    assert len(set(zip(by_key, by_signature, strict=True))) == by_key.max() + 1 == by_signature.max() + 1


@pytest.mark.parametrize("n", [1, 40])
def test_a_cell_that_is_not_connected_has_no_hash(n):
    with pytest.raises(ArchitectureError, match="without a path"):
        SPACE.canonical(np.repeat(cell((0, 1))[None], n, axis=0))


def test_packing_keeps_the_cell_and_moves_inner_vertices_up(cells):
    row = cell((0, 3), (3, 5), (5, 6), (1, 2), ops=(2, 2, 1, 2, 0))
    np.testing.assert_array_equal(SPACE.pack(row[None])[0], cell((0, 1), (1, 2), (2, 6), ops=(1, 0, 0, 0, 0)))
    packed = SPACE.pack(cells)
    np.testing.assert_array_equal(SPACE.key(packed), SPACE.key(cells))
    np.testing.assert_array_equal(SPACE.pack(packed), packed)


# -- drawing --------------------------------------------------------------------------------------


def test_sampling_follows_the_notebooks_law():
    rng = np.random.default_rng(3)
    drawn = SPACE.sample(np.random.default_rng(4), 4_000)
    plain = rng.integers(0, SPACE.arity, size=(16_000, 26), dtype=np.int8)
    plain = plain[[len(plain_prune(row)[1]) in range(1, 10) for row in plain]]
    spread = np.sqrt(0.25 / len(drawn) + 0.25 / len(plain))
    assert np.abs(drawn[:, :21].mean(axis=0) - plain[:, :21].mean(axis=0)).max() < 5 * spread
    for op in range(3):
        assert np.abs((drawn[:, 21:] == op).mean(axis=0) - 1 / 3).max() < 5 * np.sqrt(2 / 9 / len(drawn))


def test_vaenas_sampling_is_uniform_over_connected_cells_of_nine_edges():
    drawn = SPACE.sample_vaenas(np.random.default_rng(5), 20_000)
    assert (drawn[:, :21].sum(axis=1) == 9).all()
    assert SPACE.is_valid(drawn).all()
    chosen = np.array(list(combinations(range(21), 9)))
    every = np.zeros((len(chosen), 26), dtype=np.int8)
    np.put_along_axis(every, chosen, np.int8(1), axis=1)
    expected = every[is_connected(every), :21].mean(axis=0)
    assert np.abs(drawn[:, :21].mean(axis=0) - expected).max() < 5 * np.sqrt(0.25 / len(drawn))


def test_the_top_nine_numbers_become_edges():
    values = np.linspace(0, 1, 21)[None] * np.array([[1], [-1]])
    rows = top_nine(values, np.array([[0, 1, 2, 0, 1], [2, 2, 2, 2, 2]]))
    assert rows[0].tolist() == [0] * 12 + [1] * 9 + [0, 1, 2, 0, 1]
    assert rows[1].tolist() == [1] * 9 + [0] * 12 + [2] * 5


# -- moving ---------------------------------------------------------------------------------------


def valid_exchanges(row, leaving, entering):
    """Return the edge bits after every valid exchange, by listing."""
    found = set()
    for out, into in product(leaving, entering):
        edges = edges_of(row) - {out} | {into}
        if len(plain_prune(cell(*edges))[1]) in range(1, 10):
            found.add(tuple(cell(*edges)[:21].tolist()))
    return found


def test_mutation_exchanges_two_edges_or_changes_one_operation(cells):
    parents = np.repeat(cells, 10, axis=0)
    children = SPACE.mutate(np.random.default_rng(6), parents)
    assert SPACE.is_valid(children).all()
    edges = (children != parents)[:, :21].sum(axis=1)
    operations = (children != parents)[:, 21:].sum(axis=1)
    assert set(zip(edges.tolist(), operations.tolist(), strict=True)) == {(2, 0), (0, 1)}
    assert (children[:, :21].sum(axis=1) == parents[:, :21].sum(axis=1)).all()
    assert abs((edges > 0).mean() - 21 / 26) < 5 * np.sqrt(21 * 5) / 26 / np.sqrt(len(edges))


@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_mutation_is_uniform_over_the_valid_exchanges(monkeypatch, rounds):
    monkeypatch.setattr(nasbench101, "_ROUNDS", rounds)  # 0: always from the list of valid ones
    n = 3_000
    children = SPACE.mutate(np.random.default_rng(7), np.repeat(CHAIN[None], n, axis=0))
    moved = [tuple(row[:21].tolist()) for row in children if (row[:21] != CHAIN[:21]).any()]
    expected = valid_exchanges(CHAIN, edges_of(CHAIN), set(PAIRS) - edges_of(CHAIN))
    counts = Counter(moved)
    assert set(counts) == expected
    share = 1 / len(expected)
    assert max(abs(c / len(moved) - share) for c in counts.values()) < 5 * np.sqrt(share / len(moved))


def test_the_cell_of_one_edge_mutates_its_operations():
    children = SPACE.mutate(np.random.default_rng(8), np.repeat(DIRECT[None], 50, axis=0))
    np.testing.assert_array_equal(children[:, :21], np.repeat(DIRECT[None, :21], 50, axis=0))
    assert ((children != DIRECT).sum(axis=1) == 1).all()


def test_the_notebooks_mutation_has_its_rates():
    parents = np.repeat(CHAIN[None], 60_000, axis=0)
    children = SPACE.mutate_notebook(np.random.default_rng(9), parents)
    assert SPACE.is_valid(children).all()
    # operations do not bear on validity: each changes with probability 1/5, to either other
    for vertex in range(21, 26):
        shift = (children[:, vertex] - CHAIN[vertex]) % 3
        assert np.abs(np.bincount(shift) / len(parents) - [0.8, 0.1, 0.1]).max() < 0.01
    # given validity, one certain flip is (1/7) / (6/7) as likely as none
    flips = children[:, :21] != CHAIN[:21]
    none = (~flips.any(axis=1)).sum()
    added = (flips[:, PAIRS.index((0, 6))] & (flips.sum(axis=1) == 1)).sum()
    assert abs(added / none - 1 / 6) < 5 * np.sqrt(1 / 6 / none)


def test_the_notebooks_mutation_at_rate_zero_is_the_parent(cells):
    np.testing.assert_array_equal(SPACE.mutate_notebook(np.random.default_rng(0), cells, rate=0.0), cells)
    with pytest.raises(InputError, match=r"lies in 0\.\.5; got 7"):
        SPACE.mutate_notebook(np.random.default_rng(0), cells, rate=7)


def test_crossover_exchanges_edges_i_and_j():
    x = cell((0, 1), (1, 6), (0, 2), ops=(0, 0, 0, 0, 0))
    y = cell((0, 1), (1, 6), (0, 6), (2, 6), ops=(1, 1, 1, 1, 1))
    n = 4_000
    children = SPACE.crossover(
        np.random.default_rng(10), np.repeat(x[None], n, axis=0), np.repeat(y[None], n, axis=0)
    )
    seen = {tuple(row[:21].tolist()) for row in children}
    assert seen == valid_exchanges(x, {(0, 2)}, {(0, 6), (2, 6)})
    assert len(seen) == 2
    assert np.abs(children[:, 21:].mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(n)


def test_crossover_of_many_pairs_stays_between_the_parents(cells):
    first, second = cells[:200], cells[200:]
    children = SPACE.crossover(np.random.default_rng(11), first, second)
    assert SPACE.is_valid(children).all()
    assert ((children == first) | (children == second)).all()
    changed = (children != first)[:, :21].sum(axis=1)
    assert set(changed.tolist()) <= {0, 2}
    assert (changed == 2).mean() > 0.9


def test_crossover_without_a_pair_keeps_the_first_parents_edges():
    inner, outer = cell((0, 6)), cell((0, 6), (0, 1), (1, 6))
    for first, second in ((inner, outer), (outer, inner)):
        child = SPACE.crossover(np.random.default_rng(12), first[None], second[None])[0]
        np.testing.assert_array_equal(child, first)


def test_neighbours_are_the_distinct_cells_one_change_away(cells):
    for row in cells[:40]:
        expected = set()
        for i in range(26):
            for value in range(3 if i >= 21 else 2):
                other = np.where(np.arange(26) == i, value, row).astype(np.int8)
                if len(plain_prune(other)[1]) in range(1, 10):
                    expected.add(plain_hash(other))
        expected.discard(plain_hash(row))
        near = SPACE.neighbors(row)
        assert sorted(plain_hash(other) for other in near) == sorted(expected)
        assert SPACE.is_valid(near).all()


# -- the border -----------------------------------------------------------------------------------


@given(cells_strategy)
@settings(max_examples=50)
def test_format_and_parse_are_inverse(row):
    np.testing.assert_array_equal(SPACE.parse(SPACE.format(row)), row)
    np.testing.assert_array_equal(SPACE.encode(*SPACE.decode(row)), SPACE.pack(row[None])[0])


def test_a_cell_reads_as_matrix_and_operations():
    text = "010/001/000 conv1x1-bn-relu"
    row = cell((0, 1), (1, 6), ops=(1, 0, 0, 0, 0))
    np.testing.assert_array_equal(SPACE.parse(text), row)
    assert SPACE.format(row) == (
        "0100000/0000001/0000000/0000000/0000000/0000000/0000000 conv1x1,conv3x3,conv3x3,conv3x3,conv3x3"
    )
    np.testing.assert_array_equal(SPACE.parse("01/00"), DIRECT)
    matrix, ops = SPACE.decode(row)
    assert matrix.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert ops == ["input", "conv1x1-bn-relu", "output"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is written as the rows of its matrix"),
        ("010/001 conv3x3", "is written as the rows of its matrix"),
        ("012/001/000 conv3x3", "is written as the rows of its matrix"),
        ("010/001/010 conv3x3", "strictly upper triangular; it has an edge 2 -> 1"),
        ("010/001/000 conv5x5", "unknown operation 'conv5x5' in nasbench101; it has conv3x3-bn-relu"),
        ("010/001/000", "a nasbench101 cell of 3 vertices has 1 inner operations; got 0"),
        ("010/000/000 conv3x3", "no path joins the input"),
        ("/".join(["00000000"] * 8), "v from 2 to 7; got shape"),
    ],
)
def test_a_malformed_cell_is_refused_with_the_reason(text, reason):
    with pytest.raises(ArchitectureError, match=reason):
        SPACE.parse(text)


@pytest.mark.parametrize(
    ("matrix", "ops", "reason"),
    [
        ([[0, 2], [0, 0]], [], "holds only 0 and 1"),
        ([0, 1], [], "got shape"),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], [3], "unknown operation 3"),
    ],
)
def test_a_malformed_specification_is_refused_with_the_reason(matrix, ops, reason):
    with pytest.raises(ArchitectureError, match=reason):
        SPACE.encode(matrix, ops)
