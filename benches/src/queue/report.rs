//! The table and the figures.

use std::fmt::Write as _;

use super::figures::{First, Many, Slow};
use crate::peers::report::with_commas;

pub(super) struct Report {
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) slow: Slow,
    pub(super) many: Many,
    pub(super) first: First,
    pub(super) rounds: u64,
}

const AIM_OF_SLOW: f64 = 0.85;
const AIM_OF_MANY: f64 = 1.0 / 3.0;
const AIM_MIB: f64 = 100.0;
const AIM_REDIS_MIB: f64 = 256.0;
const AIM_FIRST_MS: f64 = 20.0;

impl Report {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string never fails.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "# A batch in a queue\n\n\
             Written by `cargo run --release -p cocoon-bench -- queue`; do not edit.\n\
             [The folder's page](../README.md) describes the method. The figures are\n\
             also in [queue.csv](queue.csv).\n\n\
             | machine and date | |\n| --- | --- |"
        )?;
        for (name, value) in &self.facts {
            writeln!(out, "| {name} | {value} |")?;
        }
        writeln!(
            out,
            "\n## Targets\n\n| figure | measured | target | |\n| --- | ---: | ---: | --- |"
        )?;
        let reached = |yes: bool| if yes { "reached" } else { "**not reached**" };
        let (slow, many, first) = (&self.slow, &self.many, &self.first);
        writeln!(
            out,
            "| throughput of {} instances of 1 ms, of a local batch | {:.2} | at least {AIM_OF_SLOW} | {} |",
            with_commas(slow.instances),
            slow.ratio,
            reached(slow.ratio >= AIM_OF_SLOW)
        )?;
        let ratio = many.seconds[0] / many.seconds[1];
        writeln!(
            out,
            "| throughput of {} trivial instances, of a local batch | {ratio:.2} | at least {AIM_OF_MANY:.2} | {} |",
            with_commas(many.instances),
            reached(ratio >= AIM_OF_MANY)
        )?;
        for (name, _, peak) in &many.memory {
            let aim = if *name == "Redis" {
                AIM_REDIS_MIB
            } else {
                AIM_MIB
            };
            writeln!(
                out,
                "| … memory of {name}, at most | {peak:.0} MiB | {aim:.0} MiB | {} |",
                reached(*peak <= aim)
            )?;
        }
        writeln!(
            out,
            "| start of the submitter to its first result | {:.1} ms | at most {AIM_FIRST_MS} ms | {} |",
            first.queue[0],
            reached(first.queue[0] <= AIM_FIRST_MS)
        )?;
        writeln!(
            out,
            "\n## Times\n\n| batch | local | queue |\n| --- | ---: | ---: |"
        )?;
        for (name, [local, queue]) in [
            ("instances of 1 ms, seconds", slow.seconds),
            ("trivial instances, seconds", many.seconds),
            (
                "one instance, ms to its result",
                [first.local[0], first.queue[0]],
            ),
            (
                "one instance, ms of the process",
                [first.local[1], first.queue[1]],
            ),
        ] {
            writeln!(out, "| {name} | {local:.2} | {queue:.2} |")?;
        }
        writeln!(
            out,
            "\nInstances of 1 ms: medians of {} rounds. Memory after a quarter of the time:",
            self.rounds
        )?;
        for (name, early, _) in &many.memory {
            write!(out, " {name} {early:.0} MiB;")?;
        }
        writeln!(out, " it grows no further than the table says.")
    }

    pub(super) fn csv(&self) -> String {
        let (slow, many, first) = (&self.slow, &self.many, &self.first);
        let mut lines = vec![
            ("slow", "ratio", slow.ratio, "ratio"),
            ("slow", "local", slow.seconds[0], "s"),
            ("slow", "queue", slow.seconds[1], "s"),
            ("many", "local", many.seconds[0], "s"),
            ("many", "queue", many.seconds[1], "s"),
            ("first", "local", first.local[0], "ms"),
            ("first", "queue", first.queue[0], "ms"),
            ("process", "local", first.local[1], "ms"),
            ("process", "queue", first.queue[1], "ms"),
        ];
        for (name, early, peak) in &many.memory {
            lines.push(("memory after a quarter", name, *early, "MiB"));
            lines.push(("memory at most", name, *peak, "MiB"));
        }
        let mut text = "part,what,value,unit\n".to_owned();
        for (part, what, value, unit) in lines {
            // Writing to a string never fails.
            let _ = writeln!(text, "{part},{what},{value:.3},{unit}");
        }
        text
    }
}
