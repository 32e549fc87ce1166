from framework_core.testing import DatasetSuite, ModelSuite, PackageSuite


class TestPackage(PackageSuite):
    package = "framework-plugins-wine"


class TestGatedMLP(ModelSuite):
    name = "gated_mlp"


class TestWine(DatasetSuite):
    name = "wine"
