//! What the roles are for. An approval's role is not among them: each environment names its own.

use crate::configuration::Role;

/// A kind of act that needs a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Push, and start a commit again.
    Push,
    /// Pause, resume, promote, abort, roll back, lock and unlock.
    Steer,
    /// Let a quarantined release pass.
    Force,
    /// Make and revoke everybody's tokens, and back up.
    Administer,
}

impl Act {
    /// All of them, by what they need.
    pub const ALL: [Self; 4] = [Self::Push, Self::Steer, Self::Force, Self::Administer];

    /// The least role that may.
    pub const fn needs(self) -> Role {
        match self {
            Self::Push => Role::Developer,
            Self::Steer | Self::Force => Role::Operator,
            Self::Administer => Role::Admin,
        }
    }
}
