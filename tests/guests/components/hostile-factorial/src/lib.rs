//! A hostile factorial. Its behaviour for each n is in the table `hostile`, which the tests
//! share.

mod bindings {
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({ path: "../../../../wit", world: "sandbox" });
    export!(Component with_types_in self);
    pub struct Component;
}
#[path = "../../../src/hostile.rs"]
mod hostile;
mod parts;

use bindings::exports::cocoon::factorial::factorial as wit;
use bindings::{Component, wit_future, wit_stream};
use wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamWriter, spawn_local};

type Outcome = Result<wit::Grade, wit::Error>;
type Digits = (StreamReader<u8>, FutureReader<Outcome>);

impl bindings::exports::wasi::cli::run::Guest for Component {
    fn run() -> Result<(), ()> {
        Err(())
    }
}

impl wit::Guest for Component {
    fn notation(_: wit::Kind, n: u64) -> Result<String, wit::Error> {
        Ok(format!("{n}?"))
    }

    fn cost(request: wit::Request) -> Result<wit::Estimate, wit::Error> {
        match request.n {
            hostile::COST_SPINS => spin(),
            hostile::COST_TAKES => take_memory(),
            hostile::COST_PANICS => panic!("cost is too much"),
            _ => {}
        }
        let digits = match request.n {
            hostile::FLOOD_PROMISED => wit::Count::Exact(hostile::BYTES_BEFORE),
            hostile::HONEST.. | ..hostile::STREAMED => wit::Count::AtMost(20),
            _ => wit::Count::AtMost(u64::MAX),
        };
        let peak_bytes = match request.n {
            hostile::TAKE_ALL => hostile::ALL_BYTES,
            hostile::TAKE_MORE | hostile::PARTED..hostile::PARTED_END => hostile::LITTLE_BYTES,
            // `TAKE_MUCH_MORE` among them.
            _ => hostile::MUCH_BYTES,
        };
        Ok(wit::Estimate {
            digits,
            output_bytes: digits,
            peak_bytes: Some(peak_bytes),
        })
    }

    fn info(_: wit::Kind, n: u64) -> Result<wit::Facts, wit::Error> {
        if n == hostile::SPIN {
            spin();
        }
        Err(wit::Error::Failed("it knows nothing".to_owned()))
    }

    fn compute(request: wit::Request) -> Result<String, wit::Error> {
        match request.n {
            hostile::SPIN => spin(),
            hostile::TAKE_ALL | hostile::TAKE_MORE | hostile::TAKE_MUCH_MORE => take_memory(),
            hostile::RECURSE => return Ok(recurse(7).to_string()),
            hostile::PANIC => panic!("no factorial today"),
            hostile::OVERLONG_REPLY => return Ok("7".repeat(100_000)),
            hostile::LONG_REPLY => return Ok("7".repeat(40_000)),
            hostile::INVALID_REPLY => return Ok(not_text()),
            hostile::SAY_FAILED => return Err(wit::Error::Failed("it lost count".to_owned())),
            _ => {}
        }
        Ok(request.n.to_string())
    }

    async fn digits(request: wit::Request, _: u64) -> Result<Digits, wit::Error> {
        match request.n {
            hostile::PARTED..hostile::PARTED_END => return Ok(parts::whole()),
            hostile::WAIT_FIRST => wait_forever().await,
            hostile::REFUSE_DIGITS => {
                return Err(wit::Error::TooLarge("it is too large after all".to_owned()));
            }
            _ => {}
        }
        let (writer, reader) = wit_stream::new();
        let (outcome, outcome_reader) = wit_future::new(|| Ok(wit::Grade::Proved));
        spawn_local(write(request.n, writer, outcome));
        Ok((reader, outcome_reader))
    }

    async fn verify(
        _: wit::Kind,
        n: u64,
        mut digits: StreamReader<u8>,
        seed: u64,
    ) -> Result<wit::Verdict, wit::Error> {
        let early = digits.next().await;
        match n {
            hostile::VERIFY_WRONG_EARLY => {
                return Ok(wit::Verdict::Wrong(format!("it starts with {early:?}")));
            }
            hostile::VERIFY_WORDY => {
                return Ok(wit::Verdict::Wrong("wrong\n".repeat(1000)));
            }
            hostile::VERIFY_PANICS => panic!("it is too right"),
            hostile::VERIFY_SPINS => spin(),
            hostile::VERIFY_TAKES => take_memory(),
            hostile::VERIFY_FAILS => return Err(wit::Error::Failed("no primes left".to_owned())),
            hostile::VERIFY_RIGHT => {}
            _ => panic!("{n} is in no row of the table"),
        }
        while digits.next().await.is_some() {}
        // Reports the seed to the test.
        Ok(wit::Verdict::Right(u32::try_from(seed).unwrap_or(u32::MAX)))
    }

    async fn serve(
        mut requests: StreamReader<wit::Request>,
    ) -> StreamReader<Result<String, wit::Error>> {
        let (mut answers, reader) = wit_stream::new();
        spawn_local(async move {
            while let Some(request) = requests.next().await {
                match request.n {
                    hostile::DEAF => wait_forever().await,
                    hostile::LEAVE => return,
                    hostile::TRAP_SERVING => panic!("no more answers"),
                    hostile::SPIN_SERVING => spin(),
                    hostile::ANSWER_FOREVER => {
                        while answers.write_one(Ok("7".repeat(60_000))).await.is_none() {}
                    }
                    _ => {}
                }
                if answers.write_one(Ok(request.n.to_string())).await.is_some() {
                    return;
                }
            }
        });
        reader
    }
}

async fn write(n: u64, mut writer: StreamWriter<u8>, outcome: FutureWriter<Outcome>) {
    if n == hostile::RESOLVE_EARLY {
        std::mem::forget(writer);
        let _ = outcome.write(Ok(wit::Grade::Proved)).await;
        return;
    }
    if n == hostile::FLOOD || n == hostile::FLOOD_PROMISED {
        let mut chunk = vec![b'7'; 10_000];
        loop {
            chunk = writer.write_all(chunk).await;
            if !chunk.is_empty() {
                return;
            }
            chunk.resize(10_000, b'7');
        }
    }
    let before = usize::try_from(hostile::BYTES_BEFORE).expect("it fits");
    writer.write_all(vec![b'7'; before]).await;
    match n {
        hostile::TRAP_MIDSTREAM => panic!("the rest is lost"),
        hostile::SPIN_MIDSTREAM => spin(),
        hostile::WAIT_MIDSTREAM => wait_forever().await,
        hostile::TAKE_MIDSTREAM => take_memory(),
        hostile::FAIL_MIDSTREAM => {}
        hostile::END_SILENTLY => {
            std::mem::forget(outcome);
            return;
        }
        _ => panic!("{n} is in no row of the table"),
    }
    drop(writer);
    let _ = outcome
        .write(Err(wit::Error::Failed("the rest is wrong".to_owned())))
        .await;
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn take_memory() -> ! {
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; 64 << 10]);
        std::hint::black_box(&taken);
    }
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

async fn wait_forever() {
    let (writer, mut reader) = wit_stream::new::<u8>();
    reader.next().await;
    drop(writer);
}

#[expect(unsafe_code, reason = "what is not text must not get past the host")]
fn not_text() -> String {
    // SAFETY: nothing in this component inspects the text.
    unsafe { String::from_utf8_unchecked(vec![0xff; 10]) }
}
