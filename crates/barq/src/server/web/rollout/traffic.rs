//! Traffic as it should be against traffic as it is counted.

use maud::{Markup, html};

use super::super::elements;
use super::sight::Sight;

/// The part of the page.
pub(super) fn traffic(sight: &Sight<'_>) -> Markup {
    let start = &sight.rollout.start;
    if sight.rollout.ended() && sight.guard().is_none() {
        return over(sight);
    }
    let desired = f64::from(sight.desired());
    let counted = |revision| {
        let detail = sight.detail(revision);
        detail.and_then(|detail| detail.counted_percent)
    };
    let canary = counted(&start.revision);
    let stable = start.stable.as_ref().and_then(counted);
    // Without requests nothing is counted, which is not the same as nothing for the canary.
    let counted = canary.or(stable.map(|_| 0.0));
    html! {
        h2 { "Traffic" }
        dl.shares {
            dt { "Should be" }
            dd { (share(sight, Some(desired))) }
            dt { "Counted, last 10 s" }
            dd { (share(sight, counted)) }
        }
    }
}

/// Others may have taken the place of both since.
fn over(sight: &Sight<'_>) -> Markup {
    let service = &sight.rollout.start.service;
    html! {
        h2 { "Traffic" }
        p.quiet { "The rollout is over. What has traffic now is told by " a href=(format!("/services/{service}")) { (service) } "." }
    }
}

/// The canary's share, with what is left of it for stable.
fn share(sight: &Sight<'_>, percent: Option<f64>) -> Markup {
    let (canary, stable) = sight.names();
    let has_stable = sight.rollout.start.stable.is_some();
    let Some(percent) = percent else {
        let why = match sight.is_away() {
            true => "Not counted: the node can't be seen",
            false => "No requests to count",
        };
        return html! { p.quiet { (why) } };
    };
    // To a tenth, so that what is not seen changes nothing.
    let width = format!("{percent:.1}%");
    let words = |percent: f64| match percent.fract() == 0.0 {
        true => format!("{percent:.0} %"),
        false => elements::percent(percent),
    };
    html! {
        svg.share width="100%" height="14" aria-hidden="true" {
            rect.stable width="100%" height="14" rx="3" { }
            @if percent > 0.0 { rect.canary width=(width) height="14" rx="3" { } }
        }
        p.row.small {
            span { span.patch.canary { } " " (canary) " " strong { (words(percent)) } }
            @if has_stable { span { span.patch.stable { } " " (stable) " " strong { (words(100.0 - percent)) } } }
        }
    }
}
