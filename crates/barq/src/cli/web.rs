//! `barq web`: a link that signs a browser in, so that nobody copies a token.

use serde_json::json;

use super::Context;
use crate::client::Client;
use crate::client::types::SignInLink;
use crate::output::{Exit, Failure};

/// `barq web`.
pub(super) async fn web(context: &Context) -> Result<Exit, Failure> {
    let link = link(&context.client()?).await?;
    // The link alone on standard output: it can be handed to what opens it.
    context.output.result(&link, || link.url.clone());
    if context.output.interactive() {
        context
            .output
            .note("(open it within two minutes; it signs one browser in, once)");
    }
    Ok(Exit::Done)
}

/// A link to the server as it was reached from here: it may know itself by another address.
pub(crate) async fn link(client: &Client) -> Result<SignInLink, Failure> {
    let path = ["api", "v1", "sign-in-links"];
    let link: SignInLink = client.post(&path, &json!({})).await?;
    let url = client.page(&link.url)?;
    Ok(SignInLink { url, ..link })
}
