//! `cocoon exec` passes on every byte of a program's output, or marks its own additions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use cocoon::limits::CHUNK_BYTES;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::harness::{cocoon, json_lines};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

/// Creates a file of bytes for the program, which prints it.
fn file(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("written");
    file
}

/// Runs instances that print the bytes of a file.
fn cat(path: &Path, flags: &[&str]) -> Output {
    let mut command = cocoon(["exec", PROGRAM, "--stdin"]);
    command.arg(path).args(flags).args(["--", "cat"]);
    let output = command.output().expect("a process");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    output
}

/// Decodes the records of one stream to bytes, by instance.
fn join_records(records: &[Value], stream: &str) -> BTreeMap<u64, Vec<u8>> {
    let mut joined = BTreeMap::<u64, Vec<u8>>::new();
    for record in records {
        let instance = record["instance"].as_u64().expect("an instance");
        let bytes = joined.entry(instance).or_default();
        if record["stream"] != stream {
            continue;
        }
        let before = bytes.len();
        match (&record["text"], &record["base64"]) {
            (Value::String(text), Value::Null) => bytes.extend(text.as_bytes()),
            (Value::Null, Value::String(text)) => {
                let decoded = BASE64_STANDARD.decode(text).expect("base64");
                assert!(str::from_utf8(&decoded).is_err(), "UTF-8 is a text");
                bytes.extend(decoded);
            }
            _ => panic!("neither text nor base64, or both: {record}"),
        }
        assert!(bytes.len() - before <= CHUNK_BYTES, "a piece is bounded");
        match &record["partial"] {
            Value::Null => bytes.push(b'\n'),
            partial => assert_eq!(partial, &Value::Bool(true)),
        }
    }
    joined
}

/// Outputs with every feature of a line that matters, by name.
fn outputs() -> Vec<(&'static str, Vec<u8>)> {
    let long = CHUNK_BYTES;
    let mut random = fastrand::Rng::with_seed(4);
    let noise: Vec<u8> = (0..300_000).map(|_| random.u8(..)).collect();
    let euros = |count: usize| "€".repeat(count).into_bytes();
    let around = |length: usize, end: &str| ("a".repeat(length) + end).into_bytes();
    vec![
        ("nothing", vec![]),
        ("one newline", b"\n".to_vec()),
        ("empty lines and no newline", b"\n\na".to_vec()),
        ("carriage returns", b"a\r\n\rb\r".to_vec()),
        ("zero bytes", b"\0\n\0a".to_vec()),
        ("escapes", "\u{1b}[0m\u{2028}\u{feff}\"\\\u{7f}\n".into()),
        ("one byte that is not UTF-8", b"a\nb\xff\nc\n".to_vec()),
        ("a character that breaks off", b"a\n\xe2\x82".to_vec()),
        ("as long as a piece", around(long, "")),
        ("as long as a piece, with newline", around(long, "\nb\n")),
        ("one longer than a piece", around(long + 1, "\n")),
        ("carriage return at the cut", around(long - 1, "\r\nb")),
        ("carriage return behind the cut", around(long, "\r\n")),
        ("a character across each cut", euros(long)),
        (
            "a character across the cut by one",
            [b"a", &*euros(long)].concat(),
        ),
        (
            "a character across the cut by two",
            [b"ab", &*euros(long)].concat(),
        ),
        (
            "a byte that is not UTF-8 before the cut",
            [&around(long - 1, ""), &b"\xffa\n"[..]].concat(),
        ),
        (
            "the start of a character without its end at the cut",
            [&around(long - 1, ""), &b"\xf0\x9fa\n"[..]].concat(),
        ),
        ("noise", noise),
    ]
}

#[test]
fn records_contain_every_byte_of_the_output() {
    for (name, bytes) in outputs() {
        let file = file(&bytes);
        let output = cat(file.path(), &["--json", "-n", "2"]);
        let records = json_lines(&String::from_utf8(output.stdout).expect("JSON"));
        let joined = join_records(&records, "stdout");
        assert_eq!(joined.len(), 2, "{name}");
        assert!(joined.values().all(|it| *it == bytes), "{name}");
        // A cut between characters leaves valid lines valid.
        let valid = str::from_utf8(&bytes).is_ok();
        let texts = records.iter().all(|it| it["base64"].is_null());
        assert_eq!(texts, valid, "{name}");
    }
}

#[test]
fn records_name_their_stream() {
    let output = cocoon(["exec", PROGRAM, "--json", "--", "both", "é"])
        .output()
        .expect("a process");
    let records = json_lines(&String::from_utf8(output.stdout).expect("JSON"));
    assert_eq!(join_records(&records, "stdout")[&1], "out é\n".as_bytes());
    assert_eq!(join_records(&records, "stderr")[&1], "err é\n".as_bytes());
}

#[test]
fn a_program_stopped_within_a_line_has_a_partial_record() {
    let output = cocoon(["exec", PROGRAM, "--json", "--output", "16KiB"])
        .args(["--", "flood-both"])
        .output()
        .expect("a process");
    let records = json_lines(&String::from_utf8(output.stdout).expect("JSON"));
    let (last, lines) = records.split_last().expect("records");
    assert!(last["error"].is_string(), "{last}");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        assert_eq!(line["partial"], Value::Bool(true), "{line}");
    }
}

#[test]
fn files_have_the_bytes_of_one_instance() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    for (name, bytes) in outputs() {
        let file = file(&bytes);
        assert!(cat(file.path(), &[]).stdout == bytes, "{name}");
        cat(file.path(), &["-n", "2", "--output-dir", path]);
        for instance in 1..=2 {
            let out = folder.path().join(format!("{instance}.out"));
            assert!(fs::read(out).expect("a file") == bytes, "{name}");
        }
    }
}

#[test]
fn a_prefix_marks_the_rest_of_a_split_line() {
    for (name, bytes) in outputs() {
        let file = file(&bytes);
        let out = cat(file.path(), &["-n", "2"]).stdout;
        let mut rejoined = BTreeMap::<&[u8], Vec<u8>>::new();
        for line in out.split_inclusive(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\n").expect("a newline");
            let (mark, text) = line.split_at(b"[1]".len());
            let lines = rejoined.entry(mark).or_default();
            if let Some(text) = text.strip_prefix(b" ") {
                if !lines.is_empty() {
                    lines.push(b'\n');
                }
                // The prefix of an empty line.
                lines.extend([&b">"[..], text].concat());
            } else {
                lines.extend(text.strip_prefix(b"+ ").expect("a mark"));
            }
        }
        let lines = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let lines = lines.split(|&byte| byte == b'\n');
        let expected: Vec<_> = lines.map(|line| [b">", line].concat()).collect();
        let expected = expected.join(&b"\n"[..]);
        if bytes.is_empty() {
            assert!(rejoined.is_empty(), "{name}");
        } else {
            assert_eq!(rejoined.len(), 2, "{name}");
            assert!(rejoined.values().all(|it| *it == expected), "{name}");
        }
    }
}

#[test]
fn an_unwritable_standard_error_is_a_failure() {
    for flags in [&[][..], &["-n", "3"]] {
        let full = fs::File::options().write(true).open("/dev/full");
        let status = cocoon(["exec", PROGRAM])
            .args(flags)
            .args(["--", "both", "x"])
            .stdout(Stdio::null())
            .stderr(full.expect("a device"))
            .status();
        assert_eq!(status.expect("a process").code(), Some(125), "{flags:?}");
    }
    // A closed pipe is not a failure.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = cocoon(["exec", PROGRAM, "--", "both", "x"])
        .stdout(Stdio::piped())
        .stderr(writer)
        .output()
        .expect("a process");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"out x\n");
}
