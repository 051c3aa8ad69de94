"""The tree of what is watched, without a kernel: what goes with a directory, and that nothing stays behind."""

from __future__ import annotations

import random

from audiobatchd.scan.watch.directories import Tree

EMPTY = {"parents": {}, "leaves": {}, "path_of": {}, "lacking": {}, "left": 0, "_below": {}, "_left_in": {}}


def nothing_left(tree: Tree) -> bool:
    return {name: getattr(tree, name) for name in EMPTY} == EMPTY and not any(tree.lacks.values())


def test_all_that_is_below_goes_with_a_directory() -> None:
    tree = Tree()
    tree.put("a", 1, leaf=False)
    tree.put("a/b", 2, leaf=False)
    tree.put("a/b/c", 3, leaf=True)
    tree.put("ab", 4, leaf=True)
    tree.lack("a/x/y", 13)
    tree.leave("a/b/left")
    assert (tree.left, tree.lacks[13]) == (1, 1)
    assert sorted(tree.cut("a")) == [(1, False), (2, False), (3, True)]
    assert tree.leaves == {"ab": 4}
    assert (tree.left, tree.lacks[13], tree.lacking) == (0, 0, {})
    assert tree.cut("a") == []
    assert tree.cut("ab") == [(4, True)]
    assert nothing_left(tree)


def test_cut_of_unknown_directory_takes_all_below() -> None:
    tree = Tree()
    tree.put("a/b/c", 3, leaf=True)
    tree.leave("a/d/e")
    assert tree.cut("a") == [(3, True)]
    assert nothing_left(tree)


def test_descriptor_has_only_its_latest_name() -> None:
    tree = Tree()
    tree.put("old", 1, leaf=True)
    tree.put("old/below", 2, leaf=True)
    tree.put("new", 1, leaf=False)
    assert (tree.parents, tree.leaves, tree.path_of) == ({"new": 1}, {"old/below": 2}, {1: "new", 2: "old/below"})
    assert tree.cut("old") == [(2, True)]
    assert tree.drop("new") == 1
    assert nothing_left(tree)


def test_directory_is_watched_or_lacking_or_left_never_two() -> None:
    tree = Tree()
    tree.lack("a", 13)
    tree.lack("a", 28)
    assert (tree.lacks[13], tree.lacks[28]) == (0, 1)
    tree.leave("a")
    tree.leave("a")
    assert (tree.lacks[28], tree.left, tree.is_left("a")) == (0, 1, True)
    tree.put("a", 1, leaf=True)
    assert (tree.left, tree.is_left("a"), tree.is_watched("a")) == (0, False, True)
    tree.turn("a", leaf=False)
    assert (tree.parents, tree.leaves, tree.last_leaf()) == ({"a": 1}, {}, None)
    assert tree.drop("a") == 1
    assert nothing_left(tree)


def test_nothing_stays_behind_whatever_happened() -> None:
    dice = random.Random(7)
    tree, next_wd = Tree(), 0
    names = [f"{a}/{b}/{c}".strip("/") for a in "ab" for b in ["", "x", "y"] for c in ["", "1", "2"]]
    names = sorted({name.replace("//", "/") for name in names})
    for _ in range(5000):
        path = dice.choice(names)
        match dice.randrange(5):
            case 0 if not tree.is_watched(path):
                next_wd += 1
                tree.put(path, next_wd, leaf=dice.random() < 0.5)
            case 1 if not tree.is_watched(path):
                tree.lack(path, dice.choice((13, 28)))
            case 2 if not tree.is_watched(path):
                tree.leave(path)
            case 3:
                tree.drop(path)
            case 4 if dice.random() < 0.3:
                tree.cut(path)
        assert tree.path_of == {wd: path for path, wd in {**tree.parents, **tree.leaves}.items()}
        assert sum(tree.lacks.values()) == len(tree.lacking)
        assert tree.left == sum(map(len, tree._left_in.values()))
    for top in "ab":
        tree.cut(top)
    assert nothing_left(tree)
