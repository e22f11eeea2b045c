//! What git tells of a release against the one that it would replace. It never changes, so the last answers are kept: an
//! open page is rendered often, and need not ask git each time.

use std::sync::Arc;

use barq_core::delivery::Delivery;

use super::super::super::Server;
use super::super::super::problem::Problem;
use super::super::super::shapes::{CommitLine, Evidence};
use super::super::recent::Recent;
use crate::git::{self, Difference, Repository};

/// Releases whose material is kept.
const KEPT_MAX: usize = 4;

/// What is new in a release.
#[derive(Debug)]
pub(super) struct Material {
    /// Newest first.
    pub(super) commits: Vec<CommitLine>,
    /// None for the first release: all of it is new.
    pub(super) difference: Option<Difference>,
}

/// App, the commit that serves, and the one that would.
type Key = (String, Option<String>, String);

/// The last ones that somebody looked at.
#[derive(Debug, Default)]
pub(in super::super) struct Materials(Recent<Key, Arc<Material>, KEPT_MAX>);

impl Server {
    /// What is new in a release, as git tells it.
    pub(super) async fn material(
        &self,
        delivery: &Delivery,
        evidence: &Evidence,
    ) -> Result<Arc<Material>, Problem> {
        let key = (
            delivery.id.app.to_string(),
            evidence.changes_since.clone(),
            evidence.commit.clone(),
        );
        if let Some(material) = self.kept.materials.0.get(&key) {
            return Ok(material);
        }
        let commits = self.changes(delivery, evidence).await?;
        let difference = self.difference(delivery, evidence).await?;
        let material = Arc::new(Material {
            commits,
            difference,
        });
        self.kept.materials.0.keep(key, Arc::clone(&material));
        Ok(material)
    }

    async fn difference(
        &self,
        delivery: &Delivery,
        evidence: &Evidence,
    ) -> Result<Option<Difference>, Problem> {
        let unreadable =
            |error: git::GitError| Problem::internal("the repository can't be read", &error);
        let Some(from) = &evidence.changes_since else {
            return Ok(None);
        };
        let from = from.parse().map_err(unreadable)?;
        let to = evidence.commit.parse().map_err(unreadable)?;
        let repository = Repository::of(&self.data.repositories(), &delivery.id.app);
        let difference = git::difference(&repository, &from, &to).await;
        difference.map(Some).map_err(unreadable)
    }
}
