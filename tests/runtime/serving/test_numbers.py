"""What frames call their points."""

from bottleneck.runtime.serving.numbers import MOST, Numbers


def test_a_point_keeps_its_number():
    """Whoever asks for it again is told the same, and nothing is taken back while there are free ones."""
    numbers = Numbers()
    told = [numbers.of(str(point), ()) for point in range(MOST)]
    assert told == [numbers.of(str(point), ()) for point in range(MOST)] == list(range(MOST))
    assert numbers.key(3) == "3"
    assert numbers.generation == 0


def test_numbers_out_of_use_are_given_again_and_the_oldest_first():
    """What is used keeps its number, what is not has none, and that numbers changed is counted."""
    numbers = Numbers()
    for point in range(MOST):
        numbers.of(str(point), ())
    assert numbers.of("new", ["0", "7"]) == 1
    assert numbers.generation == 1
    assert [numbers.key(number) for number in (0, 1, 2, 7)] == ["0", "new", None, "7"]
    assert numbers.of("newer", ["0", "7"]) == 2


def test_a_server_gives_numbers_for_ever():
    """However many points are asked for, each has its own among those in use."""
    numbers = Numbers()
    for point in range(5 * MOST):
        used = [str(known) for known in range(max(0, point - 16), point)]
        told = numbers.of(str(point), used)
        assert all(numbers.of(key, used) != told for key in used)
    assert numbers.generation > 2
