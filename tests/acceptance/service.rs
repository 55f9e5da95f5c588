//! The service as its manifests describe it: the image with the arguments, variables, ports and
//! probes that Kubernetes would use.

use std::path::Path;

use super::image::READ_ONLY;
use crate::blocking_service::{parts_of, status_of};
use crate::container::{Container, fetch, image};

/// Reads a file of the manifests' base.
fn manifest(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/base");
    std::fs::read_to_string(root.join(name)).expect("a manifest")
}

/// The value after the first `key:` of a manifest in our style: a mapping's key stands on its
/// own line, before its value.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let found = text.lines().find_map(|line| {
        let line = line.trim_start().trim_start_matches("- ");
        line.strip_prefix(key)?.strip_prefix(": ")
    });
    let found = found.unwrap_or_else(|| panic!("{key} in {text}"));
    found.split(" #").next().unwrap_or_default().trim()
}

/// Starts the Deployment's container with the settings of the manifest.
fn start_deployment() -> Container {
    let text = manifest("deployment.yaml");
    // After `env:`, each name is followed by its value.
    let (_, variables) = text.split_once(" env:\n").expect("variables");
    let mut options: Vec<String> = READ_ONLY.map(str::to_owned).into();
    let mut rest = variables;
    while let Some((_, from)) = rest.split_once("- name: COCOON_") {
        let (name, after) = from.split_once('\n').expect("a value");
        options.extend([
            "--env".to_owned(),
            format!("COCOON_{name}={}", value(after, "value")),
        ]);
        rest = after;
    }
    assert!(
        options.iter().any(|it| it.starts_with("COCOON_LISTEN=")),
        "{options:?}"
    );
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let arguments = value(&text, "args").trim_matches(['[', ']']);
    let arguments: Vec<_> = arguments.split(", ").collect();
    Container::serve(image(), &options, &arguments)
}

/// The path of a probe, and its port.
fn probe<'a>(text: &'a str, name: &str) -> (&'a str, u16) {
    let (_, probe) = text.split_once(name).expect("a probe");
    let (_, port) = text
        .split_once(&format!("- name: {}\n", value(probe, "port")))
        .expect("a port of this name");
    let port = value(port, "containerPort").parse().expect("a port");
    (value(probe, "path"), port)
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_container_answers_on_the_target_port_of_the_service() {
    let (service, deployment) = (manifest("service.yaml"), manifest("deployment.yaml"));
    // The Service's port refers to the container's port by name.
    let name = value(&service, "targetPort");
    assert_eq!(
        value(deployment.split_once(" ports:\n").expect("ports").1, "name"),
        name
    );
    let port = value(&deployment, "containerPort").parse().expect("a port");
    let it = start_deployment();
    let answer = fetch(&it.address(port), "/factorial/20").expect("an answer");
    assert_eq!(parts_of(&answer).1, "2432902008176640000");
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_probes_succeed() {
    let deployment = manifest("deployment.yaml");
    let it = start_deployment();
    for name in ["livenessProbe:", "readinessProbe:"] {
        let (path, port) = probe(&deployment, name);
        let answer = fetch(&it.address(port), path).expect("an answer");
        assert_eq!(status_of(&answer), "200", "{name}");
    }
}

#[test]
#[ignore = "needs Docker and the images"]
fn the_container_ends_within_its_grace_period() {
    let grace = manifest("deployment.yaml");
    let grace = value(&grace, "terminationGracePeriodSeconds").parse();
    let it = start_deployment();
    assert_eq!(it.stop(grace.expect("seconds")), 0, "{}", it.logs());
}
