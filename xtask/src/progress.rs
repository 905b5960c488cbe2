//! What a person sees while things take time: one line a part on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

#[derive(Debug)]
pub struct Progress {
    show: Show,
    bars: MultiProgress,
    parts: Mutex<BTreeMap<String, Part>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Show {
    Bars,
    Lines,
    Nothing,
}

#[derive(Debug)]
struct Part {
    bar: ProgressBar,
    since: Instant,
}

impl Progress {
    /// Bars on a terminal, lines in a file or a CI log.
    pub fn shown() -> Self {
        let show = if std::io::stderr().is_terminal() { Show::Bars } else { Show::Lines };
        Self::new(show)
    }

    /// For tests.
    pub fn silent() -> Self {
        Self::new(Show::Nothing)
    }

    fn new(show: Show) -> Self {
        Self { show, bars: MultiProgress::new(), parts: Mutex::default() }
    }

    /// Says what `part` is doing now.
    pub fn say(&self, part: &str, doing: &str) {
        match self.show {
            Show::Bars => self.with(part, |part| part.bar.set_message(doing.to_owned())),
            Show::Lines => {
                self.with(part, |_| ());
                eprintln!("  {part}: {doing}");
            }
            Show::Nothing => {}
        }
    }

    /// One of many small steps: each is shown on a terminal, every 25th elsewhere.
    pub fn tick(&self, part: &str, doing: &str, count: usize) {
        if self.show == Show::Bars || count.is_multiple_of(25) {
            self.say(part, doing);
        }
    }

    /// How far a countable thing has come: a bar on a terminal, a line now and then elsewhere.
    pub fn step(&self, part: &str, done: usize, total: usize) {
        let filled = 30 * done / total.max(1);
        let bar = format!("{}{} {done}/{total}", "=".repeat(filled), " ".repeat(30 - filled));
        match self.show {
            Show::Bars => self.say(part, &bar),
            _ => self.tick(part, &format!("{done} of {total}"), done),
        }
    }

    /// Ends the line of `part` with its result and the time it took.
    pub fn done(&self, part: &str, result: &str) {
        let end = |part: &Part| {
            let seconds = part.since.elapsed().as_secs_f64();
            format!("{result} ({seconds:.1} s)")
        };
        match self.show {
            Show::Bars => self.with(part, |part| part.bar.finish_with_message(end(part))),
            Show::Lines => self.with(part, |state| eprintln!("  {part}: {}", end(state))),
            Show::Nothing => {}
        }
    }

    fn with(&self, name: &str, act: impl FnOnce(&Part)) {
        let mut parts = self.parts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let part = parts.entry(name.to_owned()).or_insert_with(|| {
            let bar = ProgressBar::new_spinner();
            if self.show == Show::Bars {
                self.bars.add(bar.clone());
                bar.set_style(style());
                bar.set_prefix(name.to_owned());
                bar.enable_steady_tick(Duration::from_millis(100));
            }
            Part { bar, since: Instant::now() }
        });
        act(part);
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix:<14} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}
