//! The plot: requests per second as bars, with a scale for each language.

use super::super::plot::{ROOM, ROW, TOP, WIDTH, bar, beside, name};
use super::super::speed::{NATIVE, Speed};
use super::{COCOON, Handlers, REUSE};
use crate::peers::plots::{INK, paper, text};
use crate::peers::report::with_commas;

fn colour(server: &str) -> &'static str {
    match server {
        COCOON => "#d55e00",
        REUSE => "#e69f00",
        NATIVE => "#0072b2",
        _ => "#cc79a7",
    }
}

/// Returns `None` if no language was measured.
pub(in super::super) fn draw(handlers: &Handlers, place: &str) -> Option<String> {
    let measured = handlers
        .speeds
        .iter()
        .filter_map(|(language, speeds)| Some((*language, speeds.as_ref().ok()?)));
    let groups: Vec<(&str, &Vec<Speed>)> = measured.collect();
    let rows: usize = groups.iter().map(|(_, speeds)| speeds.len() + 1).sum();
    if rows == 0 {
        return None;
    }
    let mut page = paper(
        WIDTH,
        TOP + ROW * rows as f64 + 24.0,
        "Handlers of wasi:http, requests per second",
        &format!("wrk -t1 -c32 on the same machine · medians · {place}"),
    );
    let mut y = TOP;
    for (language, speeds) in groups {
        page = page.add(text(28.0, y + 12.0, language, INK, 17.0).set("font-weight", 700));
        y += ROW * 0.75;
        let most = speeds.iter().map(|it| it.per_second).fold(0.0, f64::max);
        for speed in speeds {
            let length = ROOM * speed.per_second / most;
            let mut words = with_commas(speed.per_second.round() as u64);
            match speed.server {
                COCOON => words.push_str(", a fresh sandbox each"),
                REUSE => {}
                _ => {
                    let share = format!(" · cocoon makes {:.2} of it", speed.cocoon_of_it);
                    words.push_str(&share);
                }
            }
            page = bar(page, y, length, 24.0, colour(speed.server));
            page = name(page, y + 17.0, speed.server, speed.server == COCOON);
            page = beside(page, y + 17.0, length, &words);
            y += ROW;
        }
        y += ROW * 0.25;
    }
    Some(page.to_string())
}
