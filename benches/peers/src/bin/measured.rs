//! Runs one program and reports its costs: `measured SECONDS-MAX PROGRAM …`.
//!
//! The program inherits standard output. One line follows on standard error: the outcome,
//! wall-clock nanoseconds, nanoseconds of processor time, and peak resident bytes. Linux
//! includes the parent's memory at the start in the peak of a child. So this small program
//! starts it, and not the large one that draws the tables.

use std::io;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use wait4::Wait4 as _;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            eprintln!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<String> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = || io::Error::other("usage: measured SECONDS-MAX PROGRAM [ARGUMENTS]");
    let seconds_max: u64 = arguments
        .next()
        .and_then(|text| text.to_str()?.parse().ok())
        .ok_or_else(usage)?;
    let mut command = Command::new(arguments.next().ok_or_else(usage)?);
    command.args(arguments);

    let started = Instant::now();
    let mut child = command.spawn()?;
    let in_time = ended_within(&child, Duration::from_secs(seconds_max))?;
    if !in_time {
        child.kill()?;
    }
    let used = child.wait4()?;
    let wall_ns = started.elapsed().as_nanos();
    let cpu_ns = (used.rusage.utime + used.rusage.stime).as_nanos();
    let how = if in_time {
        ending(used.status)
    } else {
        "late".to_owned()
    };
    Ok(format!("{how} {wall_ns} {cpu_ns} {}", used.rusage.maxrss))
}

/// Waits until the child has ended, without reaping it.
fn ended_within(child: &std::process::Child, limit: Duration) -> io::Result<bool> {
    let ended = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    Ok(poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&limit))? > 0)
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(0) => "done".to_owned(),
        Some(code) => format!("exit-{code}"),
        None => "killed".to_owned(),
    }
}
