//! The route table: which host leads to which revisions, with which shares. Immutable; a change is another table.
//!
//! **Invariant:** `choices` holds only revisions with a share above 0, so a weight of 0 cannot be drawn, and an empty list
//! draws nobody. It must not know why the shares are as they are.

use std::collections::HashMap;
use std::sync::Arc;

use barq_judge::Tripwire;

use crate::api::Protocol;
use crate::instances::{Endpoint, ReadySet};
use crate::statistics::{RevisionStatistics, StepStatistics};

/// Where every host leads.
#[derive(Debug, Default)]
pub(crate) struct Table {
    hosts: HashMap<String, Host>,
    services: HashMap<String, Arc<ServiceRoute>>,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// To a service, by shares.
    Service(&'a ServiceRoute),
    /// To one revision, whatever its share.
    Revision(&'a Choice),
}

#[derive(Debug)]
enum Host {
    Service(Arc<ServiceRoute>),
    Revision(Choice),
}

/// How a service's requests are routed.
#[derive(Debug)]
pub(crate) struct ServiceRoute {
    /// The service's name.
    pub(crate) service: String,
    /// The generation that this route was made for.
    pub(crate) generation: u64,
    /// Further hosts.
    pub(crate) domains: Vec<String>,
    /// Who has a share; every percentage is above 0.
    pub(crate) choices: Vec<Choice>,
    /// Every revision by name, whatever its share.
    pub(crate) revisions: HashMap<String, Choice>,
    /// Tags and the revisions that they name.
    pub(crate) tags: Vec<(String, String)>,
    /// The trial of the configuration in force, also after it ended badly: what is in flight still needs it.
    pub(crate) trial: Option<Trial>,
}

/// A revision that can be drawn.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// The revision.
    pub(crate) revision: Arc<Revision>,
    /// Its ready instances.
    pub(crate) endpoints: Arc<[Arc<Endpoint>]>,
    /// Its share, 0 to 100.
    pub(crate) percent: u8,
}

/// A trial.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    /// On trial.
    pub(crate) canary: Arc<Revision>,
    /// Answers in its place.
    pub(crate) stable: Choice,
    /// Whether it does.
    pub(crate) shield: bool,
    /// Counts of this step.
    pub(crate) step: Arc<StepStatistics>,
}

/// A revision, for as long as the node knows it: the same object in every table.
#[derive(Debug)]
pub(crate) struct Revision {
    /// Its name.
    pub(crate) name: String,
    /// The gate in front of it.
    pub(crate) wire: Arc<Tripwire>,
    /// What is counted of it.
    pub(crate) statistics: RevisionStatistics,
    /// Its ready instances, as they change.
    pub(crate) ready: Arc<ReadySet>,
    /// Requests that one instance handles at a time.
    pub(crate) concurrency: u32,
    /// What its instances speak.
    pub(crate) protocol: Protocol,
}

impl Table {
    /// The table of these services. Of two that claim a host the first by name has it: the control refuses such
    /// configurations, this only makes it certain.
    pub(crate) fn new<'a>(routes: impl Iterator<Item = &'a Arc<ServiceRoute>>) -> Self {
        let mut table = Self::default();
        for route in routes {
            let own = format!("{}.localhost", route.service);
            for host in std::iter::once(&own).chain(&route.domains) {
                table
                    .hosts
                    .entry(host.to_ascii_lowercase())
                    .or_insert_with(|| Host::Service(Arc::clone(route)));
            }
            for (tag, revision) in &route.tags {
                if let Some(choice) = route.revisions.get(revision) {
                    let target = Host::Revision(choice.clone());
                    table
                        .hosts
                        .entry(format!("{tag}---{own}").to_ascii_lowercase())
                        .or_insert(target);
                }
            }
            table
                .services
                .insert(route.service.clone(), Arc::clone(route));
        }
        table
    }

    /// Where a host (lower case, without port) leads.
    pub(crate) fn host(&self, host: &str) -> Option<Target<'_>> {
        Some(match self.hosts.get(host)? {
            Host::Service(route) => Target::Service(route),
            Host::Revision(choice) => Target::Revision(choice),
        })
    }

    /// Where a revision's own address leads.
    pub(crate) fn revision(&self, service: &str, revision: &str) -> Option<Target<'_>> {
        let route = self.services.get(service)?;
        route.revisions.get(revision).map(Target::Revision)
    }
}

impl ServiceRoute {
    /// The revision for a number drawn from 0 to below [`ServiceRoute::weights`]; `None` when nobody has a share.
    pub(crate) fn choose(&self, drawn: u32) -> Option<&Choice> {
        let mut upper = 0;
        self.choices.iter().find(|choice| {
            upper += u32::from(choice.percent);
            drawn < upper
        })
    }

    /// The sum of the shares: 100, or 0 when nobody has one.
    pub(crate) fn weights(&self) -> u32 {
        self.choices
            .iter()
            .map(|choice| u32::from(choice.percent))
            .sum()
    }
}

#[cfg(test)]
mod tests;
