//! Admission to the service's sandboxes and their release: under overload, with slow readers,
//! and with clients that disconnect.

use std::time::{Duration, Instant};

use cocoon_test_guests::hostile;
use hyper::body::Body as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{TIMEOUT, wait_for};
use crate::service::{Server, factorial, get, rest};

/// The duration of the overload. Other tests compete for the machine meanwhile.
const OVERLOAD: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overload_is_refused_and_admitted_requests_are_right() {
    // Room for 6 requests, and 60 clients.
    let server = Server::start(&["--sandboxes", "2", "--queue", "4", "--deadline", "10s"]);
    let numbers: Vec<_> = (0..8)
        .map(|i| (14_000 + i, factorial(14_000 + i)))
        .collect();
    let until = Instant::now() + OVERLOAD;
    let clients = (0..60_usize).map(|client| {
        let (server, numbers) = (&server, &numbers);
        async move {
            let mut seed = fastrand::Rng::with_seed(client as u64);
            let mut connection = server.client().await;
            let (mut answered, mut refused) = (0_u32, 0_u32);
            while Instant::now() < until {
                let (n, value) = &numbers[seed.usize(..numbers.len())];
                let started = Instant::now();
                let answer = connection.send(get(&format!("/factorial/{n}"))).await;
                let answer = answer.expect("an answer");
                if answer.status == 200 {
                    assert_eq!(answer.text(), value);
                    // An admitted request finishes before the deadline or gets a 504.
                    assert!(started.elapsed() < Duration::from_secs(20));
                    answered += 1;
                } else {
                    let problem = answer.problem(503);
                    assert_eq!(problem["limit"], "queue");
                    assert_eq!(problem["value"], 4);
                    refused += 1;
                    tokio::time::sleep(Duration::from_millis(seed.u64(0..10))).await;
                }
            }
            (answered, refused)
        }
    });
    let counts = wait_for("the end of the load", futures::future::join_all(clients)).await;
    let answered: u32 = counts.iter().map(|(answered, _)| answered).sum();
    let refused: u32 = counts.iter().map(|(_, refused)| refused).sum();
    assert!(answered > 20 && refused > 0, "{answered} and {refused}");
    // The service recovers at once.
    assert_eq!(server.get("/factorial/5").await.text(), "120");
}

/// Waits until the only sandbox runs before it sends an honest request, which could otherwise
/// take the place.
async fn until_full(server: &Server) {
    wait_for("a full service", async {
        let path = format!("/factorial/{}", hostile::HONEST);
        loop {
            let metrics = server.get("/metrics").await;
            if metrics.text().contains("\ncocoon_sandboxes_live 1\n")
                && server.get(&path).await.status == 503
            {
                return;
            }
        }
    })
    .await;
    assert_eq!(server.get("/readyz").await.status, 200);
    assert_eq!(server.get("/healthz").await.status, 200);
}

/// Repeats the honest request until it is admitted.
async fn until_free(server: &Server) {
    wait_for("a free sandbox", async {
        let path = format!("/factorial/{}", hostile::HONEST);
        while server.get(&path).await.status != 200 {}
    })
    .await;
}

/// One place, without other causes for its release than the one under test.
const ONE: &[&str] = &["--sandboxes", "1", "--queue", "0", "--deadline", "1h"];

#[tokio::test]
async fn a_client_that_disconnects_releases_its_sandbox() {
    let server = Server::hostile(ONE);
    for n in [
        hostile::COST_SPINS,
        hostile::SPIN,
        hostile::WAIT_FIRST,
        hostile::SPIN_MIDSTREAM,
        hostile::FLOOD,
    ] {
        let mut stream = server.connect().await;
        let request = format!("GET /factorial/{n} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("a reader");
        until_full(&server).await;
        drop(stream);
        until_free(&server).await;
        // The same with a stream of a connection that stays open.
        let mut client = server.client2().await;
        let mut asking = client.clone();
        let asking = tokio::spawn(async move {
            let opened = asking.open(get(&format!("/factorial/{n}"))).await;
            (opened, std::future::pending::<()>().await)
        });
        until_full(&server).await;
        asking.abort();
        until_free(&server).await;
        let honest = get(&format!("/factorial/{}", hostile::HONEST));
        assert_eq!(client.send(honest).await.expect("an answer").status, 200);
    }
}

#[tokio::test]
async fn a_slow_reader_gets_the_whole_response() {
    let deadline = Duration::from_secs(2);
    let server = Server::hostile(&["--sandboxes", "1", "--queue", "0", "--deadline", "2s"]);
    let mut stream = server.connect_narrow().await;
    let request = format!(
        "GET /factorial/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        hostile::PARTED
    );
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a reader");
    let started = Instant::now();
    let mut all = Vec::new();
    // A byte now and then is slow, but steady.
    while started.elapsed() < deadline * 2 {
        let mut piece = [0; 100];
        let read = wait_for("a piece", stream.read(&mut piece)).await;
        let read = read.expect("a piece");
        assert_ne!(read, 0, "it was cut off");
        all.extend_from_slice(&piece[..read]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The sandbox still has output.
    until_full(&server).await;
    all.extend(rest(&mut stream).await);
    assert!(all.ends_with(b"\r\n0\r\n\r\n"), "it was cut off");
    #[expect(clippy::naive_bytecount, reason = "some megabytes, once")]
    let count = |digit| all.iter().filter(|&&byte| byte == digit).count() as u64;
    assert!(count(b'2') >= hostile::PART_BYTES);
    until_free(&server).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected() {
    let server = Server::hostile(&[ONE, &["--stall", "1s"]].concat());
    let flood = format!("/factorial/{}", hostile::FLOOD);
    let mut stream = server.connect_narrow().await;
    let request = format!("GET {flood} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a reader");
    until_full(&server).await;
    until_free(&server).await;
    assert!(!rest(&mut stream).await.ends_with(b"\r\n0\r\n\r\n"));
    // An active connection with one unread stream.
    let mut client = server.client2().await;
    let unread = client.open(get(&flood)).await.expect("an answer");
    until_full(&server).await;
    until_free(&server).await;
    assert!(!unread.body().is_end_stream());
    let honest = get(&format!("/factorial/{}", hostile::HONEST));
    assert_eq!(client.send(honest).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn memory_of_a_disconnected_client_is_released() {
    // 4 places of 2 MiB, which leaves slightly less than two further places of 4 MiB.
    let memory = ["--sandboxes", "4", "--total-memory", "15MiB"];
    let more = [
        "--sandbox-memory",
        "4MiB",
        "--stall",
        "1s",
        "--deadline",
        "1h",
    ];
    let server = Server::hostile(&[&memory[..], &more].concat());
    let flood = format!(
        "GET /factorial/{} HTTP/1.1\r\nHost: a\r\n\r\n",
        hostile::FLOOD
    );
    let mut first = server.connect_narrow().await;
    first.write_all(flood.as_bytes()).await.expect("a reader");
    let mut start = [0; 1];
    wait_for("its answer", first.read_exact(&mut start))
        .await
        .expect("a byte");
    // The large request waits for memory until the first one is ended; small ones do not wait.
    let parted = format!("/factorial/{}", hostile::PARTED);
    let (large, ()) = tokio::join!(server.get(&parted), async {
        for _ in 0..20 {
            let path = format!("/factorial/{}", hostile::HONEST);
            assert_eq!(server.get(&path).await.status, 200);
        }
    });
    assert_eq!(large.status, 200);
    assert_eq!(large.body.len() as u64, hostile::PART_BYTES * 2);
}

#[tokio::test]
async fn the_deadline_covers_time_in_the_queue() {
    let server = Server::hostile(&["--sandboxes", "1", "--deadline", "1h"]);
    let mut stream = server.connect().await;
    let spin = format!(
        "GET /factorial/{} HTTP/1.1\r\nHost: a\r\n\r\n",
        hostile::SPIN
    );
    stream.write_all(spin.as_bytes()).await.expect("a reader");
    let path = format!("/factorial/{}?timeout=50ms", hostile::HONEST);
    let waited = wait_for("a full service", async {
        loop {
            let answer = server.get(&path).await;
            if answer.status != 200 {
                return answer;
            }
        }
    });
    let problem = waited.await.problem(504);
    assert_eq!(
        (&problem["limit"], &problem["value"]),
        (&"deadline".into(), &50.into())
    );
    assert!(TIMEOUT > OVERLOAD, "or the load would look like a hang");
}
