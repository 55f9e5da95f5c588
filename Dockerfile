# An image with one static program and its component.
#
#     docker build -t cocoon . && docker run --rm cocoon
#     docker build -t cocoon-lean --target lean .
#
# The target `lean` lacks the features `compiler`, `queue` and `registry`, and so `exec`,
# `worker` and `--component`. The build platform is the target platform. RUST_IMAGE can be any image with
# rustup, a C compiler, and either musl-gcc or apt-get. BuildKit and buildah build only the
# stages that the target needs. Docker's older builder builds all stages before it.
ARG RUST_IMAGE=rust:1.95-bookworm

# All manifests, and an empty file for each source file that a manifest can name. (Other files
# next to a lib.rs or main.rs are its modules.) Changes of code do not change these files, so
# the layers of compiled dependencies below stay in the cache.
FROM ${RUST_IMAGE} AS manifests
WORKDIR /src
COPY . .
RUN find . -type f ! -name '*.rs' ! -name Cargo.toml ! -name Cargo.lock ! -path '*/.cargo/*' -delete \
    && for root in $(find . -name lib.rs -o -name main.rs); do \
        find "${root%/*}" -name '*.rs' ! -name lib.rs ! -name main.rs ! -path '*/src/bin/*' -delete; \
    done \
    && for file in $(find . -name '*.rs'); do echo 'fn main() { }' >"$file"; done \
    && find . -type d -empty -delete

FROM ${RUST_IMAGE} AS dependencies
WORKDIR /src
RUN command -v musl-gcc >/dev/null \
    || { apt-get update && apt-get install --yes --no-install-recommends musl-tools && rm -rf /var/lib/apt/lists/*; }
COPY rust-toolchain.toml ./
RUN rustup target add "$(uname -m)-unknown-linux-musl" wasm32-wasip2
# C code contains the same compile time in every build.
ENV CC_x86_64_unknown_linux_musl=musl-gcc \
    CC_aarch64_unknown_linux_musl=musl-gcc \
    SOURCE_DATE_EPOCH=0
COPY --from=manifests /src ./
RUN cargo build --profile image --locked -p cocoon --bin cocoon --target "$(uname -m)-unknown-linux-musl"

# Cargo does not rebuild a crate whose files are older than its build, as these files may be.
# `touch` makes them newer than the build of the empty files.
FROM dependencies AS build
COPY wit wit/
COPY guest guest/
COPY host host/
RUN find guest host -name '*.rs' -exec touch {} + \
    && cargo build --profile image --locked -p cocoon --bin cocoon --target "$(uname -m)-unknown-linux-musl" \
    && mkdir /image /bundled \
    && cp "target/$(uname -m)-unknown-linux-musl/image/cocoon" target/guest/wasm32-wasip2/component/factorial.wasm /image/ \
    && cp "target/$(uname -m)-unknown-linux-musl/image/build"/cocoon-*/out/*.code /image/factorial.wasm /bundled/

FROM dependencies AS lean-dependencies
RUN cargo build --profile image --no-default-features --features bundled,cli,service --locked -p cocoon --bin cocoon --target "$(uname -m)-unknown-linux-musl"

FROM lean-dependencies AS lean-build
COPY wit wit/
COPY guest guest/
COPY host host/
COPY --from=build /bundled /bundled/
RUN find guest host -name '*.rs' -exec touch {} + \
    && COCOON_BUNDLED=/bundled \
        cargo build --profile image --no-default-features --features bundled,cli,service --locked -p cocoon --bin cocoon --target "$(uname -m)-unknown-linux-musl" \
    && mkdir /image \
    && cp "target/$(uname -m)-unknown-linux-musl/image/cocoon" /image/

FROM scratch AS settings
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cocoon" \
      org.opencontainers.image.description="Runs WebAssembly components as coroutines, each in a sandbox of its own" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
# `serve` and `health` both read it.
ENV COCOON_LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/cocoon", "health"]
ENTRYPOINT ["/cocoon"]
CMD ["run", "10"]

FROM settings AS lean
COPY --from=lean-build /image/ /

# The program contains the component's precompiled code and its compressed bytes. The file is
# for use without the program.
FROM settings
COPY --from=build /image/ /
# The certificate authorities for pulling components over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
