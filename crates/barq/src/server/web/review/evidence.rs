//! What is known of the release: what it is, what was observed of it, and how it runs now where it is already.

use barq_core::configuration::{Environment, Step};
use maud::{Markup, html};

use super::super::super::shapes::Fact;
use super::super::elements;
use super::super::icons::{self, Icon};
use super::Sight;
use crate::output::text;

/// What would enter, and what it would replace.
pub(super) fn release(sight: &Sight<'_>) -> Markup {
    let (evidence, delivery) = (sight.evidence, sight.delivery());
    let environment = delivery
        .configuration()
        .and_then(|it| it.environment(&evidence.environment));
    html! {
        div.card {
            h2 { "Release" }
            dl.facts {
                dt { "Into" } dd { strong { (evidence.environment) } }
                dt { "Commit" } dd { (elements::hash(&evidence.commit)) " on " code { (delivery.push.branch) } " by " (delivery.push.commit.author_name) }
                dt { "Pushed by" } dd { (delivery.pushed_by.name) " " (elements::time(delivery.created_at)) }
                dt { "Image" } dd { (elements::hash(&evidence.image)) }
                dt { "Configuration" } dd { (elements::hash(&evidence.configuration)) }
                dt { "Replaces" } dd {
                    @match &evidence.stable {
                        Some(stable) => {
                            (stable)
                            @if let Some(commit) = &evidence.changes_since { " of " (elements::hash(commit)) }
                        }
                        None => "nothing: it is the first"
                    }
                }
                @match (environment, &evidence.stable) {
                    (Some(environment), Some(_)) => { dt { "Goes in" } dd { (steps(environment)) } }
                    (Some(_), None) => { dt { "Goes in" } dd { "100 % at once" } }
                    (None, _) => {}
                }
            }
        }
    }
}

fn steps(environment: &Environment) -> Markup {
    let tell = |step: &Step| {
        let hold = match step.hold.is_zero() {
            true => String::new(),
            false => {
                let hold = text::duration_ms(step.hold.as_secs_f64() * 1000.0);
                format!(" for {}", hold.trim_end_matches(" 0 s"))
            }
        };
        let limit = match step.max_errors {
            None => String::new(),
            Some(1) => " (1 error takes it back)".to_owned(),
            Some(max) => format!(" ({max} errors take it back)"),
        };
        format!("{} %{hold}{limit}", step.traffic)
    };
    html! {
        ol.steps { @for step in &environment.steps { li { (tell(step)) } } }
    }
}

/// Checks, smoke tests and verification.
pub(super) fn facts(sight: &Sight<'_>) -> Markup {
    let facts = &sight.evidence.facts;
    let count = |ok| facts.iter().filter(|fact| fact.ok == ok).count();
    let (bad, unknown) = (count(Some(false)), count(None));
    html! {
        div.card {
            h2 { "Evidence" }
            p.row {
                span.good { (icons::icon(Icon::Good)) " " (count(Some(true))) " good" }
                @if bad > 0 { strong.bad { (icons::icon(Icon::Bad)) " " (bad) " bad" } }
                @if unknown > 0 { span.wait { (icons::icon(Icon::Warning)) " " (unknown) " not enough evidence" } }
            }
            div.scroll tabindex="0" role="region" aria-label="What was observed" {
                table {
                    caption.unseen { "What was observed of this release" }
                    thead { tr { th scope="col" { "What" } th scope="col" { "Outcome" } th scope="col" { "Seen" } } }
                    tbody { @for fact in facts { (row(fact)) } }
                }
            }
        }
    }
}

fn row(fact: &Fact) -> Markup {
    html! {
        tr {
            th scope="row" { (fact.name) }
            td { (elements::verdict(fact.ok)) }
            td.detail { (fact.detail) }
        }
    }
}

/// How the environments that it has passed are now, with this release or another.
pub(super) fn environments_now(sight: &Sight<'_>) -> Markup {
    let passed = &sight.journey.rollouts;
    html! {
        @for rollout in passed.iter().filter(|it| it.id.environment != sight.evidence.environment) {
            @let service = &rollout.start.service;
            @let known = sight.view.state.service(service);
            @let seen = sight.view.seen.services.get(service);
            div.card {
                h2 { (rollout.id.environment) " now" }
                @match known.and_then(|it| it.stable.as_ref()) {
                    Some(serves) => {
                        @let detail = seen.and_then(|seen| seen.details.get(serves));
                        @let instances = sight.view.observed.get(service).and_then(|it| it.revisions.get(serves));
                        dl.facts {
                            dt { "Serves" } dd {
                                a href=(format!("/services/{service}")) { (serves) }
                                @if *serves == rollout.start.revision { ", this release" } @else { span.wait { ", not this release" } }
                            }
                            dt { "Instances" } dd { (ready(instances.map(|it| (it.ready, it.total)))) }
                            @if let Some(detail) = detail {
                                dt { "Requests" } dd { (elements::number(detail.requests)) " since the node started" }
                                dt { "Errors" } dd {
                                    @if detail.errors > 0 { strong.bad { (icons::icon(Icon::Bad)) " " (elements::number(detail.errors)) } } @else { "none" }
                                }
                                @if let Some([p50, p95, p99]) = detail.latency_us {
                                    dt { "Latency" } dd { "p50 " (latency(p50)) ", p95 " (latency(p95)) ", p99 " (latency(p99)) }
                                }
                            }
                        }
                    }
                    None => p.quiet { "Nothing serves there now." }
                }
            }
        }
    }
}

fn ready(instances: Option<(u32, u32)>) -> Markup {
    match instances {
        None => html! { span.wait { (icons::icon(Icon::Warning)) " the node does not say" } },
        Some((ready, total)) if ready == total && ready > 0 => {
            html! { span.good { (icons::icon(Icon::Good)) " " (ready) " of " (total) " ready" } }
        }
        Some((0, 0)) => html! { "none run; one is started by the next request" },
        Some((ready, total)) => {
            html! { span.wait { (icons::icon(Icon::Warning)) " " (ready) " of " (total) " ready" } }
        }
    }
}

fn latency(microseconds: u64) -> String {
    text::duration_ms(std::time::Duration::from_micros(microseconds).as_secs_f64() * 1000.0)
}
