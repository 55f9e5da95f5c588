//! README and `docs/`: their commands print the output that is shown, and their links have
//! targets.
//!
//! A block of the language `console` contains commands, each after `$ `, and their output. A
//! block of the language `sh` contains commands without output, which are not run here.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use cocoon_test_guests::{BUNDLED, FOREIGN_FACTOR};
use tempfile::TempDir;

use crate::blocking_service::Service;
use crate::harness::{clean, cocoon, run_command, stdout_of};
use crate::languages;
use crate::tools::{COMPONENTIZE_PY, CURL, NODE, Tool, WASMTIME};

const PAGES: [&str; 8] = [
    "README.md",
    "docs/compute.md",
    "docs/deploy.md",
    "docs/exec.md",
    "docs/library.md",
    "docs/observability.md",
    "docs/queue.md",
    "docs/serve.md",
];
/// Pages without commands to check.
const OTHER_PAGES: [&str; 5] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benches/README.md",
    "examples/README.md",
];
/// Programs that may be missing. `deploy_policies` runs conftest.
const OTHER_PROGRAMS: [&str; 6] = ["cargo", "cd", "conftest", "curl", "kubectl", "wasmtime"];
/// Components in there are built by programs that may be missing; `languages` runs them.
const EXAMPLES: &str = " examples/";
/// The address of the service on the pages.
const ADDRESS: &str = "127.0.0.1:8080";
/// JSON fields whose numbers differ between runs and between toolchains.
const UNSTEADY: [&str; 2] = ["\"elapsed_us\":", "\"memory_bytes\":"];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(name: &str) -> String {
    fs::read_to_string(repository(name)).expect("a page")
}

/// The blocks of `page` in `language`, without their fences.
fn blocks<'page>(page: &'page str, language: &str) -> Vec<&'page str> {
    let fence = format!("\n```{language}\n");
    let starts = page.split(fence.as_str()).skip(1);
    starts
        .map(|rest| rest.split_once("\n```").expect("a closing fence").0)
        .collect()
}

/// A command and its output. Artifacts of `cargo run` are already built.
struct Example {
    command: String,
    output: String,
    /// Whether a handler in `examples/` answers its requests.
    asks_handler: bool,
}

impl Example {
    fn all(page: &str) -> Vec<Self> {
        let mut examples: Vec<Self> = Vec::new();
        let mut asks_handler = false;
        for line in blocks(page, "console").into_iter().flat_map(str::lines) {
            if let Some(command) = line.strip_prefix("$ ") {
                if command.ends_with('&') {
                    asks_handler = command.contains(EXAMPLES);
                }
                examples.push(Self {
                    asks_handler,
                    command: command.replacen("cargo run --release -- ", "cocoon ", 1),
                    output: String::new(),
                });
            } else {
                let example = examples.last_mut().expect("a command before its output");
                example.output.extend([line, "\n"]);
            }
        }
        examples
    }

    fn runs(&self, program: &str) -> bool {
        self.command.split([' ', '|']).any(|word| word == program)
    }

    fn needs_only_cocoon(&self) -> bool {
        let in_background = self.command.ends_with('&');
        let is_example = self.command.contains(EXAMPLES);
        !is_example && !in_background && !OTHER_PROGRAMS.iter().any(|program| self.runs(program))
    }
}

/// A folder with the programs and files that the commands of a page name.
struct Folder(TempDir);

impl Folder {
    fn new(page: &str, tools: &[Tool]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.link(Path::new(env!("CARGO_BIN_EXE_cocoon")), "bin/cocoon");
        for tool in tools {
            let command = tool.command();
            let program = Path::new(command.get_program());
            let name = program.file_name().expect("a name").to_string_lossy();
            folder.link(program, &format!("bin/{name}"));
        }
        let component = "target/guest/wasm32-wasip2/component/factorial.wasm";
        folder.link(Path::new(BUNDLED), component);
        for path in ["target/foreign/bin/factor.wasm", "factor.wasm"] {
            folder.link(Path::new(FOREIGN_FACTOR), path);
        }
        // curl shows a progress meter unless its output is a terminal.
        fs::write(folder.path(".curlrc"), "silent\nnoproxy = \"*\"\n").expect("a file");
        if let Some(settings) = blocks(page, "toml").first() {
            fs::write(folder.path("cocoon.toml"), settings).expect("a file");
        }
        folder
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn link(&self, original: &Path, path: &str) {
        let link = self.path(path);
        fs::create_dir_all(link.parent().expect("a parent")).expect("a folder");
        symlink(original, link).expect("a link");
    }

    /// Runs `command` in a shell and returns its output and errors.
    fn run(&self, command: &str) -> String {
        let path = env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        clean(&mut shell)
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(self.0.path())
            .env("CURL_HOME", self.0.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()));
        run_command(&mut shell).out
    }
}

/// `text` with `N` in place of varying numbers, and without trailing white space.
fn steady(text: &str) -> String {
    let mut steady = text.trim_end().to_owned();
    for field in UNSTEADY {
        let mut pieces = steady.split(field);
        let first = pieces.next().unwrap_or_default().to_owned();
        steady = pieces.fold(first, |before, piece| {
            let after = piece.trim_start_matches(|letter: char| letter.is_ascii_digit());
            format!("{before}{field}N{after}")
        });
    }
    steady
}

/// Runs the chosen commands of all pages, and returns their number.
fn check(tools: &[Tool], address: &str, chosen: impl Fn(&Example) -> bool) -> usize {
    let mut count = 0;
    for name in PAGES {
        let page = read(name);
        let folder = Folder::new(&page, tools);
        for example in Example::all(&page).into_iter().filter(&chosen) {
            let output = folder.run(&example.command.replace(ADDRESS, address));
            let expected = steady(&example.output);
            assert_eq!(steady(&output), expected, "{name}: {}", example.command);
            count += 1;
        }
    }
    count
}

#[test]
fn commands_have_the_documented_output() {
    let count = check(&[], ADDRESS, Example::needs_only_cocoon);
    assert!(count >= 15, "{count} commands");
}

#[test]
#[ignore = "needs curl"]
fn requests_have_the_documented_responses() {
    let service = Service::start(&mut cocoon(["serve"]));
    let count = check(&[CURL], service.address(), |example| {
        example.runs("curl") && !example.asks_handler
    });
    assert!(count >= 6, "{count} requests");
}

#[test]
#[ignore = "needs curl, componentize-py, Node.js and componentize-js"]
fn handlers_have_the_documented_responses() {
    let page = read("README.md");
    let folder = Folder::new(&page, &[CURL]);
    let builds = [
        ("rust", "facts.wasm", None),
        ("python", "page.wasm", Some(COMPONENTIZE_PY)),
        ("javascript", "proxy.wasm", Some(NODE)),
    ];
    let built = builds.map(|(language, component, tool)| {
        let path = format!("handlers/{language}");
        let built = languages::build(&path, tool.as_slice());
        folder.link(
            &built.path().join(component),
            &format!("examples/{path}/{component}"),
        );
        built
    });
    // The address of each service on the page, and here.
    let mut services: Vec<(&str, Service)> = Vec::new();
    let mut count = 0;
    let examples = Example::all(&page);
    let asks = |it: &&Example| it.asks_handler && (it.command.ends_with('&') || it.runs("curl"));
    for example in examples.iter().filter(asks) {
        let here = services
            .iter()
            .fold(example.command.clone(), |command, (address, service)| {
                command.replace(address, service.address())
            });
        if let Some(command) = example.command.strip_suffix(" &") {
            let mut words = command.split(' ').skip_while(|word| *word != "--listen");
            let address = words.nth(1).expect("an address");
            let arguments = here.replace(address, "127.0.0.1:0");
            let arguments = arguments.trim_end_matches(" &").split(' ').skip(1);
            let service = Service::start(cocoon(arguments).current_dir(folder.0.path()));
            services.push((address, service));
        } else {
            let output = folder.run(&here);
            assert_eq!(
                steady(&output),
                steady(&example.output),
                "{}",
                example.command
            );
            count += 1;
        }
    }
    assert_eq!((services.len(), count), (built.len(), 3));
}

#[test]
#[ignore = "needs Wasmtime 48"]
fn the_component_alone_has_the_documented_output() {
    let count = check(&[WASMTIME], ADDRESS, |example| example.runs("wasmtime"));
    assert!(count >= 2, "{count} commands");
}

#[test]
fn the_readme_is_short_and_names_every_page() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 200, "{lines} lines");
    for page in PAGES.into_iter().chain(OTHER_PAGES).skip(1) {
        assert!(readme.contains(&format!("({page})")), "{page} has no link");
    }
}

#[test]
fn every_flag_is_on_a_page() {
    let pages = PAGES.map(read).concat();
    for command in [
        "call", "compile", "compute", "config", "exec", "health", "inspect", "queue", "serve",
        "verify", "worker",
    ] {
        let help = stdout_of([command, "--help"]);
        let of_flag = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        for word in help.split_whitespace().filter(|it| it.starts_with("--")) {
            let end = word.find(|letter| !of_flag(letter)).unwrap_or(word.len());
            let flag = &word[..end];
            let is_shown = flag == "--help" || pages.contains(flag);
            assert!(is_shown, "{flag} of {command} is on no page");
        }
    }
}

/// The anchors of the headings of a page, as GitHub forms them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
            let kept: String = heading.chars().filter(kept).collect();
            kept.replace(' ', "-")
        })
        .collect()
}

#[test]
fn links_have_targets() {
    for name in PAGES.into_iter().chain(OTHER_PAGES) {
        let page = read(name);
        for (at, _) in page.match_indices("](") {
            let link = page[at + 2..].split(')').next().unwrap_or_default();
            if link.starts_with("http") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => repository(name),
                path => repository(name).parent().expect("a folder").join(path),
            };
            assert!(target.exists(), "{name}: {link}");
            if !anchor.is_empty() {
                let headings = anchors(&fs::read_to_string(&target).expect("a page"));
                assert!(headings.iter().any(|it| it == anchor), "{name}: {link}");
            }
        }
    }
}

#[test]
fn paths_in_backticks_exist() {
    const FOLDERS: [&str; 10] = [
        ".ci/",
        "benches/",
        "deploy/",
        "docs/",
        "examples/",
        "fuzz/",
        "guest/",
        "host/",
        "tests/",
        "wit/",
    ];
    for name in PAGES.into_iter().chain(OTHER_PAGES) {
        // Odd pieces are code: a fence has three backticks.
        for code in read(name).split('`').skip(1).step_by(2) {
            let is_path = FOLDERS.iter().any(|folder| code.starts_with(folder));
            if is_path && !code.contains(char::is_whitespace) {
                assert!(repository(code).exists(), "{name}: {code}");
            }
        }
    }
}
