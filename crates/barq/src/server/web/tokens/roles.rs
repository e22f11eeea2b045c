//! What the roles are for, as the rules and the environments say.

use std::collections::BTreeSet;

use barq_core::Act;
use barq_core::configuration::Role;
use barq_core::state::State;
use maud::{Markup, html};

use super::super::icons::{self, Icon};

/// What may be done by which role; the viewer's stands out.
pub(super) fn table(state: &State, viewers: Role) -> Markup {
    let mut rows: Vec<(String, Role)> = Act::ALL
        .into_iter()
        .map(|act| (words(act).to_owned(), act.needs()))
        .collect();
    let approvals = approvals(state);
    if approvals.is_empty() {
        // Where nothing is gated yet, the configuration's own default is not known to the state.
        rows.push((
            "approve (or what an environment's `approval` names)".to_owned(),
            Role::TechLead,
        ));
    }
    rows.extend(
        approvals
            .into_iter()
            .map(|(role, environment)| (format!("approve and reject for {environment}"), role)),
    );
    rows.sort_by_key(|(_, role)| *role);
    html! {
        div.scroll tabindex="0" role="region" aria-label="What the roles are for" {
            table.roles {
                caption.unseen { "What the roles are for" }
                thead { tr {
                    th scope="col" { "May" }
                    @for role in Role::ALL {
                        th scope="col" class=[(role == viewers).then_some("mine")] { (role) @if role == viewers { span.unseen { " (yours)" } } }
                    }
                } }
                tbody {
                    @for (what, needs) in &rows {
                        tr {
                            th scope="row" { (what) }
                            @for role in Role::ALL {
                                td class=[(role == viewers).then_some("mine")] {
                                    @if role >= *needs { span.good { (icons::icon(Icon::Good)) } span.unseen { "yes" } }
                                    @else { span.quiet aria-hidden="true" { "–" } span.unseen { "no" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn words(act: Act) -> &'static str {
    match act {
        Act::Push => {
            "push, start a commit again, cancel a delivery before its rollout, look at everything"
        }
        Act::Steer => "pause, resume, promote, abort, roll back, lock",
        Act::Force => "start a quarantined release again",
        Act::Administer => "make and revoke everybody's tokens, back up",
    }
}

/// The approvals that are in force, by what they need.
fn approvals(state: &State) -> BTreeSet<(Role, String)> {
    let services = state.services.values();
    services
        .filter_map(|service| {
            let (rules, _) = service.rules.as_ref()?;
            let approval = rules.approval.as_ref()?;
            Some((approval.role, service.environment.clone()))
        })
        .collect()
}
