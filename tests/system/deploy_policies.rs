//! The policies of `deploy/policy/`, run by `conftest`: on the delivered manifests, which
//! comply, on manifests with one fault each, and on their own unit tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{Outcome, json_lines, run_command, stdout_of};
use crate::manifests::{BUILDS, build, build_with, deploy, document, of_kind_mut};
use crate::tools::CONFTEST;

/// Options by which `conftest test` sees documents: combined, or each alone.
const VIEWS: [&[&str]; 2] = [&["--combine"], &[]];

/// The result of one document, or of all of them, in the output of `conftest`.
#[derive(Deserialize)]
struct Judged {
    #[serde(default)]
    successes: usize,
    #[serde(default)]
    warnings: Vec<Message>,
    #[serde(default)]
    failures: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    msg: String,
}

/// Failures and warnings of the policies, and the number of rules that held.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    failures: BTreeSet<String>,
    warnings: BTreeSet<String>,
    successes: usize,
}

/// Returns the verdict on a file.
fn judge_file(file: &Path, arguments: &[&str]) -> Verdict {
    let mut conftest = CONFTEST.command();
    conftest
        .args(["test", "--output", "json", "--show-builtin-errors"])
        .args(arguments)
        .arg("--policy")
        .arg(deploy("policy"))
        .arg(file);
    let Outcome { out, err, code } = run_command(&mut conftest);
    let judged: Vec<Judged> =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let mut verdict = Verdict::default();
    for judged in judged {
        let texts = |messages: Vec<Message>| messages.into_iter().map(|message| message.msg);
        verdict.failures.extend(texts(judged.failures));
        verdict.warnings.extend(texts(judged.warnings));
        verdict.successes += judged.successes;
    }
    let failed = i32::from(!verdict.failures.is_empty());
    assert_eq!(code, Some(failed), "{err}");
    verdict
}

/// Returns the verdict on some manifests.
fn judge(manifests: &[Value], arguments: &[&str]) -> Verdict {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("manifests.yaml");
    // JSON is a subset of YAML.
    let documents: Vec<_> = manifests.iter().map(Value::to_string).collect();
    std::fs::write(&file, documents.join("\n---\n")).expect("a file");
    judge_file(&file, arguments)
}

fn assert_holds(verdict: &Verdict, what: &str) {
    let nothing = BTreeSet::new();
    assert_eq!(
        (&verdict.failures, &verdict.warnings),
        (&nothing, &nothing),
        "{what}"
    );
    assert!(verdict.successes > 0, "{what}: no rule was evaluated");
}

/// The service's manifests with one field of one of them changed, or removed by `null`.
fn base_with(kind: &str, pointer: &str, key: &str, value: Value) -> Vec<Value> {
    let mut manifests = build("base");
    let manifest = of_kind_mut(&mut manifests, kind);
    let place = manifest.pointer_mut(pointer).expect("the place");
    place[key] = value;
    manifests
}

const CONTAINER: &str = "/spec/template/spec/containers/0";

#[test]
#[ignore = "needs conftest and kustomize"]
fn the_delivered_manifests_comply_with_the_policies() {
    for folder in BUILDS {
        for view in VIEWS {
            assert_holds(&judge(&build(folder), view), folder);
        }
    }
    for component in ["httproute", "ingress", "keda", "monitoring", "token"] {
        for view in VIEWS {
            assert_holds(&judge(&build_with(component), view), component);
        }
    }
    for (namespace, file) in [
        ("compose", "compose/compose.yaml"),
        ("compose", "compose/queue.yaml"),
        ("dockerfile", "../Dockerfile"),
    ] {
        for view in VIEWS {
            let own = [view, &["--namespace", namespace]].concat();
            assert_holds(&judge_file(&deploy(file), view), file);
            assert_holds(&judge_file(&deploy(file), &own), file);
        }
    }
}

#[test]
#[ignore = "needs conftest and kustomize"]
fn a_privileged_container_without_a_name_fails() {
    let hostile = json!({ "image": "x:1", "securityContext": { "privileged": true } });
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let manifests = base_with(
            "Deployment",
            "/spec/template/spec",
            list,
            json!([hostile.clone()]),
        );
        let says = format!("Deployment/cocoon, container {list}[0] must not be privileged");
        for view in VIEWS {
            assert!(judge(&manifests, view).failures.contains(&says), "{list}");
        }
    }
}

#[test]
#[ignore = "needs conftest and kustomize"]
fn an_absent_field_means_its_default() {
    let scaler = base_with(
        "HorizontalPodAutoscaler",
        "/spec",
        "minReplicas",
        Value::Null,
    );
    let mut manifests = scaler.clone();
    let spec = &mut of_kind_mut(&mut manifests, "HorizontalPodAutoscaler")["spec"];
    spec.as_object_mut().expect("fields").remove("minReplicas");
    let says = "HorizontalPodAutoscaler/cocoon must set minReplicas to 2 or more, got 1";
    for manifests in [scaler, manifests] {
        for view in VIEWS {
            let failures = judge(&manifests, view).failures;
            assert_eq!(failures, BTreeSet::from([says.to_owned()]));
        }
    }
}

#[test]
#[ignore = "needs conftest and kustomize"]
fn mismatched_addresses_and_probes_fail() {
    let probe = format!("{CONTAINER}/livenessProbe/httpGet");
    for (pointer, key, value, says) in [
        (
            probe.as_str(),
            "path",
            json!("/health"),
            ": the livenessProbe must be an httpGet of /healthz by HTTP",
        ),
        (
            probe.as_str(),
            "port",
            json!("http"),
            ": the livenessProbe probes port 8080: expected port 8081, which serves health",
        ),
        (
            CONTAINER,
            "args",
            json!(["serve", "--listen", "0.0.0.0:9090"]),
            ": listen has port 9090: expected one of its TCP ports",
        ),
        (
            CONTAINER,
            "args",
            json!(["serve", "--listen=127.0.0.1:8080"]),
            ": listen must not be the loopback address 127.0.0.1",
        ),
    ] {
        let manifests = base_with("Deployment", pointer, key, value);
        let says = format!("Deployment/cocoon, container cocoon{says}");
        for view in VIEWS {
            let failures = judge(&manifests, view).failures;
            assert_eq!(failures, BTreeSet::from([says.clone()]));
        }
    }
}

#[test]
#[ignore = "needs conftest"]
fn a_kind_without_a_rule_fails() {
    let template = json!({ "spec": { "containers": [{ "image": "x" }] } });
    let manifest = |version: &str, kind: &str, spec: Value| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "x" }, "spec": spec });
    let rollout = manifest(
        "argoproj.io/v1alpha1",
        "Rollout",
        json!({ "template": template }),
    );
    let knative = manifest(
        "serving.knative.dev/v1",
        "Service",
        json!({ "template": template }),
    );
    for view in VIEWS {
        for hostile in [&rollout, &knative] {
            let verdict = judge(std::slice::from_ref(hostile), view);
            assert_eq!(verdict.failures.len(), 1, "{hostile}");
        }
        let secret = judge(&[manifest("v1", "Secret", Value::Null)], view);
        assert_eq!(
            (secret.failures.len(), secret.warnings.len()),
            (0, 1),
            "{secret:?}"
        );
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": [manifest("v1", "ReplicationController", json!({ "template": { "spec": { "containers": [{ "securityContext": { "privileged": true } }] } } }))] });
        let verdict = judge(&[list], view);
        let says = "ReplicationController/x, container containers[0] must not be privileged";
        assert!(verdict.failures.contains(says), "{verdict:?}");
    }
}

#[test]
#[ignore = "needs conftest"]
fn compose_files_and_dockerfiles_are_checked() {
    let mut compose = document(&deploy("compose/compose.yaml"));
    compose["services"]["cocoon"]["privileged"] = json!(true);
    let says = BTreeSet::from(["service cocoon must not be privileged".to_owned()]);
    for arguments in [&[][..], &["--combine"], &["--namespace", "compose"]] {
        let verdict = judge(std::slice::from_ref(&compose), arguments);
        assert_eq!(verdict.failures, says, "{arguments:?}");
    }
    let text = std::fs::read_to_string(deploy("../Dockerfile")).expect("the Dockerfile");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("Dockerfile");
    std::fs::write(&file, text.replace("\nUSER 65532:65532\n", "\nUSER root\n")).expect("a file");
    for arguments in [&[][..], &["--combine"], &["--namespace", "dockerfile"]] {
        let verdict = judge_file(&file, arguments);
        assert_eq!(verdict.failures.len(), 3, "each image: {verdict:?}");
    }
}

#[test]
#[ignore = "needs conftest"]
fn the_unit_tests_of_the_policies_pass() {
    // OPA stops each test after 5 s of wall-clock time, and has no option for a longer timeout.
    const ATTEMPTS_MAX: usize = 3;
    let verify = || {
        let mut conftest = CONFTEST.command();
        conftest.args(["verify", "--output", "json", "--show-builtin-errors"]);
        run_command(conftest.arg("--policy").arg(deploy("policy")))
    };
    let mut attempts = (0..ATTEMPTS_MAX).map(|_| verify());
    let starved = |tried: &Outcome| tried.err.contains("context deadline exceeded");
    let tried = attempts.find(|tried| !starved(tried));
    let Outcome { out, err, code } = tried.expect("a machine that is not so busy");
    assert_eq!(code, Some(0), "{out}{err}");
    let judged: Vec<Judged> = serde_json::from_str(&out).expect("JSON");
    let passed: usize = judged.iter().map(|judged| judged.successes).sum();
    assert!(passed > 2 * rules().len(), "{passed} tests passed");
}

/// Concatenates all policies, or all of their tests.
fn policies(tests: bool) -> String {
    let entries = std::fs::read_dir(deploy("policy")).expect("a folder");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let files = files.filter(|file| file.to_string_lossy().ends_with("_test.rego") == tests);
    files
        .map(|file| std::fs::read_to_string(file).expect("a policy"))
        .collect()
}

/// The number of rules by the `id` in their annotations; a rule without annotations has an
/// empty one.
fn rules() -> BTreeMap<String, usize> {
    let policies = policies(false);
    let mut rules = BTreeMap::new();
    for kind in ["\ndeny contains msg if {", "\nwarn contains msg if {"] {
        for (at, _) in policies.match_indices(kind) {
            let before = &policies[..at];
            let comment = before.rsplit("\n\n").next().expect("a paragraph");
            let id = comment
                .starts_with("# METADATA\n# title: ")
                .then(|| comment.rsplit_once("\n# custom:\n#   id: "))
                .flatten();
            let id = id.map_or("", |(_, id)| id);
            *rules.entry(id.to_owned()).or_default() += 1;
        }
    }
    rules
}

#[test]
fn each_rule_has_annotations_and_tests_for_both_outcomes() {
    let rules = rules();
    assert!(rules.len() > 50, "{rules:?}");
    let tests = policies(true);
    for (id, count) in rules {
        assert!(!id.is_empty(), "{count} rules have no METADATA with an id");
        assert_eq!(count, 1, "{id} stands for several rules");
        for test in ["accepts", "refuses"] {
            let name = format!("\ntest_{test}_{id} if ");
            assert!(tests.contains(&name), "there is no test_{test}_{id}");
        }
    }
}

#[test]
fn the_policies_have_the_defaults_of_the_program() {
    let policies = policies(false);
    let (_, table) = policies.split_once("\ndefaults := {").expect("defaults");
    let (table, _) = table.split_once("\n}").expect("their end");
    let table = format!("{{{}}}", table.trim_end().trim_end_matches(','));
    let table: BTreeMap<String, Value> = serde_json::from_str(&table).expect("JSON");
    let rows = json_lines(&stdout_of(["config", "serve", "--json"]));
    for (name, default) in table {
        let row = rows.iter().find(|row| row["key"] == name.as_str());
        let row = row.unwrap_or_else(|| panic!("{name} is no flag of `cocoon serve`"));
        if name == "listen" {
            let image = std::fs::read_to_string(deploy("../Dockerfile")).expect("a Dockerfile");
            let variable = format!("COCOON_LISTEN={}", default.as_str().expect("a text"));
            assert!(image.contains(&variable), "{variable}");
        } else {
            assert_eq!(row["value"], default, "{name}");
        }
    }
}
