//! The Compose file: the references between its services, and to the files that they mount.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::deploy::{IMAGE, Setting, ms, text, texts};
use crate::manifests::{deploy, document};

/// The parsed file. Fields that this type lacks are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compose {
    name: String,
    services: BTreeMap<String, Service>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    image: String,
    build: Option<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<String>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    depends_on: Vec<String>,
    stop_grace_period: Option<String>,
    #[serde(default)]
    read_only: bool,
    cap_drop: Vec<String>,
    security_opt: Vec<String>,
    cpus: Option<u32>,
    mem_limit: String,
}

/// The services by name.
fn services() -> BTreeMap<String, Service> {
    let file = document(&deploy("compose/compose.yaml"));
    let compose: Compose = serde_json::from_value(file).expect("a Compose file");
    assert_eq!(compose.name, "cocoon");
    compose.services
}

/// The arguments and variables of the `cocoon` service.
fn ours(services: &BTreeMap<String, Service>) -> Setting {
    Setting {
        arguments: services["cocoon"].command.clone(),
        variables: services["cocoon"].environment.clone(),
    }
}

/// Splits `host:port`, with or without a scheme, into host and port.
fn host_and_port(endpoint: &str) -> (String, u16) {
    let address = endpoint.trim_start_matches("http://");
    let (host, port) = address.split_once(':').expect("a port");
    (host.to_owned(), port.parse().expect("a number"))
}

/// Reads the file of `deploy/` that a service mounts at `target`.
fn mounted_file(service: &Service, target: &str) -> Value {
    let volumes = &service.volumes;
    let source = volumes.iter().find_map(|volume| {
        let mut fields = volume.split(':');
        let (source, at, how) = (fields.next()?, fields.next()?, fields.next()?);
        (at == target && how == "ro").then(|| source.to_owned())
    });
    let source = source.unwrap_or_else(|| panic!("{target} among {volumes:?}"));
    document(&deploy("compose").join(source))
}

#[test]
fn every_image_is_pinned() {
    let services = services();
    assert_eq!(services["cocoon"].image, IMAGE);
    for (name, service) in &services {
        let (_, tag) = service.image.split_once(':').expect("a tag");
        let numbers = tag.trim_start_matches('v').split('.');
        let numbers: Vec<_> = numbers.map(str::parse::<u32>).collect();
        assert!(
            numbers.len() == 3 && numbers.iter().all(Result::is_ok),
            "{name}: {tag}"
        );
    }
}

#[test]
fn every_service_is_restricted_and_listens_on_loopback() {
    for (name, service) in services() {
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
        assert!(service.mem_limit.ends_with(['m', 'g']), "{name}");
        for port in service.ports {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
        if name == "cocoon" {
            assert!(service.read_only && service.cpus.is_some());
        }
    }
}

#[test]
fn the_program_accepts_the_settings_of_the_compose_file() {
    let services = services();
    let setting = ours(&services);
    setting.assert_known();
    let effective = setting.effective();
    let (_, port) = host_and_port(&text(&effective["listen"]));
    let service = &services["cocoon"];
    assert_eq!(service.ports, [format!("127.0.0.1:{port}:{port}")]);
    let (_, admin_port) = host_and_port(&text(&effective["admin-listen"]));
    assert_ne!(port, admin_port);
    let end_ms = ms(&effective["drain-delay"]) + ms(&effective["drain-timeout"]);
    assert!(ms(&json!(service.stop_grace_period)) > end_ms);
    assert!(ms(&effective["drain-timeout"]) > ms(&effective["deadline"]));
    let context = service.build.as_ref().expect("where it is built");
    let dockerfile = deploy("compose").join(context).join("Dockerfile");
    assert!(dockerfile.is_file(), "{}", dockerfile.display());
}

#[test]
fn spans_reach_the_back_ends() {
    let services = services();
    let collector = &services["otel-collector"];
    let config = mounted_file(collector, "/etc/otel-collector.yaml");
    let variables = &collector.environment;
    // From the service to the Collector.
    let endpoint = &ours(&services).variables["OTEL_EXPORTER_OTLP_ENDPOINT"];
    let (host, port) = host_and_port(endpoint);
    assert_eq!(host, "otel-collector");
    let receiver = text(&config["receivers"]["otlp"]["protocols"]["http"]["endpoint"]);
    assert_eq!(receiver, format!("${{env:OTLP_HOST:-localhost}}:{port}"));
    assert_eq!(variables["OTLP_HOST"], "0.0.0.0");
    // From the Collector to the back ends, at the ports on which these listen.
    let mut reached = BTreeSet::new();
    for (exporter, variable, port) in [
        ("otlp_grpc/jaeger", "JAEGER", 4317),
        ("zipkin", "ZIPKIN", 9411),
    ] {
        let endpoint = text(&config["exporters"][exporter]["endpoint"]);
        assert!(
            endpoint.starts_with(&format!("${{env:{variable}:-")),
            "{endpoint}"
        );
        let (host, to) = host_and_port(&variables[variable]);
        assert_eq!(to, port);
        assert!(services.contains_key(&host), "{host}");
        assert!(collector.depends_on.contains(&host), "{host}");
        reached.insert(exporter);
    }
    // The configuration names these exporters and no others: Google's would fail to start.
    let arguments = &collector.command;
    assert_eq!(arguments[0], "--config=/etc/otel-collector.yaml");
    let list = arguments[1].strip_prefix("--config=yaml:service::pipelines::traces::exporters: ");
    let list: Vec<String> = serde_saphyr::from_str(list.expect("a list")).expect("YAML");
    assert_eq!(
        list.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        reached
    );
    let all = texts(&config["service"]["pipelines"]["traces"]["exporters"]);
    assert!(list.iter().all(|name| all.contains(name)), "{all:?}");
}

#[test]
fn prometheus_scrapes_the_service() {
    let services = services();
    let config = mounted_file(&services["prometheus"], "/etc/prometheus/prometheus.yml");
    let scrape = &config["scrape_configs"][0];
    let (_, port) = host_and_port(&text(&ours(&services).effective()["admin-listen"]));
    assert_eq!(
        texts(&scrape["static_configs"][0]["targets"]),
        [format!("cocoon:{port}")]
    );
    assert_eq!(scrape["metrics_path"], "/metrics");
}
