//! The real service on its own port, and simple requests to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use rustix::process::Signal;

use crate::harness::{TIMEOUT, kill};

/// A running service, which is killed at the end of the test.
pub(crate) struct Service {
    child: Child,
    address: String,
    /// Its start line.
    pub(crate) line: String,
    log: Option<JoinHandle<String>>,
}

impl Service {
    /// Starts `cocoon serve` on a free port, unless its arguments name another one.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .env("COCOON_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a service that starts");
        let mut stderr = child.stderr.take().expect("its standard error");
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).expect("text");
            log
        });
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("its standard output"))
            .read_line(&mut line)
            .expect("its start line");
        // The address ends with a space in text, and with a quote in JSON.
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split([' ', '"', '\n']).next());
        let address = address.unwrap_or_else(|| panic!("an address in {line:?}"));
        Self {
            address: address.to_owned(),
            line: line.clone(),
            child,
            log: Some(log),
        }
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends `GET path` and returns the whole response.
    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.extend([*name, ": ", *value, "\r\n"]);
        }
        request.push_str("\r\n");
        self.send(&request)
    }

    /// Sends the bytes of a request, which closes its connection, and returns the whole
    /// response.
    pub(crate) fn send(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Sends `GET path` and leaves the response unread.
    pub(crate) fn start_get(&self, path: &str) -> TcpStream {
        let mut stream = self.connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        stream
    }

    /// Opens a connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        stream
    }

    /// Stops the service and returns its standard error. Asserts that it exits with code 0.
    pub(crate) fn end(mut self) -> String {
        kill(self.child.id(), Signal::TERM);
        let outcome = self.child.wait().expect("its end");
        let log = self.log.take().expect("read once");
        let log = log.join().expect("no panic");
        assert_eq!(outcome.code(), Some(0), "{log}");
        log
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has already ended if the test succeeded.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of a response.
pub(crate) fn status_of(answer: &str) -> &str {
    answer.split(' ').nth(1).expect("a status")
}

/// The head of a response in lower case, and its body.
pub(crate) fn parts_of(answer: &str) -> (String, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    (head.to_ascii_lowercase(), body)
}
