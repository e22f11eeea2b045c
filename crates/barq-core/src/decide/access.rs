//! Who may make and revoke tokens: admins. Only the hash of a token is known here, never the token itself.

use super::Draft;
use crate::command::Rejection;
use crate::configuration::Role;
use crate::event::{AccessEvent, Event};

/// The longest name of a token, in characters.
const TOKEN_NAME_CHARACTERS_MAX: usize = 100;

impl Draft<'_> {
    pub(super) fn create_token(
        &mut self,
        name: String,
        role: Role,
        hash: String,
    ) -> Result<(), Rejection> {
        self.require(Role::Admin, || format!("create the token {name}"))?;
        let conflict = |why: &str| Rejection::Conflict {
            what: format!("the token {name:?} can't be created"),
            why: why.to_owned(),
        };
        if name.trim().is_empty() || name.chars().count() > TOKEN_NAME_CHARACTERS_MAX {
            return Err(conflict("its name needs 1 to 100 characters"));
        }
        if self.state.tokens.contains_key(&name) {
            return Err(conflict("the name is taken; revoke the old one first"));
        }
        self.by_actor(Event::Access(AccessEvent::TokenCreated {
            name,
            role,
            hash,
        }));
        Ok(())
    }

    pub(super) fn revoke_token(&mut self, name: String) -> Result<(), Rejection> {
        self.require(Role::Admin, || format!("revoke the token {name}"))?;
        if !self.state.tokens.contains_key(&name) {
            return Err(Rejection::Unknown {
                what: "token",
                name,
            });
        }
        self.by_actor(Event::Access(AccessEvent::TokenRevoked { name }));
        Ok(())
    }
}
