"""The pointers that the engine follows."""

from typing import Any

import pytest

from journeys_api.journeys import trees
from journeys_api.journeys.errors import ActionsRefused
from journeys_api.sealing.vault import Vault


def linked(*elements: Any) -> tuple[int | None, dict[int, trees.Row]]:
    """The first action and the rows of a tree whose nodes are numbered in `OrderNo` order."""
    nodes = trees.read_tree(list(elements))
    for number, node in enumerate(trees.walk(nodes), start=1):
        node.action_id = number
    trees.settle([], {}, vault=Vault(b"a key of the tests"))
    rows = trees.flatten(nodes)
    first = trees.link(rows)
    return first, {row.action_id: row for row in rows}


def debug(published: bool = True) -> dict[str, Any]:
    return {"Action": "Debug", "Published": published}


def decision(true: list[Any], false: list[Any], published: bool = True) -> dict[str, Any]:
    return {"Action": "Decision", "Published": published, "Actions": {"True": true, "False": false}}


def test_a_sequence_points_forward_and_ends() -> None:
    first, rows = linked(debug(), debug())

    assert first == 1
    assert [rows[1].next_action_id, rows[2].next_action_id] == [2, None]


def test_unpublished_actions_are_stepped_over_but_have_a_way_out() -> None:
    first, rows = linked(debug(False), debug(), debug(False), debug())

    assert first == 2
    assert [rows[number].next_action_id for number in (1, 2, 3, 4)] == [2, 4, 4, None]


def test_branches_rejoin_behind_their_decision() -> None:
    first, rows = linked(decision([debug(), debug()], [debug()]), debug())

    assert first == 1
    assert (rows[1].true_action_id, rows[1].false_action_id, rows[1].next_action_id) == (2, 4, 5)
    assert [rows[number].next_action_id for number in (2, 3, 4, 5)] == [3, 5, 5, None]


def test_an_empty_branch_goes_straight_on() -> None:
    _, rows = linked(decision([], [debug(False)]), debug())

    assert (rows[1].true_action_id, rows[1].false_action_id) == (3, 3)


def test_an_unpublished_decision_is_skipped_with_its_branches() -> None:
    first, rows = linked(decision([debug()], [debug()], published=False), debug())

    assert first == 4
    assert rows[2].next_action_id == 4


def test_a_nested_branch_ends_behind_the_outermost_decision_that_has_more() -> None:
    _, rows = linked(decision([decision([debug()], [])], []), debug())

    assert rows[3].next_action_id == 4
    assert rows[2].false_action_id == 4


def test_order_numbers_run_depth_first() -> None:
    _, rows = linked(decision([debug()], [debug()]), debug())

    assert [row.order_no for row in rows.values()] == [1, 2, 3, 4]


def nested(depth: int) -> dict[str, Any]:
    tree = debug()
    for _ in range(depth):
        tree = decision([tree], [])
    return tree


def test_branches_nest_32_deep_and_no_deeper() -> None:
    trees.read_tree([nested(32)])

    with pytest.raises(ActionsRefused):
        trees.read_tree([nested(33)])


def test_500_actions_and_no_more() -> None:
    trees.read_tree([debug()] * 500)

    with pytest.raises(ActionsRefused):
        trees.read_tree([debug()] * 501)
