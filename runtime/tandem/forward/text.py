"""The words in which nft is told of a table, or of what has changed in it (nft(8)). Pure, and the same for the same tables."""

from __future__ import annotations

from collections.abc import Iterator

from .table import Table

FAMILY = "inet"


def removal(name: str) -> str:
    """Takes the table away, if it is there."""
    return f"table {FAMILY} {name}\ndelete table {FAMILY} {name}\n"


def whole(name: str, table: Table) -> str:
    """Replaces whatever stands under the name, in one transaction."""
    if not table:
        return removal(name)
    lines = [f"table {FAMILY} {name} {{"]
    lines += [f"\tcounter {counter} {{ }}" for counter in sorted(table.counters)]
    for of, (kind, elements) in sorted(table.sets.items()):
        listed = [f"\t\telements = {{ {', '.join(sorted(elements))} }}"] if elements and not _refers(kind) else []
        lines += [f"\t{_word(kind)} {of} {{", *(f"\t\t{part}" for part in kind.rstrip(";").split("; ")), *listed, "\t}"]
    for chain, (hook, rules) in sorted(table.chains.items()):
        lines += [f"\tchain {chain} {{", *([f"\t\t{hook}"] if hook else []), *(f"\t\t{rule}" for rule in rules), "\t}"]
    lines.append("}")
    # Verdicts name chains, which must be there before them.
    for of, (kind, elements) in sorted(table.sets.items()):
        lines += _elements("add", name, of, elements if _refers(kind) else frozenset())
    return removal(name) + "\n".join(lines) + "\n"


def change(name: str, have: Table, want: Table) -> str:
    """What makes the one of the other, in one transaction; counters that stay keep what they have counted. "" where they are equal."""
    if not have or not want or _other_kinds(have, want):
        return "" if have == want else whole(name, want)
    table = f"{FAMILY} {name}"
    lines = [f"add counter {table} {counter}" for counter in sorted(want.counters - have.counters)]
    lines += [
        f"add {_word(kind)} {table} {of} {{ {kind.rstrip(';')}; }}" for of, (kind, _elements_) in sorted(want.sets.items()) if of not in have.sets
    ]
    for chain, (hook, _rules) in sorted(want.chains.items()):
        if chain not in have.chains:
            lines.append(f"add chain {table} {chain}" + (f" {{ {hook} }}" if hook else ""))
    changed = [chain for chain, content in sorted(want.chains.items()) if have.chains.get(chain) != content]
    gone = sorted(set(have.chains) - set(want.chains))
    lines += [f"flush chain {table} {chain}" for chain in (*changed, *gone)]
    none = ("", frozenset[str]())
    for of in sorted({*have.sets, *want.sets}):
        lines += _elements("delete", name, of, have.sets.get(of, none)[1] - want.sets.get(of, none)[1], keys=True)
        lines += _elements("add", name, of, want.sets.get(of, none)[1] - have.sets.get(of, none)[1])
    lines += [f"add rule {table} {chain} {rule}" for chain in changed for rule in want.chains[chain][1]]
    lines += [f"delete chain {table} {chain}" for chain in gone]
    lines += [f"delete {_word(have.sets[of][0])} {table} {of}" for of in sorted(set(have.sets) - set(want.sets))]
    lines += [f"delete counter {table} {counter}" for counter in sorted(have.counters - want.counters)]
    return "".join(f"{line}\n" for line in lines)


def _other_kinds(have: Table, want: Table) -> bool:
    """Whether something has the name of something else; then all is made anew."""
    kinds = any(want.sets[of][0] != kind for of, (kind, _elements) in have.sets.items() if of in want.sets)
    return kinds or any(want.chains[chain][0] != hook for chain, (hook, _rules) in have.chains.items() if chain in want.chains)


def _elements(verb: str, name: str, of: str, elements: frozenset[str], *, keys: bool = False) -> Iterator[str]:
    if elements:
        listed = sorted(one.rpartition(" : ")[0] or one for one in elements) if keys else sorted(elements)
        yield f"{verb} element {FAMILY} {name} {of} {{ {', '.join(listed)} }}"


def _word(kind: str) -> str:
    return "map" if " : " in kind else "set"


def _refers(kind: str) -> bool:
    """Whether it is a map whose values name chains."""
    return kind.endswith(": verdict")
