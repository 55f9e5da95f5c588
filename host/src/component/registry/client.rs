//! A client of one registry for one component, by OCI's distribution protocol.
//!
//! The first request has no credentials. If the registry requires some, it answers with a
//! challenge: a Bearer challenge names the token server; for a Basic challenge the client sends
//! user and password. Every answer has a size limit. `--plain-http` permits plain HTTP to every
//! host, redirects and tokens included; without it, only loopback registries use plain HTTP.

use bytes::Bytes;
use http_auth::parse_challenges;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use super::credentials::{self, Credential};
use super::docker_hub::{DOCKER_HUB, DOCKER_HUB_HOST};
use super::error::RegistryError;
use super::manifest;
use crate::component::digest::Digest;
use crate::component::reference::{Reference, is_loopback};
use crate::json::Object;
use crate::limits::{REGISTRY_ANSWER_BYTES, REGISTRY_REDIRECTS};
use crate::text::counted;

const USER_AGENT: &str = concat!("cocoon/", env!("CARGO_PKG_VERSION"));
const DIGEST_HEADER: &str = "docker-content-digest";

/// A registry. The connection is made for the first request.
pub(super) struct Registry<'a> {
    reference: &'a Reference,
    plain: PlainHttp,
    http: Option<Client>,
    authorization: Option<Authorization>,
    /// Whether `authorization` was made with a user's credentials.
    has_credentials: bool,
}

/// The registries that are reached by plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlainHttp {
    Never,
    ThisMachine,
    Always,
}

impl PlainHttp {
    fn allows(self, url: &Url) -> bool {
        match (url.scheme(), self) {
            ("https", _) | ("http", Self::Always) => true,
            ("http", Self::ThisMachine) => url.host_str().is_some_and(is_loopback),
            _ => false,
        }
    }
}

enum Authorization {
    Password(String, String),
    Token(String),
}

/// The challenge of a registry.
enum Challenge {
    Password,
    Token { realm: Url, service: Option<String> },
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(reference: &'a Reference, plain_http: bool) -> Self {
        let plain = match (plain_http, reference.is_local()) {
            (true, _) => PlainHttp::Always,
            (false, true) => PlainHttp::ThisMachine,
            (false, false) => PlainHttp::Never,
        };
        Self {
            reference,
            plain,
            http: None,
            authorization: None,
            has_credentials: false,
        }
    }

    /// The manifest of the reference.
    pub(super) async fn manifest(&mut self) -> Result<Bytes, RegistryError> {
        let reference = self.reference;
        self.manifest_at(&reference.version(), reference.digest())
            .await
    }

    /// The manifest at a tag or a digest.
    pub(super) async fn manifest_at(
        &mut self,
        version: &str,
        digest: Option<Digest>,
    ) -> Result<Bytes, RegistryError> {
        let what = self.reference.with_version();
        let path = format!("manifests/{version}");
        let answer = self.ask(&path, manifest::KINDS, &what).await?;
        let named = answer.headers().get_all(DIGEST_HEADER).iter();
        // Digests by other algorithms are ignored.
        let named: Vec<Digest> = named
            .filter_map(|named| named.to_str().ok()?.parse().ok())
            .collect();
        let manifest = self.read(answer, REGISTRY_ANSWER_BYTES, &what).await?;
        for expected in digest.into_iter().chain(named) {
            check(&manifest, expected, &what)?;
        }
        Ok(manifest)
    }

    /// The content with this digest and size.
    pub(super) async fn blob(
        &mut self,
        digest: Digest,
        bytes: u64,
    ) -> Result<Bytes, RegistryError> {
        let what = format!("layer {digest}");
        let answer = self.ask(&format!("blobs/{digest}"), "*/*", &what).await?;
        let wrong = self.bad_answer(
            &what,
            format!(
                "expected {} as in the manifest, got another length",
                counted(bytes, "byte", "bytes")
            ),
        );
        let blob = match self.read(answer, bytes, &what).await {
            Err(RegistryError::LongAnswer { .. }) => return Err(wrong),
            read => read?,
        };
        if blob.len() as u64 != bytes {
            return Err(wrong);
        }
        check(&blob, digest, &what)?;
        Ok(blob)
    }

    /// Requests a path of the component's repository, with credentials if the registry requires
    /// them.
    async fn ask(
        &mut self,
        path: &str,
        accept: &str,
        what: &str,
    ) -> Result<Response, RegistryError> {
        let url = self.url(path, what)?;
        let mut answer = self.send(&url, accept, what).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && self.authorization.is_none() {
            let authorization = self.authorize(answer.headers(), what).await?;
            self.authorization = Some(authorization);
            answer = self.send(&url, accept, what).await?;
        }
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED => Err(self.unauthorized()),
            StatusCode::FORBIDDEN => Err(RegistryError::Denied {
                reference: self.reference.to_string(),
            }),
            StatusCode::NOT_FOUND => Err(RegistryError::Unknown {
                what: what.to_owned(),
            }),
            status => Err(self.bad_answer(what, format!("expected 200 OK, got {status}"))),
        }
    }

    async fn send(
        &mut self,
        url: &Url,
        accept: &str,
        what: &str,
    ) -> Result<Response, RegistryError> {
        let request = self.http()?.get(url.clone()).header(ACCEPT, accept);
        let request = match &self.authorization {
            Some(Authorization::Password(user, password)) => {
                request.basic_auth(user, Some(password))
            }
            Some(Authorization::Token(token)) => request.bearer_auth(token),
            None => request,
        };
        self.answer(request, what).await
    }

    /// Prepares the authorization of all further requests.
    async fn authorize(
        &mut self,
        headers: &HeaderMap,
        what: &str,
    ) -> Result<Authorization, RegistryError> {
        let challenge = self.challenge(headers, what)?;
        let reference = self.reference.clone();
        let wrong = |reason| RegistryError::Credentials {
            registry: self.reference.registry().to_owned(),
            reason,
        };
        // It reads files and may run a program, so it runs on another thread.
        let found = tokio::task::spawn_blocking(move || credentials::find(&reference)).await;
        let found = found
            .map_err(|error| wrong(error.to_string()))?
            .map_err(wrong)?;
        match (challenge, found) {
            (Challenge::Password, Some(Credential::Password(user, password))) => {
                self.has_credentials = true;
                Ok(Authorization::Password(user, password))
            }
            (Challenge::Password, Some(Credential::Identity(_))) => Err(wrong(
                "expected a user and a password, got a token".to_owned(),
            )),
            (Challenge::Password, None) => Err(self.unauthorized()),
            (Challenge::Token { realm, service }, found) => {
                self.has_credentials = found.is_some();
                self.token(realm, service, found, what).await
            }
        }
    }

    fn challenge(&self, headers: &HeaderMap, what: &str) -> Result<Challenge, RegistryError> {
        let mut challenge = None;
        for header in headers.get_all(WWW_AUTHENTICATE) {
            let Some(parsed) = header
                .to_str()
                .ok()
                .and_then(|text| parse_challenges(text).ok())
            else {
                continue;
            };
            for it in parsed {
                let value = |name: &str| {
                    let found = it
                        .params
                        .iter()
                        .find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                if it.scheme.eq_ignore_ascii_case("basic") {
                    challenge = Some(Challenge::Password);
                } else if it.scheme.eq_ignore_ascii_case("bearer") {
                    let realm = value("realm").unwrap_or_default();
                    let url = Url::parse(&realm).ok().filter(|url| self.plain.allows(url));
                    let Some(realm) = url else {
                        return Err(self.bad_answer(
                            what,
                            format!("expected tokens at an https:// address, got `{realm}`"),
                        ));
                    };
                    return Ok(Challenge::Token {
                        realm,
                        service: value("service"),
                    });
                }
            }
        }
        challenge.ok_or_else(|| {
            self.bad_answer(
                what,
                "expected a Basic or Bearer challenge with 401 Unauthorized, got neither"
                    .to_owned(),
            )
        })
    }

    /// Requests a token, with credentials or anonymously.
    async fn token(
        &mut self,
        mut realm: Url,
        service: Option<String>,
        found: Option<Credential>,
        what: &str,
    ) -> Result<Authorization, RegistryError> {
        let scope = format!("repository:{}:pull", self.reference.name());
        let mut fields = vec![("scope", scope)];
        fields.extend(service.map(|service| ("service", service)));
        let http = self.http()?;
        let request = match found {
            Some(Credential::Identity(token)) => {
                fields.extend([
                    ("grant_type", "refresh_token".to_owned()),
                    ("client_id", "cocoon".to_owned()),
                    ("refresh_token", token),
                ]);
                // A form has the encoding of a query.
                let mut form = realm.clone();
                form.query_pairs_mut().clear().extend_pairs(fields);
                http.post(realm)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.query().unwrap_or_default().to_owned())
            }
            Some(Credential::Password(user, password)) => {
                realm.query_pairs_mut().extend_pairs(fields);
                http.get(realm).basic_auth(user, Some(password))
            }
            None => {
                realm.query_pairs_mut().extend_pairs(fields);
                http.get(realm)
            }
        };
        let answer = self.answer(request, what).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(self.unauthorized());
            }
            status => {
                return Err(
                    self.bad_answer(what, format!("expected 200 OK for a token, got {status}"))
                );
            }
        }
        let answer = self.read(answer, REGISTRY_ANSWER_BYTES, what).await?;
        let token = serde_json::from_slice(&answer).ok().and_then(
            |Object(TokenAnswer {
                 token,
                 access_token,
             })| token.or(access_token),
        );
        match token {
            Some(token) => Ok(Authorization::Token(token)),
            None => Err(self.bad_answer(
                what,
                "expected a token, got an answer without one".to_owned(),
            )),
        }
    }

    /// Sends a request, and returns an answer of any status.
    async fn answer(&self, request: RequestBuilder, what: &str) -> Result<Response, RegistryError> {
        request.send().await.map_err(|error| {
            if error.is_connect() {
                self.unreachable(&error)
            } else {
                self.bad_answer(what, root(&error))
            }
        })
    }

    /// The body of an answer of at most `most` bytes.
    async fn read(
        &self,
        mut answer: Response,
        most: u64,
        what: &str,
    ) -> Result<Bytes, RegistryError> {
        let long = || RegistryError::LongAnswer {
            registry: self.reference.registry().to_owned(),
            what: what.to_owned(),
        };
        if answer.content_length().is_some_and(|length| length > most) {
            return Err(long());
        }
        let mut all = Vec::new();
        let failed = |error| self.bad_answer(what, root(&error));
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            if (all.len() + piece.len()) as u64 > most {
                return Err(long());
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }

    /// The address of a path of the component's repository.
    fn url(&self, path: &str, what: &str) -> Result<Url, RegistryError> {
        let scheme = match self.plain {
            PlainHttp::Never => "https",
            PlainHttp::ThisMachine | PlainHttp::Always => "http",
        };
        let host = match self.reference.registry() {
            DOCKER_HUB => DOCKER_HUB_HOST,
            host => host,
        };
        Url::parse(&format!(
            "{scheme}://{host}/v2/{}/{path}",
            self.reference.name()
        ))
        .map_err(|error| self.bad_answer(what, error.to_string()))
    }

    fn http(&mut self) -> Result<Client, RegistryError> {
        if let Some(http) = &self.http {
            return Ok(http.clone());
        }
        let http = match self.builder().build() {
            // Plain HTTP works without root certificates; redirects to https:// then fail.
            Err(_) if self.plain != PlainHttp::Never => self.builder().tls_certs_only([]).build(),
            built => built,
        };
        let http = http.map_err(|error| RegistryError::Unreachable {
            registry: self.reference.registry().to_owned(),
            reason: format!(
                "{}; use SSL_CERT_FILE to name a file of root certificates",
                root(&error)
            ),
        })?;
        Ok(self.http.insert(http).clone())
    }

    fn builder(&self) -> ClientBuilder {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = self.plain;
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .referer(false)
            .redirect(Policy::custom(move |attempt: Attempt<'_>| {
                if attempt.previous().len() > REGISTRY_REDIRECTS {
                    attempt.error(format!(
                        "expected at most {REGISTRY_REDIRECTS} redirects, got more"
                    ))
                } else if plain.allows(attempt.url()) {
                    attempt.follow()
                } else {
                    let reason = format!("expected a redirect to https://, got {}", attempt.url());
                    attempt.error(reason)
                }
            }));
        if self.reference.is_local() {
            builder.no_proxy()
        } else {
            builder
        }
    }

    /// The error of a registry that accepts no request without credentials, or not these.
    fn unauthorized(&self) -> RegistryError {
        let registry = self.reference.registry().to_owned();
        if self.has_credentials {
            RegistryError::WrongCredentials { registry }
        } else {
            RegistryError::NoCredentials { registry }
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> RegistryError {
        let registry = self.reference.registry();
        let mut reason = root(error);
        // A token server, the host of a redirect, or that of Docker Hub.
        let other_url = error.url().filter(|url| !is_at(url, registry));
        if let Some(url) = other_url {
            let host = url.host_str().unwrap_or_default();
            let port = url.port_or_known_default().unwrap_or_default();
            reason = format!("{host}:{port}: {reason}");
        } else if reason.contains("InvalidContentType") {
            // rustls reports this of a peer without TLS.
            reason = format!(
                "expected TLS, got another protocol ({reason}); use --plain-http to connect without TLS"
            );
        }
        if reason.contains("UnknownIssuer") {
            reason = format!(
                "{reason}; use SSL_CERT_FILE to name the file of the certificate's authority"
            );
        }
        RegistryError::Unreachable {
            registry: registry.to_owned(),
            reason,
        }
    }

    /// The error of an answer that is not what was requested.
    fn bad_answer(&self, what: &str, reason: String) -> RegistryError {
        RegistryError::Answer {
            registry: self.reference.registry().to_owned(),
            what: what.to_owned(),
            reason,
        }
    }
}

fn check(content: &[u8], expected: Digest, what: &str) -> Result<(), RegistryError> {
    let found = Digest::of(content);
    if found == expected {
        return Ok(());
    }
    Err(RegistryError::Digest {
        what: what.to_owned(),
        expected,
        found,
    })
}

/// Whether `url` is on the host of `registry`.
fn is_at(url: &Url, registry: &str) -> bool {
    let there = Url::parse(&format!("{}://{registry}", url.scheme()));
    there.is_ok_and(|there| {
        (there.host(), there.port_or_known_default()) == (url.host(), url.port_or_known_default())
    })
}

/// The root cause of an error. The others only say where it occurred.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
