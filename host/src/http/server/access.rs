//! Access: clients with the token in a file, or every client.
//!
//! The file is read again while the service runs, at most once a second, so that a token
//! changes without a restart. Reading a short file costs no more than its modification time,
//! and misses no change. Its path is resolved each time, since Kubernetes changes a secret by
//! moving a symbolic link.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tower::util::option_layer;
use tower::{Layer as _, Service};

use super::Problem;
use crate::limits::{TOKEN_AGE, TOKEN_BYTES_MIN, TOKEN_FILE_BYTES_MAX};

/// Why a file holds no token.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// It cannot be read.
    #[error("cannot read the token file {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The path is a folder, a pipe or a device, which cannot be read repeatedly.
    #[error("expected a regular file for the token, got {}", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// It holds more than a token.
    #[error("expected a token file of at most {TOKEN_FILE_BYTES_MAX} bytes with the token in the first line, got more in {}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Its first line is too short.
    #[error("expected a token of at least {TOKEN_BYTES_MIN} bytes in the first line, got {bytes} in {}", path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
        /// Bytes of its first line.
        bytes: usize,
    },
    /// Its first line has bytes that no header could carry.
    #[error("expected a token of visible ASCII characters without spaces, got others in {}", path.display())]
    Unprintable {
        /// The file.
        path: PathBuf,
    },
}

/// The clients that the service answers. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Access(Option<Arc<Token>>);

/// A token that follows its file.
struct Token {
    path: PathBuf,
    /// The digest of the token: it has one length, so comparing it reveals nothing of the
    /// token's, and a memory dump shows no token.
    digest: RwLock<[u8; 32]>,
    /// When the file was read last. Locked while it is read.
    read_at: Arc<Mutex<Instant>>,
    /// Whether the file was unusable at the last read, which was logged.
    stale: AtomicBool,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Token")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Every client.
    pub const fn open() -> Self {
        Self(None)
    }

    /// Clients with the token in the first line of a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or does not hold a token.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, AccessError> {
        let path = path.into();
        let (digest, mode) = read(&path)?;
        if mode & 0o004 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = format!("{:o}", mode & 0o777),
                fix = "chmod o-r",
                "token file readable by others"
            );
        }
        Ok(Self(Some(Arc::new(Token {
            path,
            digest: RwLock::new(digest),
            read_at: Arc::new(Mutex::new(Instant::now())),
            stale: AtomicBool::new(false),
        }))))
    }

    /// Whether every client has access.
    pub const fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// `app` with a check of the token, except for `open_paths`.
    pub(super) fn guard(self, app: Router, open_paths: &'static [&'static str]) -> Router {
        if self.is_open() {
            return app;
        }
        app.layer(middleware::from_fn_with_state(
            (self, open_paths),
            require_token,
        ))
    }

    /// `service` with a check of the token.
    pub(super) fn guard_service<S>(
        self,
        service: S,
    ) -> impl Service<
        Request,
        Response = Response,
        Error = Infallible,
        Future: Send + Unpin + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
    where
        S: Service<Request, Response = Response, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + Unpin + 'static,
    {
        const NONE: &[&str] = &[];
        let check =
            (!self.is_open()).then(|| middleware::from_fn_with_state((self, NONE), require_token));
        option_layer(check).layer(service)
    }

    /// Checks the token of a request.
    async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.0 else {
            return Ok(());
        };
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (given, more) = (given.next().ok_or(Refusal::NoToken)?, given.next());
        if more.is_some() {
            return Err(Refusal::Repeated);
        }
        let given = bearer(given.as_bytes()).ok_or(Refusal::NoToken)?;
        token.refresh(TOKEN_AGE).await;
        if token.is(given) {
            Ok(())
        } else {
            Err(Refusal::WrongToken)
        }
    }
}

/// Refuses requests without the token.
async fn require_token(
    State((access, open_paths)): State<(Access, &'static [&'static str])>,
    request: Request,
    next: Next,
) -> Response {
    if open_paths.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    match access.check(request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.answer(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NoToken,
    WrongToken,
    /// Several headers, of which another program may take another.
    Repeated,
}

impl Refusal {
    fn answer(self) -> Response {
        // The challenges of RFC 6750.
        let (status, challenge, detail) = match self {
            Self::NoToken => (
                StatusCode::UNAUTHORIZED,
                "Bearer",
                "expected a token, got none; use the header `Authorization: Bearer TOKEN`",
            ),
            Self::WrongToken => (
                StatusCode::UNAUTHORIZED,
                "Bearer error=\"invalid_token\"",
                "expected the current token, got another; use the token of this service",
            ),
            Self::Repeated => (
                StatusCode::BAD_REQUEST,
                "Bearer error=\"invalid_request\"",
                "expected one Authorization header, got several",
            ),
        };
        let mut answer = Problem::plain(status, detail).into_response();
        answer
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        answer
    }
}

impl Token {
    /// Reads the file again if the last read is as old as `age`. Of concurrent requests, one reads
    /// it; the others use the token as it was.
    async fn refresh(self: &Arc<Self>, age: Duration) {
        let Ok(mut read_at) = Arc::clone(&self.read_at).try_lock_owned() else {
            return;
        };
        if read_at.elapsed() < age {
            return;
        }
        *read_at = Instant::now();
        let token = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            token.read_again();
            drop(read_at);
        });
        // The file may lie in a network that hangs.
        let _ = timeout(TOKEN_AGE, reading).await;
    }

    fn read_again(&self) {
        match read(&self.path) {
            Ok((digest, _)) => {
                *self.digest.write().unwrap_or_else(PoisonError::into_inner) = digest;
                if self.stale.swap(false, Ordering::Relaxed) {
                    tracing::info!(path = %self.path.display(), "token file readable again");
                }
            }
            Err(error) => {
                if !self.stale.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "token file unusable, last token kept");
                }
            }
        }
    }

    fn is(&self, given: &[u8]) -> bool {
        let digest = *self.digest.read().unwrap_or_else(PoisonError::into_inner);
        digest.ct_eq(&digest_of(given)).into()
    }
}

/// The digest of the token in a file, and the file's mode.
fn read(path: &Path) -> Result<([u8; 32], u32), AccessError> {
    let unreadable = |error| AccessError::Unreadable {
        path: path.to_owned(),
        error,
    };
    // Checked before it is opened: opening a pipe would wait for its writer.
    let found = path.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return Err(AccessError::NoFile {
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(TOKEN_FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > TOKEN_FILE_BYTES_MAX {
        return Err(AccessError::TooLong {
            path: path.to_owned(),
        });
    }
    let line = bytes.split(|byte| *byte == b'\n').next();
    let token = line.unwrap_or_default().trim_ascii();
    if token.len() < TOKEN_BYTES_MIN {
        return Err(AccessError::TooShort {
            path: path.to_owned(),
            bytes: token.len(),
        });
    }
    if !token.iter().all(u8::is_ascii_graphic) {
        return Err(AccessError::Unprintable {
            path: path.to_owned(),
        });
    }
    Ok((digest_of(token), found.mode()))
}

fn digest_of(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The token in the value of an `Authorization` header.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "another token? No spaces.";

    fn file(text: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text).expect("written");
        file
    }

    fn headers(value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).expect("a header's value");
        [(AUTHORIZATION, value)].into_iter().collect()
    }

    /// Makes the next request read the file.
    fn expire(access: &mut Access) {
        let token = access.0.as_mut().expect("a token");
        let token = Arc::get_mut(token).expect("no other clone");
        let before = Instant::now().checked_sub(TOKEN_AGE * 2);
        let read_at = Arc::get_mut(&mut token.read_at).expect("no read");
        *read_at.get_mut() = before.expect("a machine that is up for seconds");
    }

    #[tokio::test]
    async fn only_the_token_is_accepted() {
        let file = file(format!("  {ONE}\r\nand a comment\n").as_bytes());
        let access = Access::from_file(file.path()).expect("a token");
        assert!(!access.is_open());
        for (given, expected) in [
            ("Bearer 0123456789abcdef", Ok(())),
            ("bearer   0123456789abcdef", Ok(())),
            ("Bearer 0123456789abcdeF", Err(Refusal::WrongToken)),
            ("Bearer 0123456789abcde", Err(Refusal::WrongToken)),
            ("Bearer 0123456789abcdef0", Err(Refusal::WrongToken)),
            ("Bearer ", Err(Refusal::NoToken)),
            ("Bearer", Err(Refusal::NoToken)),
            ("Basic 0123456789abcdef", Err(Refusal::NoToken)),
            ("0123456789abcdef", Err(Refusal::NoToken)),
            ("", Err(Refusal::NoToken)),
        ] {
            let checked = access.check(&headers(given)).await;
            assert_eq!(checked, expected, "{given:?}");
        }
        let mut twice = headers("Bearer 0123456789abcdef");
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert_eq!(access.check(&twice).await, Err(Refusal::Repeated));
        let none = HeaderMap::new();
        assert_eq!(access.check(&none).await, Err(Refusal::NoToken));
        assert_eq!(Access::open().check(&none).await, Ok(()));
        assert!(Access::open().is_open());
    }

    #[tokio::test]
    async fn open_paths_need_no_token() {
        use axum::body::Body;
        use tower::ServiceExt as _;

        let file = file(ONE.as_bytes());
        let access = Access::from_file(file.path()).expect("a token");
        let routes = Router::new().fallback(|| async { "ok" });
        let app = access.guard(routes, &["/healthz", "/"]);
        for (path, status) in [
            ("/healthz", 200),
            ("/", 200),
            ("/healthz/", 401),
            ("//healthz", 401),
            ("/metrics", 401),
            ("/healthz/../", 401),
        ] {
            let request = axum::http::Request::get(path).body(Body::empty());
            let response = app.clone().oneshot(request.expect("a request")).await;
            let response = response.expect("an answer");
            assert_eq!(response.status().as_u16(), status, "{path}");
        }
    }

    #[test]
    fn a_refusal_has_a_challenge() {
        for (refusal, status, expected) in [
            (Refusal::NoToken, 401, "Bearer"),
            (Refusal::WrongToken, 401, "Bearer error=\"invalid_token\""),
            (Refusal::Repeated, 400, "Bearer error=\"invalid_request\""),
        ] {
            let answer = refusal.answer();
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.headers()[WWW_AUTHENTICATE], expected);
        }
    }

    #[test]
    fn invalid_tokens_are_refused_with_the_expected_form() {
        let long = vec![b'x'; 5000];
        for (text, hint) in [
            (&b"short\n"[..], "at least 16"),
            (b"", "at least 16"),
            (b"\n0123456789abcdef\n", "first line"),
            (b"0123456789 abcdef\n", "visible ASCII"),
            (b"0123456789abcde\xff\n", "visible ASCII"),
            (&long, "4096 bytes"),
        ] {
            let error = Access::from_file(file(text).path()).expect_err(hint);
            assert!(error.to_string().contains(hint), "{error}");
        }
        for path in ["/", "/dev/null"] {
            let error = Access::from_file(path).expect_err("no file");
            assert!(error.to_string().contains("regular file"), "{error}");
        }
        let error = Access::from_file("/nowhere/token").expect_err("no file");
        assert!(error.to_string().contains("/nowhere/token"), "{error}");
    }

    #[tokio::test]
    async fn a_changed_file_changes_the_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let (link, next) = (folder.path().join("token"), folder.path().join("next"));
        let other = OTHER.replace(' ', "-");
        for (name, token) in [("1", ONE), ("2", other.as_str())] {
            std::fs::write(folder.path().join(name), token).expect("written");
        }
        let turn = |name: &str| {
            std::os::unix::fs::symlink(name, &next).expect("a link");
            std::fs::rename(&next, &link).expect("a turned link");
        };
        turn("1");
        let mut access = Access::from_file(&link).expect("a token");
        let (one, other) = (
            headers(&format!("Bearer {ONE}")),
            headers(&format!("Bearer {other}")),
        );
        turn("2");
        expire(&mut access);
        assert_eq!(access.check(&other).await, Ok(()));
        assert_eq!(access.check(&one).await, Err(Refusal::WrongToken));

        // An unusable file changes nothing.
        for useless in [Some("short"), None] {
            match useless {
                Some(text) => std::fs::write(&link, text).expect("written"),
                None => std::fs::remove_file(&link).expect("removed"),
            }
            expire(&mut access);
            assert_eq!(access.check(&other).await, Ok(()), "{useless:?}");
            assert!(
                access
                    .0
                    .as_ref()
                    .is_some_and(|it| it.stale.load(Ordering::Relaxed))
            );
        }
        turn("1");
        expire(&mut access);
        assert_eq!(access.check(&one).await, Ok(()));
    }

    #[tokio::test]
    async fn the_file_is_read_at_intervals() {
        let file = file(ONE.as_bytes());
        let access = Access::from_file(file.path()).expect("a token");
        let token = access.0.as_ref().expect("a token");
        std::fs::remove_file(file.path()).expect("removed");
        token.refresh(Duration::from_hours(1)).await;
        assert!(!token.stale.load(Ordering::Relaxed));
        token.refresh(Duration::ZERO).await;
        assert!(token.stale.load(Ordering::Relaxed));
    }
}
