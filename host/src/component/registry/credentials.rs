//! Credentials for a registry, from where `docker login` puts them: Docker's
//! configuration, or the helper that it names.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use crate::limits::ERROR_CHARS;

use super::client::{DOCKER_HUB, DOCKER_HUB_CREDENTIALS};

/// What helpers say on their standard output of a registry that they do not know.
const UNKNOWN_TO_HELPER: &str = "credentials not found";

/// What is read of Docker's configuration, which has some hundred bytes for each
/// registry.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// The credentials for a registry, or `None` where there are none. A helper is
/// another program, and takes its time.
///
/// # Errors
///
/// Says what is wrong with the configuration, or what the helper says.
pub(super) fn find(registry: &str) -> Result<Option<DockerCredential>, String> {
    let Some(path) = config_file() else {
        return Ok(None);
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let server = if registry == DOCKER_HUB {
        DOCKER_HUB_CREDENTIALS
    } else {
        registry
    };
    let file = file.take(CONFIG_BYTES_MAX);
    match get_credential_from_reader(BufReader::new(file), server) {
        Ok(credential) => Ok(Some(credential)),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains(UNKNOWN_TO_HELPER) =>
        {
            Ok(None)
        }
        Err(CredentialRetrievalError::HelperFailure {
            helper,
            stdout,
            stderr,
        }) => {
            let said: String = format!("{stdout} {stderr}")
                .chars()
                .take(ERROR_CHARS)
                .collect();
            Err(format!("{helper} fails: {said}"))
        }
        Err(CredentialRetrievalError::ConfigReadError) => Err(format!(
            "{} is not a configuration of Docker's, which is JSON",
            path.display()
        )),
        Err(error) => Err(format!("{error}; {} is what was read", path.display())),
    }
}

/// `config.json` in the folder that `DOCKER_CONFIG` names, or else in `~/.docker`.
fn config_file() -> Option<PathBuf> {
    let folder = |name| {
        std::env::var_os(name)
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from)
    };
    folder("DOCKER_CONFIG")
        .or_else(|| Some(folder("HOME")?.join(".docker")))
        .map(|folder| folder.join("config.json"))
}
