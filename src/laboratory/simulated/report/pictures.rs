//! The pictures of a report.

use super::svg::{Anchor, MARGIN, Svg, WIDTH};
use super::{Outcome, Settled, Setup};
use crate::crash::simulated::{
    FileSystem, Kept, OVERWRITTEN, PAGE, Page, Point, Property, SECTOR, SyncMode,
};
use crate::laboratory::simulated::explore::Subject;

/// Where what a picture shows begins, right of the words.
const LEFT: f64 = 140.0;

/// The pictures of a file system: names of files, and what is in them.
pub(super) fn of(
    setup: &Setup,
    system: FileSystem,
    outcomes: &[Outcome],
    settled: &[Settled],
) -> Vec<(String, String)> {
    let mut pictures = Vec::new();
    let mut add = |what: &str, svg: Option<Svg>| {
        if let Some(mut svg) = svg {
            svg.caption(&layers(setup, system));
            pictures.push((format!("{what}-{system}.svg"), svg.finish()));
        }
    };
    add("survival", survival(system, outcomes));
    add("pages", pages(system, settled));
    add("exposure", exposure(system, settled));
    pictures
}

/// Who found it out, on what.
fn layers(setup: &Setup, system: FileSystem) -> String {
    let options = match setup.mount_options.as_str() {
        "" => String::new(),
        options => format!(" with the options {options}"),
    };
    format!(
        "mycp-crash {}; {system} of {}{options}; simulated disk: sectors of {SECTOR} bytes, longer \
         writes torn between them, a volatile cache that only flushes empty. Of real disks this \
         says nothing.",
        env!("CARGO_PKG_VERSION"),
        setup.kernel
    )
}

/// How much of each property survives in each mode.
fn survival(system: FileSystem, outcomes: &[Outcome]) -> Option<Svg> {
    const EXTENT: (f64, f64) = (124.0, 28.0);
    let modes = outcomes.iter().filter_map(|outcome| match outcome.trial.subject {
        Subject::Mode(mode) => Some((mode, &outcome.findings)),
        _ => None,
    });
    let modes: Vec<_> = modes.collect();
    if modes.is_empty() {
        return None;
    }
    let mut svg = Svg::new(&format!("{system}: what survives, of what the call had returned for"));
    let x = |column: usize| LEFT + column as f64 * (EXTENT.0 + 6.0);
    svg.bottom += 14.0;
    for (column, property) in Property::ALL.into_iter().enumerate() {
        let at = (x(column) + EXTENT.0 / 2.0, svg.bottom);
        svg.text(at, Anchor::Around, "", property.as_str());
    }
    svg.bottom += 8.0;
    for (mode, findings) in modes {
        let y = svg.bottom;
        svg.text((LEFT - 12.0, y + 18.0), Anchor::Left, "", mode.as_str());
        for (column, property) in Property::ALL.into_iter().enumerate() {
            let kept = findings.stores.kept.get(&property).copied().unwrap_or_default();
            cell(&mut svg, (x(column), y), EXTENT, kept);
            if mode.promises().contains(&property) {
                svg.box_of((x(column), y), EXTENT, "frame");
            }
        }
        svg.bottom += EXTENT.1 + 6.0;
    }
    svg.caption(
        "Shares of stores through maps, over all crash states that were looked at. Framed: what \
         the call promises. Data, size and attributes of a file without its name are not looked \
         for.",
    );
    Some(svg)
}

fn cell(svg: &mut Svg, (x, y): (f64, f64), (width, height): (f64, f64), kept: Kept) {
    let middle = (x + width / 2.0, y + 18.0);
    if kept.of == 0 {
        svg.box_of((x, y), (width, height), "blank");
        return svg.text(middle, Anchor::Around, "", "-");
    }
    let share = kept.kept as f64 / kept.of as f64;
    let (colour, ink) = shade(share);
    svg.rectangle((x, y), (width, height), &colour);
    // It is 100 % for all only.
    let percent = kept.kept * 100 / kept.of;
    svg.text(middle, Anchor::Around, ink, &format!("{percent} %"));
}

/// A colour from red for nothing over white to blue for everything, and that of ink on it.
fn shade(share: f64) -> (String, &'static str) {
    const ENDS: [[f64; 3]; 2] = [[178.0, 24.0, 43.0], [33.0, 102.0, 172.0]];
    const MIDDLE: f64 = 247.0;
    // What is not whole looks different from what is.
    let share = if share < 1.0 { share.clamp(0.0, 0.9) } else { 1.0 };
    let far = (share - 0.5).abs() * 2.0;
    let end = ENDS[usize::from(share > 0.5)];
    let [red, green, blue] = end.map(|end| (MIDDLE + (end - MIDDLE) * far).round());
    let ink = if far > 0.6 { "white" } else { "black" };
    (format!("rgb({red:.0},{green:.0},{blue:.0})"), ink)
}

/// What is in each page of a file at each crash point, in a mode without a flush and in one with.
fn pages(system: FileSystem, settled: &[Settled]) -> Option<Svg> {
    let shown = [SyncMode::None, SyncMode::Msync];
    let shown: Vec<_> = settled.iter().filter(|it| shown.contains(&it.mode)).collect();
    if shown.iter().all(|it| it.aftermath.points.is_empty()) {
        return None;
    }
    let title = format!("{system}: the file '{OVERWRITTEN}' after a crash that takes the most");
    let mut svg = Svg::new(&title);
    let mut seen = Vec::new();
    for one in shown {
        panel(&mut svg, one.mode, &one.aftermath.points, one.aftermath.acknowledged);
        seen.extend(one.aftermath.points.iter().flat_map(|point| &point.pages).copied());
    }
    svg.bottom += 10.0;
    let mut x = LEFT;
    for page in [Page::Unchanged, Page::Old, Page::New, Page::Zero, Page::Torn, Page::Missing] {
        if seen.contains(&page) {
            svg.rectangle((x, svg.bottom), (12.0, 12.0), colour(page));
            svg.text((x + 18.0, svg.bottom + 11.0), Anchor::Right, "", page.as_str());
            x += 104.0;
        }
    }
    svg.bottom += 12.0;
    svg.caption(
        "Columns: crash points, which are before each flush of the disk is done, after each call, \
         and at the end. Nobody asks for a flush after the last call: later ones are the system's. \
         Of the changes that are pending at a crash point, none survives.",
    );
    Some(svg)
}

fn panel(svg: &mut Svg, mode: SyncMode, points: &[Point], acknowledged: u64) {
    const HEIGHT: f64 = 10.0;
    const LABEL: f64 = 64.0;
    svg.bottom += 20.0;
    svg.text((LEFT, svg.bottom), Anchor::Right, "title", mode.as_str());
    svg.bottom += 10.0;
    let top = svg.bottom;
    let width = ((WIDTH - LEFT - MARGIN) / points.len().max(1) as f64).min(40.0);
    let rows = points.iter().map(|point| point.pages.len()).max().unwrap_or(0);
    for (column, point) in points.iter().enumerate() {
        for (row, page) in point.pages.iter().enumerate() {
            let at = (LEFT + column as f64 * width, top + row as f64 * HEIGHT);
            // A hair wider, so that no ground shines through.
            svg.rectangle(at, (width - width.min(4.0) / 4.0, HEIGHT - 1.0), colour(*page));
        }
    }
    for row in (0..rows).step_by(4) {
        let at = (LEFT - 12.0, top + row as f64 * HEIGHT + 9.0);
        svg.text(at, Anchor::Left, "faint", &format!("{} KiB", row * PAGE / 1024));
    }
    svg.bottom = top + rows as f64 * HEIGHT + 14.0;
    let mut free = LEFT;
    svg.text((LEFT - 12.0, svg.bottom), Anchor::Left, "faint", "calls returned");
    svg.text((LEFT - 12.0, svg.bottom + 14.0), Anchor::Left, "faint", "after");
    for (column, point) in points.iter().enumerate() {
        let x = LEFT + column as f64 * width;
        if x >= free {
            let words = format!("{} of {acknowledged}", point.returned);
            svg.text((x, svg.bottom), Anchor::Right, "faint", &words);
            let words = format!("{:.3} s", point.time.as_secs_f64());
            svg.text((x, svg.bottom + 14.0), Anchor::Right, "faint", &words);
            free = x + LABEL;
        }
    }
    svg.bottom += 20.0;
}

const fn colour(page: Page) -> &'static str {
    match page {
        Page::Unchanged => "#8c959f",
        Page::Old => "#4393c3",
        Page::New => "#1b9e77",
        Page::Zero => "#e6ab02",
        Page::Torn => "#d62728",
        _ => "#7b3294",
    }
}

/// What is lost against the time since the call has returned.
fn exposure(system: FileSystem, settled: &[Settled]) -> Option<Svg> {
    const EXTENT: (f64, f64) = (540.0, 200.0);
    let last = settled.iter().filter_map(|it| it.aftermath.exposure.last()).map(|it| it.seconds);
    let last = last.max()?.max(1) as f64;
    let mut svg = Svg::new(&format!("{system}: what a crash takes, after the last call's return"));
    let top = svg.bottom + 10.0;
    let x = |seconds: f64| LEFT + seconds / last * EXTENT.0;
    let y = |share: f64| top + (1.0 - share) * EXTENT.1;
    for step in 0..=4_u32 {
        let share = f64::from(step) / 4.0;
        svg.grid((LEFT, y(share)), (LEFT + EXTENT.0, y(share)));
        let words = format!("{:.0} % lost", share * 100.0);
        svg.text((LEFT - 12.0, y(share) + 4.0), Anchor::Left, "faint", &words);
    }
    let step = (last / 8.0).ceil().max(1.0);
    let mut seconds = 0.0;
    while seconds <= last {
        svg.grid((x(seconds), top + EXTENT.1), (x(seconds), top + EXTENT.1 + 5.0));
        let at = (x(seconds), top + EXTENT.1 + 18.0);
        svg.text(at, Anchor::Around, "faint", &format!("{seconds:.0} s"));
        seconds += step;
    }
    svg.bottom = top + EXTENT.1 + 42.0;
    const STYLES: [(&str, &str); 3] =
        [("#d95f02", "none"), ("#7570b3", "4 6"), ("#1b9e77", "none")];
    for (number, (one, (colour, dashes))) in settled.iter().zip(STYLES.iter().cycle()).enumerate() {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for at in &one.aftermath.exposure {
            let Some(lost) = at.lost else { continue };
            let height = y(lost as f64 / one.aftermath.acknowledged.max(1) as f64);
            // It is lost until then, not ever less of it.
            points.extend(points.last().map(|(_, before)| (x(at.seconds as f64), *before)));
            points.push((x(at.seconds as f64), height));
        }
        svg.line(&points, colour, dashes);
        let left = LEFT + number as f64 * 150.0;
        svg.line(&[(left, svg.bottom - 4.0), (left + 24.0, svg.bottom - 4.0)], colour, dashes);
        svg.text((left + 30.0, svg.bottom), Anchor::Right, "", one.mode.as_str());
    }
    svg.caption(
        "Share of the acknowledged stores whose bytes are not found under their name, if nothing \
         survives that no flush has made durable. Nobody asks for a flush meanwhile: what becomes \
         durable, the system writes by itself.",
    );
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn pictures() -> Vec<(String, String)> {
        let outcomes = [samples::mode("none", 20), samples::mode("msync", 100)];
        let settled = [samples::settled("none"), samples::settled("msync")];
        of(&samples::setup(), FileSystem::Ext4, &outcomes, &settled)
    }

    #[test]
    fn there_is_a_picture_for_each_question_and_it_names_the_layers() {
        let pictures = pictures();
        let names: Vec<_> = pictures.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["survival-ext4.svg", "pages-ext4.svg", "exposure-ext4.svg"]);
        for (_, svg) in &pictures {
            for expected in ["mycp-crash ", "ext4 of Linux 6.1.2", "simulated disk", "512 bytes"] {
                assert!(svg.contains(expected), "{expected}: {svg}");
            }
        }
        assert!(of(&samples::setup(), FileSystem::Ext4, &[], &[]).is_empty());
    }

    #[test]
    fn the_matrix_tells_each_share_and_frames_what_is_promised() {
        let svg = &pictures()[0].1;
        assert_eq!(svg.matches(">20 %<").count(), 2, "{svg}");
        assert_eq!(svg.matches(">30 %<").count(), 2);
        assert_eq!(svg.matches(">100 %<").count(), 2);
        // Data and size of msync.
        assert_eq!(svg.matches("class=\"frame\"").count(), 2);
        assert_ne!(shade(0.999).0, shade(1.0).0);
        assert_eq!((shade(0.0).1, shade(0.5).1, shade(1.0).1), ("white", "black", "white"));
    }

    #[test]
    fn pages_have_the_colours_of_what_is_in_them() {
        let svg = &pictures()[1].1;
        // In two panels; and once in the legend.
        for (page, count) in [(Page::Unchanged, 5), (Page::Old, 3), (Page::Torn, 3)] {
            assert_eq!(svg.matches(colour(page)).count(), count, "{page:?}: {svg}");
        }
        assert!(!svg.contains(colour(Page::Zero)));
    }

    #[test]
    fn what_is_lost_falls_in_steps() {
        let svg = &pictures()[2].1;
        // All of it, unknown after a second, nothing after two.
        assert_eq!(svg.matches("points=\"140.0,58.0 680.0,58.0 680.0,258.0\"").count(), 2, "{svg}");
    }
}
