//! Who asks: a token's owner. Only hashes are known here, and they are compared in constant time.

use axum::extract::FromRequestParts;
use barq_core::configuration::Role;
use barq_core::event::Actor;
use http::header::AUTHORIZATION;
use http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::problem::Problem;
use super::{Server, Shared};

/// How a token begins, so that it is found where it leaked.
const TOKEN_PREFIX: &str = "barq_";
/// Longer ones are none of ours.
const TOKEN_BYTES_MAX: usize = 256;

/// The one who asks.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) Actor);

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Shared) -> Result<Self, Problem> {
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .ok_or_else(|| Problem::unauthorized("no token was given"))?;
        let token = header
            .to_str()
            .ok()
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| Problem::unauthorized("the authorization is not `Bearer TOKEN`"))?;
        server
            .owner(token)
            .map(Self)
            .ok_or_else(|| Problem::unauthorized("nobody has this token"))
    }
}

impl Server {
    /// Whose token it is. Every hash is compared, so that the time tells nothing.
    pub(super) fn owner(&self, token: &str) -> Option<Actor> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let hash = hash(token);
        let view = self.engine.view();
        let mut owner = None;
        for (name, known) in &view.state.tokens {
            if bool::from(known.hash.as_bytes().ct_eq(hash.as_bytes())) {
                owner = view.state.role(name).map(|role| Actor {
                    name: name.clone(),
                    role,
                });
            }
        }
        owner
    }

    /// What a token's owner may do; the least where the token is gone by now.
    pub(super) fn actor(&self, name: &str) -> Actor {
        let view = self.engine.view();
        Actor {
            name: name.to_owned(),
            role: view.state.role(name).unwrap_or(Role::Developer),
        }
    }
}

/// What is stored of a token.
pub(super) fn hash(token: &str) -> String {
    hexadecimal(&Sha256::digest(token.as_bytes()))
}

/// A token of 256 bits.
pub(super) fn token(secret: &[u8; 32]) -> String {
    format!("{TOKEN_PREFIX}{}", hexadecimal(secret))
}

/// Two digits a byte.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
