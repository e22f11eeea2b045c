//! Takes a configuration in: judged, written, put in force, each in the order that `kill -9` allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use barq_judge::{Canary, Considered, Control, Count, Durable, Plan, Run, Standing};

use super::configuration::{check, plan_of, refusal};
use super::disk::Stored;
use super::leave::HANDING_OVER;
use super::service::{Served, Service, State};
use super::step::Before;
use super::{Dirty, Services, lock, wall_ms};
use crate::api::{Accepted, Refusal, RevisionConfiguration, ServiceConfiguration, Trip};
use crate::moment;
use crate::proxy::Revision;
use crate::statistics::{RevisionStatistics, StepStatistics};

impl Services {
    /// Puts a configuration in force, or says why not; when it returns, every later request is routed by it.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub(crate) async fn accept(
        &self,
        configuration: ServiceConfiguration,
    ) -> Result<Accepted, Refusal> {
        let arrived = Instant::now();
        check(&configuration, None)?;
        let service = self.find_or_new(&configuration.service);
        let _accepting = service.accepting.lock().await;
        if self.is_frozen() {
            let why = HANDING_OVER.to_owned();
            return Err(Refusal::NotKept { why });
        }
        let plan = plan_of(&configuration);
        let towards_stable = match self.consider(&service, &plan, &configuration)? {
            Considered::Duplicate => {
                let durable = service.lock().durable;
                return Ok(accepted(&configuration, arrived.elapsed(), durable));
            }
            Considered::New { towards_stable } => towards_stable,
        };
        let (name, generation) = (service.name.clone(), configuration.generation);
        let asks_for_no_more = service.lock().asks_for_no_more(&configuration);
        if towards_stable && asks_for_no_more {
            self.put_in_force(&service, plan, &configuration, false)?;
            let switched = arrived.elapsed();
            moment::reached(moment::SWAPPED_FIRST, &name, generation);
            self.begin_tally(&service, &configuration).await;
            let durable = self.write_configuration(&service).await;
            moment::reached(moment::WRITTEN_LAST, &name, generation);
            return Ok(accepted(&configuration, switched, durable));
        }
        // Until it is in force nobody writes what was in force before over it.
        let _writing = service.writing.lock().await;
        self.write_ahead(&service, &configuration)
            .await
            .map_err(|why| Refusal::NotKept { why })?;
        moment::reached(moment::WRITTEN_AHEAD, &name, generation);
        self.begin_tally(&service, &configuration).await;
        if let Err(refusal) = self.put_in_force(&service, plan, &configuration, true) {
            // Something came between: what is in force goes back to the disk.
            self.mark_dirty(&name, Dirty::Configuration);
            return Err(refusal);
        }
        moment::reached(moment::SWAPPED_LAST, &name, generation);
        Ok(accepted(&configuration, arrived.elapsed(), true))
    }

    /// Begins a run with what was written: the canary is at 0 %, and if it had reached its limit already, it has tripped.
    pub(super) fn restore(&self, name: &str, stored: Stored) {
        let mut state = State::new(Run(self.run.as_u128()));
        let plan = plan_of(&stored.configuration);
        let durable = Durable {
            trips: stored.trips,
            last_trip: stored.last_trip.as_ref().map(judged),
            latched: stored
                .latched
                .iter()
                .map(|(revision, trip)| (revision.clone(), judged(trip)))
                .collect(),
            plan: Some(plan.clone()),
        };
        state.control = Control::restart(durable, Run(self.run.as_u128()));
        (state.last_trip, state.latched) = (stored.last_trip, stored.latched);
        let planned = plan.canary.as_ref().map(|canary| canary.past(wall_ms()));
        let before = (stored.configuration.canary.as_ref()).zip(planned);
        let before = before
            .map(|(canary, planned)| self.counted_before(name, plan.generation, canary, planned));
        if let Some(Before { counters, .. }) = &before {
            state.served = Served::after(Duration::from_millis(counters.served_ms));
            let step = StepStatistics::new(counters.counts, self.threads);
            state.step = Some(Arc::new(step));
        }
        if let Err(why) = self.fleet.apply(name, &stored.configuration.revisions) {
            self.degrade(&format!("instances {name}"), Some(why));
        }
        self.know_revisions(name, &mut state, &stored.configuration.revisions);
        state.on_disk.clone_from(&stored.configuration.revisions);
        for revision in state
            .latched
            .keys()
            .filter_map(|name| state.revisions.get(name))
        {
            revision.wire.close();
        }
        if let (Some(canary), Some(before)) = (state.canary(), &before) {
            let limit = plan.canary.as_ref().and_then(Canary::limit);
            (canary.wire).restore(limit, &before.noted, &before.known, self.now());
            canary.wire.close();
        }
        state.configuration = Some(stored.configuration);
        let service = Service::new(name, state);
        lock(&self.services).insert(name.to_owned(), Arc::clone(&service));
        let mut state = service.lock();
        self.publish(&service, &state);
        // The limit may have been reached, and nobody been told.
        self.absorb_trip(&service, &mut state);
    }

    /// Writes what is in force. False, and degraded, if that fails; it is tried again.
    pub(super) async fn write_configuration(&self, service: &Arc<Service>) -> bool {
        let _writing = service.writing.lock().await;
        let Some(stored) = service.lock().stored() else {
            return true;
        };
        let written = self
            .write_blocking(service.name.clone(), stored.clone())
            .await;
        let mut state = service.lock();
        // What has changed meanwhile is marked as such, and written next.
        let is_current = state.stored().as_ref() == Some(&stored);
        let was = state.durable;
        state.durable = written.is_ok() && is_current;
        let revisions = &stored.configuration.revisions;
        let has_new_instances = written.is_ok() && state.on_disk != *revisions;
        if has_new_instances {
            state.on_disk.clone_from(revisions);
        }
        if !is_current {
            self.mark_dirty(&service.name, Dirty::Configuration);
        }
        if was != state.durable {
            self.changed();
        }
        drop(state);
        if has_new_instances {
            self.apply_instances(service, revisions);
        }
        match written {
            Ok(()) => true,
            Err(why) => {
                tracing::error!(
                    service = service.name,
                    why,
                    "the configuration could not be written"
                );
                self.degrade(
                    &format!("write {}", service.name),
                    Some(format!(
                        "the configuration of {} is in force but not on disk: {why}",
                        service.name
                    )),
                );
                lock(&self.dirty).insert((service.name.clone(), Dirty::Configuration));
                false
            }
        }
    }

    /// Writes a configuration that is not in force yet, under the caller's lock. After a crash it is, with its canary at 0 %.
    async fn write_ahead(
        &self,
        service: &Arc<Service>,
        configuration: &ServiceConfiguration,
    ) -> Result<(), String> {
        let stored = {
            let state = service.lock();
            // As it will be in force: a node that starts from this gives a canary nothing, whatever is acknowledged.
            Stored {
                configuration: configuration.clone(),
                trips: state.control.durable().trips.max(configuration.last_trip),
                last_trip: state.last_trip.clone(),
                latched: released(&state, configuration),
            }
        };
        self.write_blocking(service.name.clone(), stored).await
    }

    async fn write_blocking(&self, name: String, stored: Stored) -> Result<(), String> {
        let disk = self.disk.clone();
        let service = name.clone();
        let written = tokio::task::spawn_blocking(move || disk.write(&name, &stored)).await;
        match written {
            Ok(Ok(())) => {
                self.degrade(&format!("write {service}"), None);
                self.degrade(&format!("configuration {service}"), None);
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn consider(
        &self,
        service: &Service,
        plan: &Plan,
        configuration: &ServiceConfiguration,
    ) -> Result<Considered, Refusal> {
        self.check_domains(configuration)?;
        let mut state = service.lock();
        self.absorb_trip(service, &mut state);
        let considered = state
            .control
            .consider(plan)
            .map_err(|refused| refusal(refused, |number| state.trip_details(number)))?;
        check(configuration, state.configuration.as_ref())?;
        Ok(considered)
    }

    /// No host may lead to two services.
    fn check_domains(&self, configuration: &ServiceConfiguration) -> Result<(), Refusal> {
        let routes = lock(&self.routes);
        for domain in &configuration.domains {
            let is_taken = |other: &str| other.eq_ignore_ascii_case(domain);
            let taken = routes
                .values()
                .filter(|route| route.service != configuration.service);
            if let Some(route) = taken
                .into_iter()
                .find(|route| route.domains.iter().any(|other| is_taken(other)))
            {
                return Err(Refusal::Invalid {
                    why: format!("the domain {domain} belongs to {}", route.service),
                });
            }
            if domain.to_ascii_lowercase().ends_with(".localhost") {
                return Err(Refusal::Invalid {
                    why: format!("the domain {domain} is the node's own"),
                });
            }
        }
        Ok(())
    }

    /// From one table to the next. Instances that are wanted from now on are made known before, those that are not any more
    /// are told after: at no instant does the table lead to instances that are being stopped.
    fn put_in_force(
        &self,
        service: &Service,
        plan: Plan,
        configuration: &ServiceConfiguration,
        durable: bool,
    ) -> Result<(), Refusal> {
        let mut state = service.lock();
        self.absorb_trip(service, &mut state);
        state
            .control
            .consider(&plan)
            .map_err(|refused| refusal(refused, |number| state.trip_details(number)))?;
        let known = union(&state.on_disk, &configuration.revisions);
        self.fleet
            .apply(&service.name, &known)
            .map_err(|why| Refusal::NotKept { why })?;
        self.know_revisions(&service.name, &mut state, &configuration.revisions);
        let count = state.control.count(&plan, wall_ms());
        if !arm(&state, &plan, count, self.now()) {
            // The present canary has tripped between two lines of this function.
            self.absorb_trip(service, &mut state);
        }
        let receivers: Vec<String> = plan.receivers().map(str::to_owned).collect();
        let step =
            (configuration.canary.as_ref()).map(|canary| self.statistics(&state, count, canary));
        state
            .control
            .accept(plan, self.now())
            .map_err(|refused| refusal(refused, |number| state.trip_details(number)))?;
        state.latched = released(&state, configuration);
        state.served = Served::default();
        state.step = step;
        if state.configuration.as_ref().map(|held| &held.watch) != Some(&configuration.watch) {
            state.watch_exceeded_at = None;
        }
        state.configuration = Some(configuration.clone());
        state.durable = durable;
        if durable {
            state.on_disk.clone_from(&configuration.revisions);
        }
        let instances = state.on_disk.clone();
        // What was counted until now may be at the limit already.
        self.absorb_trip(service, &mut state);
        self.publish(service, &state);
        close_without_traffic(&mut state, &receivers, configuration);
        self.publish(service, &state);
        self.open_addresses(service, &mut state);
        state.count_served(self.now());
        drop(state);
        self.changed();
        self.apply_instances(service, &instances);
        Ok(())
    }

    fn apply_instances(&self, service: &Service, revisions: &[RevisionConfiguration]) {
        let what = format!("instances {}", service.name);
        self.degrade(&what, self.fleet.apply(&service.name, revisions).err());
    }

    fn know_revisions(
        &self,
        service: &str,
        state: &mut State,
        revisions: &[RevisionConfiguration],
    ) {
        for configuration in revisions {
            let name = &configuration.name;
            let ready = self.fleet.ready_set(service, name).unwrap_or_default();
            let is_same = state
                .revisions
                .get(name)
                .is_some_and(|known| Arc::ptr_eq(&known.ready, &ready));
            if !is_same {
                let revision = Revision {
                    name: name.clone(),
                    wire: Arc::default(),
                    statistics: RevisionStatistics::new(self.threads),
                    ready,
                    concurrency: configuration.concurrency,
                    protocol: configuration.protocol,
                };
                state.revisions.insert(name.clone(), Arc::new(revision));
            }
        }
    }

    fn find_or_new(&self, name: &str) -> Arc<Service> {
        let mut services = lock(&self.services);
        let new = || Service::new(name, State::new(Run(self.run.as_u128())));
        Arc::clone(services.entry(name.to_owned()).or_insert_with(new))
    }
}

/// Opens the wires of all that may get traffic. False if the canary in force has tripped and nobody has been told.
fn arm(state: &State, plan: &Plan, count: Count, now: Duration) -> bool {
    let canary = plan.canary.as_ref();
    // Each once: a wire that is armed for a step begins to count it.
    let receivers: BTreeSet<&str> = plan
        .receivers()
        .chain(canary.map(|canary| canary.revision.as_str()))
        .collect();
    for name in receivers {
        let Some(revision) = state.revisions.get(name) else {
            continue;
        };
        let trial = canary.filter(|canary| canary.revision == name);
        let is_latched = state.latched.contains_key(name);
        if is_latched && plan.percent(name) == 0 {
            // On trial without traffic: the latch holds, and so does the wire.
            continue;
        }
        let is_untold = state.control.standing() != Standing::Tripped
            && state
                .control
                .canary()
                .is_some_and(|held| held.revision == name);
        if is_latched || (revision.wire.has_tripped() && !is_untold) {
            revision.wire.acknowledge();
        }
        let armed = match trial {
            Some(canary) => (revision.wire)
                .arm_step(canary.limit(), count, now)
                .map(|_| ()),
            None => revision.wire.arm(None),
        };
        if armed.is_err() {
            return false;
        }
    }
    true
}

/// The latches that remain under a configuration.
fn released(state: &State, configuration: &ServiceConfiguration) -> BTreeMap<String, Trip> {
    let plan = plan_of(configuration);
    let receivers: Vec<&str> = plan.receivers().collect();
    let latched = state
        .latched
        .iter()
        .filter(|(revision, _)| !receivers.contains(&revision.as_str()));
    latched
        .map(|(revision, trip)| (revision.clone(), trip.clone()))
        .collect()
}

/// What runs already stays as it is; what is new is added.
fn union(
    old: &[RevisionConfiguration],
    new: &[RevisionConfiguration],
) -> Vec<RevisionConfiguration> {
    let added = new
        .iter()
        .filter(|revision| !old.iter().any(|other| other.name == revision.name));
    old.iter().chain(added).cloned().collect()
}

fn judged(trip: &Trip) -> barq_judge::Trip {
    barq_judge::Trip {
        number: trip.number,
        revision: trip.revision.clone(),
        generation: trip.generation,
        step: trip.step,
        errors: trip.errors,
        in_flight: trip.in_flight,
        // Steps count from 1: where there was none, nothing was on trial.
        to: (trip.recall.as_ref())
            .filter(|_| trip.step == 0)
            .map(|recall| recall.to.clone()),
    }
}

fn accepted(configuration: &ServiceConfiguration, switched: Duration, durable: bool) -> Accepted {
    Accepted {
        generation: configuration.generation,
        switched_us: u64::try_from(switched.as_micros()).unwrap_or(u64::MAX),
        durable,
    }
}

/// Revisions that the new plan gives nothing start no further request, and those that it does not name are forgotten.
fn close_without_traffic(
    state: &mut State,
    receivers: &[String],
    configuration: &ServiceConfiguration,
) {
    for (name, revision) in &state.revisions {
        if !receivers.contains(name)
            && Some(name) != state.control.canary().map(|canary| &canary.revision)
        {
            revision.wire.close();
        }
    }
    let names: Vec<&String> = configuration
        .revisions
        .iter()
        .map(|revision| &revision.name)
        .collect();
    state.revisions.retain(|name, _| names.contains(&name));
}
