//! The plots: time by n, and time as a ratio to malachite's.
//!
//! Plots have their own background, for light and dark pages. Colours are from the palette of
//! Okabe and Ito, which is safe for colour-blind readers, and darker for text. Shapes and
//! labels repeat the information.

use std::path::Path;

use svg::Document;
use svg::node::element::{Circle, Group, Line, Path as Outline, Polyline, Rectangle, Text, Title};

use super::figures::{Row, ratio};
use super::programs::{COCOON, COCOON_ONE, MALACHITE, WASMTIME, name_of, place_of};
use super::report::with_commas;
use super::{Mode, write_file};

const FONT: &str =
    "Inter, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif";
pub(crate) const PAPER: &str = "#fcfcfd";
pub(crate) const INK: &str = "#1c2330";
pub(crate) const SOFT_INK: &str = "#5b6474";
const GRID: &str = "#e4e7ee";
const EDGE: &str = "#d5d9e2";

/// Colour and marker of a program.
struct Look {
    colour: &'static str,
    /// The same colour, dark enough for text.
    ink: &'static str,
    mark: Mark,
    width: f64,
}

enum Mark {
    Disc,
    Ring,
    Square,
    Diamond,
    Up,
    Down,
    Cross,
}

fn look_of(peer: &str) -> Look {
    let (colour, ink, mark, width) = match peer {
        COCOON => ("#d55e00", "#b04a00", Mark::Disc, 3.5),
        COCOON_ONE => ("#e69f00", "#946300", Mark::Ring, 3.0),
        WASMTIME => ("#cc79a7", "#a0487a", Mark::Diamond, 2.0),
        MALACHITE => ("#0072b2", "#005f96", Mark::Square, 2.0),
        "gmp" => ("#009e73", "#007556", Mark::Up, 2.0),
        "num-bigint" => ("#56b4e9", "#1f78a8", Mark::Down, 2.0),
        _ => ("#7a8394", "#5b6474", Mark::Cross, 2.0),
    };
    Look {
        colour,
        ink,
        mark,
        width,
    }
}

pub(crate) fn write(folder: &Path, rows: &[Row], place: &str) -> anyhow::Result<()> {
    let drawn: Vec<&Row> = rows.iter().filter(|row| row.mode == Mode::Digits).collect();
    write_file(folder, "factorials.svg", &times(&drawn, place))?;
    write_file(folder, "factorials-ratio.svg", &ratios(&drawn, place))
}

// --- shared parts -----------------------------------------------------------------

pub(crate) fn paper(width: f64, height: f64, title: &str, subtitle: &str) -> Document {
    Document::new()
        .set("viewBox", (0.0, 0.0, width, height))
        .set("width", width)
        .set("height", height)
        .set("role", "img")
        .set("font-family", FONT)
        .add(Title::new(title))
        .add(
            Rectangle::new()
                .set("x", 0.5)
                .set("y", 0.5)
                .set("width", width - 1.0)
                .set("height", height - 1.0)
                .set("rx", 12)
                .set("fill", PAPER)
                .set("stroke", EDGE),
        )
        .add(text(28.0, 42.0, title, INK, 21.0).set("font-weight", 700))
        .add(text(28.0, 66.0, subtitle, SOFT_INK, 13.5))
}

pub(crate) fn text(x: f64, y: f64, words: &str, ink: &str, size: f64) -> Text {
    Text::new(words)
        .set("x", round(x))
        .set("y", round(y))
        .set("fill", ink)
        .set("font-size", size)
}

/// Outlines a text, so that it is legible above lines.
pub(crate) fn on_lines(text: Text) -> Text {
    text.set("stroke", PAPER)
        .set("stroke-width", 4)
        .set("stroke-linejoin", "round")
        .set("paint-order", "stroke")
}

pub(crate) fn line(from: (f64, f64), to: (f64, f64), colour: &str, width: f64) -> Line {
    Line::new()
        .set("x1", round(from.0))
        .set("y1", round(from.1))
        .set("x2", round(to.0))
        .set("y2", round(to.1))
        .set("stroke", colour)
        .set("stroke-width", width)
}

/// A tenth of a pixel is sufficient, and keeps the files short.
pub(crate) fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn mark(look: &Look, x: f64, y: f64) -> Group {
    let (x, y, colour) = (round(x), round(y), look.colour);
    let shape = |points: &[(f64, f64)]| {
        let points: Vec<String> = points
            .iter()
            .map(|(dx, dy)| format!("{:.1} {:.1}", x + dx, y + dy))
            .collect();
        Outline::new().set("d", format!("M{}Z", points.join("L")))
    };
    let filled = Group::new()
        .set("fill", colour)
        .set("stroke", PAPER)
        .set("stroke-width", 1.5);
    let disc = |radius: f64| Circle::new().set("cx", x).set("cy", y).set("r", radius);
    match look.mark {
        Mark::Disc => filled.add(disc(6.0)),
        Mark::Ring => Group::new()
            .set("fill", PAPER)
            .set("stroke", colour)
            .set("stroke-width", 3)
            .add(disc(4.5)),
        Mark::Square => filled.add(shape(&[(-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0)])),
        Mark::Diamond => filled.add(shape(&[(0.0, -6.5), (6.5, 0.0), (0.0, 6.5), (-6.5, 0.0)])),
        Mark::Up => filled.add(shape(&[(0.0, -6.5), (6.0, 4.5), (-6.0, 4.5)])),
        Mark::Down => filled.add(shape(&[(0.0, 6.5), (6.0, -4.5), (-6.0, -4.5)])),
        Mark::Cross => Group::new()
            .set("stroke", colour)
            .set("stroke-width", 2.5)
            .set("stroke-linecap", "round")
            .set("fill", "none")
            .add(Outline::new().set(
                "d",
                format!(
                    "M{} {}L{} {}M{} {}L{} {}",
                    x - 4.0,
                    y - 4.0,
                    x + 4.0,
                    y + 4.0,
                    x - 4.0,
                    y + 4.0,
                    x + 4.0,
                    y - 4.0
                ),
            )),
    }
}

/// Formats a small power of 10.
fn power_of_ten(exponent: i32) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digits = exponent.to_string();
    let raised = digits
        .bytes()
        .filter_map(|digit| RAISED.get(usize::from(digit.wrapping_sub(b'0'))));
    std::iter::once('1')
        .chain(['0'])
        .chain(raised.copied())
        .collect()
}

fn words_of_n(n: u64) -> String {
    let exponent = n.checked_ilog10().unwrap_or(0);
    if 10_u64.pow(exponent) == n && exponent > 2 {
        power_of_ten(exponent.cast_signed())
    } else {
        with_commas(n)
    }
}

fn rounds_and_place(rows: &[&Row], place: &str) -> String {
    let rounds = rows
        .iter()
        .filter_map(|row| Some(row.figures?.rounds))
        .max();
    format!("medians of {} rounds · {place}", rounds.unwrap_or(0))
}

fn peers_of<'a>(rows: &[&'a Row]) -> Vec<&'a str> {
    let mut peers: Vec<&str> = rows.iter().map(|row| row.peer.as_str()).collect();
    peers.sort_by_key(|peer| place_of(peer));
    peers.dedup();
    peers
}

fn numbers_of(rows: &[&Row]) -> Vec<u64> {
    let mut ns: Vec<u64> = rows.iter().map(|row| row.n).collect();
    ns.sort_unstable();
    ns.dedup();
    ns
}

// --- time by n --------------------------------------------------------------------

/// A logarithmic axis: maps values to pixels.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn at(&self, value: f64) -> f64 {
        let part = (value.log10() - self.low) / (self.high - self.low);
        self.from + part * (self.to - self.from)
    }

    fn decades(&self) -> impl Iterator<Item = i32> {
        self.low.ceil() as i32..=self.high.floor() as i32
    }
}

/// The minimum and the maximum logarithm.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values
        .map(f64::log10)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
}

#[expect(clippy::too_many_lines, reason = "a plot from its head to its foot")]
fn times(rows: &[&Row], place: &str) -> String {
    const WIDTH: f64 = 980.0;
    const HEIGHT: f64 = 640.0;
    const LABEL_APART: f64 = 21.0;
    let (left, right, top, bottom) = (84.0, WIDTH - 196.0, 96.0, HEIGHT - 66.0);
    let subtitle = format!(
        "Start to exit, digits through a pipe · {}",
        rounds_and_place(rows, place)
    );
    let mut page = paper(
        WIDTH,
        HEIGHT,
        "How long n! takes, written in decimal",
        &subtitle,
    );

    let points = |peer: &str| -> Vec<(u64, f64)> {
        let of_peer = rows.iter().filter(|row| row.peer == peer);
        of_peer
            .filter_map(|row| Some((row.n, row.figures?.median_s)))
            .collect()
    };
    let all = || {
        rows.iter()
            .filter_map(|row| Some((row.n, row.figures?.median_s)))
    };
    if all().next().is_none() {
        return page.to_string();
    }
    let (low_n, high_n) = range(all().map(|(n, _)| n.max(1) as f64));
    let (low_s, high_s) = range(all().map(|(_, s)| s));
    let x = Axis {
        low: low_n - 0.08,
        high: high_n.max(low_n + 0.5) + 0.04,
        from: left,
        to: right,
    };
    let y = Axis {
        low: low_s - 0.2,
        high: high_s + 0.15,
        from: bottom,
        to: top,
    };

    for exponent in y.decades() {
        let height = y.at(10_f64.powi(exponent));
        let words = match exponent {
            ..-3 => format!("{} µs", 10_f64.powi(exponent + 6)),
            -3..0 => format!("{} ms", 10_f64.powi(exponent + 3)),
            _ => format!("{} s", 10_f64.powi(exponent)),
        };
        page = page
            .add(line((left, height), (right, height), GRID, 1.0))
            .add(text(left - 12.0, height + 4.5, &words, SOFT_INK, 13.0).set("text-anchor", "end"));
    }
    for n in numbers_of(rows) {
        let across = x.at(n.max(1) as f64);
        page = page
            .add(line((across, top), (across, bottom), GRID, 1.0))
            .add(
                text(across, bottom + 24.0, &words_of_n(n), SOFT_INK, 14.0)
                    .set("text-anchor", "middle"),
            );
    }
    page = page
        .add(line((left, bottom), (right, bottom), SOFT_INK, 1.2))
        .add(
            text(f64::midpoint(left, right), bottom + 48.0, "n", INK, 14.0)
                .set("text-anchor", "middle")
                .set("font-style", "italic"),
        );

    // The project's own lines are drawn last and lie on top.
    let mut peers = peers_of(rows);
    peers.reverse();
    let mut labels: Vec<(&str, f64, f64)> = Vec::new();
    for peer in peers {
        let (look, points) = (look_of(peer), points(peer));
        let corners: Vec<(f64, f64)> = points
            .iter()
            .map(|(n, s)| (x.at((*n).max(1) as f64), y.at(*s)))
            .collect();
        let Some(&(end_x, end_y)) = corners.last() else {
            continue;
        };
        let drawn: Vec<String> = corners
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        page = page.add(
            Polyline::new()
                .set("points", drawn.join(" "))
                .set("fill", "none")
                .set("stroke", look.colour)
                .set("stroke-width", look.width)
                .set("stroke-linejoin", "round")
                .set("stroke-linecap", "round"),
        );
        for (x, y) in corners {
            page = page.add(mark(&look, x, y));
        }
        labels.push((peer, end_x, end_y));
    }

    // Labels of lines that end at the same n share a column, and are moved apart.
    labels.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.2.total_cmp(&b.2)));
    for column in labels.chunk_by(|a, b| (a.1 - b.1).abs() < 1.0) {
        let wanted: Vec<f64> = column.iter().map(|label| label.2).collect();
        for ((peer, end_x, end_y), height) in column.iter().zip(apart(&wanted, LABEL_APART)) {
            let look = look_of(peer);
            let weight = if peer.starts_with(COCOON) { 700 } else { 500 };
            let leads = (height - end_y).abs() > 2.0;
            if leads {
                let (near, far) = ((end_x + 9.0, *end_y), (end_x + 22.0, height));
                page = page.add(line(near, far, look.colour, 1.2).set("opacity", 0.7));
            }
            let start = end_x + if leads { 26.0 } else { 14.0 };
            page = page.add(
                on_lines(text(start, height + 4.8, name_of(peer), look.ink, 14.5))
                    .set("font-weight", weight),
            );
        }
    }
    page.to_string()
}

/// Moves ascending heights so that neighbours are at least `least` apart, with minimal
/// displacement of each group.
fn apart(wanted: &[f64], least: f64) -> Vec<f64> {
    // Groups as (sum of wanted centres, members); each is centred on its mean.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    let half = |members: usize| (members - 1) as f64 * least / 2.0;
    let centre = |(sum, members): (f64, usize)| sum / members as f64;
    for height in wanted {
        let mut group = (*height, 1);
        while let Some(&above) = groups.last() {
            let room = centre(group) - half(group.1) - centre(above) - half(above.1);
            if room >= least {
                break;
            }
            group = (group.0 + above.0, group.1 + above.1);
            groups.pop();
        }
        groups.push(group);
    }
    groups
        .into_iter()
        .flat_map(|group| {
            let first = centre(group) - half(group.1);
            (0..group.1).map(move |at| first + at as f64 * least)
        })
        .collect()
}

// --- ratio to malachite -----------------------------------------------------------

/// Octaves of a bar on either side of 1.
const OCTAVES_LEFT: f64 = 2.0;
const OCTAVES_RIGHT: f64 = 3.0;

#[expect(clippy::too_many_lines, reason = "a plot from its head to its foot")]
fn ratios(rows: &[&Row], place: &str) -> String {
    const CELL: f64 = 158.0;
    const BAR_ZONE: f64 = 96.0;
    const ROW: f64 = 40.0;
    const LEFT: f64 = 206.0;
    const TOP: f64 = 128.0;
    let ns = numbers_of(rows);
    let mut peers = peers_of(rows);
    peers.retain(|peer| *peer != MALACHITE);
    let bottom = TOP + ROW * peers.len() as f64;
    let width = (LEFT + CELL * ns.len() as f64 + 16.0).max(720.0);
    let mut page = paper(
        width,
        bottom + 58.0,
        "Time relative to malachite’s, in decimal",
        &format!(
            "Ratio within a round; malachite is 1 · {}",
            rounds_and_place(rows, place)
        ),
    );
    for (at, peer) in peers.iter().enumerate() {
        let (middle, look) = (TOP + ROW * (at as f64 + 0.5), look_of(peer));
        let weight = if peer.starts_with(COCOON) { 700 } else { 500 };
        if at % 2 == 0 {
            page = page.add(
                Rectangle::new()
                    .set("x", 16)
                    .set("y", round(middle - ROW / 2.0))
                    .set("width", width - 32.0)
                    .set("height", ROW)
                    .set("rx", 6)
                    .set("fill", "#f2f4f8"),
            );
        }
        page = page.add(mark(&look, 34.0, middle)).add(
            text(50.0, middle + 5.0, name_of(peer), look.ink, 14.5).set("font-weight", weight),
        );
    }
    let octave = BAR_ZONE / (OCTAVES_LEFT + OCTAVES_RIGHT);
    for (column, n) in ns.iter().enumerate() {
        let left = LEFT + CELL * column as f64;
        let one = left + OCTAVES_LEFT * octave;
        page = page.add(
            text(
                left + CELL / 2.0 - 8.0,
                TOP - 18.0,
                &format!("n = {}", words_of_n(*n)),
                INK,
                15.0,
            )
            .set("text-anchor", "middle")
            .set("font-weight", 600),
        );
        for (at, peer) in peers.iter().enumerate() {
            let (middle, look) = (TOP + ROW * (at as f64 + 0.5), look_of(peer));
            let row = rows.iter().find(|row| row.n == *n && row.peer == *peer);
            let value = row.and_then(|row| row.figures?.of_malachite);
            let number_at = left + BAR_ZONE + 48.0;
            let Some(value) = value else {
                page = page.add(
                    text(number_at, middle + 5.0, "–", SOFT_INK, 14.0).set("text-anchor", "end"),
                );
                continue;
            };
            let octaves = value.log2();
            let end = one + octaves.clamp(-OCTAVES_LEFT, OCTAVES_RIGHT) * octave;
            page = page.add(
                Rectangle::new()
                    .set("x", round(one.min(end)))
                    .set("y", middle - 9.0)
                    .set("width", round((end - one).abs().max(1.5)))
                    .set("height", 18)
                    .set("rx", 2.5)
                    .set("fill", look.colour),
            );
            if octaves > OCTAVES_RIGHT {
                // Two cuts through the bar show that it is truncated.
                for back in [9.0, 14.0] {
                    let (foot, head) = (
                        (end - back - 3.0, middle + 11.0),
                        (end - back + 3.0, middle - 11.0),
                    );
                    page = page.add(line(foot, head, PAPER, 2.2));
                }
            }
            let weight = if value < 1.0 { 700 } else { 400 };
            page = page.add(
                text(number_at, middle + 5.0, &ratio(Some(value)), INK, 14.0)
                    .set("text-anchor", "end")
                    .set("font-weight", weight),
            );
        }
        page = page
            .add(line((one, TOP - 4.0), (one, bottom + 4.0), INK, 1.2))
            .add(text(one, bottom + 22.0, "1", SOFT_INK, 12.5).set("text-anchor", "middle"));
    }
    page.add(text(
        28.0,
        bottom + 42.0,
        "Bars to the left are faster than malachite, bars to the right slower. The scale is logarithmic; cut bars are longer than drawn.",
        SOFT_INK,
        12.5,
    ))
    .to_string()
}
