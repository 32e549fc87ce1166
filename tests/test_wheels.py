"""Each package as it would be published: what is in its wheel and its sdist, and what they say of themselves."""

import configparser
import importlib.util
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.licenses import canonicalize_license_expression
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from uv import find_uv_bin

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

pytestmark = pytest.mark.long

PACKAGES = Path(__file__).parents[1] / "packages"
NAMES = sorted(path.parent.name for path in PACKAGES.glob("*/pyproject.toml"))


class Built:
    """A package, its wheel and its sdist."""

    def __init__(self, source, folder):
        subprocess.run([find_uv_bin(), "build", "--quiet", "--out-dir", folder, source], check=True)
        self.source = source
        self.project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
        (self.wheel,) = folder.glob("*.whl")
        (self.sdist,) = folder.glob("*.tar.gz")
        with zipfile.ZipFile(self.wheel) as archive:
            self.content = {name: archive.read(name) for name in archive.namelist()}
        with tarfile.open(self.sdist) as archive:
            self.in_sdist = {name.partition("/")[2] for name in archive.getnames()}
            (information,) = (name for name in archive.getnames() if name.count("/") == 1 and name.endswith("PKG-INFO"))
            self.sdist_metadata = archive.extractfile(information).read()

    def info(self, name):
        (found,) = (text for path, text in self.content.items() if path.endswith(f".dist-info/{name}"))
        return found

    @property
    def metadata(self):
        return Metadata.from_email(self.info("METADATA"), validate=True)


@pytest.fixture(scope="module", params=NAMES)
def built(request, tmp_path_factory):
    return Built(PACKAGES / request.param, tmp_path_factory.mktemp("dist"))


def test_the_metadata_is_valid_and_says_what_the_project_says(built):
    metadata, project = built.metadata, built.project
    assert metadata.name == project["name"]
    assert str(metadata.version) == project["version"]
    assert metadata.summary == project["description"]
    assert metadata.requires_python == SpecifierSet(">=3.10")
    assert set(metadata.provides_extra or ()) == {
        canonicalize_name(extra) for extra in project.get("optional-dependencies", {})
    }
    assert len(metadata.requires_dist) == len(project["dependencies"]) + sum(
        len(extra) for extra in project.get("optional-dependencies", {}).values()
    )
    assert built.sdist_metadata == built.info("METADATA")


def test_file_names_are_those_of_the_version(built):
    name, version = canonicalize_name(built.project["name"]), built.project["version"]
    found = parse_wheel_filename(built.wheel.name)
    assert (found[0], str(found[1])) == (name, version)
    assert {str(tag) for tag in found[3]} == {"py3-none-any"}
    found = parse_sdist_filename(built.sdist.name)
    assert (found[0], str(found[1])) == (name, version)


def test_the_licence_is_an_expression_and_its_text_is_inside(built):
    assert built.metadata.license_expression == canonicalize_license_expression("MIT")
    assert built.metadata.license_files == ["LICENSE"]
    assert built.info("licenses/LICENSE") == (built.source / "LICENSE").read_bytes()
    assert not [each for each in built.metadata.classifiers if each.startswith("License ::")]


def test_the_readme_is_the_description(built):
    assert built.metadata.description_content_type == "text/markdown"
    assert built.metadata.description.strip() == (built.source / "README.md").read_text("utf-8").strip()


def test_entry_points_name_what_is_in_the_wheel(built):
    expected = {"console_scripts": built.project.get("scripts", {}), **built.project.get("entry-points", {})}
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str
    parser.read_string(built.info("entry_points.txt").decode())
    assert {group: dict(parser[group]) for group in parser.sections()} == {
        group: entries for group, entries in expected.items() if entries
    }
    for entries in expected.values():
        for target in entries.values():
            module = target.partition(":")[0]
            path = module.replace(".", "/")
            own = any(name.startswith(f"{path.partition('/')[0]}/") for name in built.content)
            inside = built.content.keys() & {f"{path}.py", f"{path}/__init__.py"}
            assert inside if own else importlib.util.find_spec(module), target


def test_everything_in_the_source_is_in_the_wheel_and_nothing_else(built):
    source = built.source / "src"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert {name for name in built.content if ".dist-info/" not in name} == {
        name for name in files if "__pycache__" not in name
    }
    import_name = built.project["name"].replace("-", "_")
    assert f"{import_name}/py.typed" in built.content
    assert not [name for name in built.content if "test" in Path(name).name.split("_")]


def test_what_is_no_python_is_read_from_the_wheel_as_it_is_in_the_source(built):
    source = built.source / "src"
    kinds = ("*.yaml", "*.json")
    data = [path.relative_to(source).as_posix() for kind in kinds for path in source.rglob(kind)]
    for name in data:
        assert built.content[name] == (built.source / "src" / name).read_bytes()


def test_the_sdist_has_what_is_needed_to_build_and_to_test(built):
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= built.in_sdist
    assert any(name.startswith("tests/test_") for name in built.in_sdist)
    assert not [name for name in built.in_sdist if "__pycache__" in name or name.endswith((".pyc", ".db"))]
