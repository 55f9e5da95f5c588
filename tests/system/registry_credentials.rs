//! Credentials as written by `podman login`, `docker login` and helpers, and registries whose
//! responses lack something.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use cocoon::component::Digest;
use serde_json::json;

use crate::harness::{assert_fails, run_command};
use crate::registries::{CONFIG, Home, LAYER, MANIFEST, manifest, reply, start_faulty_registry};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn factor() -> Vec<u8> {
    fs::read(cocoon_test_guests::FOREIGN_FACTOR).expect("a component")
}

/// Starts a registry with one component, for `ali` with this password only.
fn start_guarded(password: &str) -> String {
    use base64::Engine as _;
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("ali:{password}"));
    let expected = format!("basic {}", expected.to_lowercase());
    let component = factor();
    let manifest = manifest(CONFIG, LAYER, Digest::of(&component), component.len());
    start_faulty_registry(move |head, mut stream| {
        let head = head.to_lowercase();
        let answer = if !head.contains(&expected) {
            reply(
                "401 Unauthorized",
                "WWW-Authenticate: Basic realm=\"r\"\r\n",
                b"",
            )
        } else if head.contains("/manifests/") {
            let kind = format!("Content-Type: {MANIFEST}\r\n");
            reply("200 OK", &kind, manifest.as_bytes())
        } else {
            reply("200 OK", "", &component)
        };
        let _ = stream.write_all(&answer);
    })
}

/// The entry for `ali` with a password in a credentials file.
fn auth(password: &str) -> serde_json::Value {
    use base64::Engine as _;
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("ali:{password}"));
    json!({ "auth": auth })
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn assert_works(command: &mut Command, what: &str) {
    let outcome = run_command(command);
    assert_eq!(
        (outcome.code, outcome.out.as_str(), outcome.err.as_str()),
        (Some(0), "12: 2 2 3\n", ""),
        "{what}"
    );
}

#[test]
fn credential_files_are_read_in_podmans_order() {
    let home = Home::new();
    let folder = home.folder.path();
    let address = start_guarded("right");
    let reference = format!("oci://{address}/ns/tool:1");
    let exec = ["exec", &reference, "--", "12"];
    let file = |password: &str| json!({ "auths": { &address: auth(password) } }).to_string();
    let docker = folder.join(".docker/config.json");
    let config = folder.join(".config/containers/auth.json");
    let runtime = folder.join("run/containers/auth.json");
    let named = folder.join("named.json");
    let command = || {
        let mut command = home.cocoon(&exec);
        command.env("XDG_RUNTIME_DIR", folder.join("run"));
        command
    };
    assert_fails(
        &run_command(&mut command()),
        125,
        &["expected credentials", "podman login"],
    );
    // Each file is found, and takes precedence over the one before it.
    for path in [&docker, &config, &runtime] {
        write(path, file("right"));
        assert_works(&mut command(), &path.display().to_string());
        write(path, file("wrong"));
        assert_fails(
            &run_command(&mut command()),
            125,
            &["refused the stored credentials"],
        );
    }
    write(&named, file("right"));
    assert_works(
        command().env("REGISTRY_AUTH_FILE", &named),
        "a file by name",
    );
    // If a file lacks the registry, the next file is read.
    for path in [&config, &runtime] {
        write(path, r#"{"auths":{"other.example":{"auth":"YTpi"}}}"#);
    }
    write(&docker, file("right"));
    assert_works(&mut command(), "the last file");
    // A file that was named is the only one.
    write(&named, "{}");
    let only = run_command(command().env("REGISTRY_AUTH_FILE", &named));
    assert_fails(&only, 125, &["expected credentials"]);
}

#[test]
fn the_longest_matching_key_is_used() {
    let home = Home::new();
    let address = start_guarded("right");
    for (right, wrong) in [
        (format!("{address}/ns/tool"), format!("{address}/ns")),
        (format!("{address}/ns"), address.clone()),
        (address.clone(), format!("{address}/n")),
    ] {
        home.configure(
            &json!({ "auths": { &right: auth("right"), &wrong: auth("wrong") } }).to_string(),
        );
        let reference = format!("oci://{address}/ns/tool:1");
        assert_works(&mut home.cocoon(&["exec", &reference, "--", "12"]), &right);
    }
}

#[test]
fn a_missing_helper_and_a_broken_file_are_named() {
    let home = Home::new();
    let address = start_guarded("right");
    let reference = format!("oci://{address}/tool:1");
    for (config, words) in [
        (
            json!({ "credHelpers": { &address: "absent" } }).to_string(),
            &[
                "docker-credential-absent",
                "credHelpers",
                "PATH",
                "config.json",
            ][..],
        ),
        (
            json!({ "credsStore": "absent" }).to_string(),
            &["docker-credential-absent", "credsStore", "PATH"],
        ),
        (
            format!(r#"{{"auths":{{"{address}":["YWxpOnJpZ2h0"]}}}}"#),
            &["config.json", "JSON object"],
        ),
        ("[{}]".to_owned(), &["config.json", "JSON object"]),
    ] {
        home.configure(&config);
        assert_fails(&home.run(&["exec", &reference]), 125, words);
    }
}

/// Starts a registry whose tags refer to an index with this many manifests of one component.
fn start_index(entries: usize) -> String {
    let component = factor();
    let manifest = manifest(CONFIG, LAYER, Digest::of(&component), component.len());
    let digest = Digest::of(manifest.as_bytes()).to_string();
    let entry = json!({ "mediaType": MANIFEST, "digest": digest, "size": manifest.len() });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": vec![entry; entries],
    })
    .to_string();
    start_faulty_registry(move |head, mut stream| {
        let answer = if head.contains("/manifests/1 ") {
            reply(
                "200 OK",
                &format!("Content-Type: {INDEX}\r\n"),
                index.as_bytes(),
            )
        } else if head.contains(&format!("/manifests/{digest} ")) {
            let kind = format!("Content-Type: {MANIFEST}\r\n");
            reply("200 OK", &kind, manifest.as_bytes())
        } else if head.contains("/blobs/") {
            reply("200 OK", "", &component)
        } else {
            reply("404 Not Found", "", b"")
        };
        let _ = stream.write_all(&answer);
    })
}

#[test]
fn an_index_with_one_manifest_resolves_to_it() {
    let home = Home::new();
    let reference = format!("oci://{}/tool:1", start_index(1));
    assert_works(
        &mut home.cocoon(&["exec", &reference, "--", "12"]),
        "an index of one",
    );
    for count in [0, 2] {
        let reference = format!("oci://{}/tool:1", start_index(count));
        let several = home.run(&["exec", &reference]);
        assert_fails(&several, 125, &[&format!("index of {count}"), "digest"]);
    }
}
