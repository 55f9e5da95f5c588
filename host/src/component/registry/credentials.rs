//! Credentials for a registry, from the files of `docker login`, `podman login` and `oras login`,
//! or from the helper that such a file names.
//!
//! The files are those of containers-auth.json(5), in its order. The first that has
//! credentials for the component counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::docker_hub::{DOCKER_HUB, DOCKER_HUB_CREDENTIALS};
use crate::component::reference::Reference;
use crate::json::Object;
use crate::limits::{CREDENTIALS_BYTES_MAX, ERROR_CHARS};

/// A helper's output for an unknown registry.
const UNKNOWN_TO_HELPER: &str = "credentials not found";
/// The user name of a token.
const TOKEN_USER: &str = "<token>";

/// The credential for a registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credential {
    Password(String, String),
    /// A token that the registry exchanges for another.
    Identity(String),
}

/// A file with credentials.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Object<Auth>>,
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(rename = "auth")]
    user_and_password: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// The credentials for a component, or `None` if there are none. Blocks while a helper program
/// runs.
///
/// # Errors
///
/// The problem of a file, or the helper's message.
pub(super) fn find(reference: &Reference) -> Result<Option<Credential>, String> {
    for path in files() {
        let Some(config) = read(&path)? else {
            continue;
        };
        let found = config.find(reference);
        let found = found.map_err(|error| format!("{error} (from {})", path.display()))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The files that may have credentials, in order.
fn files() -> Vec<PathBuf> {
    let folder = |name| {
        std::env::var_os(name)
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from)
    };
    if let Some(file) = folder("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    let home = folder("HOME");
    let containers = |folder: PathBuf| folder.join("containers/auth.json");
    let config = folder("XDG_CONFIG_HOME")
        .or_else(|| Some(home.as_ref()?.join(".config")))
        .map(containers);
    let docker = folder("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
    [
        folder("XDG_RUNTIME_DIR").map(containers),
        config,
        docker.map(|folder| folder.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The content of a file, or `None` if it does not exist.
fn read(path: &Path) -> Result<Option<Config>, String> {
    let mut text = Vec::new();
    let file = File::open(path);
    match file.and_then(|file| file.take(CREDENTIALS_BYTES_MAX).read_to_end(&mut text)) {
        Ok(_) => {}
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    }
    if text.trim_ascii().is_empty() {
        // Such a file is created as a mount point.
        return Ok(None);
    }
    serde_json::from_slice(&text)
        .map(|Object(config)| Some(config))
        .map_err(|error| {
            format!(
                "expected JSON of `docker login` in {}: {error}",
                path.display()
            )
        })
}

impl Config {
    fn find(&self, reference: &Reference) -> Result<Option<Credential>, String> {
        let registry = reference.registry();
        let server = if registry == DOCKER_HUB {
            DOCKER_HUB_CREDENTIALS
        } else {
            registry
        };
        let keys = keys(reference);
        let helper = keys.iter().find_map(|key| self.cred_helpers.get(key));
        if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
            return ask_helper(helper, &format!("credHelpers for {registry}"), server);
        }
        let auth = keys.iter().find_map(|key| {
            self.auths.get(key).or_else(|| {
                self.auths
                    .iter()
                    .find(|(it, _)| address(it) == *key)
                    .map(|(_, it)| it)
            })
        });
        if let Some(Object(auth)) = auth
            && let Some(credential) = auth.credential()?
        {
            return Ok(Some(credential));
        }
        match self.creds_store.as_deref() {
            Some(helper) if !helper.is_empty() => ask_helper(helper, "credsStore", server),
            _ => Ok(None),
        }
    }
}

/// The keys that a component's credentials may have, the longest first: its name and each
/// folder of it, and its registry.
fn keys(reference: &Reference) -> Vec<String> {
    let mut keys = Vec::new();
    let mut key = format!("{}/{}", reference.registry(), reference.name());
    while let Some((shorter, _)) = key.rsplit_once('/') {
        let shorter = shorter.to_owned();
        keys.push(std::mem::replace(&mut key, shorter));
    }
    keys.push(key);
    if reference.registry() == DOCKER_HUB {
        keys.extend([
            DOCKER_HUB_CREDENTIALS.to_owned(),
            "index.docker.io".to_owned(),
        ]);
    }
    keys
}

/// The registry of a key that is the address of its API, as old programs wrote them.
fn address(key: &str) -> &str {
    let host = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    let Some(host) = host else {
        return key;
    };
    host.split('/').next().unwrap_or(host)
}

impl Auth {
    fn credential(&self) -> Result<Option<Credential>, String> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credential::Identity(token)));
        }
        if let Some(auth) = given(&self.user_and_password) {
            let config = GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::Indifferent);
            let decoded = GeneralPurpose::new(&STANDARD, config).decode(auth.trim_ascii());
            let decoded = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let parts = decoded.as_deref().and_then(|text| text.split_once(':'));
            let (user, password) = parts.ok_or("expected USER:PASSWORD in base64 as `auth`")?;
            return Ok(Some(Credential::Password(
                user.to_owned(),
                password.trim_end_matches('\0').to_owned(),
            )));
        }
        Ok(given(&self.username)
            .zip(given(&self.password))
            .map(|(user, password)| Credential::Password(user, password)))
    }
}

/// Asks the program that keeps the credentials.
fn ask_helper(helper: &str, key: &str, server: &str) -> Result<Option<Credential>, String> {
    let program = format!("docker-credential-{helper}");
    if helper.contains('/') {
        return Err(format!(
            "expected the name of a helper in {key}, got `{helper}`"
        ));
    }
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            format!(
                "expected the helper {program} of {key} in PATH, got none; install it or remove the key"
            )
        } else {
            format!("cannot run {program} of {key}: {error}")
        }
    };
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input reports that itself.
        let _ = stdin.write_all(server.as_bytes());
    }
    let mut output = Vec::new();
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(CREDENTIALS_BYTES_MAX).read_to_end(&mut output),
        None => Ok(0),
    };
    let status = child.wait().map_err(failed)?;
    read.map_err(failed)?;
    if !status.success() {
        let output = String::from_utf8_lossy(&output);
        if output.contains(UNKNOWN_TO_HELPER) {
            return Ok(None);
        }
        let output: String = output.trim().chars().take(ERROR_CHARS).collect();
        return Err(format!("{program} failed ({status}): {output}"));
    }
    let Object(HelperAnswer { username, secret }) =
        serde_json::from_slice(&output).map_err(|_| {
            format!("expected JSON with Username and Secret from {program}, got other output")
        })?;
    Ok(Some(if username == TOKEN_USER {
        Credential::Identity(secret)
    } else {
        Credential::Password(username, secret)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &str, reference: &str) -> Result<Option<Credential>, String> {
        let Object(config): Object<Config> = serde_json::from_str(config).expect("a file");
        config.find(&reference.parse().expect("a reference"))
    }

    #[test]
    fn the_longest_matching_key_is_used() {
        // The passwords are 1, 2 and 3.
        let config = r#"{"auths":{
            "a.example":{"auth":"dTox"},
            "a.example/ns":{"auth":"dToy"},
            "a.example/ns/tool":{"username":"u","password":"3"}}}"#;
        for (reference, password) in [
            ("oci://a.example/ns/tool:1", "3"),
            ("oci://a.example/ns/other", "2"),
            ("oci://a.example/nsx", "1"),
        ] {
            let expected = Credential::Password("u".to_owned(), password.to_owned());
            assert_eq!(found(config, reference), Ok(Some(expected)), "{reference}");
        }
        assert_eq!(found(config, "oci://b.example/ns/tool"), Ok(None));
    }

    #[test]
    fn addresses_stand_for_their_registries() {
        let expected = Ok(Some(Credential::Identity("t".to_owned())));
        for key in [
            "https://index.docker.io/v1/",
            "index.docker.io",
            "docker.io",
            "docker.io/library",
        ] {
            let config = format!(r#"{{"auths":{{"{key}":{{"identitytoken":"t"}}}}}}"#);
            assert_eq!(
                found(&config, "oci://docker.io/library/a"),
                expected,
                "{key}"
            );
        }
        let config = r#"{"auths":{"https://a.example/v2/":{"identitytoken":"t"}}}"#;
        assert_eq!(found(config, "oci://a.example/a"), expected);
    }

    #[test]
    fn arrays_are_not_objects() {
        for text in ["[{},null,{}]", r#"{"auths":{"a":["YTpi"]}}"#] {
            assert!(
                serde_json::from_str::<Object<Config>>(text).is_err(),
                "{text}"
            );
        }
    }
}
