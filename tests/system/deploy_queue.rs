//! The manifests of workers: their settings, their time to drain, their scaling and their Redis;
//! and the Indexed Job, which needs no Redis.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use cocoon::limits::TELEMETRY_FLUSH;
use serde_json::{Value, json};

use crate::deploy::{IMAGE, Setting, container, ms, text, texts};
use crate::harness::{Outcome, cocoon, run_command, stdout_of};
use crate::manifests::{build, deploy, document, of_kind};

const TRIAL: &str = "overlays/queue-trial";
/// The time that Redis has for its last answers.
const ANSWER: Duration = Duration::from_secs(10);

/// The arguments and variables of a container.
fn setting(container: &Value) -> Setting {
    let own = container["env"].as_array().into_iter().flatten();
    let own = own.filter(|entry| entry["value"].is_string());
    Setting {
        arguments: texts(&container["args"]),
        variables: own
            .map(|entry| (text(&entry["name"]), text(&entry["value"])))
            .collect(),
    }
}

/// The manifest of a kind with a name.
fn named<'a>(manifests: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut all = manifests.iter();
    let found = all.find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("expected {kind}/{name}"))
}

#[test]
#[ignore = "needs kustomize"]
fn the_program_accepts_the_settings_of_the_workers() {
    let manifests = build(TRIAL);
    let worker = of_kind(&manifests, "Deployment");
    let container = container(worker);
    assert_eq!(container["image"], IMAGE);
    setting(container).assert_known();
    let service = document(&deploy("compose/queue.yaml"));
    let service = &service["services"]["worker"];
    assert_eq!(service["image"], IMAGE);
    let variables = service["environment"].as_object().expect("variables");
    let variables = variables
        .iter()
        .map(|(name, value)| (name.clone(), text(value)));
    let compose = Setting {
        arguments: texts(&service["command"]),
        variables: variables.collect(),
    };
    compose.assert_known();
    let end = Duration::from_millis(ms(&json!(compose.variables["COCOON_DRAIN_TIMEOUT"])));
    let grace = Duration::from_millis(ms(&service["stop_grace_period"]));
    assert!(grace > end + ANSWER + TELEMETRY_FLUSH, "{grace:?}");
}

#[test]
#[ignore = "needs kustomize"]
fn the_grace_period_covers_the_drain_of_a_worker() {
    let manifests = build("overlays/queue");
    let pod = &of_kind(&manifests, "Deployment")["spec"]["template"]["spec"];
    let variables = setting(&pod["containers"][0]).variables;
    let drain = Duration::from_millis(ms(&json!(variables["COCOON_DRAIN_TIMEOUT"])));
    let grace = pod["terminationGracePeriodSeconds"].as_u64();
    let grace = Duration::from_secs(grace.expect("a number"));
    assert!(grace > drain + ANSWER + TELEMETRY_FLUSH, "{grace:?}");
}

#[test]
#[ignore = "needs kustomize"]
fn workers_and_keda_reach_the_redis_of_the_trial_with_its_password() {
    let manifests = build(TRIAL);
    let pod = &of_kind(&manifests, "Deployment")["spec"]["template"]["spec"];
    let variables = setting(&pod["containers"][0]).variables;
    let service = named(&manifests, "Service", "redis");
    let port = &service["spec"]["ports"][0]["port"];
    assert_eq!(
        variables["COCOON_QUEUE_URL"],
        format!("redis://redis:{port}")
    );
    let redis = &of_kind(&manifests, "StatefulSet")["spec"]["template"];
    assert_eq!(
        redis["spec"]["containers"][0]["ports"][0]["containerPort"],
        *port
    );
    // The password: a file of workers, a variable of Redis, and a parameter of KEDA.
    let (secret, key) = ("cocoon-queue", "password");
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], secret);
    let mount = &pod["containers"][0]["volumeMounts"][0];
    assert_eq!(mount["name"], pod["volumes"][0]["name"]);
    let file = format!("{}/{key}", text(&mount["mountPath"]));
    assert_eq!(variables["COCOON_QUEUE_PASSWORD_FILE"], file);
    let reference = json!({ "name": secret, "key": key });
    let variable = &redis["spec"]["containers"][0]["env"][0];
    assert_eq!(variable["valueFrom"]["secretKeyRef"], reference);
    let authentication = of_kind(&manifests, "TriggerAuthentication");
    let parameter = json!([{ "parameter": "password", "name": secret, "key": key }]);
    assert_eq!(authentication["spec"]["secretTargetRef"], parameter);
    let trigger = &of_kind(&manifests, "ScaledObject")["spec"]["triggers"][0];
    let name = &authentication["metadata"]["name"];
    assert_eq!(trigger["authenticationRef"]["name"], *name);
    let address = text(&trigger["metadata"]["address"]);
    assert_eq!(address, format!("redis.default.svc:{port}"));
    // Each policy opens the way to the other's pods.
    let egress = &named(&manifests, "NetworkPolicy", "cocoon-worker")["spec"]["egress"][1];
    let (key, value) = ("app.kubernetes.io/name", "redis");
    assert_eq!(redis["metadata"]["labels"][key], value);
    assert_eq!(egress["to"][0]["podSelector"]["matchLabels"][key], value);
    let ingress = &named(&manifests, "NetworkPolicy", "redis")["spec"]["ingress"][0];
    let labels = &of_kind(&manifests, "Deployment")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(
        ingress["from"][0]["podSelector"]["matchLabels"][key],
        labels[key]
    );
    assert_eq!(ingress["ports"], egress["ports"]);
}

#[test]
#[ignore = "needs kustomize"]
fn one_range_that_waits_or_runs_wakes_a_worker() {
    let manifests = build("overlays/queue");
    let spec = &of_kind(&manifests, "ScaledObject")["spec"];
    assert_eq!(spec["minReplicaCount"], 0);
    let metadata = &spec["triggers"][0]["metadata"];
    // KEDA counts the fields of a hash, too.
    assert_eq!(metadata["listName"], "cocoon:{cocoon}:open");
    assert_eq!(metadata["activationListLength"], "0");
    // As many pods as there are ranges: no busy one is too many.
    assert_eq!(metadata["listLength"], "1");
    assert_eq!(
        of_kind(&manifests, "Deployment")["spec"]["replicas"],
        Value::Null
    );
}

#[test]
#[ignore = "needs kustomize"]
fn redis_keeps_what_it_has_answered() {
    let manifests = build(TRIAL);
    let container = container(of_kind(&manifests, "StatefulSet"));
    let compose = document(&deploy("compose/queue.yaml"));
    let compose = texts(&compose["services"]["redis"]["command"]);
    for words in [texts(&container["args"]), compose] {
        for (flag, value) in [
            ("--appendonly", "yes"),
            ("--appendfsync", "always"),
            ("--maxmemory-policy", "noeviction"),
        ] {
            let pair = words.windows(2).find(|pair| pair[0] == flag);
            assert_eq!(pair.map(|pair| &*pair[1]), Some(value), "{flag}");
        }
    }
}

#[test]
#[ignore = "needs kustomize"]
fn the_pods_of_the_indexed_job_run_every_instance_once() {
    let manifests = build("indexed-job");
    let job = &of_kind(&manifests, "Job")["spec"];
    let container = container(of_kind(&manifests, "Job"));
    assert_eq!(container["image"], IMAGE);
    assert_eq!(job["completionMode"], "Indexed");
    let mut words = texts(&container["args"]);
    let position = |words: &[String], flag: &str| {
        words.iter().position(|word| word == flag).expect("a flag") + 1
    };
    let (at, share) = (position(&words, "-n"), position(&words, "--shard"));
    assert_eq!(words[share], format!("auto/{}", job["completions"]));
    // Fewer instances, and files where the test can read them.
    let folder = tempfile::tempdir().expect("a folder");
    let outputs = folder.path().join("batch");
    "10".clone_into(&mut words[at]);
    let at = position(&words, "--output-dir");
    let mount = format!("{}/", text(&container["volumeMounts"][0]["mountPath"]));
    assert!(words[at].starts_with(&mount), "{}", words[at]);
    outputs.to_str().expect("UTF-8").clone_into(&mut words[at]);
    let program = words.iter().position(|word| word == "/factorial.wasm");
    cocoon_test_guests::BUNDLED.clone_into(&mut words[program.expect("the image's component")]);
    for index in 0..job["completions"].as_u64().expect("a number") {
        let mut command = cocoon(&words);
        let Outcome { err, code, .. } =
            run_command(command.env("JOB_COMPLETION_INDEX", index.to_string()));
        assert_eq!(code, Some(0), "{err}");
    }
    let files = fs::read_dir(&outputs).expect("a folder");
    let files = files.map(|entry| entry.expect("an entry").path());
    let files = files.filter(|path| path.extension().is_some_and(|it| it == "out"));
    let outputs: BTreeMap<_, _> = files
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy();
            let text = fs::read_to_string(&path).expect("an output");
            (name.parse::<u64>().expect("a number"), text)
        })
        .collect();
    assert_eq!(
        outputs.keys().copied().collect::<Vec<_>>(),
        (1..=10).collect::<Vec<_>>()
    );
    for (n, output) in outputs {
        assert_eq!(output, stdout_of(["kinds", &n.to_string()]), "{n}");
    }
}
