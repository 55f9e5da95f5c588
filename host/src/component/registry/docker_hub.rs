//! Docker's own registry, which has three names.

/// Its name in references.
pub(super) const DOCKER_HUB: &str = "docker.io";
/// The host that serves it.
pub(super) const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// Its name in files of credentials.
pub(super) const DOCKER_HUB_CREDENTIALS: &str = "https://index.docker.io/v1/";
