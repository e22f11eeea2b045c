//! The account at an authority: made once, kept, and told to the authority again when the address to write to has changed.

use instant_acme::{Account, NewAccount};
use tokio::sync::Mutex;

use super::AcmeSettings;
use super::client::Client;
use super::order::OrderError;
use super::store::{Store, StoredAccount};

/// The account, with a client of its own.
pub(super) async fn open(
    settings: &AcmeSettings,
    store: &Store,
    only_one: &Mutex<()>,
    client: Client,
) -> Result<Account, OrderError> {
    let builder = Account::builder_with_http(Box::new(client));
    let making = only_one.lock().await;
    let stored = store.account().map_err(OrderError::Store)?;
    let contact = format!("mailto:{}", settings.email);
    let failed = OrderError::asking("the account can't be opened");
    let Some(stored) = stored else {
        let wanted = NewAccount {
            contact: &[&contact],
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let made = builder.create(&wanted, settings.directory_url.clone(), None);
        let (account, credentials) = made
            .await
            .map_err(OrderError::asking("no account can be made"))?;
        keep(settings, store, credentials)?;
        return Ok(account);
    };
    drop(making);
    let (email, credentials) = (stored.email, stored.credentials);
    if email == settings.email {
        return builder.from_credentials(credentials).await.map_err(failed);
    }
    let again = serde_json::to_value(&credentials).and_then(serde_json::from_value);
    let account = builder
        .from_credentials(credentials)
        .await
        .map_err(failed)?;
    account
        .update_contacts(&[&contact])
        .await
        .map_err(OrderError::asking(
            "the address of the account can't be changed",
        ))?;
    match again {
        Ok(credentials) => keep(settings, store, credentials)?,
        Err(error) => tracing::warn!(%error, "an account can't be kept with its new address"),
    }
    Ok(account)
}

fn keep(
    settings: &AcmeSettings,
    store: &Store,
    credentials: instant_acme::AccountCredentials,
) -> Result<(), OrderError> {
    let account = StoredAccount {
        email: settings.email.clone(),
        credentials,
    };
    store.keep_account(&account).map_err(OrderError::Store)
}
