# Two images of one source: `docker build --target operator .` and `docker build --target worker .`.
#
# Plain instructions only, so that the classic builder makes the same images. The application lives in a virtual environment
# of its own, because a distribution's Python may refuse other people's packages; every download is held to its pinned hash.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS base
RUN groupadd --gid 65532 perptape \
 && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin perptape
# HOME: the one place that is writable under a read-only root, where the pod mounts an emptyDir.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp

# Our own wheel, made by the pinned build backend.
FROM base AS wheel
COPY requirements/build.txt /src/requirements/
RUN python3 -m venv /build \
 && /build/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r /src/requirements/build.txt
COPY pyproject.toml README.md LICENSE /src/
COPY crds/perptape_api /src/crds/perptape_api
COPY operator/perptape_operator /src/operator/perptape_operator
COPY worker/perptape /src/worker/perptape
RUN /build/bin/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheels /src

# One environment each. Sources are compiled once, here: a pod's root is read-only, and it starts in half the time. The
# bytecode is trusted as it is (unchecked-hash), since layers do not keep the times that would prove it fresh.
FROM base AS operator-environment
COPY requirements/operator.txt /requirements.txt
RUN python3 -m venv --without-pip /opt/perptape \
 && python3 -m pip --python /opt/perptape/bin/python install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
      --require-hashes -r /requirements.txt \
 && /opt/perptape/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/perptape/lib
COPY --from=wheel /wheels /wheels
RUN python3 -m pip --python /opt/perptape/bin/python install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
      --no-index --no-deps /wheels/*.whl \
 && /opt/perptape/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/perptape/lib/python3*/site-packages/perptape*

FROM base AS worker-environment
COPY requirements/worker.txt /requirements.txt
# What no worker uses, 65 MB: pyarrow's headers and tests, its Flight (gRPC), CCXT's tests.
RUN python3 -m venv --without-pip /opt/perptape \
 && python3 -m pip --python /opt/perptape/bin/python install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
      --require-hashes -r /requirements.txt \
 && cd /opt/perptape/lib/python3*/site-packages \
 && rm -rf pyarrow/include pyarrow/tests pyarrow/libarrow_flight* pyarrow/libarrow_python_flight* pyarrow/_flight* ccxt/test \
 && /opt/perptape/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/perptape/lib
COPY --from=wheel /wheels /wheels
RUN python3 -m pip --python /opt/perptape/bin/python install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
      --no-index --no-deps /wheels/*.whl \
 && /opt/perptape/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/perptape/lib/python3*/site-packages/perptape*

FROM base AS operator
COPY --from=operator-environment /opt/perptape /opt/perptape
ENV PATH=/opt/perptape/bin:$PATH
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["python", "-m", "perptape_operator"]

# Last, so that it is what a build without --target makes.
FROM base AS worker
COPY --from=worker-environment /opt/perptape /opt/perptape
ENV PATH=/opt/perptape/bin:$PATH
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["perptape"]
