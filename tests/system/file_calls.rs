//! Calls into file systems and resolvers, which may block for ever: they stop with their job,
//! and other jobs continue.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use cocoon::RunError;
use cocoon::grants::{Dir, Grants};
use cocoon::limits::Limit;
use cocoon_test_guests::HOSTILE_PROGRAM;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::harness::{FAIR_DEADLINE_MS, run, stdout_of};
use crate::hostile_program::{Bench, SMALL};

include!("../guests/src/file_system.rs");

fn exec<'a>(grants: &[&'a str], arguments: &[&'a str]) -> Vec<&'a str> {
    [&["exec", HOSTILE_PROGRAM], grants, &["--"], arguments].concat()
}

#[test]
fn fifos_sockets_and_devices_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    mknodat(CWD, path("fifo"), FileType::Fifo, Mode::from(0o644), 0).expect("a FIFO");
    std::os::unix::fs::symlink("fifo", path("link")).expect("a link");
    let _listener = UnixListener::bind(path("socket")).expect("a socket");
    let here = format!("{}:/", folder.path().display());
    let grants = ["--dir", &here, "--dir", "/dev:/dev"];
    for name in ["fifo", "link", "socket", "/dev/null", "/dev/zero"] {
        let opened = stdout_of(exec(&grants, &["open", name]));
        assert!(opened.contains("supported"), "{name}: {opened}");
    }
}

/// Creates folders for one round of operations, with a file, a folder and links to both.
fn round(root: &Path) {
    fs::create_dir_all(root.join("dir")).expect("a folder");
    fs::create_dir_all(root.join("full/inner")).expect("a folder");
    fs::write(root.join("file"), "text").expect("a file");
    for (target, link) in [("file", "to-file"), ("dir", "to-dir"), ("none", "to-none")] {
        std::os::unix::fs::symlink(target, root.join(link)).expect("a link");
    }
}

#[test]
fn errors_equal_those_of_the_system() {
    for (operation, path, other) in [
        ("lstat", "to-dir/", ""),
        ("lstat", "to-file/", ""),
        ("lstat", "to-none/", ""),
        ("lstat", "to-dir", ""),
        ("lstat", "dir/", ""),
        ("stat", "to-dir/", ""),
        ("stat", "file/", ""),
        ("rmdir", "dir/", ""),
        ("rmdir", "dir//", ""),
        ("rmdir", "to-dir", ""),
        ("rmdir", "file", ""),
        ("unlink", "dir", ""),
        ("unlink", "none", ""),
        ("mkdir", "new/", ""),
        ("mkdir", "dir", ""),
        ("open", "none", ""),
        ("open", "file/", ""),
        ("readlink", "file", ""),
        ("readlink", "to-file", ""),
        ("rename", "file", "renamed"),
        ("rename", "none", "renamed"),
        ("rename", "dir", "file"),
        ("rename", "file", "dir"),
        ("rename", "dir/", "renamed/"),
        ("link", "file", "linked"),
    ] {
        let (outside, inside) = (
            tempfile::tempdir().expect("a folder"),
            tempfile::tempdir().expect("a folder"),
        );
        round(outside.path());
        round(inside.path());
        let path_in = |name: &str| format!("{}/{name}", outside.path().display());
        let expected = file_system(operation, &path_in(path), &path_in(other));
        let grant = format!("{}:/:rw", inside.path().display());
        let arguments = ["file-system", operation, path, other];
        let found = stdout_of(exec(&["--dir", &grant], &arguments));
        assert_eq!(found.trim_end(), expected, "{operation} {path} {other}");
    }
}

#[test]
fn a_rename_across_file_systems_reports_cross_device() {
    let (one, other) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir_in("/dev/shm").expect("a folder in memory"),
    );
    fs::write(one.path().join("file"), "text").expect("a file");
    let [one, other] = [one.path(), other.path()].map(Path::display);
    let (one, other) = (format!("{one}:/one:rw"), format!("{other}:/other:rw"));
    let grants = ["--dir", &one, "--dir", &other];
    let arguments = ["file-system", "rename", "/one/file", "/other/file"];
    assert_eq!(
        stdout_of(exec(&grants, &arguments)),
        "Err(CrossesDevices)\n"
    );
}

#[test]
fn names_are_resolved_with_the_network_grant() {
    for (name, address) in [
        ("localhost", "127.0.0.1:80"),
        ("127.0.0.1", "127.0.0.1:80"),
        ("::1", "[::1]:80"),
    ] {
        let found = stdout_of(exec(&["--network"], &["lookup", name]));
        assert!(found.contains(address), "{name}: {found}");
    }
    for name in ["no.such.name.invalid", "two words", ""] {
        let found = run(exec(&["--network"], &["lookup", name]));
        assert!(found.out.starts_with("Err("), "{name}: {}", found.out);
    }
}

/// A file system whose server never responds, mounted below a folder.
struct DeadMount {
    folder: tempfile::TempDir,
    /// Closing it fails all pending calls.
    server: Option<rustix::fd::OwnedFd>,
}

impl DeadMount {
    fn new() -> Self {
        use rustix::fd::AsRawFd as _;
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("dead")).expect("a folder");
        fs::write(folder.path().join("file"), "text").expect("a file");
        let server = rustix::fs::open("/dev/fuse", OFlags::RDWR, Mode::empty());
        let server = server.expect("/dev/fuse, which `modprobe fuse` makes");
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            server.as_raw_fd()
        );
        let options = std::ffi::CString::new(options).expect("text");
        let target = folder.path().join("dead");
        mount(
            "dead",
            &target,
            "fuse",
            MountFlags::empty(),
            options.as_c_str(),
        )
        .expect("a mount, which needs root");
        Self {
            folder,
            server: Some(server),
        }
    }

    fn grants(&self) -> Grants {
        let dir = |guest: &str| Dir {
            host: PathBuf::from(self.folder.path()),
            guest: guest.to_owned(),
            writable: true,
        };
        Grants {
            dirs: vec![dir("/")],
            ..Grants::default()
        }
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        drop(self.server.take());
        let target = self.folder.path().join("dead");
        if let Err(error) = unmount(&target, UnmountFlags::DETACH) {
            eprintln!("{} stays mounted: {error}", target.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and /dev/fuse"]
async fn jobs_blocked_by_a_dead_mount_do_not_affect_others() {
    let mount = DeadMount::new();
    let limits = SMALL
        .with(Limit::Deadline, FAIR_DEADLINE_MS)
        .with(Limit::Sandboxes, 130)
        .with(Limit::TotalMemory, 4 << 30)
        .with(Limit::StuckThreads, 600);
    let bench = Bench::new(&limits, mount.grants()).await;
    for operation in [
        "open dead/file",
        "list dead",
        "file-system stat dead/file",
        "file-system rmdir dead/folder",
    ] {
        let stuck = (0..130).map(|_| bench.assert_stopped(operation, Limit::Deadline));
        futures::future::join_all(stuck).await;
    }
    let threads = fs::read_dir("/proc/self/task").expect("Linux").count();
    assert!(threads > 512, "{threads}, and tokio's own pool has as many");
    let reading = (0..100).map(|_| bench.run("read file"));
    for (text, seen, _) in futures::future::join_all(reading).await {
        assert_eq!((text.as_slice(), seen), (&b"text"[..], Ok(())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and /dev/fuse"]
async fn threads_blocked_by_a_dead_mount_are_a_named_limit() {
    let mount = DeadMount::new();
    // Longer than a sandbox waits for a thread.
    let limits = SMALL
        .with(Limit::Deadline, 5000)
        .with(Limit::StuckThreads, 3);
    let bench = Bench::new(&limits, mount.grants()).await;
    let stuck = (0..3).map(|_| bench.assert_stopped("open dead/file", Limit::Deadline));
    futures::future::join_all(stuck).await;
    let (_, _, ran) = bench.run("read file").await;
    let (limit, value) = (Limit::StuckThreads, 3);
    assert_eq!(ran, Err(RunError::Busy { limit, value }));
    // Another engine has its own threads.
    let other = Bench::new(&limits, mount.grants()).await;
    let (text, ..) = other.run("read file").await;
    assert_eq!(text, b"text");
}

#[test]
#[ignore = "needs root, for a mount"]
fn a_program_that_fills_a_folder_gets_an_error() {
    const SIZE: u64 = 1 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    let options = Some(c"size=1m");
    mount(
        "tmpfs",
        folder.path(),
        "tmpfs",
        MountFlags::empty(),
        options,
    )
    .expect("a mount");
    let here = format!("{}:/data:rw", folder.path().display());
    let ended = run(exec(&["--dir", &here], &["fill", "/data/file"]));
    let written = fs::metadata(folder.path().join("file")).map(|file| file.len());
    unmount(folder.path(), UnmountFlags::DETACH).expect("an unmount");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(written.expect("a file"), SIZE);
    assert!(ended.out.starts_with(&format!("({SIZE},")), "{}", ended.out);
}
