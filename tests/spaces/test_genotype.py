"""Genotypes as people publish them: in papers' repositories, logs and notebooks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.spaces import ArchitectureError, get_space
from tests.spaces.genotypes import DARTS_V2

CASES = Path(__file__).parents[1] / "cases" / "genotypes"
PC_DARTS = (CASES / "assignment_NAME__Genotype.txt").read_text()
PLAIN = PC_DARTS.partition(" = ")[2].strip()
READERS = ("darts", "darts-multi", "nasnet")


def test_pc_darts_is_read_edge_by_edge_from_the_line_of_its_repository() -> None:
    held = get_space("darts").format(get_space("darts").parse(PC_DARTS))
    assert held == (
        "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
        "('dil_conv_3x3', 1), ('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0), "
        "('dil_conv_3x3', 1)], normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), ('sep_conv_5x5', 1), "
        "('sep_conv_5x5', 1), "
        "('sep_conv_5x5', 2), ('sep_conv_3x3', 0), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), "
        "('sep_conv_3x3', 2)], reduce_concat=range(2, 6))"
    )


@pytest.mark.parametrize("case", ["positional", "npint64_sources"])
def test_published_forms_say_the_same(case: str) -> None:
    space = get_space("darts")
    text = (CASES / f"{case}.txt").read_text()
    assert np.array_equal(space.parse(text), space.parse(PC_DARTS))


def by_node(text: str) -> str:
    """Return a genotype of DARTS's kind with a tuple of pairs for each node, as GDAS's code has them."""
    read = eval(text, {"Genotype": dict, "range": range})
    listed = {
        title: [tuple(read[title][place : place + 2]) for place in range(0, 8, 2)]
        for title in ("normal", "reduce")
    }
    return (
        f"Genotype(normal={listed['normal']}, normal_concat=[2, 3, 4, 5], reduce={listed['reduce']}, "
        "reduce_concat=[2, 3, 4, 5])"
    )


@pytest.mark.parametrize("space", ["darts", "darts-multi"])
@pytest.mark.parametrize(
    "text",
    [
        by_node(PLAIN),
        by_node(PLAIN).replace("[(", "((").replace(")]", "))"),
        PLAIN.replace("range(2, 6)", "[2, 3, 4, 5]"),
        PLAIN.replace("range(2, 6)", "(2, 3, 4, 5)"),
        PLAIN.replace("range(2, 6)", "{5, 4, 3, 2}"),
        PLAIN.replace("range(2, 6)", "[5, 3, 4, 2]"),
        PLAIN.replace("range(2, 6)", "list(range(2, 6))"),
        PLAIN.replace("range(2, 6)", "tuple(range(2, 6, 1))"),
        PLAIN.replace("range(2, 6)", "[*range(2, 6)]"),
        PLAIN.replace("range(2, 6)", "np.arange(2, 6)"),
        PLAIN.replace("range(2, 6)", "numpy.array([2, 3, 4, np.int32(5)])"),
        PLAIN.replace(", 1)", ", numpy.int64(1))"),
        PLAIN.replace("'skip_connect'", "np.str_('skip_connect')"),
        PLAIN.replace("(", "[")
        .replace(")", "]")
        .replace("Genotype[", "Genotype(")
        .replace("range[", "range(")[:-1]
        .replace("range(2, 6]", "range(2, 6)")
        + ")",
        "genotypes." + PLAIN,
        "cnn.genotypes." + PLAIN,
        "A = B = " + PLAIN + ";  # 2.57 % test error",
        "PC: Genotype = " + PLAIN,
        "\ufeff\n  "
        + PLAIN.replace("(normal", "(\n  normal").replace(", reduce=", ",  # as found\n\treduce = "),
        PLAIN[:-1] + ",\n)",
        PLAIN.replace("'", '"'),
    ],
)
def test_any_spelling_of_the_same_cells_is_read(text: str, space: str) -> None:
    found = get_space(space)
    assert np.array_equal(found.parse(text), found.parse(PLAIN))


def test_fields_may_stand_in_any_order_by_name_or_as_a_mapping() -> None:
    space = get_space("darts")
    read = eval(PLAIN, {"Genotype": dict, "range": range})
    turned = ", ".join(f"{name}={read[name]!r}" for name in reversed(read))
    mixed = (
        f"Genotype({read['normal']}, reduce={read['reduce']}, reduce_concat=range(2, 6), "
        "normal_concat=range(2, 6))"
    )
    for text in (f"Genotype({turned})", mixed, str(read), f"genotype = {read}"):
        assert np.array_equal(space.parse(text), space.parse(PLAIN)), text


def test_nasnet_reads_genotypes_of_its_operations() -> None:
    space = get_space("nasnet")
    assert space.format(space.parse(DARTS_V2)) == (
        "normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|sep_conv_3x3~1|"
        "+|skip_connect~0|dil_conv_3x3~2|;reduction:|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|"
        "skip_connect~2|+|max_pool_3x3~0|skip_connect~2|+|max_pool_3x3~1|skip_connect~2|"
    )


@pytest.mark.parametrize("space", READERS)
def test_enas_has_a_node_more_than_any_space(space: str) -> None:
    with pytest.raises(ArchitectureError) as raised:
        get_space(space).parse((CASES / "ENAS_10_pairs.txt").read_text())
    assert str(raised.value) == (
        f"{space} cannot hold this genotype: normal lists 10 pairs, two for each of 5 nodes, and its cells "
        "have 4; no other space can"
    )


def test_a_concatenation_of_nodes_that_are_not_there_is_named() -> None:
    with pytest.raises(ArchitectureError) as raised:
        get_space("darts").parse((CASES / "nb301_concat.txt").read_text())
    assert str(raised.value) == (
        "darts cannot hold this genotype: normal_concat names node 6, beyond its nodes 2 to 5; its cells "
        "concatenate range(2, 6), all of them, which is what to write for a benchmark that ignores the "
        "concatenation; no other space can"
    )


@pytest.mark.parametrize(
    ("change", "space", "says"),
    [
        (
            ("('skip_connect', 0)", "('dil_conv_5x5', 1)"),
            "darts",
            "two edges into node 2 of normal come from node 1; darts-multi can",
        ),
        (
            ("'dil_conv_3x3'", "'sep_conv_7x7'"),
            "darts",
            "unknown operation 'sep_conv_7x7' in darts; it has max_pool_3x3, avg_pool_3x3, skip_connect, "
            "sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5; nasnet can",
        ),
        (
            ("'dil_conv_3x3'", "'dil_conv_5x5'"),
            "nasnet",
            "unknown operation 'dil_conv_5x5' in nasnet; it has avg_pool_3x3, max_pool_3x3, skip_connect, "
            "sep_conv_3x3, sep_conv_5x5, sep_conv_7x7, dil_conv_3x3; darts and darts-multi can",
        ),
        (("range(2, 6)", "[2, 3, 4]"), "darts", "normal_concat leaves out node 5; its cells concatenate"),
        (("range(2, 6)", "[2, 3, 4, 5, 5]"), "darts", "normal_concat names a node twice; its cells"),
        (
            ("('skip_connect', 0)", "('skip_connect', 5)"),
            "darts",
            "SOURCE from 0 to 1; got ('skip_connect', 5)",
        ),
        (("('skip_connect', 0)", "('skip_connect', -1)"), "nasnet", "SOURCE from 0 to 1; got"),
    ],
)
def test_a_space_that_cannot_hold_a_genotype_says_why_and_which_can(
    change: tuple[str, str], space: str, says: str
) -> None:
    text = PLAIN.replace(*change, 1) if change[0].startswith("(") else PLAIN.replace(*change)
    with pytest.raises(ArchitectureError) as raised:
        get_space(space).parse(text)
    assert str(raised.value).startswith(f"{space} cannot hold this genotype: ")
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PLAIN.replace(", reduce_concat=range(2, 6)", ""), "it lacks reduce_concat"),
        (PLAIN.replace("normal_concat", "normal"), "it lacks normal_concat"),
        (PLAIN[:-1] + ", normal_concat=range(2, 6))", "each once"),
        (f"A = {PLAIN}\nB = {PLAIN}", "it has 2 genotypes: give one"),
        (PLAIN.replace("('skip_connect', 0)", "('skip_connect', False)"), "False is neither a number nor"),
        (PLAIN.replace("('skip_connect', 0)", "('skip_connect', 0.0)"), "more than names of operations"),
        (PLAIN.replace("('skip_connect', 0)", "('skip_connect', 0, 1)"), "no pair such as"),
        (PLAIN.replace("('skip_connect', 0), ", "", 1), "normal lists 7 pairs, and a node has two"),
        (PLAIN.replace("range(2, 6)", "range(2, 10**9)"), "more than names of operations"),
        (PLAIN.replace("range(2, 6)", "range(2, 1000000000)"), "beyond any cell's nodes"),
        (PLAIN.replace("range(2, 6)", "range(2, 6, 0)"), "must not be zero"),
        (PLAIN.replace("range(2, 6)", "__import__('os').sep"), "more than names of operations"),
        (PLAIN.replace("range(2, 6)", "open('/etc/passwd')"), "more than names of operations"),
        (PLAIN.replace("normal=", "**{}, normal="), "each once"),
        (PLAIN.replace("range(2, 6)", "4"), "normal_concat is no sequence of nodes"),
        ("Genotype(" + "x" * 10**6 + ")", "it has 1,000,010 characters, more than the 20,000"),
    ],
)
def test_what_is_no_genotype_is_told_in_one_short_line(text: str, says: str) -> None:
    for name in READERS:
        with pytest.raises(ArchitectureError) as raised:
            get_space(name).parse(text)
        message = str(raised.value)
        assert says in message
        assert message.startswith(f"a {name} architecture reads Genotype(")
        assert "\n" not in message
        assert len(message) < 700


DEEP = ("(", "[", "{", "-", "~", "not ", "Genotype(", "a.", "a[", "lambda:", "'", "f'{", "*", "1if 1else ")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("part", [*DEEP, *(f"{each}" for each in ("()", "[0]", ".a", "+1"))])
def test_deep_texts_are_refused_as_texts(part: str, name: str) -> None:
    for text in (part * 300, part * 9_000, f"Genotype({part * 3_000})", f"Genotype{part * 3_000}"):
        with pytest.raises(ArchitectureError) as raised:
            get_space(name).parse(text)
        assert len(str(raised.value)) < 900
        assert "\n" not in str(raised.value)


@given(
    text=st.text(alphabet="Genotyp(normal=[],'skip_c1 0)\n{}#*\\\ud800\x00", max_size=60),
    place=st.integers(0, len(PLAIN)),
    cut=st.integers(0, 40),
)
def test_damaged_genotypes_are_read_or_refused(text: str, place: int, cut: int) -> None:
    damaged = PLAIN[:place] + text + PLAIN[place + cut :]
    for name in READERS:
        space = get_space(name)
        try:
            row = space.parse(damaged)
        except ArchitectureError as error:
            said = str(error)
        else:
            said = "read"
            assert space.is_valid(row[None]).all()
        assert said
        assert "\n" not in said
