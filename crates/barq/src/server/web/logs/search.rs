//! Lines of the past. The node reads forwards from a moment; so what is before one is found by windows that reach back ever
//! further, each read once, until there are enough lines, nothing more to look at, or the node was asked often enough.

use barq_node::api::{LogLine, LogPage};
use jiff::Timestamp;

use super::super::super::Server;
use super::super::super::problem::Problem;
use super::question::{LogsPlace, Window};
use super::reading::{LINES_MAX, NODE_LINES_MAX, ask};

/// How far back the windows reach, in milliseconds: from a busy quarter of a second to a month.
const REACHES_MS: [i64; 9] = [
    250,
    3_000,
    20_000,
    120_000,
    900_000,
    7_200_000,
    43_200_000,
    345_600_000,
    2_592_000_000,
];
/// Questions to the node for one page of older lines.
const QUESTIONS_MAX: usize = 14;
/// Questions for what is before the moment that a page is around.
const QUESTIONS_AROUND_MAX: usize = 6;
/// All of a log that is shorter than that comes in one answer, so that nothing was cut off. The node looks at 1 MiB of the
/// end of each output.
const WHOLE_BYTES_MAX: usize = 256 * 1024;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) lines: Vec<LogLine>,
    /// Before what moment was not looked, in milliseconds; none where there is nothing.
    pub(super) older: Option<i64>,
    /// The same, where too little was found for a page.
    pub(super) searched_to: Option<Timestamp>,
    /// More lines are after the last one.
    pub(super) more_after: bool,
}

/// What a window of the past shows.
pub(super) async fn search(
    server: &Server,
    place: &LogsPlace,
    now: Timestamp,
) -> Result<Found, Problem> {
    let mut source = Source {
        server,
        place,
        questions_left: QUESTIONS_MAX,
    };
    let floor = place.not_before(now).unwrap_or(i64::MIN);
    match place.window {
        Window::Before(moment) => source.backwards(moment, floor, LINES_MAX).await,
        Window::Around(moment) => {
            source.questions_left = QUESTIONS_AROUND_MAX;
            let mut found = source.backwards(moment, floor, LINES_MAX / 2).await?;
            found.searched_to = None;
            let after = source.ask(Some(moment), None).await?;
            found.more_after = after.lines.len() >= NODE_LINES_MAX;
            found.lines.extend(after.lines);
            Ok(found)
        }
        Window::Newest => Ok(Found::default()),
    }
}

struct Source<'a> {
    server: &'a Server,
    place: &'a LogsPlace,
    questions_left: usize,
}

impl Source<'_> {
    /// The last lines before a moment, none of them from before `floor`.
    async fn backwards(
        &mut self,
        moment: i64,
        floor: i64,
        wanted: usize,
    ) -> Result<Found, Problem> {
        if let Some(lines) = self.all_of_a_short_log().await? {
            let within = |line: &LogLine| (floor..moment).contains(&line.at.as_millisecond());
            return Ok(Found {
                lines: lines
                    .into_iter()
                    .filter(|line| within(line) && self.matches(line))
                    .collect(),
                ..Found::default()
            });
        }
        let mut found = Found::default();
        let mut upper = moment;
        for reach in REACHES_MS {
            let lower = moment.saturating_sub(reach).max(floor);
            let Some(mut lines) = self.between(lower, upper).await? else {
                found.older = Some(upper);
                found.searched_to = Timestamp::from_millisecond(upper).ok();
                return Ok(found);
            };
            lines.append(&mut found.lines);
            found.lines = lines;
            upper = lower;
            if lower <= floor {
                return Ok(found);
            }
            if found.lines.len() >= wanted {
                found.older = Some(lower);
                return Ok(found);
            }
        }
        Ok(found)
    }

    /// All lines, where they are so few that the node gives them at once. With a severity it does not say how many there are.
    async fn all_of_a_short_log(&mut self) -> Result<Option<Vec<LogLine>>, Problem> {
        if self.place.severity.is_some() {
            return Ok(None);
        }
        let lines = self.ask(None, None).await?.lines;
        let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
        let short = lines.len() < NODE_LINES_MAX && bytes < WHOLE_BYTES_MAX;
        Ok(short.then_some(lines))
    }

    /// The lines from one moment to before another; none where that would take too many questions.
    async fn between(&mut self, lower: i64, upper: i64) -> Result<Option<Vec<LogLine>>, Problem> {
        let mut lines = Vec::new();
        let mut after = None;
        while self.questions_left > 0 {
            let page = self.ask(Some(lower), after).await?;
            let whole = page.lines.len() < NODE_LINES_MAX;
            let within = |line: &LogLine| line.at.as_millisecond() < upper;
            let passed = page.lines.last().is_some_and(|line| !within(line));
            let wanted = page.lines.into_iter().filter(|line| within(line));
            lines.extend(wanted.filter(|line| self.place.matches(&line.text)));
            if whole || passed {
                return Ok(Some(lines));
            }
            after = Some(page.next);
        }
        Ok(None)
    }

    fn matches(&self, line: &LogLine) -> bool {
        self.place.matches(&line.text)
    }

    async fn ask(
        &mut self,
        since_ms: Option<i64>,
        after: Option<String>,
    ) -> Result<LogPage, Problem> {
        self.questions_left = self.questions_left.saturating_sub(1);
        let mut parameters = self.place.parameters(NODE_LINES_MAX);
        parameters.extend(since_ms.map(|since| ("since_ms", since.to_string())));
        parameters.extend(after.map(|after| ("after", after)));
        ask(self.server, self.place, &parameters).await
    }
}
