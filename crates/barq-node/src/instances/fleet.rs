//! The instances of one revision: how many there are, which begin and which leave.
//!
//! One task for each revision compares what is wanted with what there is, whenever one of them changes. It never touches a
//! process: it hires members and tells them to leave, and they see to the rest. It must not know traffic shares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::autoscaler::{Autoscaler, SAMPLE_PERIOD};
use super::member::{Member, Order};
use super::node::Node;
use super::revision::{Configured, Revision, Shown, Wanted};
use crate::api::InstanceState;

/// One revision's instances.
pub(super) struct Fleet {
    node: Arc<Node>,
    revision: Arc<Revision>,
    scaler: Option<Autoscaler>,
    /// What was found by adoption, whether it still runs or not: the size to begin with.
    found: u32,
    members: BTreeMap<String, Hired>,
    tasks: JoinSet<()>,
}

/// Why nobody sees to a revision any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is not wanted, and nothing of it runs.
    Gone,
    /// The next node sees to it; what runs goes on.
    Left,
}

struct Hired {
    orders: watch::Sender<Order>,
    task: AbortHandle,
}

impl Hired {
    fn leaves(&self) -> bool {
        *self.orders.borrow() == Order::Leave
    }
}

impl Fleet {
    /// A fleet without members.
    pub(super) fn new(node: Arc<Node>, revision: Arc<Revision>) -> Self {
        Self {
            node,
            revision,
            scaler: None,
            found: 0,
            members: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// The revision.
    pub(super) fn revision(&self) -> &Arc<Revision> {
        &self.revision
    }

    /// Counts an instance that was found and no longer runs.
    pub(super) fn count_found(&mut self) {
        self.found += 1;
    }

    /// Takes in a member that was built with the receiving end of `orders`.
    pub(super) fn adopt(&mut self, id: String, member: Member, orders: watch::Sender<Order>) {
        self.found += 1;
        self.take_in(id, member, orders);
    }

    /// Sees to the revision until it is gone: no longer wanted, and nothing of it runs. Can go on if it is wanted again.
    /// Once the node is left, it waits until each member has come to a point at which it can be adopted.
    pub(super) async fn run(&mut self) -> End {
        let node = Arc::clone(&self.node);
        let mut wanted = self.revision.wanted.subscribe();
        let mut ticks = tokio::time::interval(SAMPLE_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let now_wanted = wanted.borrow_and_update().clone();
            self.reconcile(&now_wanted, Instant::now());
            if self.members.is_empty() && matches!(now_wanted, Wanted::Gone) {
                return End::Gone;
            }
            let samples = matches!(&now_wanted, Wanted::Run(configured) if configured.configuration.instances.max > 0);
            tokio::select! {
                () = node.left() => {
                    while self.tasks.join_next().await.is_some() {}
                    return End::Left;
                }
                // The sender is a field of the revision, which is held here.
                changed = wanted.changed() => if changed.is_err() { return End::Gone },
                Some(ended) = self.tasks.join_next() => self.clear(ended),
                _ = ticks.tick(), if samples => self.sample(),
                () = self.revision.ready_set.woken() => self.sample(),
            }
        }
    }

    fn reconcile(&mut self, wanted: &Wanted, now: Instant) {
        match wanted {
            Wanted::Unknown => {}
            Wanted::Run(configured) => self.size(configured, now),
            Wanted::Gone => {
                self.revision.set_desired(0);
                for hired in self.members.values() {
                    dismiss(hired);
                }
            }
        }
    }

    fn size(&mut self, configured: &Arc<Configured>, now: Instant) {
        let (range, concurrency) = (
            configured.configuration.instances,
            configured.configuration.concurrency,
        );
        // A new revision begins with one instance even if it may have none: its start is to be seen.
        let begin = range.min.max(1).max(self.found);
        let scaler = self
            .scaler
            .get_or_insert_with(|| Autoscaler::new(begin, now));
        let desired = scaler.decide(concurrency, range, now);
        self.revision.set_desired(desired);
        let shown = self.revision.shown();
        let (current, stale): (Vec<&Shown>, Vec<&Shown>) = shown
            .iter()
            .filter(|shown| {
                self.members
                    .get(&shown.observation.id)
                    .is_some_and(|hired| !hired.leaves())
            })
            .partition(|shown| shown.fingerprint == configured.fingerprint);
        let present = u32::try_from(current.len()).unwrap_or(u32::MAX);
        let ready = current
            .iter()
            .filter(|shown| shown.observation.state == InstanceState::Ready)
            .count();
        if ready >= desired as usize {
            // What runs something else goes once what replaces it can serve.
            self.dismiss(&stale);
        }
        self.dismiss(&leaving(
            current,
            surplus(
                present,
                desired,
                range.max,
                self.members.values().any(Hired::leaves),
            ),
        ));
        for _ in present..desired {
            self.hire(configured);
        }
    }

    fn hire(&mut self, configured: &Configured) {
        let id = new_id();
        let (orders, receiver) = watch::channel(Order::Stay);
        let member = Member::new(
            Arc::clone(&self.node),
            Arc::clone(&self.revision),
            configured,
            id.clone(),
            receiver,
        );
        member.show();
        self.take_in(id, member, orders);
    }

    fn take_in(&mut self, id: String, member: Member, orders: watch::Sender<Order>) {
        let task = self.tasks.spawn(member.live());
        self.members.insert(id, Hired { orders, task });
    }

    fn dismiss(&self, shown: &[&Shown]) {
        for hired in shown
            .iter()
            .filter_map(|shown| self.members.get(&shown.observation.id))
        {
            dismiss(hired);
        }
    }

    fn clear(&mut self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            tracing::error!(revision = self.revision.name, %error, "the driver of an instance failed");
        }
        let ended: Vec<String> = self
            .members
            .iter()
            .filter(|(_, hired)| hired.task.is_finished())
            .map(|(id, _)| id.clone())
            .collect();
        for id in ended {
            self.members.remove(&id);
            self.revision.hide(&id);
        }
    }

    fn sample(&mut self) {
        if let Some(scaler) = &mut self.scaler {
            scaler.sample(self.revision.ready_set.load(), Instant::now());
        }
    }
}

/// How many leave now: all beyond the maximum at once, those that only the load does not need one at a time.
fn surplus(present: u32, desired: u32, max: u32, one_leaves: bool) -> usize {
    let beyond = present.saturating_sub(max);
    let idle = u32::from(present > desired && !one_leaves);
    beyond.max(idle) as usize
}

/// Those that are missed least: first what does not serve, then the youngest.
fn leaving(mut shown: Vec<&Shown>, count: usize) -> Vec<&Shown> {
    shown.sort_by_key(|shown| {
        let rank = match shown.observation.state {
            InstanceState::Draining => 0,
            InstanceState::BackingOff => 1,
            InstanceState::Starting => 2,
            InstanceState::NotReady => 3,
            InstanceState::Ready => 4,
        };
        (rank, std::cmp::Reverse(shown.observation.started_at))
    });
    shown.truncate(count);
    shown
}

fn dismiss(hired: &Hired) {
    hired
        .orders
        .send_if_modified(|order| std::mem::replace(order, Order::Leave) != Order::Leave);
}

/// Short, since people read it; random, since it is unique in the service's life.
fn new_id() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    id[..12].to_owned()
}

#[cfg(test)]
mod tests;
