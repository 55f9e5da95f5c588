//! Everything by which one run of a program may differ from another.

use std::collections::HashMap;
use std::hint::black_box;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use wasip2::clocks::monotonic_clock::{now, subscribe_duration};
use wasip2::io::poll::poll;
use wasip2::random::{insecure, insecure_seed, random};

const HOUR: Duration = Duration::from_hours(1);

/// Prints clock readings, random numbers, the order of a hash map and the bits of NaN.
pub(crate) fn print_chances() {
    println!("{:?}", SystemTime::now());
    println!("{:?} {:?}", Instant::now(), now());
    println!("{:?}", random::get_random_bytes(20));
    println!("{}", random::get_random_u64());
    println!("{:?}", insecure::get_insecure_random_bytes(3));
    println!("{:?}", insecure_seed::insecure_seed());
    let squares: HashMap<u32, u32> = (0..50).map(|n| (n, n * n)).collect();
    println!("{squares:?}");
    for bits in nan_bits() {
        println!("{bits:x}");
    }
    sleep(HOUR);
    println!("{:?}", SystemTime::now());
}

/// The bits of NaN from several instructions, with payloads that an addition may keep.
fn nan_bits() -> [u64; 4] {
    let payload = black_box(f64::from_bits(0xfff8_0000_0000_1234));
    let single = black_box(f32::from_bits(0x7fc0_5678));
    let zero = black_box(0.0_f64);
    [
        (payload + 1.0).to_bits(),
        (zero / zero).to_bits(),
        black_box(-1.0_f64).sqrt().to_bits(),
        (single * 2.0).to_bits().into(),
    ]
}

/// Prints how long an hour's sleep is by both clocks, in whole minutes, and how long a poll of the
/// clock for ten milliseconds.
pub(crate) fn print_sleep() {
    let (wall, start) = (SystemTime::now(), Instant::now());
    sleep(HOUR);
    let slept = wall.elapsed().expect("a clock that advances");
    println!(
        "{} {}",
        slept.as_secs() / 60,
        start.elapsed().as_secs() / 60
    );
    let start = Instant::now();
    let mut readings = 0;
    while start.elapsed() < Duration::from_millis(10) {
        readings += 1;
    }
    println!("{}", readings > 0);
    let timer = subscribe_duration(1_000_000);
    while !timer.ready() {}
}

/// Prints the timers that a poll returns, with the clock, until all have ended.
pub(crate) fn print_timers() {
    let start = now();
    let mut timers: Vec<_> = [30, 10, 20, 10]
        .iter()
        .map(|seconds| (*seconds, subscribe_duration(seconds * 1_000_000_000)))
        .collect();
    while !timers.is_empty() {
        let all: Vec<_> = timers.iter().map(|(_, timer)| timer).collect();
        let mut ended = poll(&all);
        ended.sort_unstable();
        for &index in ended.iter().rev() {
            let (seconds, _) = timers.remove(index as usize);
            println!("{seconds} {}", (now() - start) / 1_000_000_000);
        }
    }
}

/// Sleeps without end.
pub(crate) fn sleep_forever() -> ! {
    loop {
        sleep(HOUR);
    }
}
