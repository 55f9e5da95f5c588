//! The command line: flags around the component of `exec`, a component in the wrong place, the
//! help that an error names, and short forms of values.

use crate::blocking_service::Service;
use crate::harness::{assert_fails, cocoon, json_lines, run, stdout_of};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

#[test]
fn flags_follow_the_component_until_its_first_argument() {
    let text = "--verbose -n 7 --json -- x";
    let theirs = text.split(' ');
    let lines = stdout_of(
        ["exec", PROGRAM, "-n", "1", "--json", "say"]
            .into_iter()
            .chain(theirs),
    );
    assert_eq!(json_lines(&lines)[0]["text"], text);
    for arguments in [
        &["exec", PROGRAM, "say", "--json"][..],
        &["exec", PROGRAM, "--", "say", "--json"],
        &[
            "exec",
            "--deterministic",
            PROGRAM,
            "--network",
            "say",
            "--json",
        ],
    ] {
        assert_eq!(stdout_of(arguments), "--json\n", "{arguments:?}");
    }
    // The configuration and the format are read before the arguments are parsed.
    assert_eq!(
        stdout_of([
            "exec",
            PROGRAM,
            "say",
            "--config",
            "/nowhere",
            "--log-format=json"
        ]),
        "--config /nowhere --log-format=json\n"
    );
    assert_fails(
        &run(["exec", PROGRAM, "--config", "/nowhere", "say"]),
        2,
        &["/nowhere"],
    );
    assert_fails(
        &run(["exec", PROGRAM, "--verbose", "say"]),
        2,
        &[
            "'--verbose'",
            "use `-- --verbose`",
            "see `cocoon exec --help`",
        ],
    );
    assert_fails(
        &run(["exec", PROGRAM, "--jsom", "say"]),
        2,
        &["'--jsom'", "did you mean `--json`"],
    );
}

#[test]
fn a_component_in_place_of_a_number_suggests_exec() {
    for (arguments, advice) in [
        (&["run", "my.wasm"][..], "`cocoon exec my.wasm`"),
        (&["run", "my.wasm", "-n", "5"], "`cocoon exec my.wasm`"),
        (&["run", "my.wasm", "input.txt"], "`cocoon exec my.wasm`"),
        (
            &["compute", "--json", "dir/a.wat"],
            "`cocoon exec dir/a.wat`",
        ),
        (
            &["info", "oci://host/tool:1"],
            "`cocoon exec oci://host/tool:1`",
        ),
        (&["my.wasm"], "`cocoon exec my.wasm`"),
    ] {
        assert_fails(&run(arguments), 2, &[advice]);
    }
    // An invalid flag before the component is reported first.
    assert_fails(&run(["run", "--deadline", "soon"]), 2, &["soon"]);
}

#[test]
fn an_error_names_the_help_of_its_subcommand() {
    for (arguments, help) in [
        (&["compute"][..], "`cocoon compute --help`"),
        (&["--log-format", "text", "run", "x"], "`cocoon run --help`"),
        (&["comptue", "5"], "`cocoon --help`"),
        (&["config", "exec", "--env", ""], "`cocoon exec --help`"),
        (&["config", "frobnicate"], "`cocoon config --help`"),
        (
            &["exec", PROGRAM, "--env", "A=1", "--env", "A=2"],
            "`cocoon exec --help`",
        ),
    ] {
        assert_fails(&run(arguments), 2, &[help]);
        let command = help.trim_matches('`').split(' ').skip(1);
        assert!(stdout_of(command).contains("Usage: cocoon"), "{help}");
    }
    let help = stdout_of(["exec", "--help"]);
    let (arguments, _) = help.split_once("\nOptions:").expect("options");
    assert!(arguments.contains("\n  [ARGS]..."), "{arguments}");
}

#[test]
fn digits_of_a_number_may_be_grouped() {
    assert_eq!(stdout_of(["compute", "1_0"]), "3628800\n");
    let two = run(["exec", PROGRAM, "-n", "0_2", "say"]);
    assert_eq!((two.code, two.out.lines().count()), (Some(0), 2));
    assert_eq!(stdout_of(["run", "1", "--sandboxes", "1_000"]), "1! = 1\n");
    for text in ["1__0", "_1", "1_", "1,000"] {
        assert_fails(&run(["compute", text]), 2, &[text, "expected an integer"]);
    }
}

#[test]
fn a_listen_address_has_short_forms() {
    for listen in ["localhost:0", "0"] {
        let service = Service::start(&mut cocoon(["serve", "--listen", listen]));
        let address = service.address();
        assert!(address.starts_with("127.0.0.1:"), "{listen}: {address}");
    }
}
