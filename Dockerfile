# The server as an image. The last stage, and so the default target, serves on CPUs; `gpu` serves on an NVIDIA GPU.
#
#   docker build --tag rerank .                      docker run --publish 8000:8000 rerank
#   docker build --tag rerank:gpu --target gpu .     docker run --gpus all --publish 8000:8000 rerank:gpu
#
# The embedded model is inside; prepared models are mounted (--volume DIR:/models:ro) and named (rerank serve --model NAME).
# Another command takes the place of `serve`: docker run rerank models list. The root filesystem may be read-only.
# tools/docker/steps.py proves this file where there is no Docker engine, by running its steps in chroots.

ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS builder
# unset unless given: a package index other than pip's own
ARG PIP_INDEX_URL
WORKDIR /build
RUN python -m venv --without-pip /opt/rerank
COPY pyproject.toml constraints.txt README.md LICENSE ./

# Without the packages' folders pip installs the dependencies alone: layers that a changed source file does not renew.
FROM builder AS builder-cpu
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/rerank/bin/python install --constraint constraints.txt '.[cpu]'
COPY bench bench
COPY models models
COPY service service
RUN pip --python /opt/rerank/bin/python install --no-deps --force-reinstall .

# The CUDA libraries are wheels of this extra, which ONNX Runtime finds in the venv: hence no CUDA base image.
FROM builder AS builder-gpu
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/rerank/bin/python install --constraint constraints.txt '.[gpu]'
COPY bench bench
COPY models models
COPY service service
RUN pip --python /opt/rerank/bin/python install --no-deps --force-reinstall .

FROM ${PYTHON_IMAGE} AS runtime
LABEL org.opencontainers.image.title="rerank-server" org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 rerank \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin rerank \
    && mkdir /models
ENV PATH=/opt/rerank/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RERANK_HOST=0.0.0.0 \
    RERANK_PORT=8000 \
    RERANK_MODELS_DIR=/models
WORKDIR /
# in numbers, so that Kubernetes' runAsNonRoot can tell
USER 10001:10001
EXPOSE 8000
# http.client, because urllib would go through the proxy that Docker's client may put into the environment
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('localhost', int(os.environ['RERANK_PORT']), timeout=4); c.request('GET', '/health'); sys.exit(c.getresponse().status not in (200, 401))"]
ENTRYPOINT ["rerank"]
CMD ["serve"]

FROM runtime AS gpu
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=builder-gpu /opt/rerank /opt/rerank

FROM runtime AS cpu
COPY --from=builder-cpu /opt/rerank /opt/rerank
