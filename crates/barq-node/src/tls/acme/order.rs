//! One order at an authority, from the wish to the certificate (RFC 8555 section 7.1).
//!
//! The authority's own words about a validation that failed are in the challenge, not in the order: they are fetched,
//! since they are what tells an operator what to do.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};

use super::challenges::{Challenges, Posted};
use super::store::StoreError;
use crate::tls::redirect::CHALLENGE_PATH;

/// How the authority is asked whether it is done: after a quarter of a second, then half as long again each time.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(90));
/// The authority does not know our account (RFC 8555 section 6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why an order came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    /// The authority could not be asked, or refused.
    #[error("{what}")]
    Asking { what: &'static str, source: Error },
    /// It could not validate the host.
    #[error(
        "it could not fetch the proof ({detail}): {host} must lead to this node, so that http://{host}{CHALLENGE_PATH} from the internet reaches its port for plain HTTP"
    )]
    Validation { host: String, detail: String },
    /// It offers no HTTP-01.
    #[error("it does not offer to validate by HTTP (http-01)")]
    NoHttp,
    /// It took longer than the longest order.
    #[error("the order took too long")]
    TimedOut,
    /// It signed something else.
    #[error("the certificate that it gave is for another host")]
    OtherHost,
    /// What it gave, or the account, can't be kept.
    #[error("the disk")]
    Store(#[source] StoreError),
}

impl OrderError {
    /// For `map_err`.
    pub(super) fn asking(what: &'static str) -> impl Fn(Error) -> Self {
        move |source| Self::Asking { what, source }
    }

    /// Whether another account is needed.
    pub(super) fn is_of_account(&self) -> bool {
        match self {
            Self::Asking {
                source: Error::Api(problem),
                ..
            } => problem.r#type.as_deref() == Some(NO_ACCOUNT),
            _ => false,
        }
    }
}

/// Gets a certificate for one host: its key, then its chain, PEM.
pub(super) async fn get(
    account: &Account,
    host: &str,
    challenges: &Challenges,
) -> Result<String, OrderError> {
    let hosts = [Identifier::Dns(host.to_owned())];
    let order = account.new_order(&NewOrder::new(&hosts)).await;
    let mut order = order.map_err(OrderError::asking("the order was refused"))?;
    // Given until the order is over.
    let _posted = prove(&mut order, challenges).await?;
    let ready = order.poll_ready(&POLLS).await;
    if !matches!(ready, Ok(OrderStatus::Ready)) {
        return Err(refused(&mut order, host, ready.err()).await);
    }
    let finalized = order.finalize().await;
    let key = finalized.map_err(OrderError::asking("it did not take the key"))?;
    let chain = order.poll_certificate(&POLLS).await;
    let chain = chain.map_err(OrderError::asking("it gave no certificate"))?;
    Ok(format!("{key}\n{chain}"))
}

/// Posts the proofs, and tells the authority to look.
async fn prove(order: &mut Order, challenges: &Challenges) -> Result<Vec<Posted>, OrderError> {
    let asking = OrderError::asking;
    let mut posted = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(asking("it does not say what to prove"))?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let challenge = authorization.challenge(ChallengeType::Http01);
        let mut challenge = challenge.ok_or(OrderError::NoHttp)?;
        let answer = challenge.key_authorization();
        posted.push(challenges.post(&challenge.token, answer.as_str()));
        challenge
            .set_ready()
            .await
            .map_err(asking("it does not look at the proof"))?;
    }
    Ok(posted)
}

/// The authority's own words, if it has any.
async fn refused(order: &mut Order, host: &str, error: Option<Error>) -> OrderError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        let told = state
            .challenges
            .iter()
            .find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = told {
            return OrderError::Validation {
                host: host.to_owned(),
                detail: problem
                    .detail
                    .clone()
                    .unwrap_or_else(|| problem.to_string()),
            };
        }
    }
    OrderError::Asking {
        what: "the order came to nothing",
        source: error.unwrap_or(Error::Str("a reason")),
    }
}
