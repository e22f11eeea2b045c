//! `barq demo`: the whole flow on the example application, with real traffic and short holds.
//!
//! Nothing is staged: a `barq up` of its own with its own data, a real PostgreSQL for each environment, real commits pushed
//! by git, real requests at the ingress. The demo is a user like any other; all it knows comes from the API and from what
//! its own requests saw. Build caches are kept from one demo to the next, everything else begins anew.

mod repository;
mod stage;
mod story;
mod traffic;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Scenario;
use crate::cli::{Context, DemoArguments};
use crate::client::types::Delivery;
use crate::output::{Exit, Failure, Output};
use repository::Repository;
use stage::Stage;
use story::Story;
use traffic::{Seen, Traffic};

/// The app's name on the demo's server.
const APP: &str = "fleet";
/// Vehicles get a class.
const GOOD: &str = "good.patch";
/// A division by zero.
const BAD: &str = "bad.patch";
/// The service that users meet.
const SERVICE: &str = "barq-api-production";

/// Tells the story. 0 only if every commit ended as it should and no user saw an error.
///
/// # Errors
/// `Failure`: the stage could not be set, or something that the story needs is missing.
pub async fn demo(context: &Context, arguments: &DemoArguments) -> Result<Exit, Failure> {
    let output = context.output;
    let begun = Timestamp::now();
    output.text("Setting the stage: PostgreSQL for staging and production, barq, a repository");
    let stage = Stage::set().await?;
    let told = tokio::select! {
        told = tell(output, &stage, arguments) => told,
        interrupted = interrupted() => {
            interrupted?;
            Err(Failure::failed("the demo was interrupted"))
        }
    };
    if told.is_ok() && !arguments.exit {
        output.text(&format!(
            "\nEverything is still running: {}  (Ctrl-C ends it)\n  export BARQ_SERVER={} BARQ_DATA={}\n  barq web   # signs a browser in",
            stage.url(),
            stage.url(),
            stage.data().display()
        ));
        interrupted().await?;
    }
    let ended = stage.strike().await;
    let as_it_should = told?;
    ended?;
    let took = Timestamp::now().duration_since(begun).as_secs();
    output.text(&format!("\nThe demo took {took} s"));
    Ok(if as_it_should {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Until somebody wants the end: everything that was started is ended then, too.
async fn interrupted() -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::failed("signals can't be heard").because(error.to_string())
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.map_err(failed),
        _ = terminate.recv() => Ok(()),
    }
}

async fn tell(output: Output, stage: &Stage, arguments: &DemoArguments) -> Result<bool, Failure> {
    let client = stage.client()?;
    let repository = Repository::create(stage)?;
    let link = crate::cli::sign_in_link(&client).await?;
    let story = Story::new(output, client);
    output.text(&format!(
        "Watch it in a browser (the link works once, for two minutes):\n{}",
        link.url
    ));

    chapter(
        output,
        "A first release to begin with: no checks yet, and nothing serves yet, so there is no canary",
    );
    let first = deliver(&story, &repository, "Fleet management, first release").await?;
    if first.state != "succeeded" {
        return unexpected(output, &first, "succeeded");
    }
    let traffic = Traffic::start(stage.ingress(), &repository.traffic()?).await?;
    repository.add_checks()?;
    repository.commit("Check every commit")?;
    let mut as_it_should = true;
    if matches!(arguments.scenario, Scenario::Good | Scenario::Both) {
        chapter(output, "A good commit: vehicles get a class");
        repository.apply(GOOD)?;
        let good = deliver(&story, &repository, "Vehicles have a class").await?;
        as_it_should &= good.state == "succeeded" || unexpected(output, &good, "succeeded")?;
    }
    if matches!(arguments.scenario, Scenario::Bad | Scenario::Both) {
        if arguments.scenario == Scenario::Bad {
            repository.apply(GOOD)?;
        }
        chapter(
            output,
            "A bad commit: a division by zero for some vehicles, which lint, tests and smoke tests do not see",
        );
        repository.apply(BAD)?;
        let bad = deliver(&story, &repository, "Tell how many trips a tonne takes").await?;
        as_it_should &= bad.state == "rolled_back" || unexpected(output, &bad, "rolled_back")?;
        story.incident().await?;
    }
    let seen = traffic.stop().await;
    output.text(&users(&seen));
    Ok(as_it_should && seen.failed() == 0)
}

/// Commits, pushes, approves, and follows to the end.
async fn deliver(
    story: &Story,
    repository: &Repository,
    message: &str,
) -> Result<Delivery, Failure> {
    repository.commit(message)?;
    let before = story.newest(APP).await?;
    story.say("git push barq main");
    repository.push().await?;
    let id = story.next_after(APP, before).await?;
    story.look(&format!("/deliveries/{id}"))?;
    story.follow(&id).await
}

fn chapter(output: Output, title: &str) {
    output.text(&format!("\n== {title}"));
}

fn unexpected(output: Output, delivery: &Delivery, wanted: &str) -> Result<bool, Failure> {
    let reason = delivery.reason.as_deref().unwrap_or("no reason is known");
    output.warn(&format!(
        "{} is {} and should be {wanted}: {reason}",
        delivery.id, delivery.state
    ));
    Ok(false)
}

fn users(seen: &Seen) -> String {
    format!(
        "\nWhat users saw meanwhile: {} requests, {} errors ({} answered 5xx, {} without an answer)",
        seen.requests,
        seen.failed(),
        seen.server_errors,
        seen.unanswered
    )
}
