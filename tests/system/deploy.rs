//! What the manifests say of the program, held against the program: its version,
//! its settings, its port, its limits, and how long it takes to end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use cocoon::limits::{Limit, Limits, PLACE_BYTES, TELEMETRY_FLUSH_MS};
use cocoon::machine::Machine;
use serde_json::{Value, json};

use crate::harness::{Ended, cocoon, ended, json_lines, printed};
use crate::kustomize::{BUILDS, build, deploy, document, files_and_listed, of_kind};
use crate::serving::{Serving, status_of};
use crate::tools::KUSTOMIZE;

/// The image as the manifests name it.
pub(crate) const IMAGE: &str = concat!("localhost/cocoon:", env!("CARGO_PKG_VERSION"));

/// How a manifest runs the program.
pub(crate) struct Setting {
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Setting {
    /// That of the one container of a manifest.
    fn of(manifest: &Value) -> Self {
        let container = container(manifest);
        assert_eq!(container["image"], IMAGE);
        let variables = container["env"].as_array().expect("variables").iter();
        Self {
            arguments: texts(&container["args"]),
            variables: variables
                .map(|entry| (text(&entry["name"]), text(&entry["value"])))
                .collect(),
        }
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        self.variables.iter()
    }

    /// The program as the manifest starts it.
    pub(crate) fn command(&self) -> Command {
        let mut command = cocoon(&self.arguments);
        command.envs(self.variables());
        command
    }

    /// What the program makes of it: the value of each key.
    pub(crate) fn effective(&self) -> BTreeMap<String, Value> {
        let arguments = ["config".to_owned()].into_iter();
        let arguments = arguments.chain(self.arguments.iter().cloned());
        let mut command = cocoon(arguments.chain(["--json".to_owned()]));
        let Ended { out, err, code } = ended(command.envs(self.variables()));
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let rows = json_lines(&out).into_iter();
        rows.map(|row| (text(&row["key"]), row["value"].clone()))
            .collect()
    }

    /// Each variable of ours is one that the program reads.
    pub(crate) fn assert_known(&self) {
        let help = printed([self.arguments[0].as_str(), "--help"]);
        // Its lines are as wide as the terminal.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for name in self.variables.keys() {
            let known = help.contains(&format!("[env: {name}]"));
            assert!(known || name.starts_with("OTEL_"), "{name} is none of ours");
        }
    }
}

/// The one container of a manifest with a template.
fn container(manifest: &Value) -> &Value {
    let containers = &manifest["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().map(Vec::len), Some(1));
    &containers[0]
}

pub(crate) fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or_else(|| panic!("no text: {value}"));
    text.to_owned()
}

pub(crate) fn texts(value: &Value) -> Vec<String> {
    let list = value
        .as_array()
        .unwrap_or_else(|| panic!("no list: {value}"));
    list.iter().map(text).collect()
}

/// A time as people write it.
pub(crate) fn ms(value: &Value) -> u64 {
    Limit::DrainDelay.parse(&text(value)).expect("a time")
}

/// An amount of memory as Kubernetes writes it.
fn bytes(value: &Value) -> u64 {
    let size = format!("{}B", text(value));
    Limit::TotalMemory.parse(&size).expect("a size")
}

/// A machine with so much memory, and with all else that one usually has.
fn machine(memory_bytes: u64) -> Machine {
    Machine {
        memory_bytes,
        mappings_free: 65_530,
        address_space_bytes: 1 << 46,
        descriptors: 1 << 16,
    }
}

fn kustomizations(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            kustomizations(&path, found);
        } else if path.ends_with("kustomization.yaml") {
            found.push(folder.to_owned());
        }
    }
}

#[test]
fn every_file_beside_a_kustomization_is_listed_in_it() {
    let mut folders = Vec::new();
    kustomizations(&deploy(""), &mut folders);
    assert!(folders.len() > BUILDS.len(), "{folders:?}");
    for folder in folders {
        let (files, listed) = files_and_listed(&folder);
        assert_eq!(files, listed, "{}", folder.display());
    }
}

#[test]
#[ignore = "needs kustomize"]
fn kustomize_builds_the_same() {
    let named = |manifests: Vec<Value>| {
        let named = manifests.into_iter().map(|manifest| {
            let name = format!("{} {}", manifest["kind"], manifest["metadata"]["name"]);
            (name, manifest)
        });
        named.collect::<BTreeMap<_, _>>()
    };
    for folder in BUILDS {
        let mut kustomize = KUSTOMIZE.command();
        let Ended { out, err, code } = ended(kustomize.arg("build").arg(deploy(folder)));
        assert_eq!(code, Some(0), "{folder}: {err}");
        let theirs = serde_saphyr::from_multiple(&out);
        let theirs: Vec<Value> = theirs.expect("YAML");
        assert_eq!(named(theirs), named(build(folder)), "{folder}");
    }
}

#[test]
fn what_the_readme_names_of_it_exists() {
    let root = deploy("..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    assert!(readme.contains(IMAGE), "{IMAGE} is to be built");
    let of_path = |letter: char| letter.is_ascii_alphanumeric() || "/.-_".contains(letter);
    let named = readme.match_indices("deploy/").map(|(at, _)| {
        let rest = &readme[at..];
        let end = rest.find(|letter| !of_path(letter)).unwrap_or(rest.len());
        rest[..end].trim_end_matches('.')
    });
    let named: Vec<_> = named.collect();
    assert!(named.len() > BUILDS.len(), "{named:?}");
    for path in named {
        assert!(root.join(path).exists(), "{path} does not exist");
    }
}

#[test]
fn the_deployment_is_set_as_the_program_understands() {
    for folder in ["base", "overlays/token"] {
        let manifests = build(folder);
        let deployment = of_kind(&manifests, "Deployment");
        let setting = Setting::of(deployment);
        setting.assert_known();
        let effective = setting.effective();
        let port = &container(deployment)["ports"][0]["containerPort"];
        assert_eq!(effective["listen"], format!("0.0.0.0:{port}"));
        let service = of_kind(&manifests, "Service");
        assert_eq!(&service["spec"]["ports"][0]["port"], port);
        let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations["prometheus.io/port"], port.to_string());
        let token = folder == "overlays/token";
        let file = if token {
            json!("/run/secrets/cocoon/token")
        } else {
            Value::Null
        };
        assert_eq!(effective["token-file"], file);
    }
}

#[test]
fn the_service_answers_where_the_manifests_ask() {
    let manifests = build("base");
    let deployment = of_kind(&manifests, "Deployment");
    let mut command = Setting::of(deployment).command();
    command
        .env("COCOON_DRAIN_DELAY", "0s")
        .env("COCOON_LOG", "cocoon::http=debug");
    let service = Serving::start(&mut command);
    let container = container(deployment);
    for path in [
        &container["livenessProbe"]["httpGet"]["path"],
        &container["readinessProbe"]["httpGet"]["path"],
        &deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"],
    ] {
        let answer = service.ask(&text(path), &[]);
        assert_eq!(status_of(&answer), "200", "{path}: {answer}");
    }
    let log = json_lines(&service.end());
    assert!(log.len() >= 3, "a line of JSON for each request: {log:?}");
}

#[test]
fn there_is_time_to_end() {
    let manifests = build("overlays/openshift");
    let deployment = of_kind(&manifests, "Deployment");
    let effective = Setting::of(deployment).effective();
    let grace = &deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"];
    let grace_ms = grace.as_u64().expect("a number") * 1000;
    let end_ms = ms(&effective["drain-delay"]) + ms(&effective["drain-timeout"]);
    assert!(
        grace_ms > end_ms + TELEMETRY_FLUSH_MS,
        "{grace_ms} {end_ms}"
    );
    // Whoever asked last has its answer, by whichever way it asked.
    let deadline_ms = ms(&effective["deadline"]);
    assert!(ms(&effective["drain-timeout"]) > deadline_ms);
    let annotations = &of_kind(&manifests, "Route")["metadata"]["annotations"];
    let route_ms = ms(&annotations["haproxy.router.openshift.io/timeout"]);
    assert!(route_ms > deadline_ms, "{route_ms} {deadline_ms}");
}

#[test]
fn the_memory_limit_is_the_least_that_has_room_for_the_defaults() {
    let manifests = build("base");
    let limit_bytes =
        bytes(&container(of_kind(&manifests, "Deployment"))["resources"]["limits"]["memory"]);
    let limits = Limits::SERVE;
    let wanted = limits.get(Limit::Sandboxes);
    let roomy = |memory_bytes| {
        let machine = machine(memory_bytes);
        let rest = machine
            .total_memory_bytes(&limits)
            .saturating_sub(wanted * PLACE_BYTES);
        machine.sandboxes(&limits) == wanted && rest >= limits.get(Limit::SandboxMemory)
    };
    assert!(roomy(limit_bytes), "{limit_bytes}");
    assert!(!roomy(limit_bytes - (256 << 20)), "{limit_bytes}");
}

#[test]
fn the_processors_of_a_limit_are_whole() {
    for (folder, kind) in [("base", "Deployment"), ("job", "Job")] {
        let manifests = build(folder);
        let limits = &container(of_kind(&manifests, kind))["resources"]["limits"];
        let threads = text(&limits["cpu"]).parse::<u32>();
        assert!(
            threads.is_ok(),
            "{folder}: as many threads are started as there are processors"
        );
    }
}

#[test]
fn the_job_prints_what_the_program_prints() {
    let manifests = build("job");
    let job = of_kind(&manifests, "Job");
    let setting = Setting::of(job);
    setting.assert_known();
    let Ended { out, err, code } = ended(&mut setting.command());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, printed(["run", "10"]));
    let deadline_ms = ms(&setting.effective()["deadline"]);
    let seconds = job["spec"]["activeDeadlineSeconds"]
        .as_u64()
        .expect("a number");
    assert!(
        seconds * 1000 > deadline_ms,
        "{seconds} s, {deadline_ms} ms"
    );
}

#[test]
fn the_job_ends_for_good_where_the_program_fails_by_itself() {
    let manifests = build("job");
    let rules = &of_kind(&manifests, "Job")["spec"]["podFailurePolicy"]["rules"];
    let codes = rules[0]["onExitCodes"]["values"].as_array().expect("codes");
    for (arguments, code) in [
        (&["compute", "20000", "--output", "1KiB"][..], 1),
        (&["compute", "ten"], 2),
    ] {
        let ended = ended(&mut cocoon(arguments));
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        assert!(codes.contains(&json!(code)), "{codes:?}");
    }
}

#[test]
fn the_network_policy_lets_spans_out_where_the_collector_takes_them() {
    let collector = document(&deploy("otel-collector.yaml"));
    let protocols = &collector["receivers"]["otlp"]["protocols"];
    let port = |protocol: &str| {
        let endpoint = text(&protocols[protocol]["endpoint"]);
        let port = endpoint.rsplit(':').next().expect("a port");
        port.parse::<u64>().expect("a number")
    };
    let manifests = build("base");
    let egress = &of_kind(&manifests, "NetworkPolicy")["spec"]["egress"];
    let open = egress[1]["ports"].as_array().expect("ports").iter();
    let open: Vec<_> = open.map(|open| open["port"].as_u64()).collect();
    assert_eq!(open, [Some(port("grpc")), Some(port("http"))]);
}
