"""A folder as COCO's, with more to train on: photographs that nobody has drawn boxes in.

    python -m benchmarks.widened COCO IMAGENETTE/train WIDE --times 8

A bottleneck learns from what the frozen network says, so any photographs will do. Four of them, as they are,
make one that has objects of COCO's sizes; it gets a box around all of it, because photographs without one are
left out. COCO's own photographs of train2017 are named several times, which gives them as many more views; no
part of them can then be held out to judge by.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from benchmarks.shared import parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the folder, and print what it holds."""
    options = parser(__doc__)
    options.add_argument("coco", type=Path, help="folder with train2017/, val2017/ and their annotations")
    options.add_argument("more", type=Path, help="folder of photographs of one size, in folders or not")
    options.add_argument("into", type=Path, help="the new folder")
    options.add_argument("--times", type=int, default=1, help="that each of COCO's own is named")
    given = options.parse_args(arguments)
    train = given.into / "train2017"
    train.mkdir(parents=True)
    for part in ("train2017", "val2017"):
        (given.into / part).mkdir(exist_ok=True)
        for file in (given.coco / part).iterdir():
            (given.into / part / file.name).symlink_to(file.resolve())
    (annotations,) = given.coco.glob("**/instances_train2017.json")
    content = json.loads(annotations.read_text())
    own, boxes = content["images"], content["annotations"]
    first = 1 + max(image["id"] for image in own)
    content["images"], content["annotations"] = [], []
    for time in range(given.times):
        content["images"] += [image | {"id": image["id"] + time * first} for image in own]
        content["annotations"] += [
            box | {"image_id": box["image_id"] + time * first, "id": len(content["annotations"]) + number}
            for number, box in enumerate(boxes)
        ]
    files = sorted(file for file in given.more.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    every = len(files) // 4  # neighbours are of one class
    for number in range(every):
        picture = _four_in_one([Image.open(files[number + quarter * every]) for quarter in range(4)])
        name, identity = f"four_{number:06}.jpg", given.times * first + number
        picture.save(train / name, quality=95)
        width, height = picture.size
        content["images"].append({"id": identity, "file_name": name, "width": width, "height": height})
        content["annotations"].append(
            {
                "id": len(content["annotations"]),
                "image_id": identity,
                "category_id": 1,
                "bbox": [0, 0, width, height],
                "area": width * height,
                "iscrowd": 0,
            }
        )
    (given.into / annotations.name).write_text(json.dumps(content))
    (validation,) = given.coco.glob("**/instances_val2017.json")
    (given.into / validation.name).write_text(validation.read_text())
    print(f"{given.into}: {given.times} times {len(own)} photographs of COCO's, and {every} of four in one")


def _four_in_one(quarters: list[Image.Image]) -> Image.Image:
    width, height = quarters[0].size
    whole = Image.new("RGB", (2 * width, 2 * height))
    for number, quarter in enumerate(quarters):
        place = (number % 2 * width, number // 2 * height)
        whole.paste(quarter.convert("RGB").resize((width, height)), place)
    return whole


if __name__ == "__main__":
    main()
