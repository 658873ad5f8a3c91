"""Archives in the form of `docker save`."""

from __future__ import annotations

import hashlib
import json
import tarfile

from llmdctl.sandbox.images.archive import Image, architecture, save
from llmdctl.sandbox.images.items import text
from llmdctl.sandbox.images.layer import layer

IMAGE = Image(
    reference="sandbox.llmdctl.dev/x:1",
    layers=(layer("lower", [text("a", "1")]), layer("upper", [text("b", "2" * 1000)])),
    entrypoint=("/a", "b"),
    user="1:2",
    environment={"B": "2", "A": "1"},
)


def test_the_same_image_is_the_same_archive(tmp_path):
    save(IMAGE, tmp_path / "one.tar")
    save(IMAGE, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_manifest_configuration_and_layers_agree(tmp_path):
    save(IMAGE, tmp_path / "x.tar")
    with tarfile.open(tmp_path / "x.tar") as tar:
        (manifest,) = json.load(tar.extractfile("manifest.json"))
        written = tar.extractfile(manifest["Config"]).read()
        layers = [tar.extractfile(name).read() for name in manifest["Layers"]]
        assert {member.mtime for member in tar} == {0}
    configuration = json.loads(written)
    assert manifest["RepoTags"] == ["sandbox.llmdctl.dev/x:1"]
    assert manifest["Config"] == f"{hashlib.sha256(written).hexdigest()}.json"
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers]
    assert configuration["architecture"] == architecture()
    assert configuration["config"] == {
        "Env": ["A=1", "B=2"], "Entrypoint": ["/a", "b"], "User": "1:2", "WorkingDir": "/",
    }  # fmt: skip
    assert len(configuration["history"]) == 2
