//! The plot: requests per second as bars, and latencies below.

use svg::Document;
use svg::node::element::Rectangle;

use super::report::PERMILLES;
use super::speed::{COCOON, NATIVE, Speed};
use super::tail::Tail;
use crate::peers::plots::{INK, PAPER, SOFT_INK, line, on_lines, paper, round, text};
use crate::peers::report::with_commas;

pub(super) const WIDTH: f64 = 760.0;
pub(super) const LEFT: f64 = 200.0;
pub(super) const ROOM: f64 = 380.0;
pub(super) const ROW: f64 = 40.0;
pub(super) const TOP: f64 = 96.0;
const AIM_MS: f64 = 10.0;

fn colour(server: &str) -> &'static str {
    match server {
        COCOON => "#d55e00",
        NATIVE => "#0072b2",
        _ => "#cc79a7",
    }
}

pub(super) fn draw(speeds: &[Speed], tails: &[Tail], place: &str) -> String {
    let middle = TOP + ROW * speeds.len() as f64 + 56.0;
    let bottom = middle + 40.0 + ROW * PERMILLES.len() as f64;
    let mut page = paper(
        WIDTH,
        bottom + 56.0,
        "GET /factorial/20, requests per second",
        &format!("wrk -t1 -c32 on the same machine · medians · {place}"),
    );
    let most = speeds.iter().map(|it| it.per_second).fold(0.0, f64::max);
    for (at, speed) in speeds.iter().enumerate() {
        let y = TOP + ROW * at as f64;
        let length = ROOM * speed.per_second / most;
        let mut words = with_commas(speed.per_second.round() as u64);
        if speed.server == COCOON {
            words.push_str(", a fresh sandbox each");
        } else {
            let share = format!(" · cocoon makes {:.2} of it", speed.cocoon_of_it);
            words.push_str(&share);
        }
        page = bar(page, y, length, 24.0, colour(speed.server));
        page = name(page, y + 17.0, speed.server, speed.server == COCOON);
        page = beside(page, y + 17.0, length, &words);
    }
    page = page
        .add(text(28.0, middle, "Latency in milliseconds", INK, 17.0).set("font-weight", 700))
        .add(text(
            28.0,
            middle + 22.0,
            "1,000 requests per second, from the due time; the dashed line is the target for 99 %",
            SOFT_INK,
            13.0,
        ));
    let slowest = tails
        .iter()
        .flat_map(|tail| PERMILLES.map(|permille| tail.permille_ms(permille)))
        .fold(AIM_MS, f64::max);
    // Drawn before the bars, which cover it.
    let aim = LEFT + ROOM * AIM_MS / slowest;
    page = page
        .add(
            line((aim, middle + 34.0), (aim, bottom), SOFT_INK, 1.2).set("stroke-dasharray", "4 4"),
        )
        .add(text(aim, bottom + 18.0, "10 ms", SOFT_INK, 12.5).set("text-anchor", "middle"));
    let each = 24.0 / tails.len().max(1) as f64;
    for (at, permille) in PERMILLES.into_iter().enumerate() {
        let y = middle + 40.0 + ROW * at as f64;
        let share = permille as f64 / 10.0;
        page = name(
            page,
            y + 17.0,
            &format!("{share} % within"),
            permille == 990,
        );
        for (which, tail) in tails.iter().enumerate() {
            let ms = tail.permille_ms(permille);
            let length = ROOM * ms / slowest;
            let top = y + each * which as f64;
            let fill = if tail.large == 0 {
                "#56b4e9"
            } else {
                "#d55e00"
            };
            page = bar(page, top, length, each - 1.5, fill);
            let words = match (at, tail.large) {
                (0, 0) => format!("{ms:.2} · nothing else"),
                (0, large) => format!("{ms:.2} · with {large} × 1,000,000!"),
                _ => format!("{ms:.2}"),
            };
            let words = text(LEFT + length + 8.0, top + each - 2.0, &words, INK, 11.5);
            page = page.add(on_lines(words));
        }
    }
    page.to_string()
}

pub(super) fn bar(page: Document, y: f64, length: f64, height: f64, fill: &str) -> Document {
    page.add(
        Rectangle::new()
            .set("x", LEFT)
            .set("y", round(y))
            .set("width", round(length.max(1.5)))
            .set("height", round(height))
            .set("rx", 2.5)
            .set("fill", fill),
    )
}

pub(super) fn name(page: Document, y: f64, words: &str, bold: bool) -> Document {
    let weight = if bold { 700 } else { 500 };
    page.add(
        text(LEFT - 12.0, y, words, INK, 14.0)
            .set("text-anchor", "end")
            .set("font-weight", weight),
    )
}

/// Places the label beyond the end of a bar, or inside it if there is no room.
pub(super) fn beside(page: Document, y: f64, length: f64, words: &str) -> Document {
    if length > ROOM * 0.7 {
        page.add(text(LEFT + length - 10.0, y, words, PAPER, 13.0).set("text-anchor", "end"))
    } else {
        page.add(text(LEFT + length + 10.0, y, words, INK, 13.0))
    }
}
