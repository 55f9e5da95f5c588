//! A program of WASI 0.3, whose first argument selects its behaviour. Its standard library imports
//! WASI 0.2.

mod bindings {
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({ path: "wit", world: "program", generate_all });
    export!(Component with_types_in self);
    pub struct Component;
}

use std::pin::pin;
use std::task::{Context, Waker};

use bindings::wasi::cli::{environment, stdin, stdout};
use bindings::wasi::clocks::{monotonic_clock, system_clock};
use bindings::wasi::filesystem::preopens;
use bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};
use bindings::wasi::random::{insecure, insecure_seed, random};
use bindings::wasi::sockets::types::{IpAddressFamily, TcpSocket};
use bindings::{Component, wit_stream};

const HOUR_NS: u64 = 3_600_000_000_000;

impl bindings::exports::wasi::cli::run::Guest for Component {
    async fn run() -> Result<(), ()> {
        let arguments = environment::get_arguments();
        let argument = |index: usize| arguments.get(index).cloned().unwrap_or_default();
        match argument(1).as_str() {
            "" => print(b"hello\n".to_vec()).await,
            "echo" => {
                let (input, _) = stdin::read_via_stream();
                stdout::write_via_stream(input).await.map_err(drop)
            }
            "copy" => copy().await,
            "flood" => loop {
                print(vec![b'x'; 1 << 16]).await?;
            },
            // It ignores that its output is cut off.
            "flood-blindly" => loop {
                let _ = print(vec![b'x'; 1 << 16]).await;
            },
            "spin" => loop {
                std::hint::black_box(0);
            },
            "wait" => {
                monotonic_clock::wait_for(HOUR_NS).await;
                Ok(())
            }
            "past" => print(past().into_bytes()).await,
            "chances" => print(chances().await.into_bytes()).await,
            "fail" => Err(()),
            "old" => {
                println!("{:?}", std::env::args().nth(1));
                Ok(())
            }
            "connect" => {
                let socket = TcpSocket::create(IpAddressFamily::Ipv4);
                print(format!("{:?}\n", socket.map(|_| ())).into_bytes()).await
            }
            "read" => report(read(&argument(2)).await).await,
            "write" => report(write(&argument(2)).await).await,
            "list" => report(list(&argument(2)).await).await,
            other => panic!("{other}"),
        }
    }
}

async fn print(bytes: Vec<u8>) -> Result<(), ()> {
    let (mut writer, reader) = wit_stream::new();
    let written = stdout::write_via_stream(reader);
    let rest = writer.write_all(bytes).await;
    drop(writer);
    written.await.map_err(drop)?;
    if rest.is_empty() { Ok(()) } else { Err(()) }
}

/// Whether timers that are over are ready at the first poll.
fn past() -> String {
    fn is_ready(timer: impl Future<Output = ()>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(timer).poll(&mut context).is_ready()
    }
    let now = monotonic_clock::now();
    let timers = (
        is_ready(monotonic_clock::wait_for(0)),
        is_ready(monotonic_clock::wait_until(now)),
    );
    format!("{timers:?}\n")
}

/// Everything by which one run may differ from another, around an hour's sleep.
async fn chances() -> String {
    let (wall, start) = (system_clock::now(), monotonic_clock::now());
    monotonic_clock::wait_for(HOUR_NS).await;
    monotonic_clock::wait_until(start + 2 * HOUR_NS).await;
    let slept = system_clock::now().seconds - wall.seconds;
    let numbers = (
        random::get_random_u64(),
        insecure::get_insecure_random_u64(),
    );
    let seed = insecure_seed::get_insecure_seed();
    format!("{slept} {wall:?} {start} {numbers:?} {seed:?}\n")
}

async fn report(result: Result<Vec<u8>, ErrorCode>) -> Result<(), ()> {
    match result {
        Ok(bytes) => print(bytes).await,
        Err(error) => {
            print(format!("{error:?}\n").into_bytes()).await?;
            Err(())
        }
    }
}

async fn copy() -> Result<(), ()> {
    let (mut input, _) = stdin::read_via_stream();
    let (mut writer, reader) = wit_stream::new();
    let written = stdout::write_via_stream(reader);
    while let Some(byte) = input.next().await {
        if writer.write_one(byte).await.is_some() {
            return Err(());
        }
    }
    drop(writer);
    written.await.map_err(drop)
}

/// The first granted folder.
fn folder() -> Result<Descriptor, ErrorCode> {
    let mut folders = preopens::get_directories().into_iter();
    folders
        .next()
        .map(|(folder, _)| folder)
        .ok_or(ErrorCode::NoEntry)
}

async fn open(
    path: &str,
    open: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Descriptor, ErrorCode> {
    folder()?
        .open_at(PathFlags::SYMLINK_FOLLOW, path.to_owned(), open, flags)
        .await
}

async fn read(path: &str) -> Result<Vec<u8>, ErrorCode> {
    let file = open(path, OpenFlags::empty(), DescriptorFlags::READ).await?;
    let (content, done) = file.read_via_stream(0);
    let bytes = content.collect().await;
    done.await?;
    Ok(bytes)
}

/// Writes a file in two parts, the second at its end.
async fn write(path: &str) -> Result<Vec<u8>, ErrorCode> {
    let file = open(path, OpenFlags::CREATE, DescriptorFlags::WRITE).await?;
    for (append, part) in [(false, vec![b'a'; 200_000]), (true, b"end\n".to_vec())] {
        let (mut writer, reader) = wit_stream::new();
        let written = if append {
            file.append_via_stream(reader)
        } else {
            file.write_via_stream(reader, 0)
        };
        writer.write_all(part).await;
        drop(writer);
        written.await?;
    }
    Ok(Vec::new())
}

async fn list(path: &str) -> Result<Vec<u8>, ErrorCode> {
    let folder = open(path, OpenFlags::DIRECTORY, DescriptorFlags::READ).await?;
    let (entries, done) = folder.read_directory();
    let mut names: Vec<_> = entries.collect().await;
    done.await?;
    names.sort_by(|one, other| one.name.cmp(&other.name));
    let lines = names.into_iter().map(|entry| entry.name + "\n");
    Ok(lines.collect::<String>().into_bytes())
}
