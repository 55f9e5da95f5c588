//! The cache of compiled code: what it keeps, what it does not load, and its bounds.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::bad_components::{CONTENT, program};
use crate::harness::{Outcome, assert_fails, clean, cocoon, run_command};

const FACTOR: &str = cocoon_test_guests::FOREIGN_FACTOR;

/// The line of the log for each component that is compiled.
const COMPILED: &str = "component compiled";

/// A folder that only this user can write to.
fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// `cocoon exec` of `factor`, with its code in `cache` and its log on standard error.
fn factor(cache: &Path) -> Command {
    let mut command = cocoon(["exec", FACTOR, "--code-cache"]);
    command.arg(cache).args(["--", "12"]);
    command.env("COCOON_LOG", "debug");
    command
}

/// Runs `command`, asserts that its program worked, and returns whether it was compiled.
fn compiles(command: &mut Command) -> bool {
    let Outcome { out, err, code } = run_command(command);
    assert_eq!((code, out.as_str()), (Some(0), "12: 2 2 3\n"), "{err}");
    err.contains(COMPILED)
}

/// The entries of a cache.
fn entries(cache: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(cache).expect("a folder");
    let all = all.map(|entry| entry.expect("an entry").path());
    all.filter(|path| path.extension().is_some_and(|it| it == "code"))
        .collect()
}

/// The names of all other files in a cache.
fn others(cache: &Path) -> Vec<OsString> {
    let all = fs::read_dir(cache).expect("a folder");
    let all = all.map(|entry| entry.expect("an entry").file_name());
    all.filter(|name| Path::new(name).extension().is_none_or(|it| it != "code"))
        .collect()
}

fn only_entry(cache: &Path) -> PathBuf {
    let entries = entries(cache);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn a_second_start_compiles_nothing() {
    let folder = folder();
    let cache = folder.path().join("a/b");
    assert!(compiles(&mut factor(&cache)));
    assert!(!compiles(&mut factor(&cache)));
    let entry = only_entry(&cache);
    for (path, mode) in [(cache.as_path(), 0o700), (&entry, 0o600)] {
        let found = fs::metadata(path).expect("metadata");
        assert_eq!(found.mode() & 0o777, mode, "{}", path.display());
    }
    assert!(others(&cache).iter().all(|name| name == "digests"));
    let mut other = cocoon(["exec", FACTOR, "--code-cache", "off", "--", "12"]);
    assert!(compiles(other.env("COCOON_LOG", "debug")));
}

/// Whether `cocoon` read and hashed its component.
fn hashes(command: &mut Command) -> bool {
    let Outcome { out, err, code } = run_command(command);
    assert_eq!((code, out.as_str()), (Some(0), "12: 2 2 3\n"), "{err}");
    err.contains("component hashed")
}

/// Waits until a change of the file would show in its times.
fn wait_until_settled(path: &Path) {
    let changed = fs::metadata(path).expect("metadata").ctime();
    let settled = Duration::from_secs(changed.cast_unsigned() + 61);
    let settled = SystemTime::UNIX_EPOCH + settled;
    thread::sleep(
        settled
            .duration_since(SystemTime::now())
            .unwrap_or_default(),
    );
}

/// Whether the file is on ext4, XFS, Btrfs or overlayfs.
fn is_local(path: &Path) -> bool {
    let system = rustix::fs::statfs(path).expect("a file system").f_type;
    [0xef53, 0x5846_5342, 0x9123_683e, 0x794c_7630].contains(&system)
}

#[test]
fn a_file_that_did_not_change_is_not_read_again() {
    let folder = folder();
    let cache = folder.path();
    let table = cache.join("digests");
    wait_until_settled(Path::new(FACTOR));
    assert!(hashes(&mut factor(cache)));
    if !is_local(Path::new(FACTOR)) {
        assert!(hashes(&mut factor(cache)));
        return;
    }
    assert!(!hashes(&mut factor(cache)));
    let good = fs::read(&table).expect("a table");
    // A torn slot, and tables that were cut.
    for bad in [Vec::new(), good[..good.len() / 2].to_vec(), {
        let used = good.iter().rposition(|&byte| byte != 0).expect("a slot");
        let mut torn = good.clone();
        torn[used] ^= 1;
        torn
    }] {
        fs::write(&table, bad).expect("a table");
        assert!(hashes(&mut factor(cache)));
        assert!(!hashes(&mut factor(cache)));
    }
    set_mode(&table, 0o666);
    assert!(hashes(&mut factor(cache)));
}

#[test]
fn a_file_that_changed_is_read_again() {
    let folder = folder();
    let (cache, file) = (folder.path().join("cache"), folder.path().join("a.wasm"));
    let wasm = fs::read(FACTOR).expect("a component");
    fs::write(&file, &wasm).expect("a component");
    let run = || {
        let mut command = cocoon(["exec", "--code-cache"]);
        command.arg(&cache).arg(&file).args(["--", "12"]);
        command.env("COCOON_LOG", "debug");
        command
    };
    assert!(hashes(&mut run()));
    // It changed just now, and another change might not show.
    assert!(hashes(&mut run()));
    wait_until_settled(&file);
    assert!(hashes(&mut run()));
    assert!(!is_local(&file) || !hashes(&mut run()));
    // The same size and time of modification, and bytes of another component.
    let modified = fs::metadata(&file).expect("metadata").modified();
    let mut changed = wasm;
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let mut other = fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .expect("a file");
    other.write_all(&changed).expect("a component");
    other
        .set_modified(modified.expect("a time"))
        .expect("a time");
    let Outcome { err, .. } = run_command(&mut run());
    assert!(err.contains("component hashed"), "{err}");
}

#[test]
fn the_folder_of_the_user_is_the_default() {
    let folder = folder();
    let mut command = cocoon(["exec", FACTOR, "--", "12"]);
    command.env("XDG_CACHE_HOME", folder.path());
    assert!(compiles(command.env("COCOON_LOG", "debug")));
    assert!(!compiles(&mut command));
    only_entry(&folder.path().join("cocoon/code"));
}

#[test]
fn a_damaged_entry_is_compiled_again() {
    let folder = folder();
    let cache = folder.path();
    assert!(compiles(&mut factor(cache)));
    let entry = only_entry(cache);
    let good = fs::read(&entry).expect("an entry");
    let mut wrong_trailer = good.clone();
    wrong_trailer[good.len() - 1] ^= 1;
    let mut wrong_version = good.clone();
    wrong_version[good.len() - 57] ^= 1;
    let mut no_header = good.clone();
    no_header[..64].fill(0);
    for bad in [
        Vec::new(),
        good[..100].to_vec(),
        good[..good.len() / 2].to_vec(),
        good[..good.len() - 1].to_vec(),
        [&good[..], b"x"].concat(),
        wrong_trailer,
        wrong_version,
        no_header,
        vec![0; good.len()],
    ] {
        fs::write(&entry, &bad).expect("an entry");
        assert!(compiles(&mut factor(cache)), "{} bytes", bad.len());
        assert_eq!(fs::read(&entry).expect("an entry").len(), good.len());
        assert!(!compiles(&mut factor(cache)));
    }
}

#[test]
fn an_entry_that_others_may_have_written_is_not_loaded() {
    let folder = folder();
    let cache = folder.path();
    assert!(compiles(&mut factor(cache)));
    let entry = only_entry(cache);
    set_mode(&entry, 0o620);
    assert!(compiles(&mut factor(cache)));
    // The new one is good.
    assert!(!compiles(&mut factor(cache)));
    let elsewhere = cache.join("elsewhere");
    fs::rename(&entry, &elsewhere).expect("a move");
    symlink(&elsewhere, &entry).expect("a link");
    assert!(compiles(&mut factor(cache)));
    assert!(fs::symlink_metadata(&entry).expect("an entry").is_file());
    if rustix::process::geteuid().is_root() {
        chown(&entry, Some(65534), None).expect("an owner");
        assert!(compiles(&mut factor(cache)));
        assert!(!compiles(&mut factor(cache)));
    }
}

/// Asserts that the program runs without the cache in `folder`, and that a line says why.
fn is_refused(folder: &Path, why: &str) {
    for _ in 0..2 {
        let Outcome { out, err, code } = run_command(&mut factor(folder));
        assert_eq!((code, out.as_str()), (Some(0), "12: 2 2 3\n"), "{err}");
        assert!(err.contains(COMPILED), "{err}");
        let line = err
            .lines()
            .find(|line| line.contains("code cache unusable"));
        assert!(line.is_some_and(|line| line.contains(why)), "{err}");
    }
    assert!(entries(folder).is_empty());
}

#[test]
fn a_folder_that_others_can_write_to_is_not_used() {
    let folder = folder();
    let above = folder.path().join("above");
    let cache = above.join("cache");
    fs::create_dir_all(&cache).expect("a folder");
    set_mode(&above, 0o755);
    for mode in [0o777, 0o1777, 0o770] {
        set_mode(&cache, mode);
        is_refused(&cache, &format!("mode {mode:04o}"));
    }
    set_mode(&cache, 0o755);
    // Others could put another folder in its place.
    set_mode(&above, 0o777);
    is_refused(&cache, "mode 0777");
    set_mode(&above, 0o1777);
    assert!(compiles(&mut factor(&cache)));
    assert!(!compiles(&mut factor(&cache)));
    if rustix::process::geteuid().is_root() {
        let cache = folder.path().join("foreign");
        fs::create_dir(&cache).expect("a folder");
        chown(&cache, Some(65534), None).expect("an owner");
        is_refused(&cache, "user 65534");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_read() {
    let folder = folder();
    let cache = folder.path().join("cache");
    let compile = |file: &str| {
        let mut command = cocoon(["compile", file, "--code-cache"]);
        let outcome = run_command(command.arg(&cache));
        assert_eq!(outcome.code, Some(0), "{}", outcome.err);
        outcome.out
    };
    let entry = compile(FACTOR);
    assert_eq!(entry, compile(FACTOR));
    assert_eq!(Path::new(entry.trim_end()), only_entry(&cache));
    let mode = |path: &Path| fs::metadata(path).expect("metadata").mode() & 0o777;
    // As in a layer of an image, for any user.
    assert_eq!((mode(&cache), mode(&only_entry(&cache))), (0o755, 0o644));
    set_mode(&cache, 0o555);
    assert!(!compiles(&mut factor(&cache)));
    set_mode(&cache, 0o755);
}

#[test]
fn code_for_deterministic_runs_is_compiled_beforehand() {
    let folder = folder();
    let mut command = cocoon(["compile", FACTOR, "--deterministic", "--code-cache"]);
    let outcome = run_command(command.arg(folder.path()));
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    let mut command = cocoon(["exec", FACTOR, "--deterministic", "--code-cache"]);
    command.arg(folder.path()).args(["--", "12"]);
    assert!(!compiles(command.env("COCOON_LOG", "debug")));
    assert!(compiles(&mut factor(folder.path())));
}

#[test]
fn compiling_into_no_cache_fails() {
    let off = run_command(&mut cocoon(["compile", FACTOR, "--code-cache", "off"]));
    assert_fails(&off, 2, &["--code-cache"]);
    let folder = folder();
    set_mode(folder.path(), 0o777);
    let mut command = cocoon(["compile", FACTOR, "--code-cache"]);
    command.arg(folder.path()).env("COCOON_LOG", "off");
    assert_fails(&run_command(&mut command), 1, &["cannot keep", "mode 0777"]);
}

#[test]
fn a_full_disk_costs_time_only() {
    let folder = folder();
    // Writes beyond 1.5 MiB fail (3 MiB in some shells), as on a full disk. The code is longer,
    // and the memory image, which the limit covers too, is shorter.
    let mut command = Command::new("sh");
    let script = r#"trap "" XFSZ; ulimit -f 3072; exec "$0" "$@""#;
    clean(&mut command).args(["-c", script, env!("CARGO_BIN_EXE_cocoon")]);
    command.args(["exec", FACTOR, "--code-cache"]);
    command.arg(folder.path()).args(["--", "12"]);
    command.env("COCOON_LOG", "debug");
    let outcome = run_command(&mut command);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    let mut lines = outcome.err.lines();
    let is_warning = |line: &str| line.contains("WARN") && line.contains("code cache unusable");
    assert!(lines.any(is_warning), "{}", outcome.err);
    assert!(entries(folder.path()).is_empty());
    assert!(others(folder.path()).iter().all(|name| name == "digests"));
    assert!(compiles(&mut factor(folder.path())));
    assert!(!compiles(&mut factor(folder.path())));
}

#[test]
fn the_least_recently_used_code_is_evicted() {
    let folder = folder();
    let cache = folder.path();
    let run = |file: &Path| {
        let mut command = cocoon(["exec", "--code-cache-size", "1MiB", "--code-cache"]);
        command.arg(cache).arg(file).env("COCOON_LOG", "debug");
        let outcome = run_command(&mut command);
        assert_eq!(outcome.code, Some(0), "{}", outcome.err);
        let sizes = entries(cache).into_iter();
        let sizes = sizes.map(|path| fs::metadata(path).expect("metadata").len());
        assert!(sizes.sum::<u64>() <= 1 << 20);
        outcome.err.contains(COMPILED)
    };
    // 300 KiB of data each, so that three fit.
    let files: Vec<_> = (0..4)
        .map(|number| {
            let data = number.to_string().repeat(300 << 10);
            let fields = format!("{CONTENT} (memory 16) (data (i32.const 0) \"{data}\")");
            let file = folder.path().join(format!("{number}.wasm"));
            fs::write(&file, program(&fields)).expect("a file");
            file
        })
        .collect();
    for file in &files[..3] {
        assert!(run(file));
    }
    assert!(!run(&files[0]));
    assert!(run(&files[3]));
    assert!(!run(&files[0]));
    assert!(run(&files[1]), "evicted");
}

#[test]
fn of_many_processes_one_compiles() {
    let folder = folder();
    let cache = folder.path();
    let compiled: usize = thread::scope(|scope| {
        let running: Vec<_> = (0..24)
            .map(|_| scope.spawn(|| usize::from(compiles(&mut factor(cache)))))
            .collect();
        let ended = running.into_iter();
        ended.map(|run| run.join().expect("an outcome")).sum()
    });
    assert_eq!(compiled, 1);
    only_entry(cache);
    assert!(others(cache).iter().all(|name| name == "digests"));
}

#[test]
fn a_file_that_changes_poisons_nothing() {
    let folder = folder();
    let cache = folder.path().join("cache");
    let file = folder.path().join("changing.wasm");
    // Programs of one size that exit with different codes.
    let exits = |code: u8| {
        program(&format!(
            r#"(memory 1) (data (i32.const 0) "{}")
               (func (export "run") (result i32) i32.const {code})"#,
            "x".repeat(60_000)
        ))
    };
    let contents = [exits(0), exits(1)];
    assert_eq!(contents[0].len(), contents[1].len());
    let run = |file: &Path| {
        let mut command = cocoon(["exec", "--code-cache"]);
        run_command(command.arg(&cache).arg(file)).code
    };
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for content in contents.iter().cycle() {
                fs::write(&file, content).expect("a file");
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
            }
        });
        let codes: Vec<_> = (0..40).map(|_| run(&file)).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        // A mixture of both is refused.
        let are_known = codes.iter().all(|code| matches!(code, Some(0 | 1 | 125)));
        assert!(are_known, "{codes:?}");
    });
    for (content, code) in contents.iter().zip([0, 1]) {
        fs::write(&file, content).expect("a file");
        assert_eq!(run(&file), Some(code));
    }
}

#[test]
fn the_baseline_compiler_runs_programs() {
    let folder = folder();
    let exec = |file: &str, arguments: &[&str]| {
        let mut command = cocoon(["exec", file, "--compiler", "baseline", "--code-cache"]);
        command.arg(folder.path()).arg("--").args(arguments);
        run_command(command.env("COCOON_LOG", "debug"))
    };
    for compiled in [true, false] {
        let Outcome { out, err, code } = exec(FACTOR, &["12"]);
        assert_eq!((code, out.as_str()), (Some(0), "12: 2 2 3\n"), "{err}");
        assert_eq!(err.contains(COMPILED), compiled, "{err}");
    }
    // The optimizing compiler has code of its own.
    assert!(compiles(&mut factor(folder.path())));
    assert_eq!(entries(folder.path()).len(), 2);
    let tail_call = folder.path().join("tail.wasm");
    let fields = r#"(func $last (result i32) i32.const 0)
                    (func (export "run") (result i32) return_call $last)"#;
    fs::write(&tail_call, program(fields)).expect("a file");
    let outcome = exec(tail_call.to_str().expect("text"), &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
}

#[test]
fn files_of_the_user_stay() {
    let folder = folder();
    let cache = folder.path();
    let own = ["thesis.partial", "notes.code", "x.compiling"];
    for name in own {
        fs::write(cache.join(name), "mine").expect("a file");
    }
    fs::create_dir(cache.join("folder.code")).expect("a folder");
    let key = "0123456789abcdef".repeat(4);
    fs::create_dir(cache.join(format!("{key}.code"))).expect("a folder");
    for left in ["partial", "compiling"] {
        fs::write(cache.join(format!("{key}.{left}")), "").expect("a file");
    }
    let mut command = cocoon(["exec", FACTOR, "--code-cache-size", "4MiB", "--code-cache"]);
    command.arg(cache).args(["--", "12"]);
    assert!(compiles(command.env("COCOON_LOG", "debug")));
    for name in own {
        assert!(cache.join(name).exists(), "{name}");
    }
    for left in ["partial", "compiling"] {
        assert!(!cache.join(format!("{key}.{left}")).exists(), "{left}");
    }
}

#[test]
fn a_pipe_in_the_cache_blocks_nothing() {
    let folder = folder();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    for name in ["writing", "digests"] {
        let path = folder.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).expect("a pipe");
    }
    assert!(compiles(&mut factor(folder.path())));
}
