//! A branch moved: a delivery begins. Also the same commit again, by `retry`.

use super::{Act, Draft};
use crate::command::{PushedRef, Rejection, Tip};
use crate::configuration::Configuration;
use crate::event::{AppEvent, DeliveryEvent, Event, Push};
use crate::identity::{AppName, DeliveryId};

/// Branches live here; what is pushed elsewhere (tags, notes) starts nothing.
const BRANCHES: &str = "refs/heads/";

impl Draft<'_> {
    /// Every branch's push begins a delivery; a deletion and a tag are only recorded. The same push again is a duplicate,
    /// and changes nothing.
    pub(super) fn push(&mut self, pushed: PushedRef) -> Result<(), Rejection> {
        self.require(Act::Push.needs(), || format!("push to {}", pushed.app))?;
        let known = self.state.apps.get(&pushed.app);
        let tip = pushed.tip.as_ref().map(|tip| &tip.commit.hash);
        if known.and_then(|app| app.refs.get(&pushed.name)) == tip && known.is_some() {
            return Ok(());
        }
        if known.is_none() {
            self.by_actor(Event::App(pushed.app.clone(), AppEvent::Created));
        }
        let moved = AppEvent::RefMoved {
            name: pushed.name.clone(),
            to: tip.cloned(),
        };
        self.by_actor(Event::App(pushed.app.clone(), moved));
        if let (Some(branch), Some(tip)) = (pushed.name.strip_prefix(BRANCHES), pushed.tip) {
            self.begin_delivery(&pushed.app, branch, pushed.before, tip);
        }
        Ok(())
    }

    fn begin_delivery(
        &mut self,
        app: &AppName,
        branch: &str,
        before: Option<crate::identity::CommitHash>,
        tip: Tip,
    ) {
        let configuration = tip
            .configuration
            .and_then(|configuration| self.fits_the_app(app, configuration));
        let delivered = configuration
            .as_ref()
            .is_ok_and(|configuration| configuration.branch == branch);
        self.begin(
            app,
            Push {
                commit: tip.commit,
                commits: tip.commits,
                branch: branch.to_owned(),
                before,
                delivered,
                configuration,
                retry_of: None,
                forced: false,
            },
        );
    }

    fn begin(&mut self, app: &AppName, push: Push) {
        let number = self
            .state
            .apps
            .get(app)
            .map_or(0, |known| known.last_delivery)
            + 1;
        let id = DeliveryId {
            app: app.clone(),
            number,
        };
        self.by_actor(Event::Delivery(id, DeliveryEvent::Pushed(Box::new(push))));
    }

    /// A service's name belongs to one app, and an app keeps it.
    fn fits_the_app(
        &self,
        app: &AppName,
        configuration: Box<Configuration>,
    ) -> Result<Box<Configuration>, String> {
        let name = &configuration.service;
        if let Some(own) = self.state.apps.get(app).and_then(|it| it.service.as_ref())
            && own != name
        {
            return Err(format!(
                "service = \"{name}\" in barq.toml: this app's service is {own}, and a service keeps its name; \
                 to start another service push to another app"
            ));
        }
        let other = self
            .state
            .apps
            .iter()
            .find(|(other, it)| *other != app && it.service.as_ref() == Some(name))
            .map(|(other, _)| other)
            .or_else(|| self.serves_as_one_of(app, &configuration));
        if let Some(other) = other {
            return Err(format!(
                "service = \"{name}\" in barq.toml: the name belongs to the app {other}; choose another one"
            ));
        }
        Ok(configuration)
    }

    /// Another app whose services have one of the names that this configuration makes: both parts of a name may hold
    /// dashes, so that `a-b` in `c` and `a` in `b-c` are the same.
    fn serves_as_one_of(&self, app: &AppName, configuration: &Configuration) -> Option<&AppName> {
        let names: Vec<String> = configuration
            .environments
            .iter()
            .map(|environment| configuration.service_in(&environment.name))
            .collect();
        self.state
            .services
            .values()
            .filter(|service| names.iter().any(|name| name == service.id.as_str()))
            .flat_map(|service| service.revisions.values())
            .map(|revision| &revision.rollout.delivery.app)
            .find(|owner| *owner != app)
    }

    /// The same commit as a new delivery.
    pub(super) fn retry(&mut self, id: &DeliveryId, force: bool) -> Result<(), Rejection> {
        let needs = if force {
            Act::Force.needs()
        } else {
            Act::Push.needs()
        };
        self.require(needs, || format!("retry {id}"))?;
        let delivery = self.known_delivery(id)?;
        if !delivery.ended() {
            return Err(Rejection::Conflict {
                what: format!("{id} can't be retried"),
                why: format!("it has not ended; cancel it first (barq cancel {id})"),
            });
        }
        if let (false, Some(why)) = (force, self.quarantined(delivery)) {
            return Err(Rejection::Conflict {
                what: format!("{id} can't be retried"),
                why,
            });
        }
        let mut push = delivery.push.clone();
        push.retry_of = Some(id.clone());
        push.forced = force;
        self.begin(&id.app, push);
        Ok(())
    }
}
