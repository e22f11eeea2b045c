//! The first admin's token, in the data directory: who can read that is the owner of everything anyway.
//!
//! The file comes first and the journal after it: a start that is killed between the two goes on with the same token.

use anyhow::Context as _;
use barq_core::command::Command;
use barq_core::configuration::Role;
use barq_core::event::{AccessEvent, Actor, Event};
use barq_engine::journal::{EventFilter, PAGE_ITEMS_MAX};

use super::{Server, access};
use crate::data;

/// The name of the first token.
const NAME: &str = "admin";

/// Makes an admin's token where there is none.
pub(super) async fn ensure(server: &Server) -> anyhow::Result<()> {
    let path = server.data.admin_token();
    let view = server.engine.view();
    let mut names = view.state.tokens.keys();
    if names.any(|name| view.state.role(name) == Some(Role::Admin)) {
        return Ok(());
    }
    let left = std::fs::read_to_string(&path).unwrap_or_default();
    let left = left.trim();
    let whole = left.len() == access::token(&[0; 32]).len();
    let token = if whole && !was_made(server, &access::hash(left)).await? {
        left.to_owned()
    } else {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).context("cannot make a random token")?;
        let token = access::token(&secret);
        data::write_file(&path, format!("{token}\n").as_bytes(), data::FILE_MODE)?;
        token
    };
    let command = Command::CreateToken {
        name: NAME.to_owned(),
        role: Role::Admin,
        hash: access::hash(&token),
    };
    server
        .engine
        .command(Actor::barq(), command, None)
        .await
        .context("cannot make the first token")?;
    Ok(())
}

/// Whether the token of that hash was made before: then it has been revoked since, and must not come back.
async fn was_made(server: &Server, hash: &str) -> anyhow::Result<bool> {
    let journal = server.engine.journal();
    let filter = EventFilter {
        subject: Some(format!("token/{NAME}")),
        ..EventFilter::default()
    };
    let events = journal
        .read_newest(&filter, None, PAGE_ITEMS_MAX)
        .await
        .context("cannot read what became of the first token")?;
    for event in &events {
        let recorded = barq_engine::decode(event).context("cannot read the journal")?;
        if matches!(recorded.event, Event::Access(AccessEvent::TokenCreated { hash: made, .. }) if made == hash)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
