"""What using the store costs before the first call."""

import subprocess
import sys

import pytest


@pytest.mark.drawn
def test_the_tables_of_mlflows_own_store_are_not_imported():
    program = "import sys, framework_mlflow_mongodb.tracking.store; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
