//! The policies of `deploy/policy/` on the manifests, which keep to them, and on
//! the same manifests with one thing wrong each.
//!
//! They are evaluated on what `conftest test` would hand to them: one document,
//! or with `--combine` a list of all.

use std::collections::BTreeSet;

use regorus::Engine;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::kustomize::{BUILDS, build, deploy, of_kind};

/// The pod and the first container of whatever has a template.
const POD: &str = "/spec/template/spec";
const CONTAINER: &str = "/spec/template/spec/containers/0";

struct Policies(Engine);

impl Policies {
    fn load() -> Self {
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        engine.set_enable_coverage(true);
        for entry in std::fs::read_dir(deploy("policy")).expect("a folder") {
            let path = entry.expect("an entry").path();
            let package = engine.add_policy_from_file(&path);
            let package = package.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(package, "data.main", "{}", path.display());
        }
        Self(engine)
    }

    fn messages(&mut self, input: Value) -> BTreeSet<String> {
        self.0.set_input(input.into());
        let denied = self.0.eval_rule("data.main.deny".to_owned());
        let denied = denied.unwrap_or_else(|error| panic!("{error}"));
        let denied = serde_json::to_value(denied).expect("JSON");
        serde_json::from_value(denied).expect("a set of messages")
    }

    /// What is said of all manifests together.
    fn judge(&mut self, manifests: &[Value]) -> BTreeSet<String> {
        let documents = manifests
            .iter()
            .map(|manifest| json!({ "path": "-", "contents": manifest }));
        self.messages(documents.collect())
    }
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
fn what_is_delivered_keeps_to_the_policies() {
    let mut policies = Policies::load();
    for folder in BUILDS {
        let manifests = build(folder);
        assert_eq!(policies.judge(&manifests), BTreeSet::new(), "{folder}");
        for manifest in manifests {
            assert_eq!(policies.messages(manifest), BTreeSet::new(), "{folder}");
        }
    }
}

#[test]
fn what_is_as_good_is_let_through() {
    let mut policies = Policies::load();
    for change in Changes::read().good {
        assert_eq!(change.says, None);
        let seen = policies.judge(&change.made());
        assert_eq!(seen, BTreeSet::new(), "{change:?}");
    }
}

#[test]
fn each_thing_that_is_wrong_is_told_and_every_rule_is_tried() {
    let mut policies = Policies::load();
    for change in Changes::read().wrong {
        let seen = policies.judge(&change.made());
        let says = change.says.iter().cloned().collect();
        assert_eq!(seen, says, "{change:?}");
        assert_eq!(seen.len(), 1, "{change:?}");
    }
    // The pods of other kinds are looked at as well.
    for (kind, name) in [
        ("Pod", "Pod/cocoon"),
        ("CronJob", "CronJob/cocoon"),
        ("StatefulSet", "StatefulSet/cocoon"),
    ] {
        let mut manifest = deployment_as(kind);
        assert_eq!(
            policies.messages(manifest.clone()),
            BTreeSet::new(),
            "{kind}"
        );
        let place = match kind {
            "Pod" => "/spec",
            "CronJob" => "/spec/jobTemplate/spec/template/spec",
            _ => POD,
        };
        manifest.pointer_mut(place).expect("a pod")["hostPID"] = json!(true);
        let told = format!("{name} shares the node's namespaces: hostPID must not be true");
        assert_eq!(policies.messages(manifest), BTreeSet::from([told]));
    }
    // A service that would ask a job.
    let mut manifests = build("job");
    let service = json!({
        "kind": "Service",
        "metadata": { "name": "asks" },
        "spec": { "selector": { "app.kubernetes.io/component": "job" }, "ports": [] },
    });
    manifests.push(service);
    let told = "Service/asks must not select the pods of Job/cocoon".to_owned();
    assert_eq!(policies.judge(&manifests), BTreeSet::from([told]));
    let report = policies.0.get_coverage_report().expect("a report");
    for file in report.files {
        assert_eq!(
            file.not_covered,
            BTreeSet::new(),
            "lines of {} that nothing tried",
            file.path
        );
    }
}
