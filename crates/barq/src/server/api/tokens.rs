//! Tokens: made, listed, revoked. A token is shown once and stored as a hash. Admins see all, everybody else their own.
//!
//! So that a repeated request gets the same token without it being stored, a token that is made under an idempotency key
//! is a code of that request under the server's own key.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use barq_core::Act;
use barq_core::command::Command;
use barq_core::event::Actor;
use barq_core::identity::person;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::access::{self, Caller};
use super::super::idempotency::{Answer, Done, Order};
use super::super::pages::{self, Parameters};
use super::super::problem::Problem;
use super::super::shapes::{NewToken, Page, TokenLine, TokenRequest, Whoami};
use super::super::{Server, Shared};

/// Which tokens.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TokensQuery {
    /// Items of a page; 50, at most 500.
    limit: Option<usize>,
    /// The `next` of the page before.
    before: Option<String>,
}

/// Makes a token: an admin for anybody (`alice`), everybody for themselves (`alice/laptop`, with at most their role).
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = TokenRequest, responses((status = 200, description = "The token, shown this once", body = NewToken)))]
pub(super) async fn create(
    State(server): State<Shared>,
    order: Order,
) -> Result<Response, Problem> {
    let request: TokenRequest = order.body()?;
    server
        .answer(&order, server.create_token(&order, request))
        .await
}

/// The tokens that are valid, by name: all for an admin, else one's own.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", params(TokensQuery), responses((status = 200, description = "A page", body = Page<TokenLine>)))]
pub(super) async fn list(
    State(server): State<Shared>,
    Caller(actor): Caller,
    Parameters(query): Parameters<TokensQuery>,
) -> Result<Json<Page<TokenLine>>, Problem> {
    let all = server.tokens_seen_by(&actor);
    let before = query.before.as_deref();
    Ok(Json(pages::by_name(
        all,
        |it| &it.name,
        before,
        query.limit,
    )))
}

/// Ends a token; a person's with all that the person has made.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", tag = "tokens", params(("name" = String, Path, description = "The token's name")), responses((status = 204, description = "It is no longer valid")))]
pub(super) async fn revoke(
    State(server): State<Shared>,
    Path(name): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    let work = async {
        let command = Command::RevokeToken { name };
        server.carry_out(&order, command, Timestamp::now()).await?;
        Ok(Answer::empty())
    };
    server.answer(&order, work).await
}

/// The one who asks.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "tokens", responses((status = 200, description = "Name and role", body = Whoami)))]
pub(super) async fn whoami(Caller(actor): Caller) -> Json<Whoami> {
    Json(Whoami {
        name: actor.name,
        role: actor.role.to_string(),
    })
}

impl Server {
    /// The tokens that somebody may know of, by name.
    pub(in super::super) fn tokens_seen_by(&self, actor: &Actor) -> Vec<TokenLine> {
        let view = self.engine.view();
        let all = actor.role >= Act::Administer.needs();
        let tokens = view.state.tokens.iter();
        tokens
            .filter(|(name, _)| all || person(name) == person(&actor.name))
            .filter_map(|(name, token)| {
                Some(TokenLine {
                    name: name.clone(),
                    role: view.state.role(name)?.to_string(),
                    created_at: token.created_at,
                })
            })
            .collect()
    }

    async fn create_token(&self, order: &Order, request: TokenRequest) -> Result<Answer, Problem> {
        Answer::json(&self.new_token(order, request).await?)
    }

    /// Makes a token, to be shown this once.
    pub(in super::super) async fn new_token(
        &self,
        order: &Order,
        request: TokenRequest,
    ) -> Result<NewToken, Problem> {
        let now = Timestamp::now();
        // To the microsecond, as the journal keeps it: a repeated request must find the same.
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let token = self.token(order, &request.name, now)?;
        let command = Command::CreateToken {
            name: request.name.clone(),
            role: request.role,
            hash: access::hash(&token),
        };
        let done = self.carry_out(order, command, now).await?;
        let created_at = done.given_at(now);
        let token = match done {
            Done::Now(_) => token,
            Done::Before(_) => self.token(order, &request.name, created_at)?,
        };
        Ok(NewToken {
            name: request.name,
            role: request.role.to_string(),
            token,
            created_at,
        })
    }

    fn token(&self, order: &Order, name: &str, at: Timestamp) -> Result<String, Problem> {
        let secret = match order.key() {
            Some(key) => {
                let request = [
                    &order.actor.name,
                    key,
                    name,
                    &at.as_microsecond().to_string(),
                ];
                self.key.code("token", &request.join("\0"))
            }
            None => {
                let mut secret = [0; 32];
                getrandom::fill(&mut secret)
                    .map_err(|error| Problem::internal("no randomness", &error))?;
                secret
            }
        };
        Ok(access::token(&secret))
    }
}
