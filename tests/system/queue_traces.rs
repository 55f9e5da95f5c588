//! One batch is one trace, from its submission through the queue to its instances on workers.

use cocoon_test_guests::HOSTILE_PROGRAM;

use crate::harness::run_command;
use crate::otlp::{Protocol, Receiver, Span};
use crate::redis::{Redis, Worker};

#[test]
#[ignore = "needs redis-server"]
fn the_trace_of_a_submission_reaches_the_instances() {
    let redis = Redis::start();
    let mut receiver = Receiver::start(Protocol::Http);
    let endpoint = receiver.endpoint.clone();
    let exporting = |arguments: &[&str], service: &str| {
        let mut command = redis.command(arguments);
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
            .env("OTEL_SERVICE_NAME", service);
        command
    };
    let worker = Worker::start(&mut exporting(&["worker"], "worker"));
    let exec = ["exec", "-n", "5", HOSTILE_PROGRAM, "say", "{i}"];
    let batch = run_command(&mut exporting(&exec, "submitter"));
    assert_eq!(batch.code, Some(0), "{}", batch.err);
    // Its spans are sent at the latest now.
    worker.drain();
    let named = |name: &'static str| move |span: &&Span| span.span.name == name;
    let ended = |spans: &[Span]| {
        spans.iter().any(|span| span.span.name == "cocoon exec")
            && spans.iter().filter(named("instance")).count() >= 5
    };
    let spans = receiver.wait(ended).to_vec();
    let root = spans.iter().find(named("cocoon exec")).expect("a root");
    assert_eq!(root.service(), "submitter");
    let ranges: Vec<_> = spans.iter().filter(named("cocoon range")).collect();
    assert!(!ranges.is_empty());
    for range in &ranges {
        assert_eq!(range.service(), "worker");
        assert_eq!(range.span.trace_id, root.span.trace_id);
        assert_eq!(range.span.parent_span_id, root.span.span_id);
    }
    let sum = ranges.iter().filter_map(|it| it.count("cocoon.instances"));
    assert_eq!(sum.sum::<i64>(), 5);
    let mut numbers = Vec::new();
    for instance in spans.iter().filter(named("instance")) {
        assert_eq!(instance.service(), "worker");
        assert!(
            ranges.iter().any(|range| {
                range.span.span_id == instance.span.parent_span_id
                    && range.span.trace_id == instance.span.trace_id
            }),
            "{instance:#?}"
        );
        numbers.extend(instance.count("cocoon.instance"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}
