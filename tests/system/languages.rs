//! The programs in `examples/`: each language's own tools build them by the commands of their
//! README, and all print the same.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Outcome, clean, cocoon, run_command};
use crate::tools::{CLANG, COMPONENTIZE_PY, GO, NODE, Tool, componentize_js, markdown};

/// The page with the commands.
const README: &str = "examples/README.md";
/// Results of a build in the repository, which a copy leaves out.
const BUILT: [&str; 4] = ["__pycache__", "node_modules", "packages", "target"];
const FACTORIALS: &str = "0! = 1\n1! = 1\n2! = 2\n3! = 6\n4! = 24\n5! = 120\n6! = 720\n\
                          7! = 5040\n8! = 40320\n9! = 362880\n10! = 3628800\n";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).expect("a file")
}

/// The section of the README about `language`.
fn section(readme: &str, language: &str) -> String {
    let heading = format!("\n## {language}\n");
    let (_, rest) = readme.split_once(&heading).expect("a section");
    rest.split("\n## ").next().expect("a section").to_owned()
}

/// Builds the example in a copy of its folder, by its documented commands, with `tools` first in
/// `PATH`.
pub(crate) fn build(example: &str, tools: &[Tool]) -> TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    copy(&repository().join("examples").join(example), folder);
    let toolchain = "rust-toolchain.toml";
    fs::copy(repository().join(toolchain), folder.join(toolchain)).expect("a copy");
    if example.ends_with("javascript") {
        symlink(componentize_js(), folder.join("node_modules")).expect("a link");
    }
    if example == "handlers/python" {
        symlink(markdown(), folder.join("packages")).expect("a link");
    }
    let section = section(&read(README), example);
    let (_, block) = section.split_once("```sh\n").expect("a block of commands");
    let (commands, _) = block.split_once("```").expect("the end of the block");
    let programs = tools.iter().map(|tool| tool.folder());
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(programs.chain(env::split_paths(&path)));
    let mut shell = Command::new("sh");
    clean(&mut shell)
        .args(["-e", "-c", commands])
        .current_dir(folder)
        .env("PATH", path.expect("folders without a colon"));
    remove_settings_of_cargo(&mut shell);
    let Outcome { out, err, code } = run_command(&mut shell);
    assert_eq!(code, Some(0), "{commands}\n{out}\n{err}");
    place
}

/// A copy of an example's folder, and its program.
struct Example {
    folder: TempDir,
}

impl Example {
    fn build(language: &str, tools: &[Tool]) -> Self {
        Self {
            folder: build(language, tools),
        }
    }

    /// Runs the program under `cocoon exec`. The first run compiles it, and the others load its
    /// code.
    fn run(&self, options: &[&str], arguments: &[&str], input: &[u8]) -> Outcome {
        let folder = self.folder.path();
        let file = folder.join("input");
        fs::write(&file, input).expect("a file");
        let mut command = cocoon(["exec"]);
        command
            .args(options)
            .arg(folder.join("words.wasm"))
            .args(arguments)
            .env("COCOON_CODE_CACHE", folder.join("code"))
            .stdin(File::open(file).expect("a file"));
        run_command(&mut command)
    }

    /// Asserts that the program does its job.
    fn check(&self) {
        let done = |out: String| (Some(0), out, String::new());
        let run = |options: &[&str], arguments: &[&str], input: &[u8]| {
            let Outcome { out, err, code } = self.run(options, arguments, input);
            (code, out, err)
        };
        assert_eq!(run(&[], &["factorials"], b""), done(FACTORIALS.to_owned()));
        for input in inputs() {
            let expected = count(&input);
            assert_eq!(run(&[], &[], &input), done(expected), "{} B", input.len());
        }
        let (code, out, _) = run(&["-n", "10", "--quiet"], &["factorials"], b"");
        let factorials = out.lines().filter(|line| line.ends_with("10! = 3628800"));
        assert_eq!((code, factorials.count()), (Some(0), 10), "{out}");
        let (code, out, err) = run(&[], &["nonsense"], b"");
        assert!(code.is_some_and(|code| code != 0), "{code:?}");
        assert!(out.is_empty() && err.contains("usage: words"), "{out}{err}");
    }
}

/// Copies the files of a folder, without the results of builds.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (name, path) = (entry.file_name(), entry.path());
        let is_component = path.extension().is_some_and(|end| end == "wasm");
        if is_component || BUILT.iter().any(|built| *built == name) {
            continue;
        }
        let copied = to.join(name);
        if path.is_dir() {
            fs::create_dir(&copied).expect("a folder");
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).expect("a copy");
        }
    }
}

/// A cargo in the command must not inherit the flags of the cargo that runs this test.
fn remove_settings_of_cargo(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let is_place = ["CARGO_HOME", "CARGO_NET_OFFLINE"].contains(&&*text);
        let is_setting = ["CARGO_", "RUSTC", "RUSTFLAGS", "RUSTDOC"]
            .iter()
            .any(|prefix| text.starts_with(prefix));
        if is_setting && !is_place {
            command.env_remove(name);
        }
    }
}

/// Texts with letters beyond ASCII, with words across blocks, without a last newline, without a
/// word, and with any byte.
fn inputs() -> [Vec<u8>; 5] {
    let mut long = String::new();
    for i in 0..60_000_u32 {
        let separator = if i % 11 == 0 { "\n" } else { ", " };
        write!(long, "Word{}é{separator}", "abcdefg".repeat(i as usize % 5)).expect("a string");
    }
    let bytes = (0..=u8::MAX).collect::<Vec<_>>().repeat(700);
    [
        b"The quick brown fox\njumps over the LAZY dog;\n\nthe end".to_vec(),
        long.into_bytes(),
        b"\n 12 \n".to_vec(),
        Vec::new(),
        // Output is text.
        bytes.into_iter().filter(u8::is_ascii).collect(),
    ]
}

/// What the programs print for `input`.
fn count(input: &[u8]) -> String {
    let lower = input.to_ascii_lowercase();
    let is_letter = |byte: &u8| byte.is_ascii_lowercase() || !byte.is_ascii();
    let words = lower.split(|byte| !is_letter(byte));
    let words = words.filter(|word| !word.is_empty());
    let mut each = BTreeMap::<&[u8], usize>::new();
    for word in words {
        *each.entry(word).or_default() += 1;
    }
    let lines = input.split(|byte| *byte == b'\n').count() - 1;
    let (words, bytes) = (each.values().sum::<usize>(), input.len());
    let mut text = format!("lines {lines}\nwords {words}\nbytes {bytes}\n");
    let mut frequent = Vec::from_iter(each);
    frequent.sort_by_key(|(_, count)| usize::MAX - count);
    for (word, count) in frequent.into_iter().take(10) {
        writeln!(text, "{count} {}", String::from_utf8_lossy(word)).expect("a string");
    }
    text
}

#[test]
fn rust() {
    Example::build("rust", &[]).check();
}

#[test]
#[ignore = "needs clang for WASI"]
fn c() {
    Example::build("c", &[CLANG]).check();
}

#[test]
#[ignore = "needs Go"]
fn go() {
    Example::build("go", &[GO]).check();
}

#[test]
#[ignore = "needs componentize-py"]
fn python() {
    Example::build("python", &[COMPONENTIZE_PY]).check();
}

#[test]
#[ignore = "needs Node.js and componentize-js"]
fn javascript() {
    Example::build("javascript", &[NODE]).check();
}

#[test]
fn the_readme_names_the_tested_versions() {
    let versions = read(".ci/versions");
    let readme = read(README);
    for (variable, package) in [
        ("componentize_py_version", "componentize-py=="),
        (
            "componentize_js_version",
            "@bytecodealliance/componentize-js@",
        ),
        ("preview2_shim_version", "@bytecodealliance/preview2-shim@"),
        ("markdown_version", "markdown=="),
    ] {
        let mut lines = versions.lines();
        let version = lines.find_map(|line| line.strip_prefix(variable)?.strip_prefix('='));
        let pinned = format!("{package}{}", version.expect("a version"));
        assert!(readme.contains(&pinned), "{pinned}");
    }
}
