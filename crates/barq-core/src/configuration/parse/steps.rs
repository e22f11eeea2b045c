//! The second reading of a rollout: its steps, and the guard that takes its limit from them.
//!
//! The strictest part of the file: a rollout that skips a share, never ends, or watches without a limit would only
//! show when it fails.

use super::super::defaults::STEP_HOLD;
use super::super::diagnostics::{Diagnostic, Diagnostics};
use super::super::shapes::extent;
use super::super::{Approval, Guard, GuardAction, Role, Step};
use super::table::Table;

/// The steps of an environment.
pub(super) fn steps(
    report: &mut Diagnostics,
    environment: Table<'_>,
    default: Vec<Step>,
) -> Vec<Step> {
    let Some(value) = environment.get("steps") else {
        return default;
    };
    if !report.is_sound(&extent(value)) {
        return default;
    }
    let tables: Vec<Table<'_>> = environment.items("steps").iter().map(Table::of).collect();
    let steps: Vec<Step> = tables.iter().filter_map(|table| step(*table)).collect();
    for (index, (table, step)) in tables.iter().zip(&steps).enumerate() {
        if let Some(before) = index
            .checked_sub(1)
            .filter(|before| steps[*before].traffic >= step.traffic)
        {
            let label = format!(
                "{} is not more than the {} before",
                step.traffic, steps[before].traffic
            );
            let span = table.value_span("traffic");
            let diagnostic =
                Diagnostic::error(span, "the traffic must rise from step to step", label);
            report.push(diagnostic.also(tables[before].value_span("traffic"), "the step before"));
        }
        let last = index + 1 == steps.len();
        if last && step.traffic != 100 {
            let message = "the last step must have all the traffic";
            let diagnostic = Diagnostic::error(
                table.value_span("traffic"),
                message,
                "the rollout would never end",
            );
            report.push(diagnostic.help_with("add { traffic = 100 } as the last step"));
        } else if last && !step.hold.is_zero() {
            let message = "the last step has no `hold`";
            let label = "with all traffic on it, there is nothing to wait for";
            let diagnostic = Diagnostic::error(table.value_span("hold"), message, label);
            report.push(diagnostic.help_with("to watch the revision after 100 %, use `guard`"));
        } else if !last && step.hold.is_zero() {
            let message = "a step before the last must be held";
            let label = "no time to see an error";
            report.push(Diagnostic::error(table.value_span("hold"), message, label));
        }
    }
    steps
}

/// The guard of an environment, given its steps.
pub(super) fn guard(
    report: &mut Diagnostics,
    environment: Table<'_>,
    steps: &[Step],
    default: Option<Guard>,
) -> Option<Guard> {
    let guard = declared_guard(environment, default);
    if !environment
        .get("steps")
        .is_none_or(|value| report.is_sound(&extent(value)))
    {
        return guard;
    }
    let limited = steps.iter().any(|step| step.max_errors.is_some());
    if guard.is_some() && !limited {
        let message = "`guard` has no limit";
        let label = "it takes that of the last step that has one, and none has";
        let help = "give the last step `max_errors`, or set guard = false";
        let explicit = environment
            .get("guard")
            .map(|guard| Diagnostic::error(guard.span(), message, label));
        let implicit = Diagnostic::warning(
            environment.key_span("steps").unwrap_or(environment.span()),
            "nothing is watched after the rollout",
            "no step has a limit for `guard` to take",
        );
        report.push(explicit.unwrap_or(implicit).help_with(help));
        return None;
    }
    let last = environment
        .items("steps")
        .last()
        .map(Table::of)
        .filter(|last| last.get("max_errors").is_some());
    if let Some(last) = last.filter(|_| guard.is_none()) {
        let message = "`max_errors` of the last step counts for nothing";
        let label = "it is the limit of `guard`, and there is none here";
        let diagnostic = Diagnostic::error(last.value_span("max_errors"), message, label);
        report.push(diagnostic.help_with(
            "set guard = { for = \"30m\", action = \"alert\" }, or leave the limit out",
        ));
    }
    guard
}

/// The gate of an environment.
pub(super) fn approval(environment: Table<'_>, default: Option<Approval>) -> Option<Approval> {
    if environment.is_off("approval") {
        return None;
    }
    if environment.get("approval").is_none() {
        return default;
    }
    let table = environment.table("approval");
    let default = default.unwrap_or_default();
    Some(Approval {
        role: table
            .text("role")
            .and_then(|role| role.parse::<Role>().ok())
            .unwrap_or(default.role),
        expires: table.duration("expires").unwrap_or(default.expires),
        separate_approver: table
            .flag("separate_approver")
            .unwrap_or(default.separate_approver),
    })
}

fn step(table: Table<'_>) -> Option<Step> {
    let traffic = table
        .whole("traffic")
        .and_then(|traffic| u8::try_from(traffic).ok())?;
    let last = traffic >= 100;
    Some(Step {
        traffic,
        hold: table
            .duration("hold")
            .unwrap_or(if last { Step::last().hold } else { STEP_HOLD }),
        max_errors: table
            .whole("max_errors")
            .or((!last).then(|| Step::default_max_errors(traffic))),
    })
}

fn declared_guard(environment: Table<'_>, default: Option<Guard>) -> Option<Guard> {
    if environment.is_off("guard") {
        return None;
    }
    if environment.get("guard").is_none() {
        return default;
    }
    let table = environment.table("guard");
    let default = default.unwrap_or_default();
    let action = table.text("action");
    Some(Guard {
        duration: table.duration("for").unwrap_or(default.duration),
        action: GuardAction::ALL
            .into_iter()
            .find(|known| Some(known.name()) == action)
            .unwrap_or(default.action),
    })
}
