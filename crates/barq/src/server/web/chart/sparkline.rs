//! An hour of a service on a line's height: a bar for each minute, its errors in it and marked below.

use maud::{Markup, html};

use super::super::super::samples::{Hour, Minute};
use super::super::elements;
use crate::output::text;

/// Units from one minute to the next.
const MINUTE: usize = 4;
/// Units of a bar's width.
const BAR: usize = 3;
/// Units of the highest bar.
const HEIGHT: u64 = 28;
/// Requests in a minute that fill the height at least: what is next to nothing looks so.
const FULL_MIN: u64 = 10;
/// Below the bars, for the marks of errors.
const FOOT: u64 = 6;

/// What is drawn.
#[derive(Debug, PartialEq, Eq)]
struct Geometry {
    width: usize,
    bars: Vec<Bar>,
    /// Stretches that nobody watched: from, to.
    gaps: Vec<(usize, usize)>,
}

/// A minute.
#[derive(Debug, PartialEq, Eq)]
struct Bar {
    x: usize,
    /// Of all requests.
    height: u64,
    /// Of the errors among them.
    errors: u64,
}

/// The hour as bars, with its numbers in words.
pub(in crate::server::web) fn sparkline(hour: &Hour) -> Markup {
    if hour.0.iter().all(Option::is_none) {
        return html! { p.sparkline-none.quiet.small { "Nothing seen in the last hour" } };
    }
    let sum = hour.sum();
    let most = most(hour);
    let words = format!(
        "{}, {} in the last hour, minute by minute; at most {} in a minute",
        requests(sum),
        text::count(sum.errors, "error"),
        elements::number(most)
    );
    html! {
        figure.sparkline-figure {
            (render(&layout(hour), &words))
            figcaption.small {
                (requests(sum)) " · "
                span.bad[sum.errors > 0] { (text::count(sum.errors, "error")) }
                span.quiet { " in the last hour" @if most > 0 { ", at most " (elements::number(most)) "/min" } }
            }
        }
    }
}

/// Requests of the highest bar: what the drawing's height means.
fn most(hour: &Hour) -> u64 {
    let seen = hour.0.iter().flatten();
    seen.map(|minute| minute.requests).max().unwrap_or(0)
}

fn requests(sum: Minute) -> String {
    match sum.requests {
        1 => "1 request".to_owned(),
        many => format!("{} requests", elements::number(many)),
    }
}

fn layout(hour: &Hour) -> Geometry {
    let highest = most(hour).max(FULL_MIN);
    // What is there is seen, however little it is.
    let height = |count: u64| {
        let scaled = u128::from(count) * u128::from(HEIGHT) / u128::from(highest);
        u64::try_from(scaled)
            .unwrap_or(HEIGHT)
            .max(u64::from(count > 0))
    };
    let mut geometry = Geometry {
        width: hour.0.len() * MINUTE,
        bars: Vec::new(),
        gaps: Vec::new(),
    };
    for (at, minute) in hour.0.iter().enumerate() {
        let x = at * MINUTE;
        match (minute, geometry.gaps.last_mut()) {
            (Some(minute), _) => geometry.bars.push(Bar {
                x,
                height: height(minute.requests),
                errors: height(minute.errors),
            }),
            (None, Some((_, end))) if *end == x => *end = x + MINUTE,
            (None, _) => geometry.gaps.push((x, x + MINUTE)),
        }
    }
    geometry
}

fn render(geometry: &Geometry, words: &str) -> Markup {
    let rectangles = |bars: &mut dyn Iterator<Item = (usize, u64)>| {
        bars.filter(|(_, height)| *height > 0)
            .map(|(x, height)| format!("M{x} {}h{BAR}v{height}h-{BAR}z", HEIGHT - height))
            .collect::<String>()
    };
    let bars = &geometry.bars;
    let all = rectangles(&mut bars.iter().map(|bar| (bar.x, bar.height)));
    let bad = rectangles(&mut bars.iter().map(|bar| (bar.x, bar.errors)));
    let marks: String = bars
        .iter()
        .filter(|bar| bar.errors > 0)
        .map(|bar| format!("M{} {}h{BAR}v3h-{BAR}z", bar.x, HEIGHT + 3))
        .collect();
    let gaps: String = geometry
        .gaps
        .iter()
        .map(|(from, to)| format!("M{from} {HEIGHT}H{to}"))
        .collect();
    let (width, height) = (geometry.width, HEIGHT + FOOT);
    html! {
        svg.sparkline role="img" aria-label=(words) viewBox={ "0 0 " (width) " " (height) } preserveAspectRatio="none" {
            path.axis d={ "M0 " (HEIGHT) "H" (width) } { }
            @if !gaps.is_empty() { path.unwatched d=(gaps) { } }
            @if !all.is_empty() { path.all d=(all) { } }
            @if !bad.is_empty() { path.errors d=(bad) { } path.errors d=(marks) { } }
        }
    }
}

#[cfg(test)]
mod tests;
