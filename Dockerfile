# The server as an image. The default target (the last stage) serves on CPUs; the target `gpu` serves on an NVIDIA GPU.
#
#   docker build --tag rerank .                      docker run --publish 8000:8000 rerank
#   docker build --tag rerank:gpu --target gpu .     docker run --gpus all --publish 8000:8000 rerank:gpu
#
# The image contains the embedded model. To serve a prepared model, mount the models folder (--volume DIR:/models:ro) and
# name the model (docker run ... rerank serve --model NAME). Any other command can replace `serve`, for example
# docker run rerank models list. The root filesystem may be read-only.
# tools/docker/steps.py tests this file without a Docker engine, by running its steps in chroots.

ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS builder
# optional: a package index other than pip's default
ARG PIP_INDEX_URL
WORKDIR /build
RUN python -m venv --without-pip /opt/rerank
COPY pyproject.toml constraints.txt README.md LICENSE ./

# Without the source folders, pip installs only the dependencies, in a layer that stays cached when the source changes.
FROM builder AS builder-cpu
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/rerank/bin/python install --constraint constraints.txt '.[cpu]'
COPY bench bench
COPY models models
COPY service service
RUN pip --python /opt/rerank/bin/python install --no-deps --force-reinstall .

# No CUDA base image is needed: this extra installs the CUDA libraries as wheels, which ONNX Runtime finds in the venv.
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
# numeric ids, so that Kubernetes' runAsNonRoot can verify them
USER 10001:10001
EXPOSE 8000
# http.client, because urllib would use a proxy that the Docker client may set in the environment
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('localhost', int(os.environ['RERANK_PORT']), timeout=4); c.request('GET', '/health'); sys.exit(c.getresponse().status not in (200, 401))"]
ENTRYPOINT ["rerank"]
CMD ["serve"]

FROM runtime AS gpu
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=builder-gpu /opt/rerank /opt/rerank

FROM runtime AS cpu
COPY --from=builder-cpu /opt/rerank /opt/rerank
