//! Components from a real registry: by tag and by digest, with credentials and over TLS. The
//! cache is verified on every use, and optional.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use cocoon::component::Digest;

use crate::blocking_service::Service;
use crate::harness::{Outcome, assert_fails, assert_one_line, run_command};
use crate::registries::{CONFIG, Home, LAYER, Registry};
use crate::tools::OPENSSL;

/// The htpasswd entry for `open sesame`, in bcrypt, the only hash that the registry accepts.
const OPEN_SESAME: &str = "ali:$2b$04$VZnVaaRD3s.6HPBk0vGZU.6zk6E9xHOZ8qFmsWAD3sd590qjbuyL6";
/// `ali:open sesame` and `ali:open barley`, as Docker's configuration has them.
const RIGHT: &str = "YWxpOm9wZW4gc2VzYW1l";
const WRONG: &str = "YWxpOm9wZW4gYmFybGV5";

fn factor() -> Vec<u8> {
    fs::read(cocoon_test_guests::FOREIGN_FACTOR).expect("a component")
}

fn factorial() -> Vec<u8> {
    fs::read(cocoon_test_guests::BUNDLED).expect("a component")
}

/// Starts a registry with both components and returns the digests of their manifests.
fn start_with_components(home: &Home) -> (Registry, Digest, Digest) {
    let registry = Registry::start(home.folder.path(), "", "");
    let factor = registry.push_component("tools/factor", "1", &factor());
    let factorial = registry.push_component("factorial", "latest", &factorial());
    (registry, factor, factorial)
}

/// Asserts that the cache has exactly these files, each whole and under its digest.
fn assert_kept(home: &Home, mut digests: Vec<Digest>) {
    let kept = home.kept();
    let found: Vec<_> = kept
        .iter()
        .map(|file| Digest::of(&fs::read(file).expect("a file")))
        .collect();
    for (file, digest) in kept.iter().zip(&found) {
        assert!(
            file.ends_with(format!("cocoon/blobs/sha256/{}", digest.hex())),
            "{}",
            file.display()
        );
    }
    digests.sort_by_key(Digest::hex);
    assert_eq!(found, digests);
}

#[test]
#[ignore = "needs docker-registry"]
fn a_component_is_pulled_by_tag_and_by_digest() {
    let home = Home::new();
    let (registry, program, world) = start_with_components(&home);
    for name in [
        "tools/factor:1".to_owned(),
        format!("tools/factor@{program}"),
        // The digest counts: there is no such tag.
        format!("tools/factor:old@{program}"),
    ] {
        let output = home.stdout_of(&["exec", &registry.at(&name), "--", "12"]);
        assert_eq!(output, "12: 2 2 3\n", "{name}");
    }
    assert_kept(&home, vec![program, Digest::of(&factor())]);

    let reference = registry.at("factorial");
    for arguments in [
        &["run", "2"][..],
        &["compute", "5"],
        &["kinds", "3"],
        &["info", "9"],
    ] {
        let pulled = home.stdout_of(&[arguments, &["--component", &reference]].concat());
        assert_eq!(pulled, home.stdout_of(arguments));
    }
    let inspected = home.stdout_of(&["inspect", &reference]);
    assert_eq!(
        inspected,
        home.stdout_of(&["inspect", cocoon_test_guests::BUNDLED])
    );
    let everything = vec![
        program,
        Digest::of(&factor()),
        world,
        Digest::of(&factorial()),
    ];
    assert_kept(&home, everything);
}

#[test]
#[ignore = "needs docker-registry"]
fn the_service_pulls_its_component_from_a_registry() {
    let home = Home::new();
    let (registry, _, _) = start_with_components(&home);
    let reference = registry.at("factorial");
    let mut command = home.cocoon(&["serve"]);
    let service = Service::start(command.env("COCOON_COMPONENT", reference));
    let answer = service.get("/factorial/20", &[]);
    assert!(answer.ends_with("2432902008176640000"), "{answer}");
    service.end();
}

#[test]
#[ignore = "needs docker-registry"]
fn a_cached_digest_needs_no_registry() {
    let home = Home::new();
    let (registry, program, _) = start_with_components(&home);
    let tag = registry.at("tools/factor:1");
    let pinned = registry.at(&format!("tools/factor@{program}"));
    home.stdout_of(&["exec", &tag, "--", "12"]);
    drop(registry);

    assert_eq!(
        home.stdout_of(&["exec", &pinned, "--", "12"]),
        "12: 2 2 3\n"
    );
    // A tag may have moved, so it needs the registry.
    assert_fails(
        &home.run(&["exec", &tag]),
        125,
        &["cannot reach", "refused"],
    );
    let size = ["exec", &pinned, "--component-size", "1KiB"];
    assert_fails(&home.run(&size), 125, &["1 KiB", "--component-size"]);

    // A file whose content does not match its name is ignored.
    let kept = home.kept();
    for file in &kept {
        let content = fs::read(file).expect("a file");
        let mut damaged = content.clone();
        *damaged.last_mut().expect("a byte") ^= 1;
        for bad in [
            damaged,
            content[..content.len() / 2].to_vec(),
            Vec::new(),
            [&content[..], b"\n"].concat(),
        ] {
            fs::write(file, bad).expect("a file");
            assert_fails(&home.run(&["exec", &pinned]), 125, &["cannot reach"]);
        }
        fs::write(file, content).expect("a file");
    }
    assert_eq!(
        home.stdout_of(&["exec", &pinned, "--", "12"]),
        "12: 2 2 3\n"
    );
}

#[test]
#[ignore = "needs docker-registry"]
fn a_damaged_cache_file_is_pulled_again_and_a_tag_may_move() {
    let home = Home::new();
    let (registry, program, _) = start_with_components(&home);
    let reference = registry.at("tools/factor:1");
    home.stdout_of(&["exec", &reference, "--", "12"]);
    for file in home.kept() {
        fs::write(file, "damaged").expect("a file");
    }
    assert_eq!(
        home.stdout_of(&["exec", &reference, "--", "12"]),
        "12: 2 2 3\n"
    );
    assert_kept(&home, vec![program, Digest::of(&factor())]);

    registry.push_component("tools/factor", "1", &factorial());
    let output = home.stdout_of(&["exec", &reference, "--", "compute", "5"]);
    assert!(output.contains("120"), "{output}");
}

#[test]
#[ignore = "needs docker-registry"]
fn the_cache_is_configurable_and_optional() {
    let home = Home::new();
    let (registry, program, _) = start_with_components(&home);
    let reference = registry.at("tools/factor:1");
    let exec = ["exec", &reference, "--", "12"];
    let assert_works = |command: &mut Command, err: &[&str]| {
        let outcome = run_command(command);
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(0), "12: 2 2 3\n"),
            "{}",
            outcome.err
        );
        match err {
            [] => assert_eq!(outcome.err, ""),
            words => words
                .iter()
                .for_each(|word| assert!(outcome.err.contains(word), "{}", outcome.err)),
        }
    };
    // No user can create a folder there, not even root.
    assert_works(home.cocoon(&exec).env("HOME", "/proc/nowhere"), &[]);
    assert_works(
        home.cocoon(&exec).env("XDG_CACHE_HOME", "/proc/nowhere"),
        &[],
    );
    assert_works(home.cocoon(&exec).env_remove("HOME"), &[]);
    assert_works(
        home.cocoon(&exec)
            .env_remove("HOME")
            .env("XDG_CACHE_HOME", "relative"),
        &[],
    );
    // A failed write is reported if the cache was named explicitly.
    let named = [
        &exec[..2],
        &["--component-cache", "/proc/nowhere"],
        &exec[2..],
    ]
    .concat();
    assert_works(
        &mut home.cocoon(&named),
        &["cache write failed", "path=/proc/nowhere/blobs/sha256/"],
    );
    assert_kept(&home, vec![]);

    let folder = home.folder.path().join(".cache/cocoon");
    assert_works(
        home.cocoon(&exec).env("COCOON_COMPONENT_CACHE", &folder),
        &[],
    );
    assert_kept(&home, vec![program, Digest::of(&factor())]);
}

#[test]
#[ignore = "needs docker-registry"]
fn artifacts_that_are_not_components_are_not_cached() {
    let home = Home::new();
    let registry = Registry::start(home.folder.path(), "", "");
    let image = "application/vnd.oci.image.config.v1+json";
    let tar = "application/vnd.oci.image.layer.v1.tar";
    registry.push("things", "image", image, tar, b"some files");
    registry.push("things", "tar", CONFIG, tar, b"some files");
    registry.push("things", "text", CONFIG, LAYER, b"fn main() {}");
    registry.push("things", "native", CONFIG, LAYER, b"\x7fELF\x02\x01\x01");
    for (tag, words) in [
        ("image", &["an image or another artifact", image][..]),
        ("tar", &[tar, LAYER]),
        ("text", &["expected a component", "start with"]),
        ("native", &["native code"]),
        ("none", &["has no", "things:none", "404"]),
    ] {
        let reference = registry.at(&format!("things:{tag}"));
        for command in [
            &["exec", &reference][..],
            &["inspect", &reference],
            &["run", "--component", &reference],
        ] {
            let code = if command[0] == "exec" { 125 } else { 1 };
            assert_fails(&home.run(command), code, words);
        }
    }
    assert_fails(
        &home.run(&["exec", &registry.at("nothing")]),
        125,
        &["has no", "/nothing:latest, the default tag", "404"],
    );

    let large = registry.at("large");
    registry.push_component("large", "latest", &factor());
    let limited = home.run(&["exec", &large, "--component-size", "1KiB"]);
    assert_fails(&limited, 125, &["large", "1 KiB", "--component-size"]);
    assert_kept(&home, vec![]);
}

#[test]
fn an_unreachable_registry_is_reported() {
    let home = Home::new();
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let address = closed.expect("an address");
    let there = home.run(&["exec", &format!("oci://{address}/tool")]);
    assert_fails(
        &there,
        125,
        &["cannot reach", &address.to_string(), "refused"],
    );
    // A top-level domain that never resolves.
    let nowhere = home.run(&["exec", "oci://registry.invalid/tool"]);
    assert_fails(&nowhere, 125, &["cannot reach", "registry.invalid"]);
}

#[test]
fn invalid_references_are_reported() {
    for reference in [
        "oci://",
        "oci://localhost",
        "oci://localhost/Name",
        "oci://localhost/name:",
        "oci://localhost/name@sha256:12",
        "oci://user:password@localhost/name",
    ] {
        for command in [
            &["exec", reference][..],
            &["inspect", reference],
            &["serve", "--component", reference],
        ] {
            assert_fails(
                &Home::new().run(command),
                2,
                &[reference.get(..6).unwrap_or_default()],
            );
        }
    }
}

#[test]
#[ignore = "needs docker-registry"]
fn credentials_are_read_from_dockers_configuration() {
    let home = Home::new();
    let folder = home.folder.path();
    let passwords = folder.join("htpasswd");
    fs::write(&passwords, OPEN_SESAME).expect("a file");
    let open = Registry::start(folder, "", "");
    let program = open.push_component("tool", "1", &factor());
    let auth = format!(
        "auth:\n  htpasswd:\n    realm: test\n    path: {}",
        passwords.display()
    );
    let registry = Registry::start(folder, "", &auth);
    let address = &registry.address;
    let reference = registry.at("tool:1");
    let exec = ["exec", &reference, "--", "12"];
    let login = format!("docker login {address}");

    let auths = |auth: &str| format!(r#"{{"auths":{{"{address}":{{"auth":"{auth}"}}}}}}"#);
    let assert_refused = |config: Option<&str>, words: &[&str]| {
        if let Some(config) = config {
            home.configure(config);
        }
        assert_fails(&home.run(&exec), 125, words);
    };
    assert_refused(None, &["expected credentials", &login]);
    assert_refused(Some("{}"), &["expected credentials", &login]);
    assert_refused(
        Some(r#"{"auths":{"example.com":{"auth":"YTpi"}}}"#),
        &["expected credentials"],
    );
    assert_refused(
        Some(&auths(WRONG)),
        &["refused the stored credentials", &login],
    );
    assert_refused(
        Some(&auths("!")),
        &["cannot use the credentials", "config.json"],
    );
    assert_refused(Some("auths"), &["config.json", "JSON"]);
    let helper = format!(r#"{{"credHelpers":{{"{address}":"of-the-test"}}}}"#);
    assert_refused(Some(&helper), &["cannot use the credentials", "helper"]);
    assert_kept(&home, vec![]);

    home.configure(&auths(RIGHT));
    assert_eq!(home.stdout_of(&exec), "12: 2 2 3\n");
    assert_kept(&home, vec![program, Digest::of(&factor())]);

    // The same from another path, and from a helper.
    let elsewhere = folder.join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::rename(
        folder.join(".docker/config.json"),
        elsewhere.join("config.json"),
    )
    .expect("moved");
    let outcome = run_command(home.cocoon(&exec).env("DOCKER_CONFIG", &elsewhere));
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));

    home.configure(&helper);
    let helped = |script: &str| {
        let program = folder.join("docker-credential-of-the-test");
        fs::write(&program, format!("#!/bin/sh\nread -r server\n{script}\n")).expect("a file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut paths = vec![folder.to_owned()];
        paths.extend(std::env::split_paths(&path));
        let path = std::env::join_paths(paths).expect("a path");
        run_command(home.cocoon(&exec).env("PATH", path))
    };
    let Outcome { out, err, code } = helped(&format!(
        r#"[ "$server" = "{address}" ] && echo '{{"ServerURL":"x","Username":"ali","Secret":"open sesame"}}'"#
    ));
    assert_eq!(
        (code, err.as_str(), out.as_str()),
        (Some(0), "", "12: 2 2 3\n")
    );
    let unknown = helped("echo 'credentials not found in native keychain'; exit 1");
    assert_fails(&unknown, 125, &["expected credentials"]);
    let broken = helped("echo 'the vault is locked'; exit 1");
    assert_fails(
        &broken,
        125,
        &["docker-credential-of-the-test", "the vault is locked"],
    );
    // A token that the registry does not exchange for an access token.
    let token = helped(r#"echo '{"ServerURL":"x","Username":"<token>","Secret":"t"}'"#);
    assert_fails(&token, 125, &["cannot use the credentials", "password"]);
}

/// Creates an authority and a certificate of it for 0.0.0.0, an address that reaches this
/// machine and counts as a remote one.
fn certify(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let made = run_command(OPENSSL.command().current_dir(folder).args(arguments));
        assert_eq!(made.code, Some(0), "{}", made.err);
    };
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ];
    let authority = [
        "req",
        "-x509",
        "-subj",
        "/CN=authority",
        "-keyout",
        "authority.key",
        "-out",
        "authority.pem",
    ];
    openssl(&[&authority[..], &key].concat());
    let registry = [
        "req",
        "-x509",
        "-subj",
        "/CN=registry",
        "-addext",
        "subjectAltName=IP:0.0.0.0",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-CA",
        "authority.pem",
        "-CAkey",
        "authority.key",
        "-keyout",
        "registry.key",
        "-out",
        "registry.pem",
    ];
    openssl(&[&registry[..], &key].concat());
}

#[test]
#[ignore = "needs docker-registry and openssl"]
fn remote_registries_use_tls_by_default() {
    let home = Home::new();
    let folder = home.folder.path();
    certify(folder);
    let open = Registry::start(folder, "", "");
    let program = open.push_component("tool", "1", &factor());
    let tls = format!(
        "  tls:\n    certificate: {0}/registry.pem\n    key: {0}/registry.key",
        folder.display()
    );
    let registry = Registry::start(folder, &tls, "");

    let elsewhere = |registry: &Registry| registry.at("tool:1").replace("127.0.0.1", "0.0.0.0");
    let exec = ["exec", &elsewhere(&registry), "--", "12"];
    let trusting = |authority: &str| {
        run_command(
            home.cocoon(&exec)
                .env("SSL_CERT_FILE", folder.join(authority)),
        )
    };
    assert_fails(
        &home.run(&exec),
        125,
        &["cannot reach", "certificate", "SSL_CERT_FILE"],
    );
    assert_fails(
        &trusting("none.pem"),
        125,
        &["CA certificates", "SSL_CERT_FILE"],
    );
    assert_kept(&home, vec![]);
    let Outcome { out, err, code } = trusting("authority.pem");
    assert_eq!(
        (code, err.as_str(), out.as_str()),
        (Some(0), "", "12: 2 2 3\n")
    );
    assert_kept(&home, vec![program, Digest::of(&factor())]);

    // A registry without TLS.
    let home = Home::new();
    let plain = elsewhere(&open);
    assert_fails(
        &home.run(&["exec", &plain]),
        125,
        &["cannot reach", &open.address[9..], "--plain-http"],
    );
    assert_kept(&home, vec![]);
    let allowed = ["exec", &plain, "--plain-http", "--", "12"];
    assert_eq!(home.stdout_of(&allowed), "12: 2 2 3\n");
    // The error of a plain-text request to a TLS port contains the response.
    let outcome = home.run(&["exec", &elsewhere(&registry), "--plain-http"]);
    assert_one_line(&outcome.err, &["400 Bad Request"]);
}
