//! Settings from flags, variables and a file, and their report by `cocoon config`.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Outcome, assert_fails, cocoon, json_lines, run_command, stdout_of};

/// A folder with a configuration.
struct ConfigFolder {
    folder: TempDir,
}

impl ConfigFolder {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("cocoon.toml"), text).expect("written");
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("cocoon.toml")
    }

    /// The binary with its working directory in that folder, and the configuration's variable
    /// set.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cocoon(arguments);
        command
            .env("COCOON_CONFIG", "cocoon.toml")
            .current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        run_command(&mut self.command(arguments))
    }

    fn stdout_of(&self, arguments: &[&str]) -> String {
        let Outcome { out, err, code } = self.run(arguments);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}");
        out
    }
}

/// The row of `cocoon config --json` for a key.
fn row(text: &str, key: &str) -> Value {
    let rows = json_lines(text);
    let row = rows.into_iter().find(|row| row["key"] == key);
    row.unwrap_or_else(|| panic!("{key} in {text}"))
}

#[test]
fn a_file_sets_flags_for_all_commands_or_for_one() {
    let it = ConfigFolder::new(
        "json = true\n\
         kind = \"double\"\n\
         [compute]\n\
         kind = \"subfactorial\"\n\
         json = false\n",
    );
    assert_eq!(it.stdout_of(&["compute", "10"]), "1334961\n");
    let facts = &json_lines(&it.stdout_of(&["info", "10"]))[0];
    assert_eq!(
        (&facts["kind"], &facts["n"]),
        (&json!("double"), &json!(10))
    );
    assert_eq!(json_lines(&it.stdout_of(&["run", "2"]))[1]["value"], "2");
    // A flag wins in either direction.
    assert_eq!(it.stdout_of(&["compute", "4", "--kind=factorial"]), "24\n");
    assert_eq!(
        it.stdout_of(&["run", "2", "--json=false"]),
        "1! = 1\n2! = 2\n"
    );
    let twice = it.stdout_of(&["compute", "10", "--json"]);
    assert_eq!(json_lines(&twice)[0]["value"], "1334961");
}

#[test]
fn flags_override_variables_and_variables_override_the_file() {
    let it = ConfigFolder::new("output = \"2KiB\"\n");
    let many = ["compute", "2000"];
    assert_fails(&it.run(&many), 1, &["2 KiB", "--output"]);
    let by_variable = run_command(it.command(&many).env("COCOON_OUTPUT", "1KiB"));
    assert_fails(&by_variable, 1, &["1 KiB"]);
    let by_flag = run_command(
        it.command(&["compute", "2000", "--output=1MiB"])
            .env("COCOON_OUTPUT", "1KiB"),
    );
    assert_eq!((by_flag.code, by_flag.out.len()), (Some(0), 5736 + 1));
}

#[test]
fn the_config_flag_overrides_its_variable() {
    let it = ConfigFolder::new("json = true");
    let other = ConfigFolder::new("kind = \"primorial\"");
    let file = other.file();
    let file = file.to_str().expect("UTF-8");
    for arguments in [
        ["--config", file, "compute", "10"],
        ["compute", "--config", file, "10"],
        ["compute", "10", "--config", file],
    ] {
        assert_eq!(it.stdout_of(&arguments), "210\n");
    }
    let joined = format!("--config={file}");
    assert_eq!(it.stdout_of(&["compute", "10", &joined]), "210\n");
    // Arguments after `--` belong to the program.
    let program = cocoon_test_guests::HOSTILE_PROGRAM;
    let theirs = it.run(&["exec", program, "--", "arguments", "--config", "nowhere"]);
    assert!(!theirs.err.contains("nowhere:"), "{}", theirs.err);
    assert!(!theirs.err.contains("cannot read"), "{}", theirs.err);
}

#[test]
fn a_flag_overrides_conflicting_settings_of_the_file() {
    let it = ConfigFolder::new("[exec]\noutput-dir = \"out\"\nnetwork = true\n");
    let rows = it.stdout_of(&["config", "exec"]);
    assert!(rows.contains("\noutput-dir = \"out\""), "{rows}");
    let other = ConfigFolder::new("[exec]\nstdin = \"nowhere\"\n");
    let rows = other.stdout_of(&["config", "exec", "-i"]);
    assert!(
        rows.contains("\ninteractive = true") && rows.contains("\n# stdin: not set"),
        "{rows}"
    );
    let both = ConfigFolder::new("[exec]\ninteractive = true\nstdin = \"nowhere\"\n");
    assert_fails(
        &both.run(&["run", "1"]),
        2,
        &["cocoon.toml:3:", "interactive", "stdin", "remove one"],
    );
}

#[test]
fn an_invalid_file_is_reported_with_line_and_expected_value() {
    for (text, words) in [
        (
            "\nsandbox_memory = \"1GiB\"",
            &["cocoon.toml:2: ", "did you mean `sandbox-memory`"][..],
        ),
        (
            "[compute]\nkinds = 3",
            &["cocoon.toml:2: ", "`compute`", "did you mean `kind`"],
        ),
        (
            "[run]\nkind = \"double\"",
            &["cocoon.toml:2: ", "long flag of `run`"],
        ),
        ("[serf]\n", &["cocoon.toml:1: ", "`[serf]`", "compute"]),
        (
            "[exec]\nfrobnicate = 1",
            &["cocoon.toml:2: ", "`frobnicate`", "`cocoon exec --help`"],
        ),
        ("zzz = 1", &["cocoon.toml:1: ", "`cocoon COMMAND --help`"]),
        (
            "[exec]\nenv = { A = \"1\" }",
            &["cocoon.toml:2: ", "env = [\"NAME[=VALUE]\", …]"],
        ),
        (
            "[exec]\nenv = [[\"A=1\"]]",
            &["cocoon.toml:2: ", "env = [\"NAME[=VALUE]\", …]"],
        ),
        (
            "[exec]\nenv = [\"A=b\\u0000c\"]",
            &["cocoon.toml:2: ", "without a NUL character"],
        ),
        (
            "[exec]\ndir = [\"/tmp:/a\\u0000\"]",
            &["cocoon.toml:2: ", "without a NUL character"],
        ),
        (
            "[exec]\nenv = [\"\"]",
            &["cocoon.toml:2: ", "expected NAME or NAME=VALUE"],
        ),
        (
            "[exec]\ninstances = 0",
            &["cocoon.toml:2: ", "`instances`", "from 1 to"],
        ),
        (
            "[exec]\nstdin = \"\"",
            &[
                "cocoon.toml:2: ",
                "expected a value for `stdin`, got an empty",
            ],
        ),
        (
            "component = \"\"",
            &["cocoon.toml:1: ", "`component`", "got an empty string"],
        ),
        (
            "sandboxes = \"many\"",
            &["cocoon.toml:1: ", "`sandboxes`", "from 1 to 1000000"],
        ),
        (
            "sandboxes = true",
            &["cocoon.toml:1: ", "`sandboxes`", "from 1 to 1000000"],
        ),
        (
            "sandboxes = [1]",
            &["cocoon.toml:1: ", "sandboxes = \"COUNT\""],
        ),
        (
            "deadline = 30",
            &["cocoon.toml:1: ", "`deadline`", "500ms, 30s or 1h"],
        ),
        ("queue = -1", &["cocoon.toml:1: ", "`queue`"]),
        ("json = 1", &["cocoon.toml:1: ", "json = true"]),
        (
            "component = 1.5",
            &["cocoon.toml:1: ", "component = \"1.5\""],
        ),
        (
            "kind = \"tenfold\"",
            &["cocoon.toml:1: ", "`kind`", "subfactorial"],
        ),
        ("n = 10", &["cocoon.toml:1: ", "got `n`"]),
        (
            "config = \"other.toml\"",
            &["cocoon.toml:1: ", "got `config`"],
        ),
        ("queue = 1\nqueue = 2", &["cocoon.toml:2: ", "duplicate"]),
        ("queue = ", &["cocoon.toml:1: "]),
        ("queue = \"\u{1}\"", &["cocoon.toml:1: "]),
        (
            "sandbox-memory = \"2GiB\"\ntotal-memory = \"1GiB\"",
            &["--sandbox-memory", "to be at most"],
        ),
    ] {
        // Every command validates the whole file.
        let outcome = ConfigFolder::new(text).run(&["compute", "5"]);
        assert_fails(&outcome, 2, words);
    }
}

#[test]
fn an_unreadable_file_is_reported() {
    let it = ConfigFolder::new(&"#".repeat((64 << 10) + 1));
    assert_fails(&it.run(&["run", "1"]), 2, &["cocoon.toml", "64 KiB"]);
    let it = ConfigFolder::new(&"#".repeat(64 << 10));
    assert_eq!(it.stdout_of(&["run", "1"]), "1! = 1\n");
    std::fs::write(it.file(), b"component = \"\xff\"").expect("written");
    assert_fails(&it.run(&["run", "1"]), 2, &["cocoon.toml", "UTF-8"]);
    for path in ["nowhere.toml", "/", "/dev/zero"] {
        let outcome = it.run(&["run", "1", "--config", path]);
        assert_fails(&outcome, 2, &[path]);
    }
    for arguments in [&["run", "--config"][..], &["run", "1", "--config="]] {
        assert_fails(&it.run(arguments), 2, &["--config <FILE>"]);
    }
    // The help works with an invalid file.
    assert!(it.stdout_of(&["run", "--help"]).contains("--config <FILE>"));
}

#[test]
fn help_shows_the_settings_of_the_file() {
    let it = ConfigFolder::new("sandboxes = 7\n[compute]\nkind = \"double\"\n");
    let help = it.stdout_of(&["compute", "--help"]);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["[configured: 7]", "[configured: double]"] {
        assert!(help.contains(words), "{words} in {help}");
    }
    assert!(!stdout_of(["compute", "--help"]).contains("configured"));
}

#[test]
fn config_reports_the_source_of_each_value() {
    let it = ConfigFolder::new("# first\nqueue = 5\nstack = \"1MiB\"\noutput = \"1KiB\"\n");
    let arguments = ["config", "compute", "--sandboxes", "3", "--stack=2MiB"];
    let shown = |more: &[&str]| {
        let arguments: Vec<_> = arguments.iter().chain(more).copied().collect();
        let Outcome { out, err, code } = run_command(
            it.command(&arguments)
                .env("COCOON_OUTPUT", "4 KiB")
                .env("COCOON_STACK", "3MiB"),
        );
        assert_eq!((code, err.as_str()), (Some(0), ""));
        out
    };
    let text = shown(&[]);
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        "[compute]",
        "sandboxes = 3 # flag",
        "stack = \"2MiB\" # flag",
        "output = \"4 KiB\" # COCOON_OUTPUT",
        "queue = 5 # cocoon.toml:2",
        "# deadline = \"1h\" # default",
        "# json = false # default",
        "# seed: random # default",
        "# component: the built-in one # default",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line:?} in {text}");
    }
    // The resulting value depends on the machine.
    let total = "# total-memory = \"70%\" # default; ";
    let total = lines.iter().find(|line| line.starts_with(total));
    assert!(
        total.is_some_and(|line| line.contains(" in force: ") && line.contains(", 70% of ")),
        "{text}"
    );

    let text = shown(&["--json"]);
    let source = |key: &str| row(&text, key);
    assert_eq!(
        source("sandboxes"),
        json!({"command": "compute", "key": "sandboxes", "value": 3, "source": "flag"})
    );
    assert_eq!(
        source("output"),
        json!({"command": "compute", "key": "output", "value": "4 KiB", "source": "variable", "variable": "COCOON_OUTPUT"})
    );
    assert_eq!(
        source("queue"),
        json!({"command": "compute", "key": "queue", "value": 5, "source": "file", "file": "cocoon.toml", "line": 2})
    );
    assert_eq!(
        source("deadline"),
        json!({"command": "compute", "key": "deadline", "value": "1h", "source": "default"})
    );
    assert_eq!(source("component")["value"], Value::Null);
}

/// Key and value of every setting that is not a default.
fn chosen(text: &str) -> Vec<(Value, Value)> {
    json_lines(text)
        .into_iter()
        .filter(|row| row["source"] != "default")
        .map(|row| (row["key"].clone(), row["value"].clone()))
        .collect()
}

#[test]
fn the_output_of_config_is_an_equivalent_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let odd = "a \"file\"\\ of\ttabs, # and \u{7f} ü";
    let flags: [&[&str]; 5] = [
        &["config", "compute"],
        &[
            "config",
            "compute",
            "--seed",
            "18446744073709551615",
            "--out",
            odd,
            "--format=scientific:5",
            "--proved",
            "--total-memory=50%",
            "--sandbox-memory",
            "64MiB",
            "--fan-out",
            "auto",
        ],
        &[
            "config",
            "exec",
            "--total-memory",
            "128MiB",
            "--stdin",
            "007",
            "--dir",
            "/tmp:/x",
            "--dir=/:/y",
            "--network",
            "--allow-net",
            "example.com:443,10.0.0.0/8",
            "--deterministic=7",
        ],
        &[
            "config",
            "serve",
            "--listen",
            "[::1]:0",
            "--token-file",
            "5",
            "--drain-delay=0s",
        ],
        &["config", "inspect", "--deadline", "1h 30m", "--queue=0"],
    ];
    for arguments in flags {
        let file = folder.path().join("printed.toml");
        std::fs::write(&file, stdout_of(arguments)).expect("written");
        let expected = stdout_of(arguments.iter().copied().chain(["--json"]));
        let got =
            run_command(cocoon(["config", arguments[1], "--json"]).env("COCOON_CONFIG", &file));
        assert_eq!((got.code, got.err.as_str()), (Some(0), ""), "{arguments:?}");
        assert_eq!(chosen(&got.out), chosen(&expected), "{arguments:?}");
        assert_eq!(chosen(&got.out).is_empty(), arguments.len() == 2);
        let all = |text: &str| {
            let rows = json_lines(text).into_iter();
            rows.map(|row| {
                (
                    row["key"].clone(),
                    row["value"].clone(),
                    row["note"].clone(),
                )
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(all(&got.out), all(&expected), "{arguments:?}");
    }
}

#[test]
fn config_without_a_command_describes_the_service() {
    let it = ConfigFolder::new("listen = \"0.0.0.0:8080\"\n[serve]\nstall = \"5s\"\n");
    let text = it.stdout_of(&["config"]);
    assert_eq!(text, it.stdout_of(&["config", "serve"]));
    assert!(
        text.starts_with("[serve]\nlisten = \"0.0.0.0:8080\" "),
        "{text}"
    );
    let text = it.stdout_of(&[
        "config",
        "--listen=[::]:1",
        "--json",
        "--token-file",
        "/run/token",
    ]);
    assert_eq!(row(&text, "listen")["value"], "[::]:1");
    assert_eq!(row(&text, "token-file")["value"], "/run/token");
    assert_eq!(row(&text, "stall")["line"], 3);
    assert_eq!(
        row(&text, "sandbox-memory")["note"],
        "the promise of the component, at most 256 MiB"
    );
}

#[test]
fn config_shows_no_secret() {
    for more in [None, Some("--json")] {
        let arguments = ["config", "exec", "--env", "PASSWORD=open sesame"];
        let text = stdout_of(arguments.into_iter().chain(more));
        assert!(
            text.contains("PASSWORD") && !text.contains("sesame"),
            "{text}"
        );
    }
}

#[test]
fn config_reports_the_errors_of_the_command() {
    for (arguments, words) in [
        (
            &["config", "compute", "--sandboxs", "5"][..],
            &["--sandboxes"][..],
        ),
        (
            &["config", "compute", "--sandboxes", "many"],
            &["from 1 to 1000000"],
        ),
        (&["config", "man"], &["got `man`", "compute"]),
        (&["config", "frobnicate"], &["frobnicate"]),
        (
            &["config", "exec", "--env", ""],
            &["expected NAME or NAME=VALUE"],
        ),
        (
            &["config", "exec", "-i", "--stdin", "x"],
            &["--interactive", "--stdin"],
        ),
    ] {
        assert_fails(&run_command(&mut cocoon(arguments)), 2, words);
    }
}
