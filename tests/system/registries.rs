//! Registries for pulls: Debian's, which is a real one, and faulty ones. Also a home folder for
//! pulls, with its own cache and Docker configuration.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cocoon::component::Digest;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Outcome, TIMEOUT, cocoon, run_command};
use crate::tools::DOCKER_REGISTRY;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const LAYER: &str = "application/wasm";

/// The content of the `config` blob in pushed artifacts.
const CONFIG_CONTENT: &[u8] = br#"{"architecture":"wasm","os":"wasip2","layerDigests":[]}"#;

/// Debian's registry on its own port, which stops at the end of the test.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
}

impl Registry {
    /// Starts a registry that stores its content in `folder`. `http` and `more` are additional
    /// lines of YAML for its configuration: below `http`, and at the top level.
    pub(crate) fn start(folder: &Path, http: &str, more: &str) -> Self {
        let config = folder.join(format!("{}.yml", fastrand::u64(..)));
        let data = folder.join("data");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n{http}\n{more}\n",
            data.display()
        );
        fs::write(&config, text).expect("a file");
        let mut child = DOCKER_REGISTRY
            .command()
            .arg("serve")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a registry that starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log"));
        let address = loop {
            let mut line = String::new();
            let read = log.read_line(&mut line).expect("text");
            assert!(read > 0, "the registry ended before it listened");
            if let Some((_, rest)) = line.split_once("listening on ") {
                let end = rest.find(|it: char| it == '"' || it == ',' || it.is_whitespace());
                break rest[..end.unwrap_or(rest.len())].to_owned();
            }
        };
        // It would block if its log were not read.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address }
    }

    /// The reference of an artifact in it.
    pub(crate) fn at(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.address)
    }

    /// Pushes an artifact of one layer and returns the digest of its manifest.
    pub(crate) fn push(
        &self,
        name: &str,
        tag: &str,
        config: &str,
        kind: &str,
        layer: &[u8],
    ) -> Digest {
        // The binary's version; this process sets it itself.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build();
        let pushing = push(
            http.expect("a client"),
            format!("http://{}/v2/{name}", self.address),
            [config, kind, tag],
            layer,
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(pushing)
    }

    /// Pushes a component and returns the digest of its manifest.
    pub(crate) fn push_component(&self, name: &str, tag: &str, component: &[u8]) -> Digest {
        self.push(name, tag, CONFIG, LAYER, component)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pushes by the distribution specification: blobs first, each in one request.
async fn push(
    http: reqwest::Client,
    base: String,
    [config, kind, tag]: [&str; 3],
    layer: &[u8],
) -> Digest {
    for blob in [CONFIG_CONTENT, layer] {
        let begun = http
            .post(format!("{base}/blobs/uploads/"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(begun.status(), 202);
        let place = begun.headers()[LOCATION].to_str().expect("text").to_owned();
        let place = format!("{place}&digest={}", Digest::of(blob));
        let put = http
            .put(place)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(blob.to_vec());
        assert_eq!(put.send().await.expect("an answer").status(), 201);
    }
    let manifest = manifest(config, kind, Digest::of(layer), layer.len());
    let put = http
        .put(format!("{base}/manifests/{tag}"))
        .header(CONTENT_TYPE, MANIFEST)
        .body(manifest.clone());
    assert_eq!(put.send().await.expect("an answer").status(), 201);
    Digest::of(manifest.as_bytes())
}

/// A manifest with one layer.
pub(crate) fn manifest(config: &str, kind: &str, layer: Digest, size: usize) -> String {
    let digest = Digest::of(CONFIG_CONTENT).to_string();
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": config, "digest": digest, "size": CONFIG_CONTENT.len() },
        "layers": [{ "mediaType": kind, "digest": layer.to_string(), "size": size }],
    })
    .to_string()
}

/// Starts a server on this machine and returns its address. For each request it calls `answer`
/// with the head of the request and the connection, and then closes the connection. It ends
/// with the test process.
pub(crate) fn start_faulty_registry(
    answer: impl Fn(&str, TcpStream) + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, stream) = (Arc::clone(&answer), stream.expect("a connection"));
            std::thread::spawn(move || {
                stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().expect("the same connection"));
                // A connection that closes without a request has no response.
                while reader.read_line(&mut head).is_ok_and(|read| read > 0) {
                    if head.ends_with("\r\n\r\n") {
                        let length = head
                            .lines()
                            .find_map(|line| line.strip_prefix("content-length: "));
                        let length = length.map_or(0, |length| length.parse().expect("a length"));
                        reader
                            .take(length)
                            .read_to_string(&mut head)
                            .expect("a body");
                        return answer(&head, stream);
                    }
                }
            });
        }
    });
    address
}

/// A whole response with a body.
pub(crate) fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A home folder for pulls, with a cache and a configuration.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    /// The binary with this home folder.
    pub(crate) fn cocoon(&self, arguments: &[&str]) -> Command {
        let mut command = cocoon(arguments);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        for name in [
            "XDG_CACHE_HOME",
            "DOCKER_CONFIG",
            "REGISTRY_AUTH_FILE",
            "XDG_RUNTIME_DIR",
            "XDG_CONFIG_HOME",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
        ] {
            command.env_remove(name);
        }
        command.env("HOME", self.folder.path());
        command
    }

    /// Runs the binary with this home folder to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        run_command(&mut self.cocoon(arguments))
    }

    /// Returns the output of the binary. Asserts that it succeeds with an empty standard error.
    pub(crate) fn stdout_of(&self, arguments: &[&str]) -> String {
        let Outcome { out, err, code } = self.run(arguments);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        out
    }

    /// Writes Docker's configuration.
    pub(crate) fn configure(&self, config: &str) {
        let folder = self.folder.path().join(".docker");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("config.json"), config).expect("a file");
    }

    /// Every file of the cache, including partial ones.
    pub(crate) fn kept(&self) -> Vec<PathBuf> {
        let mut kept = Vec::new();
        let mut folders = vec![self.folder.path().join(".cache/cocoon/blobs")];
        while let Some(folder) = folders.pop() {
            // The folder may be absent.
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let entry = entry.expect("an entry");
                let is_folder = entry.file_type().expect("its type").is_dir();
                let found = if is_folder { &mut folders } else { &mut kept };
                found.push(entry.path());
            }
        }
        kept.sort();
        kept
    }
}
