//! The span of one call of the component.

/// The span of the call `$name` in `$sandbox`, for the request of `$kind` and `$n`.
macro_rules! request_span {
    ($sandbox:expr, $name:literal, $kind:expr, $n:expr) => {
        tracing::debug_span!(
            target: "cocoon::factorial",
            parent: $sandbox.span(),
            $name,
            cocoon.kind = %$kind,
            // As text, since OpenTelemetry's integers have a sign.
            cocoon.n = %$n,
            error.type = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
        )
    };
}
pub(super) use request_span;
