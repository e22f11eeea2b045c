//! What must be known before anything else: what stands against an approval, or will make it void.

use barq_core::delivery::{Gate, Phase};
use barq_core::service::Service;
use maud::{Markup, html};

use super::super::super::convert;
use super::super::icons::{self, Icon};
use super::Sight;

/// All that stands out, the worst first.
pub(super) fn warnings(sight: &Sight<'_>) -> Markup {
    let Phase::AwaitingApproval(gate) = &sight.delivery().phase else {
        return html! {};
    };
    html! {
        (reasons(sight, gate))
        @if let Some(at_risk) = convert::approval_at_risk(sight.view, sight.delivery(), &gate.environment) {
            (warning("bad", Icon::Warning, "An approval may not last.", &html! { (at_risk) "." }))
        }
        @if let Some(service) = service(sight) { (locks(service)) }
        @if sight.evidence.stable.is_none() {
            (warning("wait", Icon::Warning, "There is no canary.", &html! {
                "Nothing serves " (gate.environment) " yet, so there is nothing to compare with or to go back to: all traffic goes to it at once."
            }))
        }
        @if gate.separate_approver {
            (warning("move", Icon::Person, "Two people.", &html! {
                strong { (sight.delivery().pushed_by.name) } " pushed it; somebody else must approve it."
            }))
        }
    }
}

fn service<'a>(sight: &'a Sight<'_>) -> Option<&'a Service> {
    let configuration = sight.delivery().configuration()?;
    let id = configuration.service_in(&sight.evidence.environment);
    sight.view.state.service(&id.parse().ok()?)
}

/// Why the gate asks for more than the commit says, or again.
fn reasons(sight: &Sight<'_>, gate: &Gate) -> Markup {
    let weakened = sight.evidence.gate_weakened;
    let list = html! {
        ul { @for reason in &gate.reasons { li { (reason) } } }
    };
    html! {
        @if weakened {
            (warning("bad", Icon::Warning, "It loosens its own gate.", &list))
        } @else if !gate.reasons.is_empty() {
            (warning("wait", Icon::Warning, "It was approved before, and must be again.", &list))
        }
    }
}

fn locks(service: &Service) -> Markup {
    html! {
        @if let Some(lock) = &service.lock {
            (warning("wait", Icon::Lock, "It is locked.", &html! {
                (lock.by) " locked " (service.id) ": “" (lock.message) "”. What is approved waits until it is unlocked."
            }))
        }
        @if let Some(rolled_back) = &service.rolled_back {
            (warning("wait", Icon::Back, "After a rollback.", &html! {
                (rolled_back.rollout) " was rolled back here. An approval given now lets this release in all the same: make sure that it has the fix."
            }))
        }
    }
}

fn warning(class: &str, icon: Icon, title: &str, text: &Markup) -> Markup {
    html! {
        div.notice.(class) {
            strong { (icons::icon(icon)) " " (title) } " " div.inline { (text) }
        }
    }
}
