//! A program whose first argument selects its behaviour, most of it hostile.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::ToSocketAddrs as _;
use std::time::Duration;

use wasip2::cli::{stdin, stdout};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};

mod chances;

mod bindings {
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({ path: "wit", world: "program", generate_all });
}
use bindings::wasi::random::random;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize| arguments.get(index).map_or("", String::as_str);
    match argument(0) {
        "spin" => loop {
            std::hint::spin_loop();
        },
        "count-down" => {
            let mut left: u64 = argument(1).trim().parse().expect("a number");
            while left > 0 {
                left = std::hint::black_box(left - 1);
            }
        }
        "say-and-spin" => {
            println!("{}", argument(1));
            loop {
                std::hint::spin_loop();
            }
        }
        "take" => take_memory(),
        "take-much" => fill(argument(1).parse().expect("a count of MiB")),
        "recurse" => println!("{}", recurse(7)),
        "flood" => loop {
            println!("{}", "7".repeat(99));
        },
        "flood-both" => loop {
            print!("{}", "7".repeat(100));
            eprint!("{}", "7".repeat(100));
        },
        "panic" => panic!("it meant to"),
        "exit" => std::process::exit(argument(1).parse().expect("a code")),
        "exit-if-odd" => std::process::exit(argument(1).parse::<i32>().expect("a number") % 2),
        "say" => println!("{}", arguments[1..].join(" ")),
        "say-unfinished" => {
            print!("{}", argument(1));
            let _ = std::io::stdout().flush();
        }
        "both" => {
            println!("out {}", argument(1));
            eprintln!("err {}", argument(1));
        }
        "trap-after" => {
            println!("{}", argument(1));
            panic!("after it");
        }
        "cat" => {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).expect("input");
            std::io::stdout().write_all(&text).expect("output");
        }
        "copy" => {
            // Writes each piece at once.
            let (input, output) = (stdin::get_stdin(), stdout::get_stdout());
            while let Ok(bytes) = input.blocking_read(64 << 10) {
                for part in bytes.chunks(4 << 10) {
                    output.blocking_write_and_flush(part).expect("output");
                }
            }
        }
        "take-bytes" => {
            let mut bytes = vec![0; argument(1).parse().expect("a size")];
            for byte in &mut bytes {
                let read = stdin::get_stdin().blocking_read(1).expect("input");
                byte.clone_from(&read[0]);
            }
            println!("{}", String::from_utf8_lossy(&bytes));
        }
        "poll-input" => {
            // Waits without a read, and then says so.
            stdin::get_stdin().subscribe().block();
            println!("ready");
        }
        "terminals" => {
            use std::io::IsTerminal as _;
            let input = std::io::stdin().is_terminal();
            let (output, errors) = (
                std::io::stdout().is_terminal(),
                std::io::stderr().is_terminal(),
            );
            println!("input {input}, output {output}, errors {errors}");
        }
        "long-output" => {
            for line in 0..argument(2).parse().expect("a count") {
                println!("{} {line} {}", argument(1), "x".repeat(80));
            }
        }
        "early-or-long" => {
            // The first instance sleeps before its output, and others after theirs.
            if argument(1) == "1" {
                std::thread::sleep(Duration::from_millis(1500));
                println!("1 early");
            } else {
                for line in 0..20_000 {
                    println!("{} {line} {}", argument(1), "x".repeat(80));
                }
                std::thread::sleep(Duration::from_secs(1));
                println!("{} late", argument(1));
            }
        }
        "fail-first" => {
            // Fails until the file has as many bytes as there are failures to come.
            let (path, failures) = (argument(1), argument(2).parse().expect("a count"));
            let attempts = fs::read(path).map_or(0, |bytes| bytes.len());
            fs::write(path, "x".repeat(attempts + 1)).expect("a file");
            println!("attempt {attempts}");
            if attempts < failures {
                match argument(3) {
                    "trap" => panic!("it meant to"),
                    "spin" => loop {
                        std::hint::spin_loop();
                    },
                    code => std::process::exit(code.parse().expect("a code")),
                }
            }
        }
        "exit-or-spin" => {
            if argument(1) == argument(2) {
                std::process::exit(1);
            }
            println!("spins {}", argument(1));
            loop {
                std::hint::spin_loop();
            }
        }
        "square-slowly" => {
            // Computes for some milliseconds.
            let (number, ms): (u64, u64) = (
                argument(1).parse().expect("a number"),
                argument(2).parse().expect("a time"),
            );
            let began = std::time::Instant::now();
            while began.elapsed() < Duration::from_millis(ms) {
                std::hint::spin_loop();
            }
            println!("{}", number * number);
        }
        "work" => {
            // Computes for a number of steps, however long they take.
            let (mut x, steps): (u64, u64) = (
                argument(1).parse().expect("a number"),
                argument(2).parse().expect("a number"),
            );
            for _ in 0..steps {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
            }
            println!("{x}");
        }
        "flood-regardless" => loop {
            let _ = std::io::stdout().write_all(&[b'7'; 4000]);
        },
        "sleep" => std::thread::sleep(Duration::from_hours(1)),
        "clock" => println!("{:?}", std::time::SystemTime::now()),
        "monotonic" => println!("{:?}", std::time::Instant::now()),
        "chances" => chances::print_chances(),
        "sleep-an-hour" => chances::print_sleep(),
        "sleep-forever" => chances::sleep_forever(),
        "timers" => chances::print_timers(),
        "random" => println!("{}", random::get_random_u64()),
        "connect" => println!("{:?}", std::net::TcpStream::connect(argument(1))),
        "listen" => println!("{:?}", std::net::TcpListener::bind(argument(1)).map(drop)),
        "send-datagram" => {
            let socket = std::net::UdpSocket::bind(argument(2)).expect("a socket");
            println!("{:?}", socket.send_to(b"datagram", argument(1)));
        }
        "fill" => println!("{:?}", fill_folder(argument(1))),
        "environment" => {
            for (name, value) in std::env::vars() {
                println!("{name}={value}");
            }
        }
        "read" => match fs::read_to_string(argument(1)) {
            Ok(text) => print!("{text}"),
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(3);
            }
        },
        "write" => {
            if let Err(error) = fs::write(argument(1), "written\n") {
                eprintln!("{error}");
                std::process::exit(3);
            }
        }
        "write-beyond" => {
            let bytes = vec![b'7'; argument(1).parse().expect("a size")];
            println!("{:?}", stdout::get_stdout().write(&bytes));
        }
        "zeroes" => {
            let size = argument(1).parse().expect("a size");
            println!("{:?}", stdout::get_stdout().write_zeroes(size));
        }
        "zeroes-to-file" => {
            let stream = create(argument(1)).write_via_stream(0).expect("a stream");
            let size = argument(2).parse().expect("a size");
            println!("{:?}", stream.write_zeroes(size));
        }
        "read-at-once" => {
            let read = stdin::get_stdin().blocking_read(u64::MAX);
            println!("{}", read.expect("input").len());
        }
        "random-bytes" => {
            let size = argument(1).parse().expect("a size");
            println!("{}", wasip2::random::random::get_random_bytes(size).len());
        }
        "long-path" => {
            let path = "x".repeat(argument(1).parse().expect("a size"));
            println!("{:?}", root().stat_at(PathFlags::empty(), &path));
        }
        "open-many" => open_many(argument(1)),
        "subscribe-many" => {
            let input = stdin::get_stdin();
            let mut pollables = Vec::new();
            loop {
                pollables.push(input.subscribe());
            }
        }
        "read-ahead" => read_ahead(argument(1), argument(2).parse().expect("a count")),
        "list" => match fs::read_dir(argument(1)) {
            Ok(entries) => {
                let names = entries.map(|entry| entry.expect("an entry").file_name());
                let mut names: Vec<_> = names.collect();
                names.sort();
                println!("{} {:?}..{:?}", names.len(), names.first(), names.last());
            }
            Err(error) => println!("{error}"),
        },
        "list-many" => {
            let mut listings = Vec::new();
            let error = loop {
                match root().read_directory() {
                    Ok(listing) => listings.push(listing),
                    Err(error) => break error,
                }
            };
            println!("{} {error:?}", listings.len());
        }
        "open" => match fs::File::open(argument(1)) {
            Ok(_) => println!("opened"),
            Err(error) => println!("{error}"),
        },
        "lookup" => {
            let found = (argument(1), 80).to_socket_addrs();
            println!("{:?}", found.map(Iterator::collect::<Vec<_>>));
        }
        "file-system" => println!("{}", file_system(argument(1), argument(2), argument(3))),
        other => {
            eprintln!("it cannot {other:?}");
            std::process::exit(64);
        }
    }
}

include!("../../../src/file_system.rs");

/// The first granted folder.
fn root() -> Descriptor {
    let (folder, _) = get_directories().into_iter().next().expect("a folder");
    folder
}

/// Writes a file until that fails, and returns its bytes and the error.
fn fill_folder(name: &str) -> (u64, std::io::ErrorKind) {
    let mut file = fs::File::create(name).expect("a file");
    let mut bytes = 0;
    loop {
        match file.write(&[7; 4096]) {
            Ok(written) => bytes += written as u64,
            Err(error) => return (bytes, error.kind()),
        }
    }
}

/// Creates a file in the first folder.
fn create(name: &str) -> Descriptor {
    let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let opened = root().open_at(PathFlags::empty(), name, OpenFlags::CREATE, flags);
    opened.expect("a file")
}

fn open(folder: &Descriptor, name: &str) -> Result<Descriptor, String> {
    let opened = folder.open_at(
        PathFlags::empty(),
        name,
        OpenFlags::empty(),
        DescriptorFlags::READ,
    );
    opened.map_err(|error| format!("{error:?}"))
}

/// Opens a file until that fails, closes all handles, and opens it once more.
fn open_many(name: &str) {
    let folder = root();
    let mut files = Vec::new();
    let error = loop {
        match open(&folder, name) {
            Ok(file) => files.push(file),
            Err(error) => break error,
        }
    };
    let count = files.len();
    drop(files);
    println!("{count} {error} {}", open(&folder, name).is_ok());
}

/// Starts `count` streams that read a file, consumes nothing at first, and then reads all of
/// them to their ends.
fn read_ahead(name: &str, count: usize) {
    let file = open(&root(), name).expect("a file");
    let streams: Vec<_> = (0..count)
        .map(|_| file.read_via_stream(0).expect("a stream"))
        .collect();
    for stream in &streams {
        let _ = stream.read(1 << 20);
    }
    for stream in &streams {
        stream.subscribe().block();
    }
    let mut bytes = 0;
    for stream in &streams {
        while let Ok(read) = stream.blocking_read(1 << 20) {
            bytes += read.len();
        }
    }
    println!("{bytes}");
}

fn take_memory() -> ! {
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&taken);
    }
}

/// Allocates `count` MiB and returns.
fn fill(count: usize) {
    let taken: Vec<_> = (0..count).map(|_| vec![1_u8; 1 << 20]).collect();
    println!("{}", std::hint::black_box(taken).len());
}

/// Recurses until n is a number that it never reaches, which the compiler cannot know. The use
/// of the result prevents a tail call.
fn recurse(n: u64) -> u64 {
    if n == 0 {
        0
    } else {
        recurse(n.wrapping_mul(4) | 1).rotate_left(7) ^ n
    }
}
