//! Invalid arguments and variables: one line names the fault and the expected value, with exit
//! code 2 and no output. The suggested fix works.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::harness::{assert_fails, cocoon, run, run_command};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn an_invalid_argument_is_named_with_the_expected_value() {
    for (arguments, words) in [
        (&["compute"][..], &["<N>"][..]),
        (&["compute", "ten"], &["ten", "0 to 18446744073709551615"]),
        (&["compute", "-3"], &["-3", "0 to 18446744073709551615"]),
        (&["run", "-1"], &["-1", "0 to 18446744073709551615"]),
        (&["kinds", "1e3"], &["1e3"]),
        (&["info", "1.5"], &["1.5"]),
        (&["compute", ""], &["<N>"]),
        (
            &["compute", "18446744073709551616"],
            &["18446744073709551615"],
        ),
        (&["compute", "5", "6"], &["6"]),
        (&["compute", "5", "--kind", "multi:0"], &["multi", "from 1"]),
        (&["compute", "5", "--kind", "multi:x"], &["multi", "from 1"]),
        (
            &["compute", "5", "--kind", "tripel"],
            &["tripel", "superfactorial"],
        ),
        (&["compute", "5", "--format", "hex"], &["hex", "scientific"]),
        (
            &["compute", "5", "--format", "scientific:0"],
            &["1 to 1000"],
        ),
        (
            &["compute", "5", "--format", "scientific:1001"],
            &["1 to 1000"],
        ),
        (&["comptue", "5"], &["comptue", "compute"]),
        (&["compute", "5", "--jason"], &["--jason", "--json"]),
        (&["compute", "5", "-o"], &["--out"]),
        (&["run", "--deadline", "soon"], &["soon", "30s"]),
        (&["run", "--deadline", "0s"], &["from 1ms"]),
        (
            &["run", "--sandbox-memory", "much"],
            &["much", "from 64 KiB to 4 GiB"],
        ),
        (&["run", "--sandbox-memory", "5GiB"], &["4 GiB"]),
        (&["run", "--sandbox-memory", "1"], &["64 KiB"]),
        (&["run", "--total-memory", "0%"], &["70%"]),
        (&["run", "--total-memory", "101%"], &["70%"]),
        (&["run", "--total-memory", "10KiB"], &["1 MiB"]),
        (&["run", "--sandboxes", "0"], &["from 1"]),
        (&["run", "--sandboxes", "-1"], &["1000"]),
        (&["run", "--output", "0B"], &["from 1 B"]),
        (
            &["run", "--deadline", "1s", "--deadline", "2s"],
            &["deadline"],
        ),
        (&["exec"], &["<FILE>"]),
        (&["exec", PROGRAM, "-n", "0"], &["0", "--instances"]),
        (&["exec", PROGRAM, "-c", "0"], &["0", "--concurrency"]),
        (
            &["exec", PROGRAM, "--dir", "/no/such/folder"],
            &["/no/such/folder"],
        ),
        (&["exec", ""], &["<FILE>", "got an empty string"]),
        (
            &["exec", PROGRAM, "-n", "many"],
            &["from 1 to 18446744073709551615"],
        ),
        (
            &["exec", PROGRAM, "-c", "4294967296"],
            &["from 1 to 4294967295"],
        ),
        (
            &["exec", PROGRAM, "--stdin", ""],
            &["--stdin", "got none or an empty"],
        ),
        (
            &["exec", PROGRAM, "--output-dir="],
            &["--output-dir", "empty"],
        ),
        (
            &["exec", PROGRAM, "--dir", PROGRAM],
            &["expected a folder, got the file"],
        ),
        (
            &["exec", PROGRAM, "--dir", ":"],
            &["HOST[:GUEST][:rw]", "`:`"],
        ),
        (
            &["exec", PROGRAM, "--dir", ""],
            &["HOST[:GUEST][:rw]", "``"],
        ),
        (
            &["exec", PROGRAM, "--dir", ":rw"],
            &["HOST[:GUEST][:rw]", "`:rw`"],
        ),
        (
            &["exec", PROGRAM, "--dir", "/tmp::rw"],
            &["HOST[:GUEST][:rw]", "`/tmp::rw`"],
        ),
        (
            &["exec", PROGRAM, "--dir", "/tmp:/a:/b"],
            &["HOST[:GUEST][:rw]"],
        ),
        (
            &["exec", PROGRAM, "--env", ""],
            &["expected NAME or NAME=VALUE", "an empty string"],
        ),
        (
            &["compute", "5", "--fan-out", ""],
            &["expected auto or an integer from 1 to 64"],
        ),
        (
            &["compute", "5", "--component", ""],
            &["oci://REFERENCE", "an empty string"],
        ),
        (
            &["compute", "5", "--seed", ""],
            &["expected an integer from 0"],
        ),
        (&["verify", "5", ""], &["<FILE>", "empty"]),
        (
            &["serve", "--listen", "example.org:80"],
            &[
                "IP address",
                "127.0.0.1:8080",
                "localhost:8080",
                "`cocoon serve --help`",
            ],
        ),
        (&["serve", "--token-file", ""], &["--token-file", "empty"]),
        (
            &["exec", PROGRAM, "--env", "COCOON_NO_SUCH"],
            &["COCOON_NO_SUCH=VALUE"],
        ),
        (&["exec", PROGRAM, "--env", "=x"], &["NAME=VALUE"]),
        (&["completions", "tcsh"], &["tcsh", "zsh"]),
    ] {
        let outcome = run(arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.err);
        assert_fails(&outcome, 2, words);
    }
}

#[test]
fn contradictory_arguments_are_refused() {
    for (arguments, words) in [
        (
            &["run", "--sandbox-memory", "2GiB", "--total-memory", "1GiB"][..],
            ["--sandbox-memory", "--total-memory"],
        ),
        (
            &[
                "exec",
                PROGRAM,
                "--sandbox-memory",
                "64MiB",
                "--total-memory",
                "32MiB",
            ],
            ["64 MiB", "32 MiB"],
        ),
        (
            &["exec", PROGRAM, "--lines", "-n", "2"],
            ["--lines", "--instances"],
        ),
        (
            &["exec", PROGRAM, "-i", "--stdin", "/dev/null"],
            ["--interactive", "--stdin"],
        ),
    ] {
        assert_fails(&run(arguments), 2, &words);
    }
}

#[test]
fn variables_are_validated_like_flags_and_named() {
    let wrong = run_command(cocoon(["run"]).env("COCOON_DEADLINE", "soon"));
    assert_fails(&wrong, 2, &["cocoon: COCOON_DEADLINE: ", "soon", "30s"]);
    let empty = run_command(cocoon(["run"]).env("COCOON_COMPONENT_CACHE", ""));
    assert_fails(&empty, 2, &["COCOON_COMPONENT_CACHE: ", "empty"]);
    let flag = run_command(cocoon(["run", "--deadline=never"]).env("COCOON_DEADLINE", "1s"));
    assert_fails(&flag, 2, &["cocoon: invalid value 'never'"]);
    let contradiction =
        run_command(cocoon(["run", "--sandbox-memory", "2GiB"]).env("COCOON_TOTAL_MEMORY", "1GiB"));
    assert_fails(&contradiction, 2, &["--total-memory"]);
}

#[test]
fn a_result_above_a_limit_is_refused_before_computing() {
    for (arguments, words) in [
        (
            &["compute", "1000000", "--output", "1MiB"][..],
            &[
                "5565709 digits",
                "5565709 B",
                "--output",
                "COCOON_OUTPUT",
                "1 MiB",
            ][..],
        ),
        (
            &["compute", "1000000", "--sandbox-memory", "2MiB"],
            &["5565709 digits", "--sandbox-memory", "2 MiB"],
        ),
        (
            &["compute", "1000000", "--total-memory", "4MiB"],
            &["--total-memory"],
        ),
        (
            &["compute", "1000000000", "--output", "64GiB"],
            &["8565705523 digits", "4 GiB"],
        ),
        (&["compute", "18446744073709551615"], &["digits"]),
        (&["run", "18446744073709551615"], &["digits"]),
        (&["kinds", "18446744073709551615"], &["digits"]),
        (&["run", "1000000000"], &["8565705523", "--output"]),
        (&["kinds", "1000000"], &["--output"]),
        (
            &["run", "--total-memory", "1MiB"],
            &["1 MiB", "--total-memory"],
        ),
    ] {
        let started = std::time::Instant::now();
        assert_fails(&run(arguments), 1, words);
        assert!(
            started.elapsed() < std::time::Duration::from_secs(20),
            "{arguments:?}"
        );
    }
}

/// Bytes that are not UTF-8.
const NO_TEXT: &[u8] = b"a\xff";

#[test]
fn a_value_that_is_not_utf8_is_named_with_its_source() {
    let no_text = OsStr::from_bytes(NO_TEXT);
    for flag in ["--env", "--deadline", "-n", "--log-format"] {
        let outcome = run_command(cocoon(["exec", PROGRAM, flag]).arg(no_text));
        assert_fails(&outcome, 2, &["expected UTF-8 for '-", "got `a\\xff`"]);
    }
    let argument = run_command(cocoon(["exec", PROGRAM, "--", "say"]).arg(no_text));
    assert_fails(&argument, 2, &["expected UTF-8 for '[ARGS]...'", "a\\xff"]);
    // The path is not among these variables.
    let path = run_command(
        cocoon(["exec", PROGRAM, "--stdin"])
            .arg(no_text)
            .arg("--deadline")
            .arg(OsStr::from_bytes(b"1s\xfe")),
    );
    assert_fails(&path, 2, &["--deadline", "1s\\xfe"]);
    for (variable, command) in [
        ("COCOON_DEADLINE", "run"),
        ("COCOON_LISTEN", "serve"),
        ("COCOON_LOG_FORMAT", "run"),
        ("COCOON_FAN_OUT", "compute"),
    ] {
        let arguments = [&[command][..], &["5"][..usize::from(command == "compute")]].concat();
        let outcome = run_command(cocoon(arguments).env(variable, no_text));
        let named = format!("{variable}: expected UTF-8");
        assert_fails(&outcome, 2, &[&named, "got `a\\xff`"]);
    }
    let shown = run_command(cocoon(["config", "exec", "--deadline"]).arg(no_text));
    assert_fails(&shown, 2, &["expected UTF-8 for '--deadline", "a\\xff"]);
    let log = run_command(cocoon(["run", "1"]).env("COCOON_LOG", no_text));
    assert_fails(&log, 1, &["a\\xff", "COCOON_LOG", "not UTF-8"]);
}

#[test]
fn a_variable_is_granted_with_its_own_or_a_new_value() {
    let env = |value: &[u8], grant: &str| {
        let mut command = cocoon(["exec", PROGRAM, "--env", grant, "--", "environment"]);
        run_command(command.env("HERE", OsStr::from_bytes(value)))
    };
    assert_eq!(env("é".as_bytes(), "HERE").out, "HERE=é\n");
    assert_eq!(env(b"", "HERE").out, "HERE=\n");
    // The variable is set but not UTF-8; the suggested fix works.
    let not_utf8 = env(NO_TEXT, "HERE");
    assert_fails(
        &not_utf8,
        2,
        &["UTF-8", "`a\\xff`", "HERE", "use HERE=VALUE"],
    );
    assert!(
        !not_utf8.err.contains("set in this environment"),
        "{}",
        not_utf8.err
    );
    assert_eq!(env(NO_TEXT, "HERE=VALUE").out, "HERE=VALUE\n");
    let unset = env(b"", "COCOON_NOT_HERE");
    assert_fails(
        &unset,
        2,
        &["set in this environment", "use COCOON_NOT_HERE=VALUE"],
    );
    for grant in ["COCOON_NOT_HERE=VALUE", "A=", "A==", "A=B=C"] {
        assert_eq!(env(b"", grant).out, format!("{grant}\n"));
    }
}

#[test]
fn duplicate_grants_are_refused() {
    let twice = ["exec", PROGRAM, "--env", "A=1", "--env", "A=2", "--env=B=1"];
    assert_fails(&run(twice), 2, &["--env", "`A`"]);
    let twice = ["exec", PROGRAM, "--dir", "/tmp:/x", "--dir", "/var:/x"];
    assert_fails(&run(twice), 2, &["--dir", "`/x`"]);
}

#[test]
fn a_folder_with_a_non_utf8_path_needs_a_utf8_name_inside() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
    let read = |grant: &OsStr, file: &str| {
        let mut command = cocoon(["exec", PROGRAM, "--dir"]);
        run_command(command.arg(grant).args(["--", "read", file]))
    };
    for name in [NO_TEXT, b"a:b"] {
        fs::create_dir(at(name)).expect("a folder");
        fs::write(at(name).join("file"), "here\n").expect("a file");
    }
    let no_text = at(NO_TEXT);
    assert_fails(
        &read(no_text.as_os_str(), "/in/file"),
        2,
        &["UTF-8", "use HOST:GUEST"],
    );
    let mut grant = no_text.into_os_string();
    grant.push(":/in");
    assert_eq!(read(&grant, "/in/file").out, "here\n");
    let colon = at(b"a:b");
    assert_fails(
        &read(colon.as_os_str(), "/in/file"),
        2,
        &["expected a folder", "use a link"],
    );
    std::os::unix::fs::symlink(&colon, at(b"link")).expect("a link");
    let mut grant = at(b"link").into_os_string();
    grant.push(":/in");
    assert_eq!(read(&grant, "/in/file").out, "here\n");
}

#[test]
fn an_input_or_output_path_of_the_wrong_type_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    let input = run(["exec", PROGRAM, "-n", "2", "--stdin", path, "--", "cat"]);
    assert_fails(&input, 125, &["cannot read", path, "directory"]);
    let file = folder.path().join("file");
    fs::write(&file, "kept").expect("a file");
    let file = file.to_str().expect("UTF-8");
    let output = run(["exec", PROGRAM, "--output-dir", file, "--", "say"]);
    assert_fails(&output, 125, &["expected a folder for --output-dir", file]);
    assert_eq!(fs::read_to_string(file).expect("a file"), "kept");
    let below = format!("{file}/below");
    let output = run(["exec", PROGRAM, "--output-dir", &below, "--", "say"]);
    assert_fails(&output, 125, &["cannot create the folder", &below]);
    // A name that is not UTF-8 is printed without loss.
    let missing =
        run_command(cocoon(["exec", PROGRAM, "--stdin"]).arg(OsStr::from_bytes(b"no\xff")));
    assert_fails(&missing, 125, &["cannot read no\\xff: "]);
}
