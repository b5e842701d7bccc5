"""Which files an operator's directory offers."""

import os
from pathlib import Path

from jobs.trusted_models import trusted_models


def test_a_directory_offers_its_files_and_nothing_outside(tmp_path: Path) -> None:
    root, outside = tmp_path / "models", tmp_path / "secret"
    root.mkdir()
    outside.write_text("token")
    (root / "churn.joblib").write_text("model")
    (root / ".hidden").write_text("model")
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    (root / "inside").symlink_to("churn.joblib")
    (root / "absolute").symlink_to(outside)
    (root / "relative").symlink_to("../secret")
    (root / "twice").symlink_to("absolute")
    (root / "dangling").symlink_to("gone")
    (root / "round").symlink_to("round")
    assert trusted_models(root) == dict.fromkeys(("churn.joblib", "inside"), root / "churn.joblib")
    assert trusted_models(None) == {}


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "churn").write_text("model")
    (tmp_path / "link").symlink_to("models")
    assert list(trusted_models(tmp_path / "link")) == ["churn"]
