//! Clients that leave while nobody reads what they sent.

use tokio::io::AsyncWriteExt as _;

use crate::handlers::serve;
use crate::handlers_hostile::{metric, wait_for_no_sandbox};
use crate::harness::wait_for;

#[tokio::test]
async fn a_client_that_leaves_unread_bytes_frees_the_sandbox() {
    let server = serve(&["--deadline", "1h", "--stall", "1h"]);
    let body = "x".repeat(40_000);
    for (head, rest) in [
        // hyper reads a short body at once.
        ("POST /wait", "content-length: 3\r\n\r\nabc"),
        ("POST /wait", "content-length: 3\r\n\r\n"),
        ("POST /wait", "content-length: 30\r\n\r\nabc"),
        ("POST /spin", "content-length: 30\r\n\r\nabc"),
        ("POST /hold", "content-length: 30\r\n\r\nabc"),
        ("POST /wait", "content-length: 40000\r\n\r\nBODY"),
        (
            "POST /wait",
            "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ),
        (
            "POST /wait",
            "expect: 100-continue\r\ncontent-length: 3\r\n\r\n",
        ),
        ("GET /wait", "\r\nGET /wait HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("GET /hold", "\r\nGET /wait HTTP/1.1\r\nhost: a\r\n\r\n"),
    ] {
        for is_reset in [false, true] {
            let mut client = server.connect().await;
            let rest = rest.replace("BODY", &body);
            let request = format!("{head} HTTP/1.1\r\nhost: a\r\n{rest}");
            client.write_all(request.as_bytes()).await.expect("sent");
            wait_for("its sandbox", async {
                while metric(&server, "cocoon_sandboxes_live").await == 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            if is_reset {
                client.set_zero_linger().expect("an option");
            }
            drop(client);
            wait_for_no_sandbox(&server).await;
        }
    }
}
