"""Whether a table is sound LaTeX, without a TeX to compile it."""

from __future__ import annotations

import re

__all__ = ["check_structure"]


def check_structure(text: str) -> None:
    """What LaTeX needs: braces and environments in pairs, rows as wide as the table, rules in order."""
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    body = re.sub(r"\\[{}%&_#$]", "", "\n".join(lines))  # without escaped signs
    depth = 0
    for sign in re.findall(r"[{}]", body):
        depth += 1 if sign == "{" else -1
        assert depth >= 0
    assert depth == 0
    opened: list[str] = []
    for what, name in re.findall(r"\\(begin|end)\{(.*?)\}", body):
        if what == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lrc]+)\}", body)
    rows = [re.sub(r"\\[&%_#$]", "", line) for line in lines if line.endswith(r"\\")]
    assert len(rows) > 2
    for row in rows:
        spanned = re.match(r"\\multicolumn\{(\d+)\}", row)
        assert row.count("&") + (int(spanned[1]) if spanned else 1) == len(columns)
    rules = re.findall(r"\\(toprule|midrule|bottomrule)", body)
    assert rules[0] == "toprule"
    assert rules[-1] == "bottomrule"
    assert set(rules[1:-1]) == {"midrule"}
    assert body.count("$") % 2 == 0
    assert "%" not in body
