# One static program, its component, and nothing else.
#
#     docker build -t cocoon . && docker run --rm cocoon
#     docker build -t cocoon-lean --target lean .
#
# The second lacks the features `compiler` and `registry`, and so `exec` and `--component`.
# Everything is built on the platform that it is for. Any image stands in for RUST_IMAGE
# that has rustup, a C compiler, and either musl-gcc or apt-get. BuildKit and buildah build
# what the target needs; Docker's older builder builds every stage before it.
ARG RUST_IMAGE=rust:1.95-bookworm

# Every manifest, and an empty file for each source file that a manifest can
# name: what lies beside a lib.rs or a main.rs are only its modules. All this
# stays the same while code changes, and so do the layers of compiled
# dependencies below.
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
# What C code says of when it was compiled is the same in every build.
ENV CC_x86_64_unknown_linux_musl=musl-gcc \
    CC_aarch64_unknown_linux_musl=musl-gcc \
    SOURCE_DATE_EPOCH=0
COPY --from=manifests /src ./
RUN cargo build --profile image --locked -p cocoon --bin cocoon --target "$(uname -m)-unknown-linux-musl"

# Cargo takes a crate for built when its files are older than what it built, as
# these are beside the empty ones.
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
# Everywhere, for `serve` and for those who ask it whether it is well. And the allocator
# takes memory as it is needed: by default it takes twice what compiling a component does.
ENV COCOON_LISTEN=0.0.0.0:8080 \
    MIMALLOC_ARENA_EAGER_COMMIT=0
EXPOSE 8080
STOPSIGNAL SIGTERM
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/cocoon", "health"]
ENTRYPOINT ["/cocoon"]
CMD ["run", "10"]

FROM settings AS lean
COPY --from=lean-build /image/ /

# The component's precompiled code is part of the program, as are its own bytes, packed; the
# file is for those who want it alone.
FROM settings
COPY --from=build /image/ /
# Whom to trust when components are pulled over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
