//! The data plane: the node's real control, tripwires and lease, around them simulated instances, a disk, and users.
//!
//! Checked here, in every moment: no request starts on a canary that has tripped, whose lease ran out, or whose node was
//! restarted; a plan never moves traffic to a revision with nobody ready while another one is, and a node that restarts is
//! served by somebody who is ready if there was one; over all plans, crashes and late ends of a step, the error that reaches
//! its limit trips, and there are at most that many and what was in flight (`ledger`).

mod body;
mod ledger;
mod offer;

use std::collections::BTreeMap;
use std::time::Duration;

use barq_core::effect::{Outcome, PlanRefusal};
use barq_core::event::Plan;
use barq_core::identity::{ImageDigest, RevisionName, ServiceId};
use barq_core::judge::{self, Accepted, Considered, Refusal, Run};
use barq_core::observation::{Observation, RevisionObservation};
use barq_core::service::Revision;
use jiff::Timestamp;

use super::check::Problem;
use super::random::Random;
use super::release::{Release, Releases};
use super::server::ByService;
use crate::ports::{Lease, RecallOrder};
use body::{Body, Counters, Written};

/// What one look shows.
pub(super) struct Look {
    pub(super) observations: ByService<Observation>,
    pub(super) leases: Vec<Lease>,
}

/// The node: what it holds in memory, what is on its disk, and the instances, which outlive it.
pub(super) struct Node {
    run: Run,
    started_ms: u64,
    now_ms: u64,
    bodies: ByService<Body>,
    disk: ByService<Written>,
    counters: ByService<Counters>,
    pub(super) disk_fails: bool,
    instances: BTreeMap<RevisionName, Instances>,
}

/// The instances of a revision.
#[derive(Debug)]
struct Instances {
    image: ImageDigest,
    min: u32,
    ready: u32,
    failed_starts: u32,
}

impl Node {
    pub(super) fn new() -> Self {
        Self {
            run: Run(1),
            started_ms: 0,
            now_ms: 0,
            bodies: BTreeMap::new(),
            disk: BTreeMap::new(),
            counters: BTreeMap::new(),
            disk_fails: false,
            instances: BTreeMap::new(),
        }
    }

    /// Killed and started again: from its disk, with its instances.
    pub(super) fn restart(&mut self, now_ms: u64) -> Result<(), Problem> {
        self.run = Run(self.run.0 + 1);
        self.started_ms = now_ms;
        self.now_ms = now_ms;
        let mut before = std::mem::take(&mut self.bodies);
        for (service, written) in &self.disk {
            let had = before.remove(service);
            let was_served = had.as_ref().is_some_and(|had| self.is_served(had));
            let counters = self.counters.get(service);
            let mut body = Body::restart(written.clone(), counters, self.run, had, now_ms);
            body.tell_trips(now_ms)?;
            resize(&mut self.instances, service, body.plan());
            if was_served && !self.is_served(&body) {
                let shares = body.control.shares();
                return Err(Problem(format!(
                    "{service} was served, and after a restart nobody of {shares:?} is ready"
                )));
            }
            self.bodies.insert(service.clone(), body);
        }
        Ok(())
    }

    pub(super) fn has_trial(&self) -> bool {
        self.bodies
            .values()
            .any(|body| body.plan().canary.is_some())
    }

    fn is_served(&self, body: &Body) -> bool {
        let shares = body.control.shares();
        let mut serving = shares.iter().filter(|it| it.percent > 0);
        serving.any(|it| ready_of(&self.instances, &it.revision) > 0)
    }

    /// Time passes: leases run out, instances start, requests come and end.
    pub(super) fn pass(
        &mut self,
        now_ms: u64,
        random: &mut Random,
        releases: &Releases,
    ) -> Result<(), Problem> {
        let passed_ms = now_ms - self.now_ms;
        self.now_ms = now_ms;
        for instances in self.instances.values_mut() {
            if instances.ready >= instances.min {
                instances.ready = instances.min;
            } else if releases.of_image(&instances.image).never_ready {
                instances.failed_starts += u32::from(random.one_in(4));
            } else {
                instances.ready += u32::from(random.one_in(2));
            }
        }
        let since = self.since(now_ms);
        for (service, body) in &mut self.bodies {
            let ready = |name: &str| ready_of(&self.instances, name);
            let errors_percent = |name: &str| {
                let name: Option<RevisionName> = name.parse().ok();
                let found = name.and_then(|name| self.instances.get(&name));
                found.map_or(0, |it| releases.of_image(&it.image).errors_percent)
            };
            let moment = body::Moment {
                since,
                now_ms,
                passed_ms,
            };
            body.pass(moment, random, &ready, &errors_percent)?;
            if self.disk_fails {
                continue;
            }
            if body.unwritten && random.one_in(2) {
                write(&mut self.disk, &mut self.instances, service, body);
            }
            if let Some(counters) = body.counters(now_ms).filter(|_| !random.one_in(3)) {
                self.counters.insert(service.clone(), counters);
            }
        }
        Ok(())
    }

    /// Puts a plan in force; none: it could not be kept, so the port has no answer.
    pub(super) fn configure(
        &mut self,
        service: &ServiceId,
        generation: u64,
        plan: &Plan,
        revisions: &[Revision],
    ) -> Result<Option<Outcome>, Problem> {
        let run = self.run;
        let since = self.since(self.now_ms);
        let body = self
            .bodies
            .entry(service.clone())
            .or_insert_with(|| Body::new(run));
        body.tell_trips(self.now_ms)?;
        let offered = offer::offered(generation, plan);
        let considered = match body.control.consider(&offered) {
            Ok(considered) => considered,
            Err(refusal) => return Ok(Some(refused(refusal, body))),
        };
        let towards_stable = match considered {
            Considered::Duplicate => return Ok(Some(configured(true))),
            Considered::New { towards_stable } => towards_stable,
        };
        // Instances follow the disk: a plan in memory alone asks for no more than are kept there.
        let kept = self.disk.get(service).map(Written::plan);
        let no_more = (plan.revisions.iter())
            .all(|(name, range)| range.min <= kept.map_or(0, |kept| size_in(kept, name)));
        if self.disk_fails && !(towards_stable && no_more) {
            return Ok(None);
        }
        for revision in revisions {
            let instances = self.instances.entry(revision.name.clone());
            instances.or_insert_with(|| Instances {
                image: revision.image.clone(),
                min: 0,
                ready: 0,
                failed_starts: 0,
            });
        }
        body.check_offer(plan, &|name| ready_of(&self.instances, name))?;
        let count = body.control.count(&offered, offer::wall_ms(self.now_ms));
        let accepted = body.control.accept(offered, since).map_err(|refusal| {
            Problem(format!("{service}: considered and then refused: {refusal}"))
        })?;
        if let Accepted::InForce { .. } = accepted {
            body.in_force(plan.clone(), count, self.now_ms)?;
        }
        if !self.disk_fails {
            write(&mut self.disk, &mut self.instances, service, body);
        }
        Ok(Some(configured(!self.disk_fails)))
    }

    pub(super) fn look(&self, now_ms: u64, _at: Timestamp) -> Look {
        let since = self.since(now_ms);
        let mut look = Look {
            observations: BTreeMap::new(),
            leases: Vec::new(),
        };
        for (service, body) in &self.bodies {
            let mut observation = body.observe(now_ms);
            for (name, _) in &body.plan().revisions {
                observation
                    .revisions
                    .insert(name.clone(), self.observe(name));
            }
            look.observations.insert(service.clone(), observation);
            let remaining = body.control.lease_remaining(since);
            if !remaining.is_zero() {
                look.leases.push(Lease {
                    service: service.clone(),
                    run: self.run.0.to_string(),
                    generation: body.control.generation(),
                    remaining_ms: u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX),
                });
            }
        }
        look
    }

    pub(super) fn renew(&mut self, lease: &Lease, now_ms: u64) {
        let since = self.since(now_ms);
        let run = lease.run.parse().map_or(Run(0), Run);
        if let Some(body) = self.bodies.get_mut(&lease.service) {
            // A refusal is the answer to who is late: the loop sees what became of the canary.
            let refused = body.control.renew(run, lease.generation, since).is_err();
            if refused {
                body.close_what_lost_its_traffic();
            }
        }
    }

    /// Somebody's word takes the traffic back, to somebody who is there; whether it did.
    pub(super) fn recall(&mut self, order: &RecallOrder) -> Result<bool, Problem> {
        let Some(body) = self.bodies.get_mut(&order.service) else {
            return Ok(false);
        };
        body.tell_trips(self.now_ms)?;
        let to = order.recall.to.to_string();
        if body.control.canary().is_none() && ready_of(&self.instances, &to) == 0 {
            return Ok(false);
        }
        let moved = body.recall(order, self.now_ms);
        if !self.disk_fails {
            write(&mut self.disk, &mut self.instances, &order.service, body);
        }
        Ok(moved)
    }

    pub(super) fn generation(&self, service: &ServiceId) -> u64 {
        let body = self.bodies.get(service);
        body.map_or(0, |body| body.control.generation())
    }

    /// Who is served now, in names and percent.
    pub(super) fn shares(&self, service: &ServiceId) -> Vec<(String, u8)> {
        let body = self.bodies.get(service);
        let shares = body.map_or_else(Vec::new, |body| body.control.shares());
        shares
            .into_iter()
            .filter(|share| share.percent > 0)
            .map(|share| (share.revision, share.percent))
            .collect()
    }

    /// The revision that answers one request through the ingress.
    pub(super) fn serves(&self, service: &ServiceId, random: &mut Random) -> Option<RevisionName> {
        let shares = self.bodies.get(service)?.control.shares();
        let name = body::route(&shares, random)?;
        name.parse().ok().filter(|name| self.ready(name) > 0)
    }

    pub(super) fn ready(&self, revision: &RevisionName) -> u32 {
        self.instances.get(revision).map_or(0, |it| it.ready)
    }

    /// Ready instances, and how many there should be.
    pub(super) fn size(&self, revision: &RevisionName) -> (u32, u32) {
        let instances = self.instances.get(revision);
        instances.map_or((0, 0), |it| (it.ready, it.min))
    }

    pub(super) fn release(&self, revision: &RevisionName, releases: &Releases) -> Release {
        let instances = self.instances.get(revision);
        instances.map_or_else(Release::default, |it| releases.of_image(&it.image))
    }

    fn observe(&self, revision: &RevisionName) -> RevisionObservation {
        let Some(instances) = self.instances.get(revision) else {
            return RevisionObservation::default();
        };
        RevisionObservation {
            ready: instances.ready,
            total: instances.min,
            desired: instances.min.max(2),
            failed_starts: instances.failed_starts,
            last_failure: None,
        }
    }

    fn since(&self, now_ms: u64) -> Duration {
        Duration::from_millis(now_ms - self.started_ms)
    }
}

fn ready_of(instances: &BTreeMap<RevisionName, Instances>, name: &str) -> u32 {
    let name: Option<RevisionName> = name.parse().ok();
    name.and_then(|name| instances.get(&name))
        .map_or(0, |it| it.ready)
}

/// What is in force is on disk from here on, and the instances follow it.
fn write(
    disk: &mut ByService<Written>,
    instances: &mut BTreeMap<RevisionName, Instances>,
    service: &ServiceId,
    body: &mut Body,
) {
    disk.insert(service.clone(), body.written());
    body.unwritten = false;
    resize(instances, service, body.plan());
}

fn size_in(plan: &Plan, name: &RevisionName) -> u32 {
    let planned = plan.revisions.iter().find(|(planned, _)| planned == name);
    planned.map_or(0, |(_, range)| range.min)
}

/// Instances beyond the plan's are stopped at once, missing ones start as time passes.
fn resize(instances: &mut BTreeMap<RevisionName, Instances>, service: &ServiceId, plan: &Plan) {
    for (name, it) in instances
        .iter_mut()
        .filter(|(name, _)| name.service == *service)
    {
        it.min = size_in(plan, name);
        it.ready = it.ready.min(it.min);
    }
}

fn configured(durable: bool) -> Outcome {
    Outcome::Configured {
        durable,
        switched_us: 1,
    }
}

fn refused(refusal: Refusal, body: &Body) -> Outcome {
    let refusal = match (refusal, &body.trip) {
        (Refusal::StaleGeneration { current, .. }, _) => PlanRefusal::StaleGeneration { current },
        (Refusal::UnheardTrip { .. } | Refusal::Latched { .. }, Some(trip)) => {
            PlanRefusal::UnheardTrip(trip.clone())
        }
        (other, _) => PlanRefusal::Invalid {
            reason: other.to_string(),
        },
    };
    Outcome::ConfigurationRefused(refusal)
}

/// A share, for the judgement.
fn share(revision: &RevisionName, percent: u8) -> judge::Share {
    judge::Share {
        revision: revision.to_string(),
        percent,
    }
}
