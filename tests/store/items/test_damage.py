"""What is stored about items that arrived damaged."""

from __future__ import annotations

from retrovue_daemon.store.items.damage import Damage, holds_damage, known_damage, remember_damage


async def test_only_the_damage_of_the_items_at_hand_is_read(database, target) -> None:
    """However many items of the server have any; another server has none."""
    assert not await database.reader.run(holds_damage, 1)
    damage = {str(number): Damage(number, 1) for number in range(3)}

    await database.writer.run(remember_damage, target, damage, list_again=False)

    assert await database.reader.run(holds_damage, 1)
    assert not await database.reader.run(holds_damage, 2)
    assert await database.reader.run(known_damage, 1, ["1", "7"]) == {"1": Damage(1, 1)}
    assert await database.reader.run(known_damage, 2, ["1"]) == {}
