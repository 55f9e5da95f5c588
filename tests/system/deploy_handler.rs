//! The overlay that serves handlers of a registry: its routes, its caches, and when it is ready.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::deploy::{IMAGE, Setting, container, text};
use crate::harness::{Outcome, cocoon, json_lines, run_command};
use crate::manifests::{build, of_kind};

const OVERLAY: &str = "overlays/handler";

/// The name of the file with the routes.
const ROUTES: &str = "cocoon.toml";

/// The manifest of a kind whose name begins with `name`.
fn named<'a>(manifests: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut all = manifests.iter().filter(|manifest| {
        let own = manifest["metadata"]["name"].as_str().unwrap_or_default();
        manifest["kind"] == kind && own.starts_with(name)
    });
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => panic!("expected one {kind} {name}"),
    }
}

/// The values of a container's variables.
fn variables(container: &Value) -> Setting {
    let own = container["env"].as_array().expect("variables").iter();
    let own = own.filter(|entry| entry["value"].is_string());
    Setting {
        arguments: vec!["serve".to_owned()],
        variables: own
            .map(|entry| (text(&entry["name"]), text(&entry["value"])))
            .collect(),
    }
}

#[test]
#[ignore = "needs kustomize"]
fn the_program_reads_the_routes_of_the_overlay() {
    let manifests = build(OVERLAY);
    let container = container(of_kind(&manifests, "Deployment"));
    let setting = variables(container);
    setting.assert_known();
    let map = named(&manifests, "ConfigMap", "cocoon-routes-");
    let volumes = &of_kind(&manifests, "Deployment")["spec"]["template"]["spec"]["volumes"];
    // Kustomize adds the hash to references, too.
    assert_eq!(volumes[0]["configMap"]["name"], map["metadata"]["name"]);
    let mount = &container["volumeMounts"][0];
    assert_eq!(mount["name"], volumes[0]["name"]);
    let path = format!("{}/{ROUTES}", text(&mount["mountPath"]));
    assert_eq!(setting.variables["COCOON_CONFIG"], path);
    // The file where the program can read it.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(ROUTES);
    fs::write(&file, text(&map["data"][ROUTES])).expect("a file");
    let mut command = cocoon(["config", "serve"]);
    command
        .envs(setting.variables())
        .env("COCOON_CONFIG", &file);
    let Outcome { out, err, code } = run_command(&mut command);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("[[serve.route]]"), "{out}");
    let digest = format!("facts@sha256:{:064}", 0);
    assert!(out.contains(&digest), "{out}");
    command.arg("--json");
    let rows = json_lines(&run_command(&mut command).out);
    let value = |key: &str| {
        let row = rows.iter().find(|row| row["key"] == key);
        row.map_or(Value::Null, |row| row["value"].clone())
    };
    for key in ["code-cache", "component-cache"] {
        let folder = text(&value(key));
        let mount = text(&container["volumeMounts"][1]["mountPath"]);
        assert!(folder.starts_with(&format!("{mount}/")), "{key}: {folder}");
    }
}

#[test]
#[ignore = "needs kustomize"]
fn the_pod_is_ready_when_every_route_is_compiled() {
    let manifests = build(OVERLAY);
    let container = container(of_kind(&manifests, "Deployment"));
    let startup = &container["startupProbe"];
    assert_eq!(startup["httpGet"], container["readinessProbe"]["httpGet"]);
    let number = |key: &str| startup[key].as_u64().expect("a number");
    let seconds = number("periodSeconds") * number("failureThreshold");
    assert!(seconds >= 300, "{seconds} s to compile in");
}

#[test]
#[ignore = "needs kustomize"]
fn the_first_container_creates_a_folder_from_which_code_is_loaded() {
    let manifests = build(OVERLAY);
    let pod = &of_kind(&manifests, "Deployment")["spec"]["template"]["spec"];
    let (first, service) = (&pod["initContainers"][0], &pod["containers"][0]);
    assert_eq!(
        (&first["image"], &service["image"]),
        (&json!(IMAGE), &json!(IMAGE))
    );
    let mount = &service["volumeMounts"][1];
    let (volume, name) = (&first["volumeMounts"][0], text(&mount["subPath"]));
    assert_eq!(volume["name"], mount["name"]);
    let created = format!("{}/{name}", text(&volume["mountPath"]));
    assert_eq!(first["args"], json!(["man", created]));
    // A volume, to which all users can write, in a folder of this user.
    let place = tempfile::tempdir().expect("a folder");
    let open = place.path().join("volume");
    fs::create_dir(&open).expect("a folder");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("a mode");
    let folder = open.join(&name);
    let outcome = run_command(cocoon(["man"]).arg(&folder));
    assert_eq!((outcome.code, &*outcome.err), (Some(0), ""));
    let compile = |code: &std::path::Path| {
        let file = cocoon_test_guests::FOREIGN_FACTOR;
        let mut command = cocoon(["compile", file, "--code-cache"]);
        run_command(command.arg(code))
    };
    let refused = compile(&folder.join("code"));
    assert_ne!(refused.code, Some(0), "{}", refused.out);
    assert!(refused.err.contains("0777"), "{}", refused.err);
    // The service sees this folder alone.
    let mounted = place.path().join("mounted");
    fs::rename(&folder, &mounted).expect("a folder");
    let outcome = compile(&mounted.join("code"));
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
}
