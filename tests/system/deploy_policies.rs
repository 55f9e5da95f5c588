//! The policies of `deploy/policy/` on the manifests, which keep to them, and on
//! the same manifests with one thing wrong each.
//!
//! `conftest test` evaluates them as the README says: on all documents together with
//! `--combine`, or on each alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{Ended, ended};
use crate::kustomize::{BUILDS, build, deploy, of_kind};
use crate::tools::CONFTEST;

/// The pod and the first container of whatever has a template.
const POD: &str = "/spec/template/spec";
const CONTAINER: &str = "/spec/template/spec/containers/0";

/// Whether the policies see all manifests at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    Combined,
    Each,
}

/// The result of one document, or of all of them, in the output of `conftest`.
#[derive(Deserialize)]
struct Judged {
    #[serde(default)]
    failures: Vec<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    msg: String,
}

/// Returns the messages of the policies on some manifests.
fn judge(manifests: &[Value], view: View) -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("manifests.yaml");
    // JSON is YAML.
    let documents: Vec<_> = manifests.iter().map(Value::to_string).collect();
    std::fs::write(&file, documents.join("\n---\n")).expect("a file");
    let mut conftest = CONFTEST.command();
    conftest.args(["test", "--output", "json", "--show-builtin-errors"]);
    if view == View::Combined {
        conftest.arg("--combine");
    }
    conftest.arg("--policy").arg(deploy("policy")).arg(&file);
    let Ended { out, err, code } = ended(&mut conftest);
    let judged: Vec<Judged> =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    assert!(!judged.is_empty(), "no manifest was judged: {err}");
    let failures = judged.into_iter().flat_map(|judged| judged.failures);
    let messages: BTreeSet<_> = failures.map(|failure| failure.msg).collect();
    assert_eq!(code, Some(i32::from(!messages.is_empty())), "{err}");
    messages
}

/// Returns the texts from which rules make their messages, and how many rules use each.
fn templates() -> BTreeMap<String, usize> {
    let mut templates = BTreeMap::new();
    for entry in std::fs::read_dir(deploy("policy")).expect("a folder") {
        let policy = std::fs::read_to_string(entry.expect("an entry").path()).expect("a policy");
        for (at, _) in policy.match_indices("msg := sprintf(") {
            let (_, rest) = policy[at..].split_once('"').expect("a text");
            let (template, _) = rest.split_once('"').expect("its end");
            *templates.entry(template.to_owned()).or_default() += 1;
        }
        let messages = policy.matches("msg := ").count();
        let formatted = policy.matches("msg := sprintf(").count();
        assert_eq!(messages, formatted, "a message is made otherwise");
    }
    templates
}

/// Whether a message was made from a template.
fn is_made_from(message: &str, template: &str) -> bool {
    let template = template.replace("%d", "%s").replace("%v", "%s");
    let pieces: Vec<_> = template.split("%s").collect();
    let [first, middle @ .., last] = &pieces[..] else {
        return message == template;
    };
    let rest = message.strip_prefix(first);
    let Some(mut rest) = rest.and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    middle.iter().all(|piece| {
        let split = rest.split_once(piece);
        rest = split.map_or("", |(_, after)| after);
        split.is_some()
    })
}

/// One change of what is delivered, from `deploy_changes.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default = "base", rename = "in")]
    folder: String,
    #[serde(default = "deployment")]
    kind: String,
    at: String,
    /// What it is to be; without, it is taken away.
    value: Option<Value>,
    /// What the policies are to say of it.
    says: Option<String>,
}

fn base() -> String {
    "base".to_owned()
}

fn deployment() -> String {
    "Deployment".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    good: Vec<Change>,
    wrong: Vec<Change>,
}

impl Changes {
    fn read() -> Self {
        serde_saphyr::from_str(include_str!("deploy_changes.yaml")).expect("changes")
    }
}

impl Change {
    fn made(&self) -> Vec<Value> {
        let mut manifests = build(&self.folder);
        let of_pod = [("pod/", POD), ("container/", CONTAINER)];
        let short = of_pod.iter().find_map(|(word, path)| {
            let rest = self.at.strip_prefix(word)?;
            Some(format!("{path}/{rest}"))
        });
        let at = short.unwrap_or_else(|| self.at.clone());
        let step = match &self.value {
            Some(value) => json!([{ "op": "add", "path": at, "value": value }]),
            None => json!([{ "op": "remove", "path": at }]),
        };
        let step = serde_json::from_value::<json_patch::Patch>(step).expect("a patch");
        let mut found = manifests
            .iter_mut()
            .filter(|manifest| manifest["kind"] == self.kind);
        let (Some(manifest), None) = (found.next(), found.next()) else {
            panic!("{self:?}: there must be one");
        };
        json_patch::patch(manifest, &step).unwrap_or_else(|error| panic!("{self:?}: {error}"));
        manifests
    }
}

/// The deployment's pods by another kind of manifest.
fn deployment_as(kind: &str) -> Value {
    let deployment = of_kind(&build("base"), "Deployment").clone();
    let (metadata, template) = (&deployment["metadata"], &deployment["spec"]["template"]);
    let spec = match kind {
        "CronJob" => json!({ "jobTemplate": { "spec": { "template": template } } }),
        "Pod" => template["spec"].clone(),
        _ => deployment["spec"].clone(),
    };
    json!({ "kind": kind, "metadata": metadata, "spec": spec })
}

#[test]
#[ignore = "needs conftest"]
fn what_is_delivered_keeps_to_the_policies() {
    for folder in BUILDS {
        for view in [View::Combined, View::Each] {
            let seen = judge(&build(folder), view);
            assert_eq!(seen, BTreeSet::new(), "{folder} {view:?}");
        }
    }
}

#[test]
#[ignore = "needs conftest"]
fn what_is_as_good_is_let_through() {
    for change in Changes::read().good {
        assert_eq!(change.says, None);
        let seen = judge(&change.made(), View::Combined);
        assert_eq!(seen, BTreeSet::new(), "{change:?}");
    }
}

#[test]
#[ignore = "needs conftest"]
fn each_thing_that_is_wrong_is_reported_and_every_rule_is_tried() {
    let mut reported = BTreeSet::new();
    for change in Changes::read().wrong {
        let seen = judge(&change.made(), View::Combined);
        let says = change.says.iter().cloned().collect();
        assert_eq!(seen, says, "{change:?}");
        assert_eq!(seen.len(), 1, "{change:?}");
        reported.extend(seen);
    }
    // A Service that selects the pods of a Job.
    let mut manifests = build("job");
    let service = json!({
        "kind": "Service",
        "metadata": { "name": "asks" },
        "spec": { "selector": { "app.kubernetes.io/component": "job" }, "ports": [] },
    });
    manifests.push(service);
    let seen = judge(&manifests, View::Combined);
    let says = "Service/asks must not select the pods of Job/cocoon".to_owned();
    assert_eq!(seen, BTreeSet::from([says]));
    reported.extend(seen);
    for (template, rules) in templates() {
        let messages = reported.iter();
        let made = messages.filter(|message| is_made_from(message, &template));
        let made = made.count();
        assert!(
            made >= rules,
            "{rules} rules report {template:?}, {made} were tried"
        );
    }
}

#[test]
#[ignore = "needs conftest"]
fn the_pods_of_every_kind_are_judged() {
    for (kind, name, place) in [
        ("Pod", "Pod/cocoon", "/spec"),
        (
            "CronJob",
            "CronJob/cocoon",
            "/spec/jobTemplate/spec/template/spec",
        ),
        ("StatefulSet", "StatefulSet/cocoon", POD),
    ] {
        let mut manifest = deployment_as(kind);
        let seen = judge(std::slice::from_ref(&manifest), View::Each);
        assert_eq!(seen, BTreeSet::new(), "{kind}");
        manifest.pointer_mut(place).expect("a pod")["hostPID"] = json!(true);
        let says = format!("{name} shares the node's namespaces: hostPID must not be true");
        assert_eq!(judge(&[manifest], View::Each), BTreeSet::from([says]));
    }
}

#[test]
fn a_template_makes_its_own_messages_alone() {
    let template = "%s must not set %s, which OpenShift sets";
    for (message, made) in [
        (
            "Deployment/cocoon must not set runAsUser, which OpenShift sets",
            true,
        ),
        ("Deployment/cocoon must not set runAsUser", false),
        ("Deployment/cocoon must set runAsUser", false),
    ] {
        assert_eq!(is_made_from(message, template), made, "{message}");
    }
    assert!(is_made_from("timeout (29 s)", "timeout (%d s)"));
    assert!(is_made_from("must set cpu", "must set %s"));
    assert!(!is_made_from("must set cpu", "must set"));
}
