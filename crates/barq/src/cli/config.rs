//! `barq config`: what is in `barq.toml`, without a server.

use std::path::Path;

use anstream::AutoStream;
use barq_core::configuration::{self, Configuration, Parsed};

use super::Context;
use crate::output::{Exit, Failure};

/// `barq config check`.
pub(super) fn check(context: &Context, file: &Path) -> Result<Exit, Failure> {
    let parsed = read(context, file)?;
    if context.output.json() {
        context.output.document(&serde_json::json!({
            "file": file,
            "ok": true,
            "warnings": parsed.warnings.iter().count(),
        }));
    } else {
        context.output.note(&format!("{} is good", file.display()));
    }
    Ok(Exit::Done)
}

/// `barq config show`.
pub(super) fn show(context: &Context, file: &Path) -> Result<Exit, Failure> {
    let parsed = read(context, file)?;
    let configuration = parsed.configuration;
    context.output.result(&configuration, || {
        configuration::render_toml(&configuration)
            .trim_end()
            .to_owned()
    });
    Ok(Exit::Done)
}

/// `barq config schema`.
pub(super) fn schema(context: &Context) -> Result<Exit, Failure> {
    let schema = configuration::schema();
    if context.output.json() {
        context.output.document(&schema);
        return Ok(Exit::Done);
    }
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| Failure::failed("cannot write the schema").because(error.to_string()))?;
    context.output.text(&text);
    Ok(Exit::Done)
}

/// Reads the file; its warnings are shown, its errors are the failure.
fn read(context: &Context, file: &Path) -> Result<Parsed, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("cannot read {}", file.display()))
            .because(error.to_string())
            .hint("`barq init` writes one")
    })?;
    let colour = AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let style = match colour && !context.output.json() {
        true => configuration::Style::Coloured,
        false => configuration::Style::Plain,
    };
    match Configuration::parse(&text, &file.display().to_string()) {
        Ok(parsed) => {
            if !parsed.warnings.is_empty() {
                context.output.warn(&parsed.warnings.render(style));
            }
            Ok(parsed)
        }
        Err(faults) => Err(Failure::usage(format!("{} is not valid", file.display()))
            .because(format!("{}\n{}", faults.summary(), faults.render(style)))),
    }
}
