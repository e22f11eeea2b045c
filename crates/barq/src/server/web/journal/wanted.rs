//! Which events somebody wants to see, as the address says it.

use barq_core::identity::{DeliveryId, IncidentId, RolloutId};
use barq_engine::engine::View;
use barq_engine::journal::EventFilter;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::super::super::convert;
use super::super::super::problem::Problem;
use super::super::filters::{self, given};
use super::PATH;

/// Which events; what is empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Wanted {
    #[serde(default, deserialize_with = "given")]
    pub(super) app: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(super) actor: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(super) subject: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(super) kind: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(super) since: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(super) until: Option<String>,
    pub(super) before: Option<u64>,
}

impl Wanted {
    /// Checks what only people write.
    pub(in super::super) fn checked(self) -> Result<Self, Problem> {
        for at in [&self.since, &self.until].into_iter().flatten() {
            time(at).ok_or_else(|| {
                Problem::invalid(format!("{at:?} is no time")).hint("e.g. 2026-03-01T12:30, in UTC")
            })?;
        }
        Ok(self)
    }

    /// Whether anything is left out.
    pub(super) fn any(&self) -> bool {
        let texts = [
            &self.app,
            &self.actor,
            &self.subject,
            &self.kind,
            &self.since,
            &self.until,
        ];
        texts.into_iter().any(Option::is_some)
    }

    /// The same, from a place on.
    pub(super) fn address(&self, before: Option<u64>) -> String {
        let before = before.map(|before| before.to_string());
        let pairs = [
            ("app", self.app.as_deref()),
            ("actor", self.actor.as_deref()),
            ("subject", self.subject.as_deref()),
            ("kind", self.kind.as_deref()),
            ("since", self.since.as_deref()),
            ("until", self.until.as_deref()),
            ("before", before.as_deref()),
        ];
        filters::address(PATH, &pairs)
    }

    /// The same, and this.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let mut wanted = self.clone();
        let value = Some(value.to_owned());
        match name {
            "actor" => wanted.actor = value,
            _ => wanted.kind = value,
        }
        wanted.address(None)
    }

    /// What matches any of these is wanted.
    pub(super) fn filters(&self, view: &View) -> Vec<EventFilter> {
        let subject = self.subject.as_deref().map(|it| subject(view, it));
        let filter = EventFilter {
            app: self.app.clone(),
            subject: subject.clone(),
            actor: self.actor.clone(),
            kind: self.kind.clone(),
            since: self.since.as_deref().and_then(time),
            until: self.until.as_deref().and_then(time),
        };
        let services = view
            .state
            .services
            .values()
            .filter(|service| self.app.is_some() && convert::app_of(view, service) == self.app);
        let services = services
            .map(|service| format!("service/{}", service.id))
            .filter(|service| subject.as_ref().is_none_or(|subject| subject == service))
            .map(|service| EventFilter {
                app: None,
                subject: Some(service),
                ..filter.clone()
            });
        services.chain([filter.clone()]).collect()
    }
}

/// A subject as the journal names it, of what people call it.
fn subject(view: &View, text: &str) -> String {
    let state = &view.state;
    let service = || state.services.keys().any(|it| it.as_str() == text);
    if text.contains('/') && !state.tokens.contains_key(text) {
        return text.to_owned();
    }
    if text.parse::<IncidentId>().is_ok() {
        return format!("incident/{text}");
    }
    if service() {
        return format!("service/{text}");
    }
    if state.apps.keys().any(|it| it.as_str() == text) {
        return format!("app/{text}");
    }
    if let Ok(rollout) = text.parse::<RolloutId>() {
        return format!("delivery/{}", rollout.delivery);
    }
    if text.parse::<DeliveryId>().is_ok() {
        return format!("delivery/{text}");
    }
    format!("token/{text}")
}

/// A time as a form or a person writes it, in UTC where it does not say otherwise.
fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        local.to_zoned(TimeZone::UTC).ok().map(|it| it.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_read_as_people_write_them() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(
                time(text).map(|it| it.to_string()).as_deref(),
                expect,
                "{text}"
            );
        };
        check("2026-03-01T12:30", Some("2026-03-01T12:30:00Z"));
        check("2026-03-01 12:30:05", Some("2026-03-01T12:30:05Z"));
        check("2026-03-01", Some("2026-03-01T00:00:00Z"));
        check("2026-03-01T12:30:00+02:00", Some("2026-03-01T10:30:00Z"));
        check("yesterday", None);
    }
}
