//! Numbers that are joined from parts, some of them hostile.

use wit_bindgen::{
    FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter, spawn_local,
};

use crate::bindings::exports::cocoon::factorial::{factorial as wit, parts};
use crate::bindings::{Component, wit_future, wit_stream};
use crate::{Digits, Outcome, hostile, spin, take_memory};

/// Bytes of one read or write.
const CHUNK_BYTES: usize = 50_000;

impl parts::Guest for Component {
    fn plan(request: wit::Request, sandboxes: u32) -> Result<Vec<parts::Part>, wit::Error> {
        let n = request.n;
        let peak_bytes = match n {
            hostile::LARGE_PARTS => hostile::MUCH_BYTES,
            hostile::CROSSED => 3 * hostile::MUCH_BYTES,
            _ => hostile::LITTLE_BYTES,
        };
        let inputs: &[&[u32]] = match n {
            hostile::PLAN_EMPTY => &[],
            hostile::PLAN_PANICS => panic!("no plan"),
            hostile::PLAN_OF_ITSELF => &[&[0], &[]],
            hostile::PLAN_TOO_WIDE => &[&[], &[0], &[1], &[2]],
            hostile::CROSSED if sandboxes > 1 => &[&[1], &[0, 0]],
            hostile::PARTS_WAIT if sandboxes > 1 => &[&[1], &[0]],
            hostile::PARTED..hostile::PARTED_END if sandboxes > 2 => &[&[], &[], &[0, 1]],
            _ => &[&[]],
        };
        Ok(inputs
            .iter()
            .map(|inputs| parts::Part {
                inputs: inputs.to_vec(),
                peak_bytes,
            })
            .collect())
    }

    async fn perform(
        request: wit::Request,
        _: u32,
        index: u32,
        seed: u64,
        inputs: Vec<StreamReader<u8>>,
    ) -> Result<(Vec<StreamReader<u8>>, FutureReader<Outcome>), wit::Error> {
        let n = request.n;
        if (n, index) == (hostile::PART_SAYS_FAILED, 1) {
            return Err(wit::Error::Failed("it lost its part".to_owned()));
        }
        let at_once = [
            (hostile::PART_TRAPS_AT_ONCE, 1),
            (hostile::JOINER_TRAPS_AT_ONCE, 2),
        ];
        assert!(!at_once.contains(&(n, index)), "no part today");
        let (outcome, outcome_reader) = wit_future::new(|| Ok(wit::Grade::Proved));
        if (n, index) == (hostile::PART_WITHOUT_OUTPUT, 1) {
            return Ok((Vec::new(), outcome_reader));
        }
        if n == hostile::CROSSED {
            let (given, first) = wit_stream::new();
            let (forwarded, second) = wit_stream::new();
            spawn_local(exchange(index, seed, inputs, given, forwarded, outcome));
            return Ok((vec![first, second], outcome_reader));
        }
        if n == hostile::PARTS_WAIT {
            let (writers, readers) = (0..=index).map(|_| wit_stream::new()).unzip();
            spawn_local(wait(inputs, writers, outcome));
            return Ok((readers, outcome_reader));
        }
        let (writer, reader) = wit_stream::new();
        if inputs.is_empty() {
            spawn_local(part(n, index, writer, outcome));
        } else {
            spawn_local(joiner(n, seed, inputs, writer, outcome));
        }
        Ok((vec![reader], outcome_reader))
    }
}

/// The output of the joiner, from one sandbox.
pub(crate) fn whole() -> Digits {
    let (mut writer, reader) = wit_stream::new();
    let (outcome, outcome_reader) = wit_future::new(|| Ok(wit::Grade::Proved));
    spawn_local(async move {
        for byte in [b'1', b'2'] {
            write(&mut writer, byte, hostile::PART_BYTES).await;
        }
        drop(writer);
        let _ = outcome.write(Ok(wit::Grade::Proved)).await;
    });
    (reader, outcome_reader)
}

/// Writes `count` copies of a byte.
async fn write(writer: &mut StreamWriter<u8>, byte: u8, count: u64) {
    let mut left = usize::try_from(count).expect("it fits");
    while left > 0 {
        let now = left.min(CHUNK_BYTES);
        if !writer.write_all(vec![byte; now]).await.is_empty() {
            return;
        }
        left -= now;
    }
}

async fn part(n: u64, index: u32, mut writer: StreamWriter<u8>, outcome: FutureWriter<Outcome>) {
    if index == 0 {
        write(&mut writer, b'1', hostile::PART_BYTES).await;
    } else if n == hostile::PART_CLOSES_AND_FAILS {
        drop(writer);
        let failed = wit::Error::Failed("it lost its part".to_owned());
        let _ = outcome.write(Err(failed)).await;
        return;
    } else {
        write(&mut writer, b'2', hostile::BYTES_BEFORE).await;
        match n {
            hostile::PART_TRAPS => panic!("the part is lost"),
            hostile::PART_TAKES => take_memory(),
            hostile::PART_SPINS => spin(),
            hostile::PART_FLOODS => write(&mut writer, b'2', u64::from(u32::MAX)).await,
            hostile::PART_ENDS_SILENTLY => {
                std::mem::forget(outcome);
                return;
            }
            _ => {
                let rest = hostile::PART_BYTES - hostile::BYTES_BEFORE;
                write(&mut writer, b'2', rest).await;
            }
        }
    }
    drop(writer);
    let _ = outcome.write(Ok(wit::Grade::Proved)).await;
}

/// Copies its inputs one after the other.
async fn joiner(
    n: u64,
    seed: u64,
    inputs: Vec<StreamReader<u8>>,
    mut writer: StreamWriter<u8>,
    outcome: FutureWriter<Outcome>,
) {
    let mut wrong = None;
    for ((mut input, byte), number) in inputs.into_iter().zip([b'1', b'2']).zip(1..) {
        loop {
            let (status, chunk) = input.read(Vec::with_capacity(CHUNK_BYTES)).await;
            if let Some(at) = chunk.iter().position(|&other| other != byte) {
                wrong.get_or_insert(format!("input {number} is damaged at {at}"));
            }
            let ended = chunk.is_empty() && !matches!(status, StreamResult::Complete(_));
            if !chunk.is_empty() && !writer.write_all(chunk).await.is_empty() {
                return;
            }
            match n {
                hostile::JOINER_TRAPS => panic!("the joint is lost"),
                hostile::JOINER_LEAVES => {
                    drop(writer);
                    let _ = outcome.write(Ok(wit::Grade::Proved)).await;
                    return;
                }
                _ if ended => break,
                _ => {}
            }
        }
    }
    drop(writer);
    let outcome_of = match wrong {
        Some(text) => Err(wit::Error::Failed(text)),
        None => Ok(grade_with(seed)),
    };
    let _ = outcome.write(outcome_of).await;
}

/// A grade that reports the seed to the test.
fn grade_with(seed: u64) -> wit::Grade {
    wit::Grade::Verified(wit::Verification {
        products: 3,
        repeated: u32::from(seed == 13),
        miss_exponent: u32::try_from(seed).unwrap_or(u32::MAX),
    })
}

/// Writes its own output while it reads the other part's, and forwards what it read. The second
/// part joins that with its first input.
async fn exchange(
    index: u32,
    seed: u64,
    inputs: Vec<StreamReader<u8>>,
    mut given: StreamWriter<u8>,
    mut forwarded: StreamWriter<u8>,
    outcome: FutureWriter<Outcome>,
) {
    let own = [b'1', b'2'][index as usize];
    spawn_local(async move { write(&mut given, own, hostile::PART_BYTES).await });
    let count = inputs.len() * usize::try_from(hostile::PART_BYTES).expect("it fits");
    let mut read = Vec::with_capacity(count);
    for mut input in inputs {
        loop {
            let (status, chunk) = input.read(Vec::with_capacity(CHUNK_BYTES)).await;
            read.extend_from_slice(&chunk);
            if !matches!(status, StreamResult::Complete(_)) {
                break;
            }
        }
    }
    if forwarded.write_all(read).await.is_empty() {
        drop(forwarded);
        let _ = outcome.write(Ok(grade_with(seed))).await;
    }
}

/// Reads all input before it writes.
async fn wait(
    inputs: Vec<StreamReader<u8>>,
    writers: Vec<StreamWriter<u8>>,
    outcome: FutureWriter<Outcome>,
) {
    for mut input in inputs {
        while let (StreamResult::Complete(_), _) = input.read(Vec::with_capacity(1)).await {}
    }
    drop(writers);
    let _ = outcome.write(Ok(wit::Grade::Proved)).await;
}
