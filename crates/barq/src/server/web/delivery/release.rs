//! What the delivery brings: its image and its commits; and the rollouts that bring it.

use barq_core::event::Commit;
use barq_core::rollout::Rollout;
use barq_engine::history::Journey;
use maud::{Markup, html};

use super::super::super::push::COMMITS_MAX;
use super::super::elements;

/// Commits that are seen at once; the others are folded.
const COMMITS_SHOWN: usize = 10;
pub(super) fn release(journey: &Journey) -> Markup {
    let delivery = &journey.delivery;
    html! {
        @if !journey.rollouts.is_empty() {
            h2 { "Rollouts" }
            ul.rollouts { @for rollout in &journey.rollouts { (self::rollout(rollout)) } }
        }
        h2 { "Release" }
        dl.facts {
            dt { "Commit" }
            dd { code.digest { (delivery.push.commit.hash) } }
            @if let Some(before) = &delivery.push.before {
                dt { "Before" }
                dd { code { (before.short()) } " on " code { (delivery.push.branch) } }
            }
            dt { "Image" }
            dd {
                @match &delivery.image {
                    Some(image) => code.digest { (image) },
                    None => span.quiet { "not built" },
                }
            }
        }
        (commits(&delivery.push.commits))
    }
}

fn commits(commits: &[Commit]) -> Markup {
    let (shown, folded) = commits.split_at(commits.len().min(COMMITS_SHOWN));
    html! {
        h3 {
            // There may be more than a push records.
            @if commits.len() >= COMMITS_MAX { "The last " (commits.len()) " commits of the push" }
            @else if commits.len() == 1 { "One commit" }
            @else { (commits.len()) " commits" }
        }
        ol.commits { @for commit in shown { (self::commit(commit)) } }
        @if !folded.is_empty() {
            details #older-commits {
                summary { (folded.len()) " older" }
                ol.commits { @for commit in folded { (self::commit(commit)) } }
            }
        }
    }
}

fn commit(commit: &Commit) -> Markup {
    html! {
        li {
            span.subject { (elements::subject(&commit.subject)) }
            span.quiet.small {
                (elements::hash(commit.hash.as_str())) " · " (commit.author_name) " · " (elements::time(commit.committed_at))
            }
        }
    }
}

fn rollout(rollout: &Rollout) -> Markup {
    html! {
        li {
            (elements::state(rollout.state_name()))
            a href=(format!("/rollouts/{}", rollout.id)) { (rollout.id.environment) }
            span.quiet.small {
                (rollout.start.revision) " of "
                a href=(format!("/services/{}", rollout.start.service)) { (rollout.start.service) }
            }
        }
    }
}
