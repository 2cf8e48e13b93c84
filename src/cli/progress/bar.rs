//! The bars on a terminal.

use std::fmt;
use std::time::Duration;

use indicatif::{
    HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};

use super::standing::{Standing, per_second};

/// Draws in a second, and looks at the figures in a second.
pub(super) const DRAWS_PER_SECOND: u8 = 20;

const OF_A_FILE: &str =
    "{msg:24!} {bytes}/{total_bytes} {wide_bar} {percent}% {speed}/s {left} left";
const OF_A_FILE_WITHOUT_END: &str = "{msg:24!} {bytes} {speed}/s {elapsed}";
const OF_TREES: &str = "{msg} {wide_bar} {percent}% {left} left";
const OF_TREES_WITHOUT_END: &str = "{msg} {elapsed}";
const OF_A_LINE: &str = "{wide_msg}";

/// A bar for what stands so: the file `name`, or trees. Everything is set before it is drawn for
/// the first time.
pub(super) fn new(name: &str, standing: &Standing) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let (position, length) = standing.work();
    let bar = ProgressBar::with_draw_target(length, target)
        .with_message(message(name, standing))
        .with_elapsed(standing.elapsed)
        .with_position(position);
    let template = match (standing.files, length) {
        (None, Some(_)) => OF_A_FILE,
        (None, None) => OF_A_FILE_WITHOUT_END,
        (Some(_), Some(_)) => OF_TREES,
        (Some(_), None) => OF_TREES_WITHOUT_END,
    };
    match ProgressStyle::with_template(template) {
        // The means since the start: indicatif's own begin with what came before the first look.
        Ok(style) => bar.with_style(style.with_key("speed", speed).with_key("left", left)),
        // The templates are constants; a test builds them.
        Err(_) => bar,
    }
}

/// A line of words, for what has no end.
pub(super) fn line() -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(None, target);
    match ProgressStyle::with_template(OF_A_LINE) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Brings `bar` to where it stands now.
pub(super) fn update(bar: &ProgressBar, standing: &Standing) {
    bar.set_position(standing.work().0);
    if standing.files.is_some() {
        bar.set_message(message("", standing));
    }
}

fn message(name: &str, standing: &Standing) -> String {
    match standing.files {
        None => name.to_owned(),
        Some(_) => standing.beside_bar(),
    }
}

fn speed(state: &ProgressState, f: &mut dyn fmt::Write) {
    // A key has no way to report an error, and none can come from writing to memory.
    write!(f, "{}", HumanBytes(per_second(state.pos(), state.elapsed()))).ok();
}

fn left(state: &ProgressState, f: &mut dyn fmt::Write) {
    let rest = state.len().unwrap_or(0).saturating_sub(state.pos());
    match rest.checked_div(per_second(state.pos(), state.elapsed())) {
        Some(seconds) => write!(f, "{:#}", HumanDuration(Duration::from_secs(seconds))).ok(),
        None => f.write_str("?").ok(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_can_be_built() {
        let of_files = [OF_A_FILE, OF_A_FILE_WITHOUT_END];
        for template in of_files.into_iter().chain([OF_TREES, OF_TREES_WITHOUT_END, OF_A_LINE]) {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
