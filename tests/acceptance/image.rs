//! The image, run by the Docker engine: `docker run`.
//!
//! Its output, its user, its service, its end, its failures, and its contents.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cocoon::limits::Limit;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::TEN;
use crate::blocking_service::{parts_of, status_of};
use crate::container::{
    Container, LOCKED, docker_stdout, fetch, image, images, inspect, run, send_request,
};
use crate::harness::{Outcome, assert_fails, sha256, stdout_of};

/// The maximum size of the image with the compiler.
const IMAGE_BYTES_MAX: u64 = 25_000_000;
/// The maximum size of the image without the compiler.
const LEAN_BYTES_MAX: u64 = 15_000_000;
/// The port that the image exposes.
const PORT: u16 = 8080;

/// Options that restrict the containers with a service.
pub(super) const READ_ONLY: [&str; 5] = [
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
];

/// The output of a container. Asserts that it succeeded with an empty standard error.
fn expect_success(outcome: Outcome) -> String {
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    outcome.out
}

// --- one shot -----------------------------------------------------------------

#[test]
#[ignore = "needs Docker and the images"]
fn the_image_without_arguments_prints_ten_factorials() {
    for image in images() {
        assert_eq!(expect_success(run(image, &[], &[])), TEN, "{image}");
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_image_runs_restricted_and_as_any_user() {
    for image in images() {
        assert_eq!(expect_success(run(image, &LOCKED, &[])), TEN, "{image}");
        for user in ["0", "12345", "1000670000:0"] {
            let options = [&LOCKED[..], &["--user", user]].concat();
            assert_eq!(
                expect_success(run(image, &options, &[])),
                TEN,
                "{image} {user}"
            );
        }
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn every_command_has_the_same_output_as_on_the_host() {
    for image in images() {
        for arguments in [&["kinds", "10"][..], &["info", "1000"], &["--version"]] {
            let out = expect_success(run(image, &LOCKED, arguments));
            assert_eq!(out, stdout_of(arguments), "{image} {arguments:?}");
        }
        let digits = expect_success(run(image, &LOCKED, &["compute", "20000"]));
        assert_eq!(sha256(&digits), super::SHA256_OF_20000, "{image}");
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn exit_codes_are_passed_on() {
    for image in images() {
        assert_fails(&run(image, &LOCKED, &["compute", "ten"]), 2, &["ten"]);
        let beyond = run(image, &LOCKED, &["compute", "18446744073709551615"]);
        assert_fails(&beyond, 1, &["expected a number that fits", "4 GiB"]);
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_image_with_the_compiler_runs_any_component() {
    let image = image();
    let own = run(
        image,
        &LOCKED,
        &["run", "10", "--component", "/factorial.wasm"],
    );
    assert_eq!(expect_success(own), TEN);
    let mount = format!("{}:/factor.wasm:ro", cocoon_test_guests::FOREIGN_FACTOR);
    let options = [&LOCKED[..], &["--volume", &mount]].concat();
    let factors = run(image, &options, &["exec", "/factor.wasm", "--", "12"]);
    assert_eq!((factors.code, &*factors.out), (Some(0), "12: 2 2 3\n"));
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_image_without_the_compiler_reports_that_in_one_line() {
    let [_, lean] = images();
    let mount = format!("{}:/factor.wasm:ro", cocoon_test_guests::FOREIGN_FACTOR);
    let options = [&LOCKED[..], &["--volume", &mount]].concat();
    for (code, arguments) in [
        (125, &["exec", "/factor.wasm", "--", "12"][..]),
        (1, &["call", "/factor.wasm", "run()"]),
        (1, &["compile", "/factor.wasm", "--code-cache", "/tmp"]),
        (1, &["run", "--component", "/factor.wasm"]),
    ] {
        assert_fails(&run(lean, &options, arguments), code, &["no compiler"]);
    }
    let inspection = expect_success(run(lean, &options, &["inspect", "/factor.wasm"]));
    assert!(inspection.contains("command, component"), "{inspection}");
}

// --- the service --------------------------------------------------------------

#[test]
#[ignore = "needs Docker and the images"]
fn the_service_answers_on_a_published_port() {
    for image in images() {
        let it = Container::serve(image, &["--publish", "127.0.0.1::8080"], &["serve"]);
        let published = docker_stdout(&["port", &it.id, "8080/tcp"]);
        let answer = fetch(&published, "/factorial/20").expect("an answer");
        assert_eq!(parts_of(&answer).1, "2432902008176640000", "{image}");
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_health_check_reports_healthy() {
    for image in images() {
        let it = Container::serve(image, &["--health-interval", "1s"], &["serve"]);
        assert_eq!(it.health(), "healthy", "{image}");
        let health = docker_stdout(&["exec", &it.id, "/cocoon", "health"]);
        assert_eq!(health, "http://127.0.0.1:8080/healthz is healthy: 200 OK");
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_health_check_reports_unhealthy_without_an_answer() {
    let image = image();
    let options = ["--health-interval", "1s", "--health-retries", "1"];
    // The service listens on another address than the one that the image probes.
    let arguments = ["serve", "--listen", "127.0.0.1:8081"];
    let options = [&options[..], &["--health-start-period", "0s"]].concat();
    let it = Container::serve(image, &options, &arguments);
    assert_eq!(it.health(), "unhealthy");
}

#[test]
#[ignore = "needs Docker and the images"]
fn docker_stop_drains_the_service() {
    let image = image();
    let it = Container::serve(image, &READ_ONLY, &["serve"]);
    let address = it.address(PORT);
    let long = stdout_of(["compute", "200000"]);
    let short = stdout_of(["compute", "3000"]);
    let stopping = AtomicBool::new(false);
    let send = |path: &str, value: &str| -> std::io::Result<()> {
        let answer = fetch(&address, path)?;
        if answer.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        assert_eq!(status_of(&answer), "200", "{answer:.200}");
        assert!(parts_of(&answer).1 == value.trim_end(), "{path} was cut");
        Ok(())
    };
    let grace_s = 60;
    std::thread::scope(|scope| {
        // Requests that are under way when the container is stopped are answered.
        let mut begun: Vec<_> = (0..8)
            .map(|_| send_request(&address, "/factorial/200000").expect("a connection"))
            .collect();
        // So are all others until the listener is closed.
        let load: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut answered = 0;
                    loop {
                        let was_stopping = stopping.load(Ordering::SeqCst);
                        match send("/factorial/3000", &short) {
                            Ok(()) => answered += 1,
                            Err(error) => {
                                assert!(was_stopping || stopping.load(Ordering::SeqCst), "{error}");
                                return answered;
                            }
                        }
                    }
                })
            })
            .collect();
        send("/factorial/3000", &short).expect("an answer under load");
        stopping.store(true, Ordering::SeqCst);
        let began = Instant::now();
        let stopped = scope.spawn(|| it.stop(grace_s));
        for stream in &mut begun {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            assert_eq!(status_of(&answer), "200", "{answer:.200}");
            assert!(parts_of(&answer).1 == long.trim_end(), "an answer was cut");
        }
        assert_eq!(stopped.join().expect("no panic"), 0, "{}", it.logs());
        assert!(began.elapsed() < Duration::from_secs(grace_s.into()));
        let answered: u32 = load
            .into_iter()
            .map(|asking| asking.join().expect("no panic"))
            .sum();
        assert!(answered > 0, "there was no load");
    });
}

#[test]
#[ignore = "needs Docker and the images"]
fn docker_stop_ends_a_computation_at_once() {
    let image = image();
    let it = Container::start(image, &[], &["compute", "10000000"]);
    it.wait_for_handler(Signal::TERM);
    let began = Instant::now();
    assert_eq!(it.stop(60), 130, "{}", it.logs());
    assert!(began.elapsed() < Duration::from_secs(30), "it was killed");
}

// --- limits of the machine ----------------------------------------------------

#[test]
#[ignore = "needs Docker and the images"]
fn little_memory_refuses_requests_without_an_oom_kill() {
    for image in images() {
        let few = ["--memory", "64m", "--memory-swap", "64m"];
        let it = Container::serve(image, &few, &["serve"]);
        let address = it.address(PORT);
        // Requests that fit are answered, several at once and repeatedly.
        for _ in 0..3 {
            let mut streams: Vec<_> = ["/factorial/200000", "/factorials/2000", "/factorial/3000"]
                .into_iter()
                .cycle()
                .take(12)
                .map(|path| send_request(&address, path).expect("a connection"))
                .collect();
            for stream in &mut streams {
                let mut answer = String::new();
                stream.read_to_string(&mut answer).expect("an answer");
                assert_eq!(status_of(&answer), "200", "{image}: {answer:.300}");
            }
        }
        let refused = fetch(&address, "/factorial/5000000").expect("an answer");
        let (head, body) = parts_of(&refused);
        assert_eq!(status_of(&refused), "422", "{head}");
        let problem: Value = serde_json::from_str(body).expect("JSON");
        let detail = problem["detail"].as_str().expect("a text");
        for part in [Limit::TotalMemory.spec().name, "--total-memory"] {
            assert!(detail.contains(part), "{detail}");
        }
        let state = &inspect(&it.id)["State"];
        assert_eq!(
            (&state["Running"], &state["OOMKilled"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(it.stop(60), 0, "{}", it.logs());
        let refused = run(image, &few, &["compute", "5000000"]);
        assert_fails(
            &refused,
            1,
            &[Limit::TotalMemory.spec().name, "--total-memory"],
        );
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_processor_quota_sets_the_number_of_threads() {
    let image = image();
    let threads = |cpus: &str| {
        let it = Container::serve(image, &["--cpus", cpus], &["serve"]);
        fetch(&it.address(PORT), "/factorial/20").expect("an answer");
        it.threads().len()
    };
    let here = std::thread::available_parallelism().map_or(1, NonZero::get);
    // A worker and a connection thread for each processor, and a constant number of others.
    let one = threads("1");
    assert_eq!(threads("0.5"), one);
    assert_eq!(threads(&here.to_string()), one + 2 * (here - 1));
}

#[test]
#[ignore = "needs Docker and the images"]
fn too_little_memory_to_start_is_reported_in_one_line() {
    for image in images() {
        let outcome = run(image, &["--memory", "6m", "--memory-swap", "6m"], &[]);
        assert_fails(&outcome, 1, &["memory", "expected room for one sandbox"]);
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn compilation_needs_enough_memory_and_is_refused_otherwise() {
    let image = image();
    let arguments = ["run", "1", "--component", "/factorial.wasm"];
    let enough = ["--memory", "64m", "--memory-swap", "64m"];
    let compiled = run(image, &enough, &arguments);
    assert_eq!((compiled.code, &*compiled.out), (Some(0), "1! = 1\n"));
    let few = ["--memory", "32m", "--memory-swap", "32m"];
    let refused = run(image, &few, &arguments);
    assert_fails(&refused, 1, &["to compile the component", "32 MiB"]);
}

#[test]
#[ignore = "needs Docker and the images"]
fn too_few_threads_are_reported_in_one_line() {
    for image in images() {
        let outcome = run(image, &["--pids-limit", "4"], &[]);
        assert_fails(&outcome, 1, &["threads, got 4", "--pids-limit"]);
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn a_port_in_use_is_reported_in_one_line() {
    let image = image();
    let it = Container::serve(image, &[], &["serve"]);
    let network = format!("container:{}", it.id);
    let second = run(image, &["--network", &network], &["serve"]);
    assert_fails(&second, 1, &["cannot listen on 0.0.0.0:8080", "in use"]);
}

// --- contents ------------------------------------------------------------------

#[test]
#[ignore = "needs Docker and the images"]
fn the_image_has_secure_settings() {
    for image in images() {
        let details = inspect(image);
        let config = &details["Config"];
        assert_eq!(config["User"], "65532:65532");
        assert_eq!(config["Entrypoint"], json!(["/cocoon"]));
        assert_eq!(config["Cmd"], json!(["run", "10"]));
        assert_eq!(config["ExposedPorts"], json!({ "8080/tcp": {} }));
        assert_eq!(config["StopSignal"], "SIGTERM");
        let check = &config["Healthcheck"]["Test"];
        assert_eq!(check, &json!(["CMD", "/cocoon", "health"]));
        let labels = &config["Labels"];
        let label = |name: &str| &labels[format!("org.opencontainers.image.{name}")];
        assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(label("title"), "cocoon");
        assert_eq!(label("licenses"), "MIT OR Apache-2.0");
        for name in ["description", "revision"] {
            assert!(label(name).as_str().is_some_and(|text| !text.is_empty()));
        }
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_layers_contain_only_the_program_and_its_component() {
    let [image, lean] = images();
    for (image, wanted) in [
        (
            image,
            &[
                "cocoon",
                "factorial.wasm",
                "etc/ssl/certs/ca-certificates.crt",
            ][..],
        ),
        (lean, &["cocoon"]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let saved = folder.path().join("saved.tar");
        docker_stdout(&["save", "--output", saved.to_str().expect("text"), image]);
        unpack(&saved, folder.path());
        let manifest = std::fs::read(folder.path().join("manifest.json")).expect("a file");
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        let mut files = BTreeSet::new();
        for layer in manifest[0]["Layers"].as_array().expect("layers") {
            let layer = folder.path().join(layer.as_str().expect("a name"));
            let listed = Command::new("tar").arg("-tf").arg(layer).output();
            let listed = listed.expect("a list").stdout;
            let listed = String::from_utf8(listed).expect("text");
            let listed = listed.lines().filter(|name| !name.ends_with('/'));
            files.extend(listed.map(str::to_owned));
        }
        let wanted: BTreeSet<_> = wanted.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(files, wanted, "{image}");
        // The history contains no build arguments.
        let history =
            docker_stdout(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", image]);
        for word in ["TOKEN", "PASSWORD", "SECRET", "PROXY", "CARGO"] {
            assert!(!history.to_uppercase().contains(word), "{history}");
        }
    }
}

fn unpack(archive: &Path, folder: &Path) {
    let unpacked = Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(folder)
        .status();
    assert!(unpacked.expect("tar").success());
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_component_in_the_image_equals_the_local_build() {
    let image = image();
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("factorial.wasm");
    let container = docker_stdout(&["create", image]);
    let file = format!("{container}:/factorial.wasm");
    docker_stdout(&["cp", &file, copy.to_str().expect("text")]);
    docker_stdout(&["rm", &container]);
    let [theirs, ours] = [copy.as_path(), Path::new(cocoon_test_guests::BUNDLED)]
        .map(|file| std::fs::read(file).expect("a component"));
    assert!(
        theirs == ours,
        "the component depends on where it is built, or {image} is of another commit"
    );
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_image_is_small() {
    let [image, lean] = images();
    for (image, most) in [(image, IMAGE_BYTES_MAX), (lean, LEAN_BYTES_MAX)] {
        let bytes = inspect(image)["Size"].as_u64().expect("a size");
        assert!(
            bytes <= most,
            "{image} has {bytes} bytes, and at most {most}"
        );
    }
}
