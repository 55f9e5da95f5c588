//! `deploy/observability/` with a real Prometheus that scrapes real services and a worker: rules
//! and alerts are evaluated, and every query of the dashboard returns a series.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use cocoon_test_guests::{HANDLER, HOSTILE_PROGRAM};
use serde_json::Value;
use tempfile::TempDir;

use crate::blocking_service::{Service, parts_of, status_of};
use crate::harness::{Outcome, TIMEOUT, cocoon, run_command};
use crate::manifests::{deploy, document};
use crate::redis::Redis;
use crate::tools::{PROMETHEUS, PROMTOOL};

/// The interval between queries for the latest scrape.
const LOOK: Duration = Duration::from_millis(250);

/// A Prometheus that scrapes services, and ends with the test.
struct Prometheus {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Prometheus {
    fn start(targets: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        // The delivered rules with a shorter evaluation interval.
        let rules = std::fs::read_to_string(deploy("observability/rules.yaml")).expect("rules");
        let rules = rules.replace("interval: 15s", "interval: 1s");
        std::fs::write(at("rules.yaml"), rules).expect("a file");
        let config = format!(
            "global: {{ scrape_interval: 500ms, evaluation_interval: 1s }}\n\
             rule_files: [rules.yaml]\n\
             scrape_configs:\n  \
             - {{ job_name: cocoon, static_configs: [{{ targets: {targets:?} }}] }}\n"
        );
        std::fs::write(at("prometheus.yml"), config).expect("a file");
        let mut child = PROMETHEUS
            .command()
            .arg(format!("--config.file={}", at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program that starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log"));
        let mut seen = String::new();
        let address = loop {
            let mut line = String::new();
            let length = log.read_line(&mut line).expect("text");
            assert!(length > 0, "Prometheus ended: {seen}");
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event["msg"] == "Listening on" {
                break event["address"].as_str().expect("an address").to_owned();
            }
            seen.push_str(&line);
        };
        // A full pipe would block it.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let prometheus = Self {
            child,
            address,
            _folder: folder,
        };
        // It listens before its storage is open, and responds with 503 until then.
        let end = Instant::now() + TIMEOUT;
        while status_of(&prometheus.get("/-/ready")) != "200" {
            assert!(Instant::now() < end, "Prometheus is not ready: {seen}");
            std::thread::sleep(LOOK);
        }
        prometheus
    }

    /// Sends a request and returns the whole response.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        // HTTP/1.0, so that the body is not chunked.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: prometheus\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// The `data` of a response of its API.
    fn query_api(&self, path: &str) -> Value {
        let answer = self.get(path);
        let (_, body) = parts_of(&answer);
        let answer: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}"));
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// The current series of a query.
    fn query(&self, query: &str) -> Vec<Value> {
        let encoded: String = query
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        let data = self.query_api(&format!("/api/v1/query?query={encoded}"));
        data["result"].as_array().expect("series").clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects every `expr` of a dashboard: of panels, and of annotations.
fn expressions(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(expression)) = fields.get("expr") {
                found.insert(expression.clone());
            }
            fields.values().for_each(|value| expressions(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

fn dashboard() -> Value {
    let text = std::fs::read_to_string(deploy("observability/dashboard.json"));
    serde_json::from_str(&text.expect("a dashboard")).expect("JSON")
}

/// The values of a field of all rules.
fn rules(field: &str) -> Vec<String> {
    let file = document(&deploy("observability/rules.yaml"));
    let groups = file["groups"].as_array().expect("groups").iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().expect("rules").clone());
    rules
        .filter_map(|rule| Some(rule[field].as_str()?.to_owned()))
        .collect()
}

fn promtool(arguments: &[&str], file: &str) {
    let mut promtool = PROMTOOL.command();
    let Outcome { out, err, code } = run_command(promtool.args(arguments).arg(deploy(file)));
    assert_eq!(code, Some(0), "{file}: {out}{err}");
}

#[test]
fn every_alert_and_record_has_a_test() {
    let tests = std::fs::read_to_string(deploy("observability/rules_test.yaml")).expect("tests");
    let fired = |name: &str| {
        let alerts = tests.split("- alertname: ");
        let mut alerts = alerts.filter(|alert| alert.lines().next() == Some(name));
        alerts.any(|alert| alert.contains("exp_labels:"))
    };
    let alerts = rules("alert");
    assert!(alerts.len() > 10, "{alerts:?}");
    for name in alerts {
        assert!(fired(&name), "no test expects {name}");
    }
    for name in rules("record") {
        // A record that another one uses is tested with it.
        let read = rules("expr")
            .iter()
            .any(|expression| expression.contains(&name));
        assert!(read || tests.contains(&name), "no test reads {name}");
    }
}

#[test]
fn panels_have_titles_units_and_places_of_their_own() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    let mut places = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64()), "{}", panel["title"]);
        let at = &panel["gridPos"];
        assert!(places.insert((at["y"].as_u64(), at["x"].as_u64())), "{at}");
        let right = at["x"].as_u64().expect("x") + at["w"].as_u64().expect("w");
        assert!(right <= 24, "{at}");
        if panel["type"] == "timeseries" {
            let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
            assert!(
                unit.is_some_and(|unit| !unit.is_empty()),
                "{}",
                panel["title"]
            );
            assert!(panel["description"].is_string(), "{}", panel["title"]);
        }
    }
    assert!(panels.len() > 20);
}

#[test]
#[ignore = "needs prometheus"]
fn the_rules_pass_their_tests() {
    promtool(&["check", "rules"], "observability/rules.yaml");
    promtool(&["test", "rules"], "observability/rules_test.yaml");
    promtool(&["check", "config"], "prometheus.yml");
}

#[test]
#[ignore = "needs prometheus and redis-server"]
fn prometheus_answers_every_query_of_rules_and_dashboard() {
    // The endpoint refuses connections, so that some spans are dropped.
    let nowhere = "http://127.0.0.1:9";
    let mut command = cocoon(["serve", "--drain-delay", "0s"]);
    let service = Service::start(
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", nowhere)
            .env("OTEL_BSP_SCHEDULE_DELAY", "100"),
    );
    let handler = ["serve", "--drain-delay=0s", "--request-body=1KiB", HANDLER];
    let handler = Service::start(&mut cocoon(handler));
    let redis = Redis::start();
    let worker = redis.worker(&["--admin-listen", "127.0.0.1:0"]);
    let (_, worker) = worker
        .line
        .trim_end()
        .split_once("http://")
        .expect("an address");
    let prometheus = Prometheus::start(&[service.address(), handler.address(), worker]);
    let mut expected = BTreeSet::new();
    expressions(&dashboard()["panels"], &mut expected);
    assert!(expected.len() > 25, "{expected:?}");
    let mut expected: BTreeSet<String> = expected
        .into_iter()
        .map(|expression| {
            let expression = expression.replace("$__rate_interval", "10s");
            let expression = expression.replace("$job", ".*");
            expression.replace("$instance", ".*")
        })
        .collect();
    for expression in &expected {
        assert!(
            !expression.contains('$'),
            "a variable is left: {expression}"
        );
    }
    expected.extend(rules("record"));
    // A rate needs requests between two scrapes.
    let end = Instant::now() + TIMEOUT;
    while !expected.is_empty() {
        assert!(Instant::now() < end, "no answer to {expected:#?}");
        for path in ["/factorial/10", "/factorials/5", "/healthz"] {
            assert_eq!(status_of(&service.get(path, &[])), "200", "{path}");
        }
        // Above the output limit.
        let refused = service.get("/factorial/100000000", &[]);
        assert_eq!(status_of(&refused), "422");
        let length = "Content-Length: 2000\r\n\r\n";
        let request =
            format!("POST /answered HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{length}");
        assert_eq!(status_of(&handler.send(&request)), "413");
        assert_eq!(
            redis.run(&["exec", HOSTILE_PROGRAM, "say", "a"]).code,
            Some(0)
        );
        expected.retain(|expression| prometheus.query(expression).is_empty());
        std::thread::sleep(LOOK);
    }
    // Queries of alerts and annotations may return no series, but no error.
    let mut annotations = BTreeSet::new();
    expressions(&dashboard()["annotations"], &mut annotations);
    for expression in annotations {
        let expression = expression.replace("$__rate_interval", "10s");
        prometheus.query(&expression.replace("$job", ".*").replace("$instance", ".*"));
    }
    let groups = prometheus.query_api("/api/v1/rules")["groups"].clone();
    let groups = groups.as_array().expect("groups");
    assert_eq!(groups.len(), 2);
    for rule in groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
    {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    drop(prometheus);
    handler.end();
    service.end();
}
