//! SIGHUP of `cocoon serve` with routes: the file is read again, and no request is lost.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::handler_routes::{Folder, metric, wait_for_metric};
use crate::harness::wait_for;
use crate::service::{Server, get};

/// Two routes, of which the first has the value `who`.
fn routes(who: &str) -> String {
    format!(
        r#"
        [[serve.route]]
        path = "/"
        C
        env = {{ WHO = "{who}" }}
        [[serve.route]]
        path = "/same"
        C
        env = {{ PREFIX = "/same" }}
        reuse = 100000
    "#
    )
}

async fn wait_for_answer(server: &Server, path: &str, text: &str) {
    wait_for(text, async {
        while server.get(path).await.text() != text {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn wait_for_line(server: &Server, words: &[&str]) {
    wait_for("a line of the log", async {
        let is_there = |line: &str| words.iter().all(|word| line.contains(word));
        while !server.stderr().lines().any(is_there) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn routes_are_replaced_under_load_and_no_request_fails() {
    let folder = Folder::new(&routes("0"));
    let server = Arc::new(folder.serve(&[]));
    let is_over = Arc::new(AtomicBool::new(false));
    let counts: [Arc<AtomicU64>; 3] = Default::default();
    let paths = ["/env?WHO", "/slow?3", "/same/answered"];
    let clients = paths.into_iter().zip(&counts).map(|(path, count)| {
        let (server, is_over) = (Arc::clone(&server), Arc::clone(&is_over));
        let count = Arc::clone(count);
        tokio::spawn(async move {
            let mut client = server.client().await;
            while !is_over.load(Ordering::Relaxed) {
                let answer = client.send(get(path)).await.expect("an answer");
                assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                count.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for version in 1..=6 {
        let who = version.to_string();
        folder.write(&routes(&who));
        server.signal(Signal::HUP);
        wait_for_answer(&server, "/env?WHO", &who).await;
        for count in &counts {
            let before = count.load(Ordering::Relaxed);
            wait_for("a request of each client", async {
                while count.load(Ordering::Relaxed) == before {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no failure");
    }
    // An unchanged route keeps its sandboxes and its counters.
    let answered = server.get("/same/answered").await;
    let answered: u64 = answered.text().parse().expect("a number");
    let series = r#"cocoon_http_requests_total{route="/same",status="200"}"#;
    assert_eq!(metric(&server, series).await, Some(answered + 1));
}

#[tokio::test]
async fn a_file_with_a_mistake_changes_nothing() {
    let folder = Folder::new(&routes("old"));
    let server = folder.serve(&[]);
    for (text, words) in [
        (routes("new") + "rat = 1\n", ["`rat`", "`rate`?"]),
        (
            routes("new") + "component = 1\n",
            ["cocoon.toml:", "duplicate key"],
        ),
        (
            routes("new").replace("C\n", "component = \"none.wasm\"\n"),
            ["route `/`", "none.wasm"],
        ),
        (
            routes("new").replace("C\n", "component = \"/dev/zero\"\n"),
            ["route `/`", "--component-size"],
        ),
        (String::new(), ["at least one route", "cocoon.toml"]),
    ] {
        folder.write(&text);
        server.signal(Signal::HUP);
        wait_for_line(
            &server,
            &[&["routes not changed"], words.as_slice()].concat(),
        )
        .await;
        assert_eq!(server.get("/env?WHO").await.text(), "old");
    }
    assert_eq!(server.stderr().lines().count(), 5, "{}", server.stderr());
    folder.write(&routes("new"));
    server.signal(Signal::HUP);
    wait_for_answer(&server, "/env?WHO", "new").await;
}

#[tokio::test]
async fn a_file_that_is_slow_to_read_delays_no_request() {
    let folder = Folder::new(&routes("old"));
    let server = folder.serve(&[]);
    let file = folder.config();
    fs::remove_file(&file).expect("removed");
    mknodat(CWD, &file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    server.signal(Signal::HUP);
    // It can be opened once the service reads it.
    let opening = spawn_blocking(|| fs::OpenOptions::new().write(true).open(file));
    let writer = wait_for("a reader", opening).await.expect("no panic");
    assert_eq!(server.get("/env?WHO").await.text(), "old");
    drop(writer.expect("a pipe"));
    wait_for_line(&server, &["routes not changed", "at least one route"]).await;
}

#[tokio::test]
async fn another_component_in_the_same_file_is_loaded() {
    let folder = Folder::new(&routes("same"));
    let server = folder.serve(&[]);
    let digest = async || {
        let metrics = server.get("/metrics").await;
        let info = r#"cocoon_route_info{route="/",host="",path="/",component=""#;
        let mut lines = metrics.text().lines();
        lines
            .find_map(|line| line.strip_prefix(info))
            .map(str::to_owned)
    };
    let first = digest().await.expect("a digest");
    server.signal(Signal::HUP);
    // A custom section makes it another component.
    let path = folder.path("handler.wasm");
    let mut wasm = fs::read(&path).expect("a file");
    wasm.extend(*b"\x00\x05\x04note");
    fs::write(folder.path("other.wasm"), wasm).expect("a file");
    fs::rename(folder.path("other.wasm"), &path).expect("a file");
    server.signal(Signal::HUP);
    wait_for("another digest", async {
        while digest().await.expect("a digest") == first {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(server.get("/hello").await.text(), "hello\n");
}

#[tokio::test]
async fn a_request_keeps_the_route_that_it_found() {
    let folder = Folder::new(&routes("old"));
    let server = folder.serve(&["--sandboxes", "2"]);
    let mut client = server.client2().await;
    let waiting = {
        let mut client = client.clone();
        tokio::spawn(async move { client.send(get("/slow?1000")).await })
    };
    wait_for_metric(&server, r#"cocoon_route_sandboxes_live{route="/"}"#, 1).await;
    // It waits for the first one: the other sandbox is that of the other route.
    let queued = {
        let mut client = client.clone();
        tokio::spawn(async move { client.send(get("/env?WHO")).await })
    };
    wait_for_metric(&server, r#"cocoon_route_queue_length{route="/"}"#, 1).await;
    folder.write(&routes("new"));
    server.signal(Signal::HUP);
    let info = wait_for("the old requests", waiting).await;
    assert_eq!(info.expect("no panic").expect("an answer").status, 200);
    let queued = wait_for("the old requests", queued).await;
    let queued = queued.expect("no panic").expect("an answer");
    assert!(["old", "new"].contains(&queued.text()), "{}", queued.text());
    wait_for_answer(&server, "/env?WHO", "new").await;
    let answer = client.send(get("/same/hello")).await.expect("an answer");
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn routes_come_and_go() {
    let folder = Folder::new(&routes("0"));
    let server = folder.serve(&[]);
    assert_eq!(server.get("/same/hello").await.status, 200);
    folder.write("[[serve.route]]\npath = \"/new\"\nC\nenv = { PREFIX = \"/new\" }\n");
    server.signal(Signal::HUP);
    wait_for_answer(&server, "/new/hello", "hello\n").await;
    server.get("/same/hello").await.problem(404);
    let metrics = server.get("/metrics").await;
    assert!(!metrics.text().contains("/same"), "{}", metrics.text());
    assert_eq!(server.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn sigterm_ends_a_service_that_reloads() {
    let folder = Folder::new(&routes("0"));
    let cache = TempDir::new().expect("a folder");
    let cache = cache.path().to_str().expect("text");
    let server = folder.serve(&["--code-cache", cache]);
    folder.write(&routes("1"));
    for _ in 0..3 {
        server.signal(Signal::HUP);
    }
    server.signal(Signal::TERM);
    let outcome = server.wait_for_exit().await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
}
