//! Tables, targets and figures of handlers.

use std::fmt::Write;

use super::super::report::{PERMILLES, figures_or_write_reason, mebibytes};
use super::super::server::WASMTIME_HANDLER_TUNING;
use super::super::speed::{NATIVE, Speed, WASMTIME};
use super::neighbours::{COMPUTING, RATE};
use super::{COCOON, Handlers, REUSE, echo};
use crate::peers::report::with_commas;

const AIM_OF_WASMTIME: f64 = 2.5;
const AIM_OF_WASMTIME_SCRIPTS: f64 = 1.0;
const AIM_OF_NATIVE: f64 = 0.4;
const AIM_REUSE: f64 = 10.0;
const AIM_P99_MS: f64 = 10.0;
const AIM_ECHO: f64 = 0.8;
const AIM_GROWTH: f64 = 1.05;

/// One row of the targets.
struct Aim {
    figure: String,
    measured: f64,
    bound: f64,
    /// The bound is an upper one.
    is_most: bool,
    unit: &'static str,
}

impl Aim {
    fn least(figure: String, measured: f64, aim: f64) -> Self {
        Self {
            figure,
            measured,
            bound: aim,
            is_most: false,
            unit: "",
        }
    }

    fn most(figure: String, measured: f64, aim: f64, unit: &'static str) -> Self {
        Self {
            is_most: true,
            unit,
            ..Self::least(figure, measured, aim)
        }
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self {
            figure,
            measured,
            bound: aim,
            is_most,
            unit,
        } = self;
        let (bound, reached) = if *is_most {
            ("at most", measured <= aim)
        } else {
            ("at least", measured >= aim)
        };
        let is = if reached {
            "reached"
        } else {
            "**not reached**"
        };
        writeln!(
            out,
            "| {figure} | {measured:.2}{unit} | {bound} {aim}{unit} | {is} |"
        )
    }
}

fn aims(handlers: &Handlers) -> Vec<Aim> {
    let mut aims = Vec::new();
    for (language, speeds) in &handlers.speeds {
        for Speed {
            server,
            cocoon_of_it,
            ..
        } in speeds.iter().flatten()
        {
            let requests = format!("{language} handler, requests per second, of {server}");
            let aim = match (*server, *language) {
                (WASMTIME, "Rust") => AIM_OF_WASMTIME,
                (WASMTIME, _) => AIM_OF_WASMTIME_SCRIPTS,
                (NATIVE, _) => AIM_OF_NATIVE,
                (REUSE, _) => {
                    let figure = format!("{language} handler, reuse = 1000, of a fresh sandbox");
                    aims.push(Aim::least(figure, 1.0 / cocoon_of_it, AIM_REUSE));
                    continue;
                }
                _ => continue,
            };
            aims.push(Aim::least(requests, *cocoon_of_it, aim));
        }
    }
    if let Ok(neighbours) = &handlers.neighbours {
        let figure = format!("99 % within, beside {COMPUTING} computing sandboxes");
        let p99_ms = neighbours.permille_ms(990);
        aims.push(Aim::most(figure, p99_ms, AIM_P99_MS, " ms"));
    }
    for echo in handlers.echo.iter().flatten() {
        let aim = if echo.server == COCOON {
            let growth = echo.last_bytes as f64 / echo.first_bytes as f64;
            let figure = "echo, memory at the end, of that at the start".to_owned();
            Aim::most(figure, growth, AIM_GROWTH, "")
        } else {
            let figure = format!("echo, MB/s, of {}", echo.server);
            Aim::least(figure, echo.cocoon_of_it, AIM_ECHO)
        };
        aims.push(aim);
    }
    aims
}

/// Rows for the table of all targets.
pub(in super::super) fn write_aims(out: &mut String, handlers: &Handlers) -> std::fmt::Result {
    aims(handlers).iter().try_for_each(|aim| aim.write(out))
}

/// Writes the section, without its heading.
pub(in super::super) fn write(out: &mut String, handlers: &Handlers) -> std::fmt::Result {
    writeln!(
        out,
        "The same components under both servers, a fresh sandbox for each request, by wrk as\n\
         above. Wasmtime has `{}` too. The Rust handler answers GET /factorial/20, the\n\
         one of JavaScript forwards it to the native handler, and the one of Python renders a page.\n",
        WASMTIME_HANDLER_TUNING.join(" ")
    )?;
    for (language, speeds) in &handlers.speeds {
        writeln!(out, "### {language}\n")?;
        let Some(speeds) = figures_or_write_reason(out, speeds)? else {
            writeln!(out)?;
            continue;
        };
        writeln!(
            out,
            "| server | requests per second | {COCOON} relative to it |\n| --- | ---: | ---: |"
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
        writeln!(out)?;
    }
    writeln!(out, "### Beside computing sandboxes\n")?;
    if let Some(neighbours) = figures_or_write_reason(out, &handlers.neighbours)? {
        writeln!(
            out,
            "GET /factorial/20 at {RATE} per second, from the due time of each request. Meanwhile\n\
             {COMPUTING} sandboxes of another route compute without end.\n\n\
             | 50 % within | 90 % | 99 % | 99.9 % | all |\n\
             | ---: | ---: | ---: | ---: | ---: |"
        )?;
        write!(out, "|")?;
        for permille in PERMILLES.into_iter().chain([1000]) {
            write!(out, " {:.2} ms |", neighbours.permille_ms(permille))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "\n### Long bodies\n")?;
    if let Some(echoes) = figures_or_write_reason(out, &handlers.echo)? {
        writeln!(
            out,
            "Bodies of {} bytes, which the Rust handler returns while they arrive.\n\n\
             | server | MB/s each way | {COCOON} relative to it | resident at the start | at the end |\n\
             | --- | ---: | ---: | ---: | ---: |",
            with_commas(echo::BODY_BYTES as u64)
        )?;
        for echo in echoes {
            writeln!(
                out,
                "| {} | {:.0} | {:.2} | {} | {} |",
                echo.server,
                echo.mb_per_second,
                echo.cocoon_of_it,
                mebibytes(echo.first_bytes),
                mebibytes(echo.last_bytes)
            )?;
        }
    }
    Ok(())
}

/// One line for each figure.
pub(in super::super) fn csv(handlers: &Handlers, mut line: impl FnMut(&str, &str, f64, &str)) {
    for (language, speeds) in &handlers.speeds {
        let part = format!("handler {language}");
        for speed in speeds.iter().flatten() {
            line(&part, speed.server, speed.per_second, "requests/s");
            let what = format!("{COCOON} of {}", speed.server);
            line(&part, &what, speed.cocoon_of_it, "ratio");
        }
    }
    if let Ok(neighbours) = &handlers.neighbours {
        for permille in PERMILLES.into_iter().chain([1000]) {
            let what = format!("{} % within", permille as f64 / 10.0);
            let ms = neighbours.permille_ms(permille);
            line("handler beside computing", &what, ms, "ms");
        }
    }
    for echo in handlers.echo.iter().flatten() {
        let part = format!("echo {}", echo.server);
        line(&part, "each way", echo.mb_per_second, "MB/s");
        line(&part, "cocoon of it", echo.cocoon_of_it, "ratio");
        line(
            &part,
            "resident at the start",
            echo.first_bytes as f64,
            "bytes",
        );
        line(
            &part,
            "resident at the end",
            echo.last_bytes as f64,
            "bytes",
        );
    }
}
