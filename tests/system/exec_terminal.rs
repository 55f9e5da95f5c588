//! `cocoon exec` on a terminal, which `script` of util-linux provides.

use crate::harness::{Outcome, clean, run_command};
use crate::redis::Redis;
use crate::tools::SCRIPT;

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

/// Runs a shell command on a terminal. `$0` is the binary and `$1` the program.
fn on_terminal(line: &str) -> Outcome {
    let line = line
        .replace("$0", env!("CARGO_BIN_EXE_cocoon"))
        .replace("$1", PROGRAM);
    let mut command = SCRIPT.command();
    command.args(["-qefc", &line, "/dev/null"]);
    run_command(clean(&mut command))
}

#[test]
#[ignore = "needs script"]
fn a_single_instance_sees_the_terminal() {
    let all = on_terminal("$0 exec $1 -- terminals");
    assert_eq!(all.out, "input true, output true, errors true\r\n");
    let pipes = on_terminal("true | $0 exec $1 -- terminals 2>/dev/null | cat");
    assert_eq!(pipes.out, "input false, output false, errors false\r\n");
    let output = on_terminal("$0 exec $1 -- terminals < /dev/null 2>/dev/null");
    assert_eq!(output.out, "input false, output true, errors false\r\n");
    // Records and prefixes are no terminal.
    let json = on_terminal("$0 exec $1 --json -- terminals");
    assert!(
        json.out.contains("input true, output false, errors false"),
        "{}",
        json.out
    );
    let several = on_terminal("$0 exec $1 -n 2 -q -- terminals");
    assert!(
        several
            .out
            .contains("[2] input false, output false, errors false"),
        "{}",
        several.out
    );
}

#[test]
#[ignore = "needs script"]
fn the_progress_is_shown_and_erased() {
    let line = "$0 exec $1 -n 4 -c 2 -- early-or-long 1 > /dev/null";
    let shown = on_terminal(line);
    assert_eq!(shown.code, Some(0), "{}", shown.out);
    for part in [
        "0 of 4 done, 0 failed, 2 running, 0/s",
        "2 of 4 done",
        "left",
    ] {
        assert!(shown.out.contains(part), "{:?} lacks {part:?}", shown.out);
    }
    let end = "\r\u{1b}[Kcocoon: 4 of 4 instances succeeded\r\n";
    assert!(shown.out.ends_with(end), "{:?}", shown.out);
    let quiet = on_terminal(&line.replace("exec", "exec -q"));
    assert_eq!((quiet.code, quiet.out.as_str()), (Some(0), ""));
}

#[test]
#[ignore = "needs script and redis-server"]
fn the_progress_of_a_queue_is_shown_between_lines_of_programs() {
    let redis = Redis::start();
    let _worker = redis.worker(&["--concurrency", "2"]);
    let queue = format!("$0 exec --queue {} $1 -n 20000", redis.url());
    let shown = on_terminal(&format!("{queue} -- both x > /dev/null"));
    assert_eq!(shown.code, Some(0), "{}", shown.out);
    assert!(shown.out.contains("of 20000 done"), "{}", shown.out);
    assert_eq!(shown.out.matches("] err x\r\n").count(), 20_000);
}
