//! The manifests against the program: its version, its settings, its port, its limits, and its
//! time to drain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cocoon::limits::{Limit, Limits, PLACE_BYTES, TELEMETRY_FLUSH};
use cocoon::machine::Machine;
use serde_json::{Value, json};

use crate::blocking_service::{Service, status_of};
use crate::harness::{Outcome, cocoon, json_lines, run_command, stdout_of};
use crate::manifests::{BUILDS, build, build_with, deploy, document, of_kind};

/// The image as the manifests name it.
pub(crate) const IMAGE: &str = concat!("localhost/cocoon:", env!("CARGO_PKG_VERSION"));

/// Arguments and variables with which a manifest runs the program.
pub(crate) struct Setting {
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Setting {
    /// Reads the one container of the manifest of a kind. Variables with a value override those
    /// of a `ConfigMap`; the kubelet sets the others.
    fn of(manifests: &[Value], kind: &str) -> Self {
        let container = container(of_kind(manifests, kind));
        let mut variables = BTreeMap::new();
        for source in container["envFrom"].as_array().into_iter().flatten() {
            let map = of_kind(manifests, "ConfigMap");
            assert_eq!(source["configMapRef"]["name"], map["metadata"]["name"]);
            let data = map["data"].as_object().expect("variables").iter();
            variables.extend(data.map(|(name, value)| (name.clone(), text(value))));
        }
        let own = container["env"].as_array().expect("variables").iter();
        let own = own.filter(|entry| entry["value"].is_string());
        variables.extend(own.map(|entry| (text(&entry["name"]), text(&entry["value"]))));
        Self {
            arguments: texts(&container["args"]),
            variables,
        }
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        self.variables.iter()
    }

    /// The program with the arguments and variables of the manifest.
    pub(crate) fn command(&self) -> Command {
        let mut command = cocoon(&self.arguments);
        command.envs(self.variables());
        command
    }

    /// The effective settings by key, from `cocoon config`.
    pub(crate) fn effective(&self) -> BTreeMap<String, Value> {
        let arguments = ["config".to_owned()].into_iter();
        let arguments = arguments.chain(self.arguments.iter().cloned());
        let mut command = cocoon(arguments.chain(["--json".to_owned()]));
        let Outcome { out, err, code } = run_command(command.envs(self.variables()));
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let rows = json_lines(&out).into_iter();
        rows.map(|row| (text(&row["key"]), row["value"].clone()))
            .collect()
    }

    /// Asserts that the program reads each of our variables.
    pub(crate) fn assert_known(&self) {
        let help = stdout_of([self.arguments[0].as_str(), "--help"]);
        // The help is wrapped to the width of the terminal.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for name in self.variables.keys() {
            let known = help.contains(&format!("[env: {name}]"));
            assert!(known || name.starts_with("OTEL_"), "{name} is none of ours");
        }
    }
}

/// The one container of a manifest with a template.
pub(crate) fn container(manifest: &Value) -> &Value {
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

/// Parses a duration such as `30s` to milliseconds.
pub(crate) fn ms(value: &Value) -> u64 {
    Limit::DrainDelay.parse(&text(value)).expect("a time")
}

/// Parses an amount of memory in the notation of Kubernetes.
fn bytes(value: &Value) -> u64 {
    let size = format!("{}B", text(value));
    Limit::TotalMemory.parse(&size).expect("a size")
}

/// A machine with this much memory, and typical values otherwise.
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
fn every_kustomization_lists_all_files_of_its_folder() {
    let mut folders = Vec::new();
    kustomizations(&deploy(""), &mut folders);
    assert!(folders.len() > BUILDS.len(), "{folders:?}");
    for folder in folders {
        let kustomization = document(&folder.join("kustomization.yaml"));
        let resources = kustomization["resources"].as_array();
        let patches = kustomization["patches"].as_array();
        let listed = resources.into_iter().flatten();
        let listed = listed.chain(patches.into_iter().flatten().map(|patch| &patch["path"]));
        let generators = kustomization["configMapGenerator"].as_array();
        let files = generators.into_iter().flatten();
        let files = files.filter_map(|generator| generator["files"].as_array());
        let listed = listed.chain(files.flatten());
        let listed: Vec<_> = listed.filter_map(Value::as_str).collect();
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let name = entry.expect("an entry").file_name();
            let name = name.to_str().expect("UTF-8");
            let known = name == "kustomization.yaml" || listed.contains(&name);
            assert!(known, "{} does not list {name}", folder.display());
        }
        let root = deploy("").canonicalize().expect("a folder");
        let folder = folder.canonicalize().expect("a folder");
        let name = folder.strip_prefix(&root).expect("below it");
        let applied = BUILDS.iter().any(|build| name == Path::new(build));
        assert_eq!(
            applied,
            kustomization["kind"] == "Kustomization",
            "{}",
            name.display()
        );
    }
}

#[test]
fn paths_on_the_pages_exist() {
    let root = deploy("..");
    let page = |name: &str| std::fs::read_to_string(root.join(name)).expect("a page");
    let pages = ["README.md", "docs/deploy.md", "docs/observability.md"];
    let text = pages.map(page).concat();
    assert!(text.contains(IMAGE), "{IMAGE} is to be built");
    let of_path = |letter: char| letter.is_ascii_alphanumeric() || "/.-_".contains(letter);
    let named = text.match_indices("deploy/").map(|(at, _)| {
        let rest = &text[at..];
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
#[ignore = "needs kustomize"]
fn the_program_accepts_the_settings_of_the_deployment() {
    for folder in ["base", "overlays/token"] {
        let manifests = build(folder);
        let deployment = of_kind(&manifests, "Deployment");
        let container = container(deployment);
        assert_eq!(container["image"], IMAGE);
        let setting = Setting::of(&manifests, "Deployment");
        setting.assert_known();
        let effective = setting.effective();
        let port = |index: usize| &container["ports"][index]["containerPort"];
        assert_eq!(effective["listen"], format!("0.0.0.0:{}", port(0)));
        assert_eq!(effective["admin-listen"], format!("0.0.0.0:{}", port(1)));
        let service = of_kind(&manifests, "Service");
        assert_eq!(&service["spec"]["ports"][0]["port"], port(0));
        let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations["prometheus.io/port"], port(1).to_string());
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
#[ignore = "needs kustomize"]
fn the_service_answers_on_the_ports_and_paths_of_the_manifests() {
    let manifests = build("base");
    let deployment = of_kind(&manifests, "Deployment");
    let mut command = Setting::of(&manifests, "Deployment").command();
    // At an address whose port the test knows.
    command
        .env_remove("COCOON_ADMIN_LISTEN")
        .env("COCOON_DRAIN_DELAY", "0s")
        .env("COCOON_LOG", "cocoon::http=debug");
    let service = Service::start(&mut command);
    let container = container(deployment);
    for path in [
        &container["livenessProbe"]["httpGet"]["path"],
        &container["readinessProbe"]["httpGet"]["path"],
        &deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"],
    ] {
        let answer = service.get(&text(path), &[]);
        assert_eq!(status_of(&answer), "200", "{path}: {answer}");
    }
    let log = json_lines(&service.end());
    assert!(log.len() >= 3, "a line of JSON for each request: {log:?}");
}

#[test]
#[ignore = "needs kustomize"]
fn the_grace_period_covers_draining() {
    let manifests = build("overlays/openshift");
    let deployment = of_kind(&manifests, "Deployment");
    let effective = Setting::of(&manifests, "Deployment").effective();
    let grace = &deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"];
    let grace_ms = grace.as_u64().expect("a number") * 1000;
    let end_ms = ms(&effective["drain-delay"]) + ms(&effective["drain-timeout"]);
    assert!(
        Duration::from_millis(grace_ms) > Duration::from_millis(end_ms) + TELEMETRY_FLUSH,
        "{grace_ms} {end_ms}"
    );
    // The drain and the route both outlast the deadline of the last request.
    let deadline_ms = ms(&effective["deadline"]);
    assert!(ms(&effective["drain-timeout"]) > deadline_ms);
    let annotations = &of_kind(&manifests, "Route")["metadata"]["annotations"];
    let route_ms = ms(&annotations["haproxy.router.openshift.io/timeout"]);
    assert!(route_ms > deadline_ms, "{route_ms} {deadline_ms}");
}

#[test]
#[ignore = "needs kustomize"]
fn the_memory_limit_is_the_minimum_for_the_defaults() {
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
#[ignore = "needs kustomize"]
fn processor_limits_are_whole_numbers() {
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
#[ignore = "needs kustomize"]
fn the_job_has_the_output_of_the_program() {
    let manifests = build("job");
    let job = of_kind(&manifests, "Job");
    assert_eq!(container(job)["image"], IMAGE);
    let setting = Setting::of(&manifests, "Job");
    setting.assert_known();
    let Outcome { out, err, code } = run_command(&mut setting.command());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, stdout_of(["run", "10"]));
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
#[ignore = "needs kustomize"]
fn the_job_does_not_retry_failures_of_the_program() {
    let manifests = build("job");
    let rules = &of_kind(&manifests, "Job")["spec"]["podFailurePolicy"]["rules"];
    let codes = rules[1]["onExitCodes"]["values"].as_array().expect("codes");
    for (arguments, code) in [
        (&["compute", "20000", "--output", "1KiB"][..], 1),
        (&["compute", "ten"], 2),
    ] {
        let outcome = run_command(&mut cocoon(arguments));
        assert_eq!(outcome.code, Some(code), "{}", outcome.err);
        assert!(codes.contains(&json!(code)), "{codes:?}");
    }
}

#[test]
#[ignore = "needs kustomize"]
fn the_job_retries_after_an_eviction() {
    let manifests = build("job");
    let rules = &of_kind(&manifests, "Job")["spec"]["podFailurePolicy"]["rules"];
    // Kubernetes applies the first rule that matches.
    let condition = json!([{ "type": "DisruptionTarget", "status": "True" }]);
    assert_eq!(rules[0]["action"], "Ignore");
    assert_eq!(rules[0]["onPodConditions"], condition);
}

#[test]
#[ignore = "needs kustomize"]
fn two_pods_and_a_rollout_fit_on_a_node_of_two_processors() {
    let manifests = build("base");
    let deployment = of_kind(&manifests, "Deployment");
    let request = text(&container(deployment)["resources"]["requests"]["cpu"]);
    let milli: u64 = request
        .strip_suffix('m')
        .expect("m")
        .parse()
        .expect("a number");
    let scaler = &of_kind(&manifests, "HorizontalPodAutoscaler")["spec"];
    let least = scaler["minReplicas"].as_u64().expect("a number");
    let surge = &deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"];
    let pods = least + surge.as_u64().expect("a number");
    // 950 millicores are the requests of a kubeadm cluster's own pods on such a node.
    assert!(milli * pods + 950 <= 2000, "{milli}m for each of {pods}");
    // A target above the limit would never be reached.
    let target = text(&scaler["metrics"][0]["resource"]["target"]["averageValue"]);
    let target: u64 = target
        .strip_suffix('m')
        .expect("m")
        .parse()
        .expect("a number");
    assert!(milli < target && target < 2000, "{target}m");
}

#[test]
#[ignore = "needs kustomize"]
fn a_change_of_variables_rolls_out_and_pods_are_labelled() {
    for folder in BUILDS {
        let manifests = build(folder);
        let version = env!("CARGO_PKG_VERSION");
        let named = manifests
            .iter()
            .filter(|manifest| manifest["spec"]["template"].is_object());
        for manifest in named {
            for labels in [
                &manifest["metadata"],
                &manifest["spec"]["template"]["metadata"],
            ] {
                let labels = &labels["labels"];
                assert_eq!(labels["app.kubernetes.io/instance"], "cocoon", "{folder}");
                assert_eq!(labels["app.kubernetes.io/part-of"], "cocoon", "{folder}");
                assert_eq!(labels["app.kubernetes.io/version"], version, "{folder}");
            }
            // A selector is immutable, so it contains no version.
            let selector = &manifest["spec"]["selector"]["matchLabels"];
            assert_eq!(selector["app.kubernetes.io/version"], Value::Null);
        }
    }
    let name = |folder| text(&of_kind(&build(folder), "ConfigMap")["metadata"]["name"]);
    assert_ne!(name("base"), name("overlays/example"));
    assert!(name("base").starts_with("cocoon-"));
}

#[test]
#[ignore = "needs kustomize"]
fn openshift_assigns_the_users_that_base_names() {
    for (plain, openshift) in [
        ("base", "overlays/openshift"),
        ("job", "overlays/openshift-job"),
    ] {
        let kind = if plain == "job" { "Job" } else { "Deployment" };
        for (folder, id) in [(plain, json!(65532)), (openshift, Value::Null)] {
            let manifests = build(folder);
            let pod = &of_kind(&manifests, kind)["spec"]["template"]["spec"];
            assert_eq!(pod["securityContext"]["runAsUser"], id, "{folder}");
            assert_eq!(pod["securityContext"]["runAsGroup"], id, "{folder}");
        }
    }
}

#[test]
#[ignore = "needs kustomize"]
fn spans_carry_the_attributes_of_their_pod() {
    let manifests = build("base");
    let container = container(of_kind(&manifests, "Deployment"));
    let variables = container["env"].as_array().expect("variables");
    let attributes = variables
        .iter()
        .find(|entry| entry["name"] == "OTEL_RESOURCE_ATTRIBUTES");
    let attributes = text(&attributes.expect("attributes")["value"]);
    for name in [
        "k8s.namespace.name",
        "k8s.node.name",
        "k8s.pod.name",
        "k8s.pod.uid",
        "service.instance.id",
    ] {
        let variable = attributes.split(',').find_map(|attribute| {
            let (key, value) = attribute.split_once('=')?;
            (key == name).then(|| value.trim_start_matches("$(").trim_end_matches(')'))
        });
        let variable = variable.unwrap_or_else(|| panic!("{name} in {attributes}"));
        let at = |name: &str| variables.iter().position(|entry| entry["name"] == name);
        // The kubelet expands only variables that are defined earlier.
        assert!(at(variable) < at("OTEL_RESOURCE_ATTRIBUTES"), "{variable}");
        let source = &variables[at(variable).expect("a variable")]["valueFrom"];
        assert!(source["fieldRef"]["fieldPath"].is_string(), "{source}");
    }
}

#[test]
#[ignore = "needs kustomize"]
fn the_monitor_has_the_token_of_the_service() {
    let monitor = |manifests: &[Value]| {
        of_kind(manifests, "PodMonitor")["spec"]["podMetricsEndpoints"][0].clone()
    };
    assert_eq!(
        monitor(&build_with("monitoring"))["authorization"],
        Value::Null
    );
    let credentials = json!({ "name": "cocoon-token", "key": "token" });
    let endpoint = monitor(&build("overlays/example"));
    assert_eq!(endpoint["authorization"]["credentials"], credentials);
}

#[test]
#[ignore = "needs kustomize"]
fn keda_replaces_the_autoscaler() {
    let manifests = build_with("keda");
    let scaler = of_kind(&manifests, "ScaledObject");
    let scalers = manifests
        .iter()
        .filter(|manifest| manifest["kind"] == "HorizontalPodAutoscaler");
    assert_eq!(scalers.count(), 0);
    let base = build("base");
    let base = &of_kind(&base, "HorizontalPodAutoscaler")["spec"];
    assert_eq!(scaler["spec"]["minReplicaCount"], base["minReplicas"]);
    assert_eq!(scaler["spec"]["maxReplicaCount"], base["maxReplicas"]);
    let triggers = scaler["spec"]["triggers"].as_array().expect("triggers");
    let queries = triggers
        .iter()
        .filter_map(|trigger| trigger["metadata"]["query"].as_str());
    assert_eq!(queries.collect::<Vec<_>>(), ["sum(cocoon_queue_length)"]);
}

#[test]
#[ignore = "needs kustomize"]
fn the_network_policy_allows_spans_to_the_collector() {
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
