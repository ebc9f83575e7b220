"""Routes by name, and what tells them apart whatever they are called."""

from bottleneck.runtime.device.routes import Fixed, key_of, picture, routes_of


def test_names_do_not_follow_from_the_order():
    """Plan and device list bundles in orders of their own; points of a second frontier carry their bundle."""
    points = [("layer2", 0, "a"), ("layer2", 0, "b"), ("layer2", 1, "b")]
    names = {route.bundle + str(route.point): route.name for route in routes_of(points)}
    assert names == {"a0": "layer2-0-a", "b0": "layer2-0-b", "b1": "layer2-1"}
    assert {route.bundle + str(route.point): route.name for route in routes_of(points[::-1])} == names


def test_equal_names_of_different_bundles_are_different_routes():
    """What the server loads tells them apart, and not what a plan calls it."""
    one, other = Fixed("layer2-0", "layer2", 0, "a"), Fixed("layer2-0", "layer2", 0, "b")
    assert key_of(one) != key_of(other)
    assert key_of(one) == key_of(Fixed("another name", "layer2", 3, "a"))
    fine, coarse = (Fixed("png", "input", codec={"name": "jpeg", "quality": quality}) for quality in (90, 10))
    assert key_of(fine) != key_of(coarse)


def test_a_pictures_name_follows_from_its_codec():
    """As the suite of pictures names it, in whatever order its options come, and without fitted tables."""
    jpeg = {"quality": 50, "name": "jpeg"}
    assert (picture(jpeg).name, picture(jpeg).split, picture(jpeg).codec) == ("jpeg-50", "input", jpeg)
    assert picture({"name": "png", "tables": {"symbols": [1]}}).name == "png"
    assert (
        picture({"b": 2, "a": 1, "name": "x"}).name == picture({"name": "x", "a": 1, "b": 2}).name == "x-1-2"
    )
