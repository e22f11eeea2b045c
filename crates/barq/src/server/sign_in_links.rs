//! Links that sign a browser in once, so that nobody copies tokens about: made for who has the token, good for two minutes.
//!
//! A link is a code that only this server can make, of the token's name and hash: with the token revoked, or made again,
//! it is worth nothing. Which ones were used is kept in memory alone, so a link also names the process that made it, and
//! ends with that: none can be used twice.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use barq_core::event::Actor;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;

use super::Server;
use super::problem::Problem;

/// How long a link is good.
const LIFETIME: Duration = Duration::from_secs(120);
/// What the codes of links are made for.
const PURPOSE: &str = "sign-in link";
/// Links that were used and have not expired; no more are taken until some have.
const USED_MAX: usize = 10_000;
/// Longer ones are none of ours.
const LINK_BYTES_MAX: usize = 1024;
/// Random bytes of a link: enough that no two of two minutes are the same. It has to fit a line of a terminal.
const ID_BYTES: usize = 6;
/// Bytes of its code: 128 bits for what nobody can try two minutes long.
const CODE_BYTES: usize = 16;
/// Random bytes of a process.
const PROCESS_BYTES: usize = 16;

/// What the process knows of its links.
pub(super) struct SignInLinks {
    /// Names the process.
    process: String,
    /// The ids of those that were used, and when they expire, in seconds.
    used: Mutex<HashMap<String, i64>>,
}

/// A link that was made.
pub(super) struct SignInLink {
    /// What stands in the address.
    pub(super) text: String,
    /// Until when it is good.
    pub(super) expires_at: Timestamp,
}

/// A link that is good now.
#[derive(Debug)]
pub(super) struct GoodLink {
    /// Whom it signs in.
    pub(super) actor: Actor,
    id: String,
    ends: i64,
}

impl SignInLinks {
    /// No link was made yet.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self {
            process: random::<PROCESS_BYTES>()?,
            used: Mutex::default(),
        })
    }

    /// Marks a link as used; whether it was not before.
    fn use_up(&self, link: &GoodLink, now: Timestamp) -> bool {
        // Nothing is done under the lock that could leave it half changed.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, ends| *ends > now.as_second());
        used.len() < USED_MAX && used.insert(link.id.clone(), link.ends).is_none()
    }

    fn was_used(&self, id: &str) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.contains_key(id)
    }
}

impl Server {
    /// A link that signs a token's owner in.
    pub(super) fn sign_in_link(&self, name: &str, now: Timestamp) -> Result<SignInLink, Problem> {
        let id =
            random::<ID_BYTES>().map_err(|error| Problem::internal("no randomness", &error))?;
        let ends = now.as_second() + i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX);
        let code = self
            .link_code(name, ends, &id)
            .ok_or_else(|| Problem::unknown("token", name))?;
        Ok(SignInLink {
            text: format!("{}.{ends:x}.{id}.{code}", BASE64.encode(name)),
            expires_at: Timestamp::from_second(ends).unwrap_or(now),
        })
    }

    /// Whom a link would sign in; none where it is not good (any more). It stays as good as it is.
    pub(super) fn good_link(&self, text: &str, now: Timestamp) -> Option<GoodLink> {
        if text.len() > LINK_BYTES_MAX {
            return None;
        }
        let mut parts = text.splitn(4, '.');
        let name = String::from_utf8(BASE64.decode(parts.next()?).ok()?).ok()?;
        let ends = i64::from_str_radix(parts.next()?, 16).ok()?;
        let id = parts.next()?;
        let code = self.link_code(&name, ends, id)?;
        let same = bool::from(code.as_bytes().ct_eq(parts.next()?.as_bytes()));
        let good = same && now.as_second() < ends && !self.links.was_used(id);
        good.then(|| GoodLink {
            actor: self.actor(&name),
            id: id.to_owned(),
            ends,
        })
    }

    /// Uses a link up: whom it signs in; none where it is not good any more. Of two at once, one is signed in.
    pub(super) fn use_link(&self, text: &str, now: Timestamp) -> Option<Actor> {
        let link = self.good_link(text, now)?;
        self.links.use_up(&link, now).then_some(link.actor)
    }

    /// The code of a link; none where there is no such token.
    fn link_code(&self, name: &str, ends: i64, id: &str) -> Option<String> {
        let view = self.engine.view();
        let hash = &view.state.tokens.get(name)?.hash;
        let process = &self.links.process;
        let text = format!("{name}\n{hash}\n{ends}\n{id}\n{process}");
        Some(BASE64.encode(&self.key.code(PURPOSE, &text)[..CODE_BYTES]))
    }
}

fn random<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64.encode(bytes))
}

#[cfg(test)]
mod tests {
    use barq_core::configuration::Role;

    use super::*;

    fn link(id: &str, ends: i64) -> GoodLink {
        GoodLink {
            actor: Actor {
                name: "alice".to_owned(),
                role: Role::Developer,
            },
            id: id.to_owned(),
            ends,
        }
    }

    #[test]
    fn a_link_is_used_once_and_forgotten_when_it_has_expired() {
        let links = SignInLinks::new().expect("randomness");
        let at = |second| Timestamp::from_second(second).expect("a time");
        assert!(links.use_up(&link("a", 120), at(0)));
        assert!(!links.use_up(&link("a", 120), at(60)));
        assert!(links.use_up(&link("b", 180), at(60)));
        assert!(links.was_used("a") && links.was_used("b"));
        assert!(links.use_up(&link("c", 300), at(200)));
        assert!(!links.was_used("a") && !links.was_used("b"));
    }
}
