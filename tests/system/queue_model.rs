//! The state of ranges, as the scripts keep it, against a model: random operations of workers, lost
//! leases and repeated calls.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cocoon::queue::{
    Added, Asked, Batch, Content, Created, Held, Instance, Line, Payload, Published, Queue, Range,
    Staged, Taken,
};

use crate::redis::Redis;

const INSTANCES: u64 = 150;
const NAME: &str = "model";

fn batch() -> Batch {
    Batch {
        program: "p".to_owned(),
        component: "c".to_owned(),
        arguments: Vec::new(),
        input: None,
        lines: false,
        instances: Some(INSTANCES),
        ordered: false,
        retries: 0,
        attempts: 5,
        lease_ms: 3_600_000,
        keep_s: 3600,
        refusal_ms: 0,
        results_bytes: 1 << 20,
        input_bytes: 1 << 20,
        asked: Asked::default(),
        trace: Vec::new(),
    }
}

fn result(number: u64) -> (Instance, Bytes) {
    let instance = Instance {
        number,
        exit: Some(0),
        error: None,
        elapsed_us: 1,
        memory_bytes: None,
        output_bytes: [0; 2],
        attempts: 1,
    };
    (instance, Bytes::new())
}

/// What a worker believes to hold.
struct Lease {
    held: Held,
    /// Its instances without a result, as the worker knows them.
    open: BTreeSet<u64>,
    /// Whether the model says that the lease is lost.
    is_lost: bool,
}

#[derive(Default)]
struct Model {
    published: BTreeSet<u64>,
    leases: Vec<Lease>,
    /// Tries of the first open instance of a range.
    tries: BTreeMap<String, (u64, u64)>,
}

impl Model {
    fn take(&mut self, range: &Range) {
        let id = &range.held.id;
        for lease in &mut self.leases {
            // The range was expired or handed back before.
            assert!(
                lease.held.id != *id || lease.is_lost,
                "{id} is leased twice"
            );
        }
        let all = (0_u64..)
            .zip(&range.done)
            .map(|(index, done)| (range.held.first + index, *done));
        let open: BTreeSet<_> = all
            .filter(|(_, done)| !done)
            .map(|(number, _)| number)
            .collect();
        assert!(!open.is_empty());
        for number in &open {
            assert!(
                !self.published.contains(number),
                "{number} is published and delivered"
            );
        }
        let head = *open.first().expect("an instance");
        let (before, tries) = self.tries.get(id).copied().unwrap_or((head, 0));
        let tries = if before == head { tries + 1 } else { 1 };
        assert_eq!(range.tries, tries, "tries of {id}");
        self.tries.insert(id.clone(), (head, tries));
        self.leases.push(Lease {
            held: range.held.clone(),
            open,
            is_lost: false,
        });
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_scripts_agree_with_a_model() {
    let redis = Redis::start();
    let address = redis.url().parse().expect("an address");
    let queue = Queue::new(&address, None).expect("a queue");
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let uid = seed.to_string();
        // The reply to the first call may have been lost.
        for (uid, created) in [
            (&*uid, Created::Created),
            (&*uid, Created::Created),
            ("other", Created::NameInUse),
        ] {
            let (none, batch) = (Content::default(), batch());
            let answer = queue.create(NAME, uid, &batch, [&none, &none], None);
            assert_eq!(answer.await.expect("an answer"), created);
        }
        let mut model = Model::default();
        while (model.published.len() as u64) < INSTANCES {
            let at = (!model.leases.is_empty()).then(|| random.usize(..model.leases.len()));
            match (random.u32(..10), at) {
                (0..3, _) | (_, None) => {
                    if let Taken::Range(range) =
                        queue.take("w", false, "", "").await.expect("an answer")
                    {
                        model.take(&range);
                    }
                }
                (3..7, Some(at)) => publish(&queue, &mut model, at, &mut random).await,
                (7, Some(at)) => {
                    // Another worker may have it from now on.
                    let id = model.leases[at].held.id.clone();
                    let ranges = format!("cocoon:{{cocoon}}:b:{NAME}:ranges");
                    let idle = [
                        "XCLAIM", &ranges, "workers", "w", "0", &id, "IDLE", "4000000", "JUSTID",
                    ];
                    if !model.leases[at].is_lost {
                        redis.cli(&idle);
                        model.leases[at].is_lost = true;
                        // One that was handed back may come first.
                        loop {
                            let Taken::Range(range) =
                                queue.take("v", false, "", "").await.expect("an answer")
                            else {
                                panic!("a range");
                            };
                            model.take(&range);
                            if range.held.id == id {
                                assert!(range.was_lost);
                                break;
                            }
                        }
                    }
                }
                (8, Some(at)) => {
                    let held: Vec<_> = model
                        .leases
                        .iter()
                        .map(|lease| lease.held.clone())
                        .collect();
                    let expected: Vec<_> =
                        model.leases.iter().map(|lease| !lease.is_lost).collect();
                    assert_eq!(queue.renew("w", &held).await.expect("an answer"), expected);
                    let lease = &mut model.leases[at];
                    queue.release(&lease.held).await.expect("an answer");
                    if !lease.is_lost {
                        // It is lost when another worker takes it, and is fenced as before.
                        let head = model.tries[&lease.held.id].0;
                        model.tries.insert(lease.held.id.clone(), (head, 0));
                        model.leases.remove(at);
                    }
                }
                (_, Some(at)) => hand_back(&queue, &mut model, at, &mut random).await,
            }
        }
        let mut read = BTreeSet::new();
        let mut last = "0".to_owned();
        while (read.len() as u64) < INSTANCES {
            for (id, entry) in queue.read(NAME, &last).await.expect("an answer") {
                for (instance, payload) in entry.expect("results").results {
                    assert_eq!(payload, Payload::Bytes(Bytes::new()));
                    assert!(read.insert(instance.number), "{} twice", instance.number);
                }
                last = id;
            }
        }
        let progress = queue
            .progress(NAME)
            .await
            .expect("an answer")
            .expect("a batch");
        assert_eq!((progress.published, progress.open_ranges), (INSTANCES, 0));
        assert_eq!(
            redis.cli(&["HLEN", &format!("cocoon:{{cocoon}}:b:{NAME}:state")]),
            "0"
        );
        assert!(queue.purge(NAME, &uid).await.expect("an answer"));
    }
}

/// Calls after a purge store no key, and those with an answer report the loss.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn late_calls_of_a_purged_batch_leave_no_key() {
    let redis = Redis::start();
    let address = redis.url().parse().expect("an address");
    let queue = Queue::new(&address, None).expect("a queue");
    let (none, batch) = (Content::default(), batch());
    let created = queue.create(NAME, "1", &batch, [&none, &none], None);
    assert_eq!(created.await.expect("an answer"), Created::Created);
    let mut leases = Vec::new();
    for _ in 0..2 {
        let Taken::Range(range) = queue.take("w", false, "", "").await.expect("an answer") else {
            panic!("a range");
        };
        leases.push(range.held);
    }
    let results = [result(leases[0].first)];
    let published = queue.publish(&leases[0], &results, 0).await;
    assert_eq!(published.expect("an answer"), Published::Done);
    assert!(queue.purge(NAME, "1").await.expect("an answer"));
    let keys = || {
        let keys = redis.cli(&["--raw", "KEYS", "*"]);
        keys.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let left = keys();
    assert!(!left.iter().any(|key| key.contains(":b:")), "{left:?}");

    let renewed = queue.renew("w", &leases).await;
    assert_eq!(renewed.expect("an answer"), [false, false]);
    for held in &leases {
        let results = [result(held.first)];
        let published = queue.publish(held, &results, 0).await;
        assert_eq!(published.expect("an answer"), Published::Lost);
        let staged = queue.stage(held, 0, 0, 1, 4, b"text").await;
        assert_eq!(staged.expect("an answer"), Staged::Lost);
        queue.hand_back(held, &[0]).await.expect("an answer");
        queue.refuse(held, "1", "late").await.expect("an answer");
        queue.release(held).await.expect("an answer");
    }
    queue.attach(NAME, "reader").await.expect("an answer");
    let messages = ["1-1".to_owned()];
    let read = queue.acknowledge(NAME, "reader", 1, &messages).await;
    assert!(read.expect("an answer").is_none());
    assert!(!queue.cancel(NAME, "1", "late").await.expect("an answer"));
    queue.close(NAME, "1").await.expect("an answer");
    let line = Line::Bytes(Bytes::from_static(b"line"));
    let added = queue.add(NAME, "1", 1, &[line]).await;
    assert_eq!(added.expect("an answer"), Added::Gone);
    // Before the second purge, which would remove such a key.
    assert_eq!(keys(), left);
    assert!(!queue.purge(NAME, "1").await.expect("an answer"));
}

async fn publish(queue: &Queue, model: &mut Model, at: usize, random: &mut fastrand::Rng) {
    let lease = &mut model.leases[at];
    let some: Vec<_> = lease
        .open
        .iter()
        .copied()
        .filter(|_| random.bool())
        .collect();
    let Some(&first) = some.first() else { return };
    let results: Vec<_> = some.iter().map(|&number| result(number)).collect();
    let answer = queue
        .publish(&lease.held, &results, 0)
        .await
        .expect("an answer");
    if lease.is_lost {
        assert_eq!(answer, Published::Lost);
        model.leases.remove(at);
        return;
    }
    for number in &some {
        lease.open.remove(number);
        assert!(model.published.insert(*number), "{first} twice");
    }
    let again = queue
        .publish(&lease.held, &results, 0)
        .await
        .expect("an answer");
    if lease.open.is_empty() {
        assert_eq!((answer, again), (Published::Done, Published::Lost));
        model.leases.remove(at);
    } else {
        assert_eq!((answer, again), (Published::Partly, Published::Partly));
    }
}

async fn hand_back(queue: &Queue, model: &mut Model, at: usize, random: &mut fastrand::Rng) {
    let lease = &mut model.leases[at];
    let some: Vec<_> = lease
        .open
        .iter()
        .copied()
        .filter(|_| random.bool())
        .collect();
    if some.is_empty() {
        return;
    }
    let indices: Vec<_> = some
        .iter()
        .map(|number| usize::try_from(number - lease.held.first).expect("an index"))
        .collect();
    for _ in 0..2 {
        queue
            .hand_back(&lease.held, &indices)
            .await
            .expect("an answer");
    }
    if lease.is_lost {
        return;
    }
    for number in some {
        lease.open.remove(&number);
    }
    if lease.open.is_empty() {
        model.leases.remove(at);
    }
}
