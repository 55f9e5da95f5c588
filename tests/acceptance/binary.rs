//! The host binary: the commands of a first session, and their output.

use cocoon::limits::{Limit, Limits, Scope};
use serde_json::{Value, json};

use super::{SHA256_OF_20000, TEN};
use crate::harness::{cocoon, json_lines, run, run_command, sha256, stdout_of};

#[test]
fn run_prints_ten_factorials() {
    assert_eq!(stdout_of(["run"]), TEN);
    assert_eq!(stdout_of(["run", "10"]), TEN);
    assert_eq!(stdout_of(["run", "1"]), "1! = 1\n");
    assert_eq!(stdout_of(["run", "0"]), "0! = 1\n");
}

#[test]
fn run_prints_many_in_order() {
    let text = stdout_of(["run", "1500"]);
    assert_eq!(text.lines().count(), 1500);
    for (n, line) in (1..).zip(text.lines()) {
        assert!(
            line.starts_with(&format!("{n}! = ")),
            "line {n}: {line:.40}"
        );
    }
}

#[test]
fn kinds_prints_one_of_each() {
    let expected = "10! = 3628800\n10!! = 3840\n10!!! = 280\n!10 = 1334961\n10# = 210\n\
                    sf(10) = 6658606584104736522240000000\n\
                    H(10) = 215779412229418562091680268288000000000000000\naf(10) = 3301819\n";
    assert_eq!(stdout_of(["kinds", "10"]), expected);
}

#[test]
fn compute_agrees_with_an_independent_program() {
    let digits = stdout_of(["compute", "20000"]);
    assert_eq!(sha256(&digits), SHA256_OF_20000);
}

#[test]
fn compute_supports_kinds_and_formats() {
    assert_eq!(stdout_of(["compute", "0"]), "1\n");
    assert_eq!(stdout_of(["compute", "10", "--kind", "multi:4"]), "120\n");
    assert_eq!(
        stdout_of([
            "compute",
            "10",
            "--kind=primorial",
            "--format",
            "scientific:2"
        ]),
        "2.1e+2\n"
    );
}

#[test]
fn info_reports_facts_without_the_product() {
    let text = stdout_of(["info", "1000"]);
    for line in ["digits:", "trailing zeros:", "leading digits:", "memory:"] {
        assert_eq!(
            text.lines().filter(|it| it.starts_with(line)).count(),
            1,
            "{text}"
        );
    }
    assert!(
        text.contains(" 2568\n")
            && text.contains(" 249\n")
            && text.contains(" 40238726007709377354\n"),
        "{text}"
    );
    // A number that is too large to compute.
    let facts = json_lines(&stdout_of(["info", "1000000000000", "--json"]));
    assert_eq!(facts[0]["digits"], json!(11_565_705_518_104_u64));
    assert_eq!(facts[0]["trailing_zeros"], json!(249_999_999_997_u64));
    assert_eq!(facts[0]["peak_bytes"], Value::Null);
}

#[test]
fn json_has_one_object_per_line() {
    for (command, count) in [("run", 5), ("kinds", 8), ("compute", 1)] {
        let records = json_lines(&stdout_of([command, "5", "--json"]));
        assert_eq!(records.len(), count, "{command}");
        for record in &records {
            let keys: Vec<_> = record
                .as_object()
                .expect("an object")
                .keys()
                .map(String::as_str)
                .collect();
            let mut expected = vec!["n", "kind", "value", "digits", "elapsed_us", "grade"];
            expected.sort_unstable();
            let mut sorted = keys.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, expected, "{command}");
        }
    }
    let records = json_lines(&stdout_of(["run", "3", "--json"]));
    assert_eq!(
        (&records[2]["n"], &records[2]["value"]),
        (&json!(3), &json!("6"))
    );
    let info = &json_lines(&stdout_of(["info", "100", "--json"]))[0];
    assert_eq!(
        (&info["digits"], &info["trailing_zeros"]),
        (&json!(158), &json!(24))
    );
}

#[test]
fn inspect_reports_imports_exports_and_needs() {
    for text in [
        stdout_of(["inspect"]),
        stdout_of(["inspect", cocoon_test_guests::BUNDLED]),
    ] {
        for part in [
            "imports:\n",
            "wasi:cli/environment@0.2",
            "exports:\n",
            "cocoon:factorial/factorial@0.1.0",
            "compute, digits, verify, serve",
            "cocoon:factorial/parts@0.1.0",
            "wasi:cli/run@0.2",
            "memory image: 64 KiB",
            "1 memory, 2 tables",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
    assert!(
        stdout_of(["inspect"]).contains("precompiled:  yes"),
        "the precompiled code fits this machine"
    );
    let numbers = stdout_of(["inspect", cocoon_test_guests::NUMBERS]);
    assert!(
        numbers.contains("break-after") && numbers.contains("no, compiled at load"),
        "{numbers}"
    );
}

#[test]
fn the_bundled_component_imports_nothing_but_wasi_02() {
    let text = stdout_of(["inspect"]);
    let imports = text
        .lines()
        .skip_while(|line| *line != "imports:")
        .skip(1)
        .take_while(|line| line.starts_with("  "));
    for import in imports {
        let name = import.trim();
        assert!(
            name.starts_with("wasi:") && name.contains("@0.2.") && !name.contains("http"),
            "{name}"
        );
    }
}

#[test]
fn help_shows_every_limit_with_default_and_variable() {
    for (command, limits, scope) in [
        ("run", Limits::COMMANDS, Scope::Jobs),
        ("compute", Limits::COMMANDS, Scope::Jobs),
        ("exec", Limits::EXEC, Scope::Batch),
        ("worker", Limits::EXEC, Scope::Worker),
        ("serve", Limits::SERVE, Scope::Service),
    ] {
        // Wide enough that no word is split across lines.
        let text = stdout_of([command, "--help"]);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for limit in Limit::in_scope(scope) {
            let spec = limit.spec();
            let from = text
                .find(&format!("--{} <", spec.flag))
                .unwrap_or_else(|| panic!("--{}", spec.flag));
            let text = &text[from..];
            let default = match limit {
                Limit::TotalMemory => "70%".to_owned(),
                Limit::SandboxMemory if command == "serve" => {
                    "the promise of the component, at most 256 MiB".to_owned()
                }
                Limit::SandboxMemory if !["exec", "worker"].contains(&command) => {
                    "the promise of the component, at most 4 GiB".to_owned()
                }
                _ => limit.format(limits.get(limit)),
            };
            let words = format!("[default: {default}] [env: {}", spec.env);
            let found = text
                .find(&words)
                .unwrap_or_else(|| panic!("{words} in {text}"));
            // Within its own entry.
            assert!(
                text[2..found].find(" --").is_none(),
                "{words} belongs to another flag"
            );
        }
    }
}

#[test]
fn help_version_completions_and_manual_are_there() {
    let help = stdout_of(["--help"]);
    for command in [
        "run",
        "compute",
        "kinds",
        "info",
        "verify",
        "serve",
        "health",
        "exec",
        "compile",
        "call",
        "inspect",
        "worker",
        "queue",
        "config",
        "completions",
        "man",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
    assert_eq!(
        stdout_of(["--version"]),
        concat!("cocoon ", env!("CARGO_PKG_VERSION"), "\n")
    );
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout_of(["completions", shell]);
        assert!(
            script.contains("cocoon") && script.contains("sandbox-memory"),
            "{shell}"
        );
    }
    let page = stdout_of(["man"]);
    for part in [
        ".TH",
        "cocoon",
        "COCOON EXEC",
        "deadline",
        "COCOON_DEADLINE",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn running_without_a_command_shows_the_help() {
    let outcome = run_command(&mut cocoon::<&str>([]));
    assert_eq!(outcome.code, Some(2));
    assert!(
        [&outcome.out, &outcome.err]
            .iter()
            .any(|text| text.contains("Usage: cocoon")),
        "{}",
        outcome.err
    );
}

#[test]
fn another_component_replaces_the_bundled_one() {
    let same = ["run", "3", "--component", cocoon_test_guests::BUNDLED];
    assert_eq!(stdout_of(same), "1! = 1\n2! = 2\n3! = 6\n");
    let other = [
        "compute",
        "1234",
        "--component",
        cocoon_test_guests::HOSTILE_FACTORIAL,
    ];
    assert_eq!(stdout_of(other), "1234\n");
    let by_variable = run_command(
        cocoon(["compute", "1234"]).env("COCOON_COMPONENT", cocoon_test_guests::HOSTILE_FACTORIAL),
    );
    assert_eq!(by_variable.out, "1234\n");
}

#[test]
fn variables_set_limits_and_flags_override_them() {
    let by_variable = run_command(cocoon(["compute", "1000"]).env("COCOON_OUTPUT", "1KiB"));
    assert_eq!(by_variable.code, Some(1));
    assert!(by_variable.err.contains("1 KiB"), "{}", by_variable.err);
    let by_flag =
        run_command(cocoon(["compute", "1000", "--output", "4KiB"]).env("COCOON_OUTPUT", "1KiB"));
    assert_eq!(by_flag.code, Some(0), "{}", by_flag.err);
}

#[test]
fn every_command_works_with_one_sandbox() {
    assert_eq!(stdout_of(["run", "10", "--sandboxes", "1"]), TEN);
    let few = run(["run", "200", "--sandboxes", "2", "--total-memory", "16MiB"]);
    assert_eq!(
        (few.code, few.out.lines().count()),
        (Some(0), 200),
        "{}",
        few.err
    );
}
