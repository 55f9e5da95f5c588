//! The table and the figures.

use std::fmt::Write as _;

use super::server::{Programs, WASMTIME_TUNING};
use super::speed::{COCOON, NATIVE, WASMTIME, WRK};
use super::{Figures, Measured, crowd, handlers, memory, tail};
use crate::peers::report::with_commas;

pub(crate) struct Report<'a> {
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) programs: &'a Programs,
    pub(super) figures: &'a Figures,
    pub(crate) rounds: u64,
    pub(crate) seconds: u64,
    pub(crate) tail_seconds: u64,
}

const AIM_OF_NATIVE: f64 = 0.6;
const AIM_OF_WASMTIME: f64 = 4.5;
const AIM_P99_MS: f64 = 10.0;
const AIM_GROWTH: f64 = 1.05;

/// Reported percentiles of latency, in permille.
pub(super) const PERMILLES: [usize; 4] = [500, 900, 990, 999];

impl Report<'_> {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string never fails.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "# The service under load\n\n\
             Written by `cargo run --release -p cocoon-bench -- http`; do not edit.\n\
             [The folder's page](../README.md) describes the method. The figures are\n\
             also in [http.csv](http.csv).\n"
        )?;
        if self.figures.speed.is_ok() && self.figures.tail.is_ok() {
            writeln!(out, "![Requests per second, and latency](http.svg)\n")?;
        }
        writeln!(out, "| machine and date | |\n| --- | --- |")?;
        for (name, value) in &self.facts {
            writeln!(out, "| {name} | {value} |")?;
        }
        writeln!(out, "| cocoon | {} |", self.programs.version)?;
        match &self.programs.wasmtime {
            Ok((_, version, _)) => writeln!(
                out,
                "| {WASMTIME} | {version}, `{}` |",
                WASMTIME_TUNING.join(" ")
            )?,
            Err(why) => writeln!(out, "| {WASMTIME} | left out: {} |", one_line(why))?,
        }
        self.write_aims(out)?;
        self.write_speed(out)?;
        self.write_tail(out)?;
        self.write_crowd(out)?;
        self.write_memory(out)?;
        self.write_handlers(out)
    }

    fn write_aims(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\n## Targets\n\n| figure | measured | target | |\n| --- | ---: | ---: | --- |"
        )?;
        let reached = |yes: bool| if yes { "reached" } else { "**not reached**" };
        for (server, aim) in [(NATIVE, AIM_OF_NATIVE), (WASMTIME, AIM_OF_WASMTIME)] {
            if let Some(ratio) = self.cocoon_of(server) {
                let is = reached(ratio >= aim);
                writeln!(
                    out,
                    "| requests per second, of {server} | {ratio:.2} | at least {aim} | {is} |"
                )?;
            }
        }
        if let Ok(tails) = &self.figures.tail {
            for tail in tails.iter().filter(|tail| tail.large > 0) {
                let p99 = tail.permille_ms(990);
                writeln!(
                    out,
                    "| 99 % within, {} large clients | {p99:.2} ms | at most {AIM_P99_MS} ms | {} |",
                    tail.large,
                    reached(p99 <= AIM_P99_MS)
                )?;
            }
        }
        if let Ok(crowd) = &self.figures.crowd {
            writeln!(
                out,
                "| {} connections, {} reading slowly | no error, {} | no error, bounded memory | {} |",
                with_commas(crowd::CONNECTIONS as u64),
                with_commas(crowd.slow_at_once),
                mebibytes(crowd.resident_bytes),
                reached(crowd.slow_at_once == crowd::SLOW as u64)
            )?;
        }
        if let Ok(memory) = &self.figures.memory {
            let growth = growth(memory);
            writeln!(
                out,
                "| memory after {} requests, of that after {} | {growth:.3} | at most {AIM_GROWTH} | {} |",
                with_commas(memory::MANY),
                with_commas(memory::FEW),
                reached(growth <= AIM_GROWTH)
            )?;
        }
        if let Ok(handlers) = &self.figures.handlers {
            handlers::report::write_aims(out, handlers)?;
        }
        Ok(())
    }

    fn cocoon_of(&self, server: &str) -> Option<f64> {
        let speed = self.figures.speed.as_ref().ok()?;
        let of = speed.iter().find(|speed| speed.server == server)?;
        Some(of.cocoon_of_it)
    }

    fn write_speed(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n## Requests per second\n")?;
        let Some(speeds) = figures_or_write_reason(out, &self.figures.speed)? else {
            return Ok(());
        };
        writeln!(
            out,
            "`wrk {}`, GET /factorial/20, {} rounds of {} s in turn; medians.\n\n\
             | server | requests per second | {COCOON} relative to it |\n| --- | ---: | ---: |",
            WRK.join(" "),
            self.rounds,
            self.seconds
        )?;
        for speed in speeds {
            let ratio = if speed.server == COCOON {
                String::new()
            } else {
                format!("{:.2}", speed.cocoon_of_it)
            };
            let rate = with_commas(speed.per_second.round() as u64);
            writeln!(out, "| {} | {rate} | {ratio} |", speed.server)?;
        }
        Ok(())
    }

    fn write_tail(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n## Latency\n")?;
        let Some(tails) = figures_or_write_reason(out, &self.figures.tail)? else {
            return Ok(());
        };
        writeln!(
            out,
            "GET /factorial/20 at {} per second for {} s, from the due time of each request. Meanwhile\n\
             the clients of the first column request {} without end. Every response was right.\n\n\
             | large clients | large responses | 50 % within | 90 % | 99 % | 99.9 % | all |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
            with_commas(tail::RATE),
            self.tail_seconds,
            tail::LARGE_PATH
        )?;
        for tail in tails {
            write!(out, "| {} | {} |", tail.large, tail.large_answers)?;
            for permille in PERMILLES.into_iter().chain([1000]) {
                write!(out, " {:.2} ms |", tail.permille_ms(permille))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn write_crowd(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n## Many connections\n")?;
        let Some(crowd) = figures_or_write_reason(out, &self.figures.crowd)? else {
            return Ok(());
        };
        let live = crowd
            .sandboxes_live
            .map_or_else(|| "unknown".to_owned(), with_commas);
        writeln!(
            out,
            "| figure | |\n| --- | ---: |\n\
             | connections at once | {} |\n\
             | of which read {} at {:.0} KB/s each | {} |\n\
             | live sandboxes | {live} |\n\
             | responses to the others | {} |\n\
             | errors | 0 |\n\
             | resident before | {} |\n\
             | resident with all of them | {} |\n\
             | kernel memory of all sockets, at both ends | {} |\n\
             | seconds | {:.0} |",
            with_commas(crowd::CONNECTIONS as u64),
            crowd::SLOW_PATH,
            crowd::SLOW_BYTES_PER_S / 1e3,
            with_commas(crowd.slow_at_once),
            with_commas(crowd.small_answers),
            mebibytes(crowd.resident_before_bytes),
            mebibytes(crowd.resident_bytes),
            crowd
                .kernel_bytes
                .map_or_else(|| "unknown".to_owned(), mebibytes),
            crowd.seconds
        )
    }

    fn write_memory(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n## Memory over time\n")?;
        let Some(memory) = figures_or_write_reason(out, &self.figures.memory)? else {
            return Ok(());
        };
        writeln!(
            out,
            "| requests answered | resident |\n| ---: | ---: |\n| {} | {} |\n| {} | {} |",
            with_commas(memory::FEW),
            mebibytes(memory.after_few_bytes),
            with_commas(memory::MANY),
            mebibytes(memory.after_many_bytes)
        )
    }

    fn write_handlers(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n## Handlers\n")?;
        let Some(handlers) = figures_or_write_reason(out, &self.figures.handlers)? else {
            return Ok(());
        };
        if handlers.speeds.iter().any(|(_, speeds)| speeds.is_ok()) {
            writeln!(
                out,
                "![Requests per second of handlers](http-handlers.svg)\n"
            )?;
        }
        handlers::report::write(out, handlers)
    }
}

/// Returns the figures, or writes the reason why there are none.
pub(super) fn figures_or_write_reason<'a, T>(
    out: &mut String,
    measured: &'a Measured<T>,
) -> Result<Option<&'a T>, std::fmt::Error> {
    match measured {
        Ok(figures) => Ok(Some(figures)),
        Err(why) => {
            writeln!(out, "Not measured: {}.", one_line(why))?;
            Ok(None)
        }
    }
}

fn growth(memory: &memory::Memory) -> f64 {
    memory.after_many_bytes as f64 / memory.after_few_bytes as f64
}

pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One line for each figure.
pub(super) fn csv(figures: &Figures) -> String {
    let mut text = "part,what,value,unit\n".to_owned();
    let mut line = |part: &str, what: &str, value: f64, unit: &str| {
        let _ = writeln!(text, "{part},{what},{value:.3},{unit}");
    };
    for speed in figures.speed.iter().flatten() {
        line("speed", speed.server, speed.per_second, "requests/s");
        line(
            "speed",
            &format!("{COCOON} of {}", speed.server),
            speed.cocoon_of_it,
            "ratio",
        );
    }
    for tail in figures.tail.iter().flatten() {
        let part = format!("tail {} large", tail.large);
        line(&part, "answers", tail.answers() as f64, "");
        line(&part, "large answers", tail.large_answers as f64, "");
        for permille in PERMILLES.into_iter().chain([1000]) {
            let what = format!("{} % within", permille as f64 / 10.0);
            line(&part, &what, tail.permille_ms(permille), "ms");
        }
    }
    if let Ok(crowd) = &figures.crowd {
        line("crowd", "slow at once", crowd.slow_at_once as f64, "");
        if let Some(live) = crowd.sandboxes_live {
            line("crowd", "sandboxes live", live as f64, "");
        }
        line("crowd", "small answers", crowd.small_answers as f64, "");
        line(
            "crowd",
            "resident before",
            crowd.resident_before_bytes as f64,
            "bytes",
        );
        line("crowd", "resident", crowd.resident_bytes as f64, "bytes");
        if let Some(bytes) = crowd.kernel_bytes {
            line("crowd", "kernel", bytes as f64, "bytes");
        }
        line("crowd", "duration", crowd.seconds, "s");
    }
    if let Ok(memory) = &figures.memory {
        line(
            "memory",
            "after 10000",
            memory.after_few_bytes as f64,
            "bytes",
        );
        line(
            "memory",
            "after 1000000",
            memory.after_many_bytes as f64,
            "bytes",
        );
    }
    if let Ok(handlers) = &figures.handlers {
        handlers::report::csv(handlers, line);
    }
    text
}
