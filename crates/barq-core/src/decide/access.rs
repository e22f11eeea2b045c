//! Who may make and revoke tokens: admins any, and everybody their own. Only the hash of a token is known here, never the
//! token itself.
//!
//! A name is a person's (`alice`) or that of a person's own token (`alice/laptop`). Only the token `alice` makes tokens of
//! alice, so that nobody, not even an admin, acts in her name unseen, and a token that has leaked makes no further ones.
//! They may no more than `alice`, and end with it: whoever gets the name after her begins with nothing of hers.

use super::{Act, Draft};
use crate::command::Rejection;
use crate::configuration::Role;
use crate::event::{AccessEvent, Actor, Event};
use crate::identity::{OWN_TOKEN_MARK, person};

/// The longest name of a token, in characters, and the longest part after a person's name.
const TOKEN_NAME_CHARACTERS_MAX: usize = 100;
/// Tokens that a person has beside the one that makes them.
const OWN_TOKENS_MAX: usize = 20;
/// What a name may hold beside letters and digits of ASCII: names that look the same are the same.
const TOKEN_NAME_MARKS: &str = "._-@+";

impl Draft<'_> {
    pub(super) fn create_token(
        &mut self,
        name: String,
        role: Role,
        hash: String,
    ) -> Result<(), Rejection> {
        match name.split_once(OWN_TOKEN_MARK) {
            None => self.may_create_person(&name)?,
            Some((owner, own)) => self.may_create_own(&name, owner, own, role)?,
        }
        if self.state.tokens.contains_key(&name) {
            let why = "the name is taken; revoke the old one first";
            return Err(cannot_create(&name, why));
        }
        self.by_actor(Event::Access(AccessEvent::TokenCreated {
            name,
            role,
            hash,
        }));
        Ok(())
    }

    fn may_create_person(&self, name: &str) -> Result<(), Rejection> {
        self.require(Act::Administer.needs(), || {
            format!("create the token {name}")
        })?;
        check_name(name, name)?;
        if name == Actor::barq().name {
            let why = "the journal names barq itself so";
            return Err(cannot_create(name, why));
        }
        // They would be taken for this person's.
        if let Some(left) = self.state.own_tokens(name).next() {
            let why = format!("the token {left} is of another {name}; revoke it first");
            return Err(cannot_create(name, why));
        }
        Ok(())
    }

    fn may_create_own(
        &self,
        name: &str,
        owner: &str,
        own: &str,
        role: Role,
    ) -> Result<(), Rejection> {
        let actor = self.context.actor;
        let what = || format!("create the token {name}");
        if actor.name != owner {
            return Err(Rejection::NotOwner {
                actor: actor.name.clone(),
                what: what(),
                owner: owner.to_owned(),
            });
        }
        check_name(name, own)?;
        // The owner's token may have been revoked since it was asked for.
        let Some(owners) = self.state.role(owner) else {
            let why = format!("the token {owner} was revoked");
            return Err(cannot_create(name, why));
        };
        if role > owners.min(actor.role) {
            return Err(Rejection::NotAllowed {
                actor: actor.to_string(),
                what: format!("{} with the role {role}", what()),
                needs: role,
            });
        }
        if self.state.own_tokens(owner).count() >= OWN_TOKENS_MAX {
            let why = format!("{owner} has {OWN_TOKENS_MAX} own tokens; revoke one first");
            return Err(cannot_create(name, why));
        }
        Ok(())
    }

    /// A person's token ends with all of the person's own.
    pub(super) fn revoke_token(&mut self, name: String) -> Result<(), Rejection> {
        let actor = &self.context.actor.name;
        let own = *actor == name || actor == person(&name);
        if !own {
            self.require(Act::Administer.needs(), || {
                format!("revoke the token {name}")
            })?;
        }
        if !self.state.tokens.contains_key(&name) {
            return Err(Rejection::Unknown {
                what: "token",
                name,
            });
        }
        let ends: Vec<String> = self.state.own_tokens(&name).cloned().collect();
        for name in ends.into_iter().chain([name]) {
            self.by_actor(Event::Access(AccessEvent::TokenRevoked { name }));
        }
        Ok(())
    }
}

/// Checks the last part of a name.
fn check_name(name: &str, part: &str) -> Result<(), Rejection> {
    let known = |it: char| it.is_ascii_alphanumeric() || TOKEN_NAME_MARKS.contains(it);
    let begins_well = part.starts_with(|it: char| it.is_ascii_alphanumeric());
    if begins_well && part.len() <= TOKEN_NAME_CHARACTERS_MAX && part.chars().all(known) {
        return Ok(());
    }
    let why = format!(
        "a name is 1 to {TOKEN_NAME_CHARACTERS_MAX} letters, digits and {TOKEN_NAME_MARKS}, and begins with a letter or digit; \
         OWNER/NAME is a token of one's own"
    );
    Err(cannot_create(name, why))
}

fn cannot_create(name: &str, why: impl Into<String>) -> Rejection {
    let name: String = name.chars().take(2 * TOKEN_NAME_CHARACTERS_MAX).collect();
    Rejection::Conflict {
        what: format!("the token {name:?} can't be created"),
        why: why.into(),
    }
}
