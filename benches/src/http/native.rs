//! The native handler for comparison: the same axum and hyper, and n! by num-bigint in the
//! process, without a sandbox.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use num_bigint::BigUint;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

/// Larger numbers are refused, since the thread that reads requests computes them.
const N_MAX: u64 = 1000;

/// Serves until it is killed.
pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("native handler on http://{}/", listener.local_addr()?);
        let app = Router::new().route("/factorial/{n}", get(factorial));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let app = app.clone();
            // The same as in `cocoon serve`.
            let service = service_fn(move |request: Request<Incoming>| {
                app.clone().oneshot(request.map(Body::new))
            });
            tokio::spawn(async move {
                // A client that disconnects is not an error.
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

async fn factorial(Path(n): Path<u64>) -> Result<String, StatusCode> {
    if n > N_MAX {
        return Err(StatusCode::UNPROCESSABLE_ENTITY);
    }
    let product: BigUint = (1..=n).map(BigUint::from).product();
    Ok(product.to_string())
}
