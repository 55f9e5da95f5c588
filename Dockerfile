# One static program, its component, and nothing else.
#
#     docker build -t cocoon . && docker run --rm cocoon
#
# The stages are built on the platform that they are for. Any image stands in
# for RUST_IMAGE that has rustup, a C compiler, and either musl-gcc or apt-get.
ARG RUST_IMAGE=rust:1.95-bookworm

# Every manifest, and an empty file for each source file that a manifest can
# name: what lies beside a lib.rs or a main.rs are only its modules. All this
# stays the same while code changes, and so does the layer of compiled
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

FROM ${RUST_IMAGE} AS build
WORKDIR /src
RUN command -v musl-gcc >/dev/null \
    || { apt-get update && apt-get install --yes --no-install-recommends musl-tools && rm -rf /var/lib/apt/lists/*; }
COPY rust-toolchain.toml ./
RUN rustup target add "$(uname -m)-unknown-linux-musl" wasm32-wasip2
ENV CC_x86_64_unknown_linux_musl=musl-gcc \
    CC_aarch64_unknown_linux_musl=musl-gcc \
    # The build script's Wasmtime shares nothing with the program's, because of
    # --target, and compiles one small component: 3 s more for that without
    # optimisation save some minutes of optimising.
    CARGO_PROFILE_RELEASE_BUILD_OVERRIDE_OPT_LEVEL=0 \
    CARGO_PROFILE_RELEASE_STRIP=symbols
COPY --from=manifests /src ./
RUN cargo build --release --locked -p cocoon --bin cocoon --target "$(uname -m)-unknown-linux-musl"
COPY wit wit/
COPY guest guest/
COPY host host/
# Cargo takes a crate for built when its files are older than what it built, as
# these are beside the empty ones.
RUN find guest host -name '*.rs' -exec touch {} + \
    && cargo build --release --locked -p cocoon --bin cocoon --target "$(uname -m)-unknown-linux-musl" \
    && mkdir /image \
    && cp "target/$(uname -m)-unknown-linux-musl/release/cocoon" target/guest/wasm32-wasip2/component/factorial.wasm /image/

FROM scratch
LABEL org.opencontainers.image.title="cocoon" \
      org.opencontainers.image.description="Runs WebAssembly components as coroutines, each in a sandbox of its own" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
COPY --from=build /image/ /
# Whom to trust when components are pulled over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
USER 65532:65532
ENTRYPOINT ["/cocoon"]
CMD ["run", "10"]
