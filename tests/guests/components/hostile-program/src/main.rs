//! A program that does what its first argument says, most of it unkind.

use std::io::{Read as _, Write as _};
use std::time::Duration;

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
        "sleep" => std::thread::sleep(Duration::from_hours(1)),
        "clock" => println!("{:?}", std::time::SystemTime::now()),
        "monotonic" => println!("{:?}", std::time::Instant::now()),
        "random" => println!("{}", random::get_random_u64()),
        "connect" => println!("{:?}", std::net::TcpStream::connect(argument(1))),
        "environment" => {
            for (name, value) in std::env::vars() {
                println!("{name}={value}");
            }
        }
        "read" => match std::fs::read_to_string(argument(1)) {
            Ok(text) => print!("{text}"),
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(3);
            }
        },
        "write" => {
            if let Err(error) = std::fs::write(argument(1), "written\n") {
                eprintln!("{error}");
                std::process::exit(3);
            }
        }
        other => {
            eprintln!("it cannot {other:?}");
            std::process::exit(64);
        }
    }
}

fn take_memory() -> ! {
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&taken);
    }
}

/// Takes so many MiB and is content.
fn fill(count: usize) {
    let taken: Vec<_> = (0..count).map(|_| vec![1_u8; 1 << 20]).collect();
    println!("{}", std::hint::black_box(taken).len());
}

/// Calls itself until n is a number that it never gets to, which the compiler
/// cannot see. What is done with the result cannot be made a loop.
fn recurse(n: u64) -> u64 {
    if n == 0 {
        0
    } else {
        recurse(n.wrapping_mul(4) | 1).rotate_left(7) ^ n
    }
}
