//! Which page an address means, and for whom it looks the same.

use std::time::Duration;

use barq_core::configuration::Role;
use http::Uri;
use jiff::Timestamp;

use super::super::Server;
use super::super::problem::Problem;
use super::home;
use super::page::Page;
use super::session::Viewer;

/// The paths of all pages.
pub(super) const PATHS: &[&str] = &["/"];

/// A page's address, understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// All apps and their environments.
    Home,
}

/// Those for whom a page looks the same: it is rendered once for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Audience {
    /// What they may do.
    pub(super) role: Role,
    /// Whose page it is, where it differs from person to person.
    pub(super) name: Option<String>,
}

impl Place {
    /// The page at an address.
    pub(super) fn of(uri: &Uri) -> Result<Self, Problem> {
        let segments: Vec<&str> = uri.path().split('/').filter(|it| !it.is_empty()).collect();
        match segments.as_slice() {
            [] => Ok(Self::Home),
            _ => Err(Problem::unknown("page", uri.path())),
        }
    }

    /// For whom it looks as it does for this viewer.
    pub(super) fn audience(&self, _server: &Server, viewer: &Viewer) -> Audience {
        let name = match self {
            Self::Home => None,
        };
        Audience {
            role: viewer.0.role,
            name,
        }
    }

    /// How often it is rendered again though the engine knows of no change: where it shows what others write.
    pub(super) fn refreshes(&self) -> Option<Duration> {
        match self {
            Self::Home => None,
        }
    }

    /// The page as it is now.
    pub(super) async fn page(
        &self,
        server: &Server,
        _audience: &Audience,
        now: Timestamp,
    ) -> Result<Page, Problem> {
        match self {
            Self::Home => home::page(server, now).await,
        }
    }
}
