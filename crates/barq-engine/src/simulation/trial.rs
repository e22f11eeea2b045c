//! Troubles while a canary is on trial. Most canaries come when the general troubles are over and something serves, so they
//! have some of their own: both sides crash, disks fill, people pause, words are lost.

use barq_core::command::Command;
use barq_core::configuration::Role;
use barq_core::event::Actor;

use super::World;
use super::check::Problem;

/// Moments of trials that are troubled, in one run.
const TRIAL_MOMENTS_MAX: u32 = 40;
/// The longest time that the node's disk stays full, in moments: several plans are made in it.
const FULL_MOMENTS_MAX: u64 = 80;

/// What is left of it.
pub(super) struct Troubles {
    trial_moments: u32,
    full_moments: u64,
}

impl Default for Troubles {
    fn default() -> Self {
        Self {
            trial_moments: TRIAL_MOMENTS_MAX,
            full_moments: 0,
        }
    }
}

impl World {
    /// Whether this is such a moment, and its trouble.
    pub(super) fn trouble_trial(&mut self) -> Result<bool, Problem> {
        if self.troubles.trial_moments == 0 || !self.node.has_trial() {
            return Ok(false);
        }
        self.troubles.trial_moments -= 1;
        match self.random.below(24) {
            0 => self.crash_server(),
            1 => self.crash_node()?,
            2 => self.troubles.full_moments = self.random.below(FULL_MOMENTS_MAX),
            3 => self.node.disk_fails = true,
            4 => self.server.storage_fails = true,
            5 | 6 => self.pause()?,
            7..12 => (self.server.storage_fails, self.node.disk_fails) = (false, false),
            _ => {}
        }
        Ok(true)
    }

    /// A disk that is full stays so for a while, and the node may die of it.
    pub(super) fn full_disk(&mut self) -> Result<(), Problem> {
        if self.troubles.full_moments > 0 {
            self.troubles.full_moments -= 1;
            self.node.disk_fails = true;
            if self.random.one_in(24) {
                self.crash_node()?;
            }
        }
        Ok(())
    }

    fn pause(&mut self) -> Result<(), Problem> {
        let operator = Actor {
            name: "operator".to_owned(),
            role: Role::Operator,
        };
        let state = self.server.machine.state();
        let running = state.rollouts.values().find(|it| it.moved && !it.ended());
        let Some(rollout) = running.map(|it| it.id.clone()) else {
            return Ok(());
        };
        self.command(&operator, Command::Pause(rollout))
    }
}
