//! What a bench found: a table for people, JSON for programs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

/// One figure beside its floor.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub figure: String,
    pub unit: &'static str,
    /// Medians of the rounds.
    pub groot: f64,
    pub floor: Option<f64>,
    /// Groot's figure over the floor's.
    pub ratio: Option<f64>,
    /// What the ratio, or without a floor the figure, should be.
    pub aim: String,
    pub met: bool,
    /// Each round's figures, in their order.
    pub rounds: Vec<Round>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Round {
    pub groot: f64,
    pub floor: Option<f64>,
}

/// Which side of the aim is the good one.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    AtMost(f64),
    /// Told as it is.
    None,
}

impl Row {
    pub fn of(figure: impl Into<String>, unit: &'static str, rounds: Vec<Round>, aim: Aim) -> Self {
        let groot = median(rounds.iter().map(|round| round.groot));
        let floors: Vec<f64> = rounds.iter().filter_map(|round| round.floor).collect();
        let floor = (!floors.is_empty()).then(|| median(floors.into_iter()));
        let ratio = floor.map(|floor| groot / floor);
        let (met, text) = match aim {
            Aim::RatioAtLeast(least) => (ratio.is_some_and(|ratio| ratio >= least), format!(">= {least} of the floor")),
            Aim::RatioAtMost(most) => (ratio.is_some_and(|ratio| ratio <= most), format!("<= {most} of the floor")),
            Aim::AtMost(most) => (groot <= most, format!("<= {most} {unit}")),
            Aim::None => (true, "-".to_owned()),
        };
        Self { figure: figure.into(), unit, groot, floor, ratio, aim: text, met, rounds }
    }
}

/// The middle one; of an even number the mean of the middle two.
///
/// # Panics
/// Without any value.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

pub fn print(title: &str, rows: &[Row]) {
    println!("\n{title}\n");
    println!("{:<52} {:>12} {:>12} {:>8}  aim", "figure (medians)", "Groot", "floor", "ratio");
    for row in rows {
        let or_dash = |value: Option<f64>| value.map_or("-".to_owned(), number);
        println!(
            "{:<52} {:>12} {:>12} {:>8}  {}{}",
            format!("{} ({})", row.figure, row.unit),
            number(row.groot),
            or_dash(row.floor),
            row.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
            row.aim,
            if row.met { "" } else { ": MISSED" },
        );
    }
}

/// Writes `bench/<name>.json` into the build's folder, and answers where it is.
pub fn write(name: &str, content: &impl Serialize) -> Result<PathBuf> {
    let path = folder()?.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(content)?;
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Where results go.
pub fn folder() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace is above its packages")?;
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_compares_medians_with_the_aim() {
        let round = |groot, floor| Round { groot, floor: Some(floor) };
        let rounds = || vec![round(8.0, 10.0), round(100.0, 10.0), round(7.0, 10.0)];
        assert!(Row::of("x", "1/s", rounds(), Aim::RatioAtLeast(0.8)).met);
        assert!(!Row::of("x", "1/s", rounds(), Aim::RatioAtLeast(0.81)).met);
        assert!(!Row::of("x", "ms", rounds(), Aim::RatioAtMost(0.7)).met);
        assert!(!Row::of("x", "ms", vec![Round { groot: 51.0, floor: None }], Aim::AtMost(50.0)).met);
    }
}
