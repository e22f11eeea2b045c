//! The answers to the authority's questions, while they are asked: looked up by every thread of the proxy, without a lock.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Answers by token.
#[derive(Debug, Clone, Default)]
pub struct Challenges(Arc<ArcSwap<HashMap<String, Arc<str>>>>);

/// An answer that is given until this is dropped.
pub(super) struct Posted {
    challenges: Challenges,
    token: String,
}

impl Challenges {
    /// The body of the answer to `GET /.well-known/acme-challenge/{token}` (`application/octet-stream`), on any host.
    pub fn answer(&self, token: &str) -> Option<Arc<str>> {
        self.0.load().get(token).map(Arc::clone)
    }

    /// Whether nobody is asked for anything.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }

    pub(super) fn post(&self, token: &str, key_authorization: &str) -> Posted {
        let answer: Arc<str> = Arc::from(key_authorization);
        self.0.rcu(|answers| {
            let mut answers = HashMap::clone(answers);
            answers.insert(token.to_owned(), Arc::clone(&answer));
            answers
        });
        Posted {
            challenges: self.clone(),
            token: token.to_owned(),
        }
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        self.challenges.0.rcu(|answers| {
            let mut answers = HashMap::clone(answers);
            answers.remove(&self.token);
            answers
        });
    }
}
