"""Where the tests' cluster comes from, and what is said when there is none to be had; no cluster is needed for that."""

from pathlib import Path

import pytest

from support.cluster import ClusterMissing, cache, exports, find, given, prepare, unmet_by_build, unmet_by_kind


def test_without_anything_all_three_ways_and_what_each_lacks_are_named(tmp_path: Path) -> None:
    nothing = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    with pytest.raises(ClusterMissing) as missing:
        prepare(nothing)
    said = str(missing.value)
    with pytest.raises(ClusterMissing) as again:
        find(nothing, tmp_path)
    assert str(again.value) == said
    assert "PERPTAPE_TEST_CONTEXT" in said
    assert "kindest/node" in said
    assert "kind, docker, kubectl, helm missing" in said
    assert "tests/cluster/build" in said
    assert "go missing, apt-get missing" in said
    assert "WITHOUT=cluster" in said


def test_the_builder_needs_root(tmp_path: Path) -> None:
    assert unmet_by_build(1000, {"PATH": str(tmp_path)}) == "not root, go missing, apt-get missing"


def test_kind_needs_a_docker_engine_that_answers(tmp_path: Path) -> None:
    for tool in ("kind", "kubectl", "helm", "docker"):
        (tmp_path / tool).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / tool).chmod(0o755)
    assert unmet_by_kind({"PATH": str(tmp_path)}) == "no Docker engine answers"


def test_a_context_that_is_not_kinds_needs_a_registry(tmp_path: Path) -> None:
    with pytest.raises(ClusterMissing, match="PERPTAPE_TEST_REGISTRY"):
        given({"PATH": str(tmp_path), "PERPTAPE_TEST_CONTEXT": "production"})


def test_what_the_builder_prints_is_read() -> None:
    assert exports("export PATH=/a/bin:$PATH KIND_NODE_IMAGE=node:1 MINIO_IMAGE=minio:latest\n") == {
        "PATH": "/a/bin:$PATH",
        "KIND_NODE_IMAGE": "node:1",
        "MINIO_IMAGE": "minio:latest",
    }


def test_the_cache_is_where_the_builder_keeps_it() -> None:
    assert cache({"HOME": "/home/one"}) == Path("/home/one/.cache/perptape/cluster")
    assert cache({"HOME": "/home/one", "XDG_CACHE_HOME": "/fast"}) == Path("/fast/perptape/cluster")
    assert cache({"HOME": "/home/one", "PERPTAPE_CACHE": "/kept"}) == Path("/kept/cluster")
