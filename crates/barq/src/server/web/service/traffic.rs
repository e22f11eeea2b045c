//! How the traffic is shared: what was asked for above what was counted, on one scale.

use barq_core::event::Share;
use maud::{Markup, html};

use super::super::elements;
use super::sight::{Sight, short_name};

/// The bar's width in its own units: tenths of a percent.
const WIDTH: u32 = 1000;
/// Its height, and that of the whole drawing.
const HEIGHT: u32 = 14;
/// Looks that tell shares apart; further ones repeat the last.
const LOOKS: [&str; 4] = ["share-1", "share-2", "share-3", "share-4"];

/// A part of a bar.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    x: u32,
    width: u32,
    look: &'static str,
}

/// The card.
pub(super) fn card(sight: &Sight) -> Markup {
    let shares = sight.shares();
    let desired: Vec<f64> = shares.iter().map(|it| f64::from(it.percent)).collect();
    let counted: Option<Vec<f64>> = shares
        .iter()
        .map(|it| sight.detail(&it.revision)?.counted_percent)
        .collect();
    html! {
        div.card {
            h2 { "Traffic" }
            @if shares.is_empty() { p.empty { "No revision gets requests: the service answers 503." } }
            @else {
                table.shares {
                    caption.unseen { "Traffic by revision: desired, and counted in the last 10 seconds" }
                    thead { tr {
                        th scope="col" { "Revision" }
                        th.number scope="col" { "Desired" }
                        th.number scope="col" { "Counted" }
                    } }
                    tbody {
                        @for (index, share) in shares.iter().enumerate() {
                            tr {
                                th scope="row" { span.swatch.(look(index)) {} (short_name(&share.revision)) " " (role(sight, share)) }
                                td.number { (share.percent) " %" }
                                td.number { (counted_text(counted.as_ref().map(|it| it[index]))) }
                            }
                        }
                    }
                }
                (bar("Desired", &desired))
                @match &counted {
                    Some(counted) => (bar("Counted in the last 10 s", counted)),
                    None if sight.away().is_some() => p.quiet { "Not counted: the node can't be seen." },
                    None => p.quiet { "No requests in the last 10 s, so there is nothing to compare." },
                }
            }
        }
    }
}

fn role(sight: &Sight, share: &Share) -> Markup {
    let stable = sight.service.stable.as_ref() == Some(&share.revision);
    html! { span.quiet { (if stable { "stable" } else { "on trial" }) } }
}

fn counted_text(percent: Option<f64>) -> String {
    percent.map_or_else(|| "–".to_owned(), elements::percent)
}

fn look(index: usize) -> &'static str {
    LOOKS[index.min(LOOKS.len() - 1)]
}

fn bar(name: &str, percents: &[f64]) -> Markup {
    html! {
        figure.bar {
            figcaption { (name) }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                @for part in layout(percents) {
                    rect.(part.look) x=(part.x) y="0" width=(part.width) height=(HEIGHT) {}
                }
            }
        }
    }
}

/// Parts that fill the bar in order; what is counted may not sum to 100 to the last digit.
fn layout(percents: &[f64]) -> Vec<Part> {
    let total: f64 = percents.iter().sum();
    let mut parts = Vec::new();
    let mut before = 0.0;
    for (index, percent) in percents.iter().enumerate() {
        let place = |share: f64| {
            let exact = if total > 0.0 { share / total } else { 0.0 } * f64::from(WIDTH);
            // Between 0 and WIDTH.
            exact.round() as u32
        };
        let (x, end) = (place(before), place(before + percent));
        before += percent;
        if end > x {
            parts.push(Part {
                x,
                width: end - x,
                look: look(index),
            });
        }
    }
    parts
}

#[cfg(test)]
mod tests;
