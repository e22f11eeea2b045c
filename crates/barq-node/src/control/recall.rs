//! A recall: somebody's word takes a revision's traffic back, as a trip does, when the server can't write it down.
//!
//! The traffic moves in memory first and is written after, so a full disk does not hold it up; the trip that it is told as
//! latches the revision and outlives the server that asked. What `kill -9` does: before the file is written the node starts
//! again with what was in force before (a canary at 0 % in any case), and whoever gave the word must give it again.

use std::sync::Arc;
use std::time::Instant;

use barq_judge::RecallRefusal;

use super::Services;
use super::leave::HANDING_OVER;
use super::service::{Service, State};
use super::trip::Occasion;
use crate::api::{Recall, Recalled, Refusal, Trip};
use crate::proxy::Revision;

impl Services {
    /// Takes the traffic back; when it returns, no later request starts on the revision.
    ///
    /// # Errors
    /// When it would be no way back, or nobody is there to take over; nothing has changed then.
    pub(crate) async fn recall(&self, service: &str, recall: Recall) -> Result<Recalled, Refusal> {
        let arrived = Instant::now();
        let service = self
            .find(service)
            .ok_or_else(|| refuse(format!("the service {service} is not known")))?;
        let (trip, is_new) = self.recall_in_memory(&service, recall, arrived)?;
        let durable = match is_new {
            true => self.write_configuration(&service).await,
            false => service.lock().durable,
        };
        Ok(Recalled { trip, durable })
    }

    /// The trip, and whether it came about now.
    fn recall_in_memory(
        &self,
        service: &Arc<Service>,
        recall: Recall,
        arrived: Instant,
    ) -> Result<(Trip, bool), Refusal> {
        let mut state = service.lock();
        if self.is_frozen() {
            return Err(refuse(HANDING_OVER.to_owned()));
        }
        // A trip that this instant is on its way to the lock comes first.
        self.absorb_trip(service, &mut state);
        let from = known(&state, &recall.revision)?;
        let to = known(&state, &recall.to)?;
        let is_on_trial = state.control.canary().is_some();
        let serves = |name: &str| state.control.shares().iter().any(|it| it.revision == name);
        if !is_on_trial && !serves(&to.name) && to.ready.endpoints().is_empty() {
            let why = format!("no instance of {} is ready to take over", to.name);
            return Err(refuse(why));
        }
        let errors = from.wire.errors(self.now());
        let recalled = state
            .control
            .recall(&from.name, &to.name, errors, from.wire.in_flight());
        let judged = match recalled.map_err(|refusal: RecallRefusal| refuse(refusal.to_string()))? {
            barq_judge::Recalled::Now(trip) => trip,
            barq_judge::Recalled::Before => {
                let told = state.last_trip.clone();
                return told
                    .map(|trip| (trip, false))
                    .ok_or_else(|| refuse("the trip that took it back is forgotten".to_owned()));
            }
        };
        // Whoever takes over is open before the table leads there; at no instant does it lead to a closed door.
        if to.wire.arm(None).is_err() {
            tracing::error!(revision = to.name, "a revision that tripped takes over");
        }
        self.publish(service, &state);
        from.wire.close();
        let occasion = Occasion {
            since: arrived,
            recall: Some(Box::new(recall)),
        };
        Ok((self.remember(service, &mut state, judged, occasion), true))
    }
}

fn known(state: &State, name: &str) -> Result<Arc<Revision>, Refusal> {
    let revision = state.revisions.get(name).cloned();
    revision.ok_or_else(|| refuse(format!("the revision {name} is not known")))
}

fn refuse(why: String) -> Refusal {
    Refusal::Recall { why }
}
