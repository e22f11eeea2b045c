//! Links that sign a browser in, so that nobody copies a token. Whoever has a token may ask for one for that token alone.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;

use super::super::Shared;
use super::super::idempotency::Order;
use super::super::problem::Problem;
use super::super::shapes::{Nothing, SignInLink};

/// Makes a link that signs a browser in once, within two minutes, as the one who asks.
#[utoipa::path(post, path = "/api/v1/sign-in-links", tag = "tokens", request_body = Nothing, responses((status = 200, description = "The link", body = SignInLink)))]
pub(super) async fn create(
    State(server): State<Shared>,
    order: Order,
) -> Result<Json<SignInLink>, Problem> {
    let Nothing {} = order.body()?;
    let link = server.sign_in_link(&order.actor.name, Timestamp::now())?;
    Ok(Json(SignInLink {
        url: format!("{}/sign-in/{}", server.url, link.text),
        expires_at: link.expires_at,
    }))
}
