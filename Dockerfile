# The image of Polder: the locked runtime dependencies and the package, run as nobody in particular.
#   docker build -t polder . && docker run -p 8080:8080 -v polder:/data polder
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1
WORKDIR /build
COPY requirements-build.lock requirements-runtime.lock ./
# Dependencies first: this layer is kept until a lock file changes.
RUN python3 -m venv tools \
    && tools/bin/pip install -q --require-hashes -r requirements-build.lock \
    && tools/bin/uv venv -q --python python3 /opt/polder \
    && tools/bin/uv pip install -q --python /opt/polder --require-hashes -r requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY adapters adapters
RUN tools/bin/hatchling build -t wheel -d dist \
    && tools/bin/uv pip install -q --python /opt/polder --no-deps dist/*.whl

FROM ${BASE}
RUN groupadd --gid 65532 polder \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /data --shell /usr/sbin/nologin polder \
    && install -d -o 65532 -g 65532 -m 0700 /data
COPY --from=build /opt/polder /opt/polder
ENV PATH=/opt/polder/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    POLDER_HOME=/data POLDER_HOST=0.0.0.0 POLDER_PORT=8080 POLDER_METRICS_PORT=9464
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
# Health is asked over HTTP, at /livez and /readyz; see k8s/base/deployment.yaml.
HEALTHCHECK NONE
CMD ["polder", "serve"]
